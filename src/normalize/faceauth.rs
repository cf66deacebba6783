//! What a face authentication's rows hold besides the plain cells of the catalogue.

use std::borrow::Cow;

use super::{
    Cell, Context, Deletion, ID_BYTES_MAX, Normalized,
    catalogue::Type,
    policy::policy,
    submission::pair_reasons,
    value::{parse_time, read, texts},
};
use crate::{domain::Stream, json::Json};

const STREAM: Stream = Stream::Faceauth;

pub(super) fn derive<'a>(context: &Context, item: &'a Json<'_>, normalized: &mut Normalized<'a>) {
    let of = |key| item.get(key).map(texts).unwrap_or_default();
    let failures = pair_reasons(of("fail_code"), &of("reject_comment"));
    normalized.put(STREAM, "faceauth_failure", failures);
    if let Some((id, row)) = policy(STREAM, item.get("policy"), None) {
        normalized.set(STREAM, "faceauth_policy_id", Cell::Text(Cow::Owned(id)));
        normalized.put(STREAM, "faceauth_policy", vec![row]);
    }
    if let Some(Json::Text(id) | Json::Number(id)) = item.get("kyc_submission_id")
        && id.len() > ID_BYTES_MAX
    {
        normalized.set(STREAM, "kyc_submission_id", Cell::Null);
        normalized.note_long_id("kyc_submission_id");
    }
    if let Some(parent) = &context.parent {
        let parent = Cow::Owned(parent.as_str().to_owned());
        normalized.set(STREAM, "kyc_project", Cell::Text(parent));
    }
    let marked = item.get("delete_check").map(|check| read(Type::Bool, check));
    if marked == Some(Ok(Cell::Bool(true))) {
        let at = item.get("delete_time").and_then(Json::as_text).and_then(parse_time);
        normalized.deletion = Some(Deletion { at });
    }
}
