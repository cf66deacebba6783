//! What a submission's rows hold besides the plain cells of the catalogue.

use std::borrow::Cow;

use super::{
    Cell, Context, Deletion, ID_BYTES_MAX, Merged, Normalized, Row, policy::policy, pseudonym,
    value::texts,
};
use crate::{domain::Stream, json::Json};

const STREAM: Stream = Stream::Submission;

/// The label of a deleted submission (contract section 3.6); which field carries it is not documented.
const DELETED: &str = "Deleted Submission";

/// What is gone from `data` once a submission was deleted.
const IDENTITY: [&str; 9] = [
    "name",
    "first_name",
    "last_name",
    "full_name",
    "date_of_birth",
    "documentNumber",
    "identityNumber",
    "ssnNumber",
    "phoneNumber",
];

pub(super) fn derive<'a>(context: &Context, item: &'a Merged<'_>, normalized: &mut Normalized<'a>) {
    let value = &item.value;
    normalized.put(STREAM, "kyc_reject_reason", reasons(value.get("kyc")));
    let duplicates = duplicates(value, normalized);
    normalized.put(STREAM, "submission_duplicate", duplicates);
    // The webhook address may hold a secret (quirk Q21), so it belongs to no policy.
    if let Some((id, row)) = policy(STREAM, value.get("project_options"), Some("webhookURL")) {
        normalized.set(STREAM, "kyc_policy_id", Cell::Text(Cow::Owned(id)));
        normalized.put(STREAM, "kyc_policy", vec![row]);
    }
    normalized.set(STREAM, "userid_pseudonym", pseudonym(context, value.get("userid")));
    normalized.set(STREAM, "email_pseudonym", pseudonym(context, value.get("email")));
    if item.detail_rules && is_deleted(value) {
        normalized.deletion = Some(Deletion { at: None });
    }
}

/// One row for each code and each text; the n-th text belongs to the n-th code.
fn reasons<'a>(kyc: Option<&'a Json<'_>>) -> Vec<Row<'a>> {
    let of = |key| kyc.and_then(|kyc| kyc.get(key)).map(texts).unwrap_or_default();
    pair_reasons(of("commentCode"), &of("comment"))
}

/// Codes with whether a text stands beside them.
pub(super) fn pair_reasons<'a>(
    codes: Vec<Cow<'a, str>>,
    comments: &[Cow<'_, str>],
) -> Vec<Row<'a>> {
    let count = codes.len().max(comments.len());
    let mut codes = codes.into_iter();
    (0..count)
        .map(|position| {
            let has_comment = comments.get(position).is_some_and(|comment| !comment.is_empty());
            vec![codes.next().map_or(Cell::Null, Cell::Text), Cell::Bool(has_comment)]
        })
        .collect()
}

/// Each other submission once a kind, in the order of their ids.
fn duplicates<'a>(item: &'a Json<'_>, normalized: &mut Normalized<'_>) -> Vec<Row<'a>> {
    let kinds = [("identity", "duplicated_users"), ("selfie", "duplicated_selfie_users")];
    kinds
        .into_iter()
        .flat_map(|(kind, key)| {
            let mut ids = item.get(key).map(texts).unwrap_or_default();
            if ids.iter().any(|id| id.len() > ID_BYTES_MAX) {
                ids.retain(|id| id.len() <= ID_BYTES_MAX);
                normalized.note_long_id(key);
            }
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().map(move |id| vec![Cell::Text(Cow::Borrowed(kind)), Cell::Text(id)])
        })
        .collect()
}

/// The label anywhere, together with vanished identity data (I7).
fn is_deleted(item: &Json<'_>) -> bool {
    let gone = |key: &&str| {
        let value = item.get("data").and_then(|data| data.get(key));
        value.is_none_or(|value| {
            matches!(value, Json::Null)
                || value.as_text().is_some_and(|t| t.is_empty() || t == DELETED)
        })
    };
    IDENTITY.iter().all(|key| gone(&key)) && holds_label(item)
}

fn holds_label(value: &Json<'_>) -> bool {
    match value {
        Json::Text(text) => text == DELETED,
        Json::Array(elements) => elements.iter().any(holds_label),
        Json::Object(members) => members.iter().any(|(_, value)| holds_label(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
