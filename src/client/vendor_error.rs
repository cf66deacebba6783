//! The bodies of answers that are no success: many shapes, one code and one message (contract section 9.1).

use std::fmt;

use super::redaction::Redaction;
use crate::json::{self, Json};

/// What the vendor said when it did not answer, cleaned of secrets and of whom the call asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The vendor's code, which may be a whole sentence.
    pub code: Option<String>,
    /// The vendor's message.
    pub message: Option<String>,
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The key is missing, wrong, or of another API.
    KeyRefused,
    /// The key is good, but this machine's address is not on the project's allowlist.
    AddressRefused,
    /// No project belongs to the key; for face authentications this comes as status 400 (contract section 9.7).
    NoSuchProject,
}

impl Refusal {
    /// Reads the body of an answer; what is no JSON object has neither code nor message.
    pub(super) fn read(body: &[u8], redaction: &Redaction<'_>) -> Self {
        let text = json::text(body);
        let Ok(body) = json::parse(&text) else { return Self::default() };
        let pick = |names: &[&str]| {
            let found = names.iter().find_map(|name| shown(member(&body.value, name)?));
            found.map(|text| redaction.clean(&text))
        };
        let code = pick(&["errorCode", "code", "error"]);
        let message = pick(&["message", "errorMessage"]).or_else(|| {
            let Json::Array(errors) = member(&body.value, "errors")? else { return None };
            shown(member(errors.first()?, "message")?).map(|text| redaction.clean(&text))
        });
        Self { code, message }
    }

    /// Whether the vendor did not understand how the days of a window are written (contract U4).
    pub(super) fn names_a_date(&self) -> bool {
        let names = ["start_date", "end_date", "startdate", "enddate"];
        self.says("invalid_format", "invalid format")
            && names.iter().any(|name| self.mentions(name))
    }

    /// Whether the vendor says that it knows no record with the id asked for.
    ///
    /// Kept narrow: any other refusal must not look like an absence, which is evidence for a deletion (I7).
    pub(super) fn knows_no_such_id(&self) -> bool {
        self.denial().is_none()
            && (self.says("NOT_FOUND", "cannot find submission")
                || self.says("invalid_submission", "not exist submission")
                || self.says("submission_not_found", "invalid submission id"))
    }

    /// Whether the project wants encrypted requests (contract section 10).
    pub(super) fn wants_encryption(&self) -> bool {
        self.mentions("decryption is failed")
    }

    /// Whether the refusal is about the project behind the key, and not about the request.
    pub(super) fn denial(&self) -> Option<Denial> {
        let no_project = self.says("invalid_project", "project not found")
            || self.mentions("project is not found")
            || self.mentions("not exist project");
        no_project.then_some(Denial::NoSuchProject)
    }

    /// Whether a status 403 is about the caller's address.
    pub(super) fn is_about_the_address(&self) -> bool {
        self.mentions("explicit deny")
    }

    fn says(&self, code: &str, text: &str) -> bool {
        let is_code = self.code.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(code));
        is_code || self.mentions(text)
    }

    /// Looks in both, since a code may be a sentence.
    fn mentions(&self, text: &str) -> bool {
        [&self.code, &self.message]
            .into_iter()
            .flatten()
            .any(|found| found.to_ascii_lowercase().contains(text))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "`{code}`: {message}"),
            (Some(text), None) | (None, Some(text)) => write!(f, "`{text}`"),
            (None, None) => f.write_str("no reason given"),
        }
    }
}

/// Gateways write `Message` where applications write `message`.
fn member<'j>(value: &'j Json<'_>, name: &str) -> Option<&'j Json<'j>> {
    let Json::Object(members) = value else { return None };
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn shown(value: &Json<'_>) -> Option<String> {
    match value {
        Json::Text(text) if !text.trim().is_empty() => Some(text.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Text(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Refusal {
        Refusal::read(body.as_bytes(), &Redaction::new(["ada@example.com"]))
    }

    #[test]
    fn every_shape_gives_its_code_and_message() {
        let cases = [
            (
                r#"{"traceId":"1-2","errorCode":"NOT_FOUND","message":"faceAuth_project not found"}"#,
                "`NOT_FOUND`: faceAuth_project not found",
            ),
            (r#"{"errorCode":"required key is missing"}"#, "`required key is missing`"),
            (
                r#"{"message":"not Exist Submission ID","statusCode":400}"#,
                "`not Exist Submission ID`",
            ),
            (
                r#"{"errorCode":"EXPIRED","errorMessage":"token expired"}"#,
                "`EXPIRED`: token expired",
            ),
            (
                r#"{"code":"invalid_format","message":"invalid format: end_date"}"#,
                "`invalid_format`: invalid format: end_date",
            ),
            (r#"{"message":"Forbidden"}"#, "`Forbidden`"),
            (r#"{"Message":"User is not authorized"}"#, "`User is not authorized`"),
            (r#"{"errors":[{"message":"first"},{"message":"second"}]}"#, "`first`"),
            (r#"{"error":400,"message":""}"#, "`400`"),
            ("\u{feff}{\"message\":\"with a mark\"}", "`with a mark`"),
            (r#"{"message":"no ADA@example.com"}"#, "`no ‹…›`"),
            ("<html>Bad Gateway</html>", "no reason given"),
            ("[]", "no reason given"),
            ("", "no reason given"),
            (r#"{"message":"cut sh"#, "no reason given"),
        ];
        for (body, shown) in cases {
            assert_eq!(read(body).to_string(), shown, "{body}");
        }
    }

    #[test]
    fn only_a_refusal_of_the_window_changes_the_date_style() {
        for (message, expected) in [
            ("invalid format: start_date", true),
            ("invalid format: endDate", true),
            ("invalid format: nextpage_date", false),
            ("invalid format: count", false),
            ("invalid parameter: start_date", false),
        ] {
            assert_eq!(read(&format!(r#"{{"message":"{message}"}}"#)).names_a_date(), expected);
        }
    }

    #[test]
    fn only_an_unknown_id_looks_like_an_absence() {
        for (body, expected) in [
            (r#"{"errorCode":"NOT_FOUND","message":"no such record"}"#, true),
            (r#"{"message":"not Exist Submission ID"}"#, true),
            (r#"{"errorCode":"NOT_FOUND","message":"faceAuth_project not found"}"#, false),
            (r#"{"errorCode":"invalid_project"}"#, false),
            (r#"{"errorCode":"invalid_parameter","message":"invalid parameter: x"}"#, false),
            (r#"{"message":"Not Found"}"#, false),
            ("", false),
        ] {
            assert_eq!(read(body).knows_no_such_id(), expected, "{body}");
        }
    }
}
