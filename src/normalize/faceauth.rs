//! The rows of a face authentication that the catalogue alone does not describe.

use std::borrow::Cow;

use super::{
    Cell, Context, Deviation, ID_BYTES_MAX, Normalized, catalogue::Type, note, policy::policy,
    submission::pair_reasons, value::read,
};
use crate::{domain::Stream, json::Json};

const STREAM: Stream = Stream::Faceauth;

pub(super) fn derive<'a>(context: &Context, item: &'a Json<'_>, normalized: &mut Normalized<'a>) {
    let failures = pair_reasons(item.get("fail_code"), item.get("reject_comment"));
    normalized.put(STREAM, "faceauth_failure", failures);
    if let Some((id, row)) = policy(STREAM, item.get("policy"), None, &mut normalized.notes) {
        normalized.set(STREAM, "faceauth_policy_id", Cell::Text(Cow::Owned(id)));
        normalized.put(STREAM, "faceauth_policy", vec![row]);
    }
    if let Some(parent) = &context.parent {
        let parent = Cow::Owned(parent.as_str().to_owned());
        normalized.set(STREAM, "kyc_project", Cell::Text(parent));
    }
    if let Some(submission @ (Json::Text(id) | Json::Number(id))) = item.get("kyc_submission_id")
        && id.len() > ID_BYTES_MAX
    {
        normalized.set(STREAM, "kyc_submission_id", Cell::Null);
        let json_type = submission.type_name();
        note::keep(&mut normalized.notes, "kyc_submission_id", Deviation::LongId, json_type);
    }
    for (key, kind) in [("delete_check", Type::Bool), ("delete_time", Type::Timestamp)] {
        if let Some(value) = item.get(key)
            && let Err(why) = read(kind, value)
        {
            note::keep(&mut normalized.notes, key, why.into(), value.type_name());
        }
    }
}
