//! The vendor's mark of a deletion, read from one item.
//!
//! A mark is evidence, not a fact: it changes no row. A record is deleted after two detail calls
//! with the mark (I7).

use chrono::{DateTime, Utc};
use memchr::memmem;

use super::{
    Cell, catalogue,
    catalogue::Type,
    value::{self, InvalidValue},
};
use crate::{
    domain::Stream,
    json::{self, Json},
};

/// The label of a deleted submission (contract section 3.6). Its field is not documented.
pub const DELETED: &str = "Deleted Submission";

/// Members of `data` that are absent once a submission was deleted.
const IDENTITY: [&str; 14] = [
    "name",
    "first_name",
    "last_name",
    "full_name",
    "date_of_birth",
    "documentNumber",
    "identityNumber",
    "ssnNumber",
    "phoneNumber",
    "idcard_issueDate",
    "idcard_expireDate",
    "address_street",
    "address_formatted",
    "address_detail",
];

/// A mark of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionMark {
    /// The vendor's time of the deletion, if the item has one.
    pub at: Option<DateTime<Utc>>,
}

/// What an item indicates about the existence of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The vendor marks it as deleted.
    Marked(DeletionMark),
    /// No mark, but data that only a live record has: identity data, or the item itself for a face
    /// authentication.
    Live,
    /// Neither a mark nor identity data.
    Bare,
}

/// Reads the mark of an item; `None` if it has none.
///
/// A submission is marked by the label in a text that the vendor writes, together with the absence
/// of identity data. A face authentication is marked by `delete_check`.
pub(super) fn mark(stream: Stream, item: &Json<'_>) -> Option<DeletionMark> {
    let is_marked = match stream {
        Stream::Submission => !has_identity(item) && holds_label(item, &mut String::new()),
        Stream::Faceauth => read(item, "delete_check", Type::Bool) == Some(Ok(Cell::Bool(true))),
    };
    is_marked.then(|| DeletionMark { at: deleted_at(item) })
}

/// Reads the mark from an item's bytes. Items without the label's bytes are not parsed.
pub fn mark_in(stream: Stream, bytes: &[u8]) -> Option<DeletionMark> {
    let found = |text: &[u8]| memmem::find(bytes, text).is_some();
    let may_be_marked = match stream {
        // JSON can write letters and the space only as themselves or as a numeric escape.
        Stream::Submission => found(DELETED.as_bytes()) || found(b"\\u"),
        Stream::Faceauth => true,
    };
    if !may_be_marked {
        return None;
    }
    mark(stream, &json::parse(&json::text(bytes)).ok()?.value)
}

/// Determines from an item's bytes whether its record exists.
pub fn presence(stream: Stream, bytes: &[u8]) -> Presence {
    let text = json::text(bytes);
    let Ok(item) = json::parse(&text) else { return Presence::Bare };
    match mark(stream, &item.value) {
        Some(mark) => Presence::Marked(mark),
        None if stream == Stream::Faceauth || has_identity(&item.value) => Presence::Live,
        None => Presence::Bare,
    }
}

/// The vendor's time of a deletion. For submissions it is documented only in webhooks, under the
/// same name.
fn deleted_at(item: &Json<'_>) -> Option<DateTime<Utc>> {
    match read(item, "delete_time", Type::Timestamp)? {
        Ok(Cell::Timestamp(at)) => Some(at),
        Ok(_) | Err(_) => None,
    }
}

fn read<'a>(item: &'a Json<'_>, key: &str, kind: Type) -> Option<Result<Cell<'a>, InvalidValue>> {
    item.get(key).map(|value| value::read(kind, value))
}

fn has_identity(item: &Json<'_>) -> bool {
    let is_there = |key: &&str| {
        let value = item.get("data").and_then(|data| data.get(key));
        value.is_some_and(|value| match value {
            Json::Null => false,
            Json::Text(text) => !text.is_empty() && text != DELETED,
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => true,
        })
    };
    IDENTITY.iter().any(is_there)
}

/// Whether a text that the vendor writes is the label. `path` is the path of `value`.
fn holds_label(value: &Json<'_>, path: &mut String) -> bool {
    match value {
        Json::Text(text) => text == DELETED,
        Json::Array(elements) => elements.iter().any(|element| holds_label(element, path)),
        Json::Object(members) => members.iter().any(|(key, value)| {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(key);
            let holds = !is_of_others(path) && holds_label(value, path);
            path.truncate(length);
            holds
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn is_of_others(path: &str) -> bool {
    catalogue::texts_of_others(Stream::Submission).iter().any(|(theirs, _)| {
        match theirs.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == *theirs,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_marked(members: &str) -> bool {
        let item = format!(r#"{{"submission_id":"a",{members}}}"#);
        mark_in(Stream::Submission, item.as_bytes()).is_some()
    }

    #[test]
    fn the_label_counts_where_the_vendor_writes_and_nowhere_else() {
        for (members, marked) in [
            (r#""data":{"name":"Deleted Submission"}"#, true),
            (r#""data":{"full_name":"Deleted Submission","idType":"passport"}"#, true),
            (r#""data":{"full_name":"Deleted\u0020Submission"}"#, true),
            (r#""warning":["Deleted Submission"]"#, true),
            (r#""kyc":{"result":"Deleted Submission"}"#, true),
            (r#""label":"Deleted Submission""#, true),
            (r#""userid":"Deleted Submission""#, false),
            (r#""email":"Deleted Submission""#, false),
            (r#""tokenId":"Deleted Submission""#, false),
            (r#""memo":{"text":"Deleted Submission"}"#, false),
            (r#""memo":"Deleted Submission""#, false),
            (r#""additional_list":[{"inputValue":"Deleted Submission"}]"#, false),
            (r#""additional_list":[{"later":{"deeper":["Deleted Submission"]}}]"#, false),
            (r#""review":{"name":"Deleted Submission"}"#, false),
            (r#""ocr":{"name":"Deleted Submission"}"#, false),
            (r#""OCR_raw":[{"value":"Deleted Submission"}]"#, false),
            (r#""data":{"cf1":"Deleted Submission"}"#, false),
            (r#""data":{"cf17":"Deleted Submission"}"#, false),
            (r#""data":{"address_input":"Deleted Submission"}"#, false),
            (r#""kyc":{"comment":["Deleted Submission"]}"#, false),
            (r#""kyc":{"attempts":[{"verification":{"userName":"Deleted Submission"}}]}"#, false),
            (r#""updateHistory":{"updateAdmin":"Deleted Submission"}"#, false),
            (r#""warning":["deleted submission"]"#, false),
            (r#""warning":["Deleted Submission."]"#, false),
        ] {
            assert_eq!(is_marked(members), marked, "{members}");
        }
    }

    #[test]
    fn a_label_beside_identity_data_is_no_mark() {
        let label = r#""warning":["Deleted Submission"]"#;
        for (data, marked) in [
            ("{}", true),
            (r#"{"name":null,"full_name":"","first_name":"Deleted Submission"}"#, true),
            (r#"{"idType":"passport","nationality":"KOR"}"#, true),
            (r#"{"name":"Ada"}"#, false),
            (r#"{"documentNumber":17}"#, false),
            (r#"{"date_of_birth":"1990-01-01"}"#, false),
            (r#"{"address_formatted":"1 Street"}"#, false),
        ] {
            assert_eq!(is_marked(&format!(r#"{label},"data":{data}"#)), marked, "{data}");
        }
    }

    #[test]
    fn an_item_is_marked_live_or_bare() {
        let submission = |members: &str| {
            let item = format!(r#"{{"submission_id":"a",{members}}}"#);
            presence(Stream::Submission, item.as_bytes())
        };
        let at = value::parse_time("2025-01-02T03:04:05Z");
        for (members, wanted) in [
            (r#""data":{"name":"Ada"}"#, Presence::Live),
            (r#""kyc":{"result":"incomplete"}"#, Presence::Bare),
            (r#""label":"Deleted Submission""#, Presence::Marked(DeletionMark { at: None })),
            (
                r#""label":"Deleted Submission","delete_time":"2025-01-02T03:04:05Z""#,
                Presence::Marked(DeletionMark { at }),
            ),
        ] {
            assert_eq!(submission(members), wanted, "{members}");
        }
        let face = |members: &str| {
            presence(Stream::Faceauth, format!(r#"{{"auth_id":"a",{members}}}"#).as_bytes())
        };
        for (members, wanted) in [
            (r#""delete_check":false,"delete_time":"2025-01-02T03:04:05Z""#, Presence::Live),
            (r#""auth_status":"approved""#, Presence::Live),
            (r#""delete_check":true"#, Presence::Marked(DeletionMark { at: None })),
            (
                r#""delete_check":"true","delete_time":"no time""#,
                Presence::Marked(DeletionMark { at: None }),
            ),
            (
                r#""delete_check":true,"delete_time":"2025-01-02T03:04:05Z""#,
                Presence::Marked(DeletionMark { at }),
            ),
        ] {
            assert_eq!(face(members), wanted, "{members}");
        }
    }
}
