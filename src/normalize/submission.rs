//! The rows of a submission that the catalogue alone does not describe.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    Cell, Context, Deviation, ID_BYTES_MAX, Normalized, Note, Row, note, policy::policy, pseudonym,
    value::text_of,
};
use crate::{domain::Stream, json::Json};

const STREAM: Stream = Stream::Submission;

pub(super) fn derive<'a>(context: &Context, value: &'a Json<'_>, normalized: &mut Normalized<'a>) {
    let of_kyc = |key| value.get("kyc").and_then(|kyc| kyc.get(key));
    let reasons = pair_reasons(of_kyc("commentCode"), of_kyc("comment"));
    normalized.put(STREAM, "kyc_reject_reason", reasons);
    let duplicates = duplicates(value, &mut normalized.notes);
    normalized.put(STREAM, "submission_duplicate", duplicates);
    // The webhook address may contain a secret (quirk Q21), so it is not part of a policy.
    let options = value.get("project_options");
    if let Some((id, row)) = policy(STREAM, options, Some("webhookURL"), &mut normalized.notes) {
        normalized.set(STREAM, "kyc_policy_id", Cell::Text(Cow::Owned(id)));
        normalized.put(STREAM, "kyc_policy", vec![row]);
    }
    normalized.set(STREAM, "userid_pseudonym", pseudonym(context, value.get("userid")));
    normalized.set(STREAM, "email_pseudonym", pseudonym(context, value.get("email")));
}

/// One row for each position with a code or a text; the n-th text belongs to the n-th code.
pub(super) fn pair_reasons<'a>(
    codes: Option<&'a Json<'_>>,
    comments: Option<&'a Json<'_>>,
) -> Vec<Row<'a>> {
    let (mut codes, comments) = (by_position(codes), by_position(comments));
    let count = codes.len().max(comments.len());
    codes.resize(count, None);
    let has_comment = |position| matches!(comments.get(position), Some(Some(_)));
    codes
        .into_iter()
        .enumerate()
        .filter(|(position, code)| code.is_some() || has_comment(*position))
        .map(|(position, code)| {
            vec![code.map_or(Cell::Null, Cell::Text), Cell::Bool(has_comment(position))]
        })
        .collect()
}

/// One text or many (quirk Q6), each at its position; null and the empty text count as absent.
fn by_position<'a>(value: Option<&'a Json<'_>>) -> Vec<Option<Cow<'a, str>>> {
    let text = |value: &'a Json<'_>| {
        (!matches!(value, Json::Null)).then(|| text_of(value)).filter(|text| !text.is_empty())
    };
    match value {
        None => Vec::new(),
        Some(Json::Array(elements)) => elements.iter().map(text).collect(),
        Some(lone) => vec![text(lone)],
    }
}

/// Every other submission once per kind, in the order of their ids.
fn duplicates<'a>(item: &'a Json<'_>, notes: &mut Vec<Note>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (kind, key) in [("identity", "duplicated_users"), ("selfie", "duplicated_selfie_users")] {
        let ids = match item.get(key) {
            None => continue,
            Some(Json::Array(elements)) => elements.as_slice(),
            Some(lone) => std::slice::from_ref(lone),
        };
        let ids: BTreeSet<&str> = ids.iter().filter_map(|id| other_id(id, key, notes)).collect();
        rows.extend(
            ids.into_iter()
                .map(|id| vec![Cell::Text(Cow::Borrowed(kind)), Cell::Text(Cow::Borrowed(id))]),
        );
    }
    rows
}

/// An id that can be part of a key.
fn other_id<'a>(id: &'a Json<'_>, path: &str, notes: &mut Vec<Note>) -> Option<&'a str> {
    let found = match id {
        Json::Null => return None,
        Json::Text(id) | Json::Number(id) if id.len() <= ID_BYTES_MAX => {
            return Some(id.as_ref()).filter(|id| !id.is_empty());
        }
        Json::Text(_) | Json::Number(_) => Deviation::LongId,
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => Deviation::WrongType,
    };
    note::keep(notes, path, found, id.type_name());
    None
}
