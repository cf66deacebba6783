//! The tables of face authentications (contract section 6.4).

use super::{
    Class::{Fact, Identifier, Personal},
    Column, Key, Schema, Source, Table, Type,
    Type::{Bool, Double, Enum, Text, TextArray},
    column, surviving,
};
use crate::domain::Stream;

pub(super) const TABLES: &[Table] = &[
    Table {
        schema: Schema::Facts,
        name: "faceauth_policy",
        stream: Stream::Faceauth,
        key: Key::Set,
        source: Source::Derived,
        columns: POLICY,
        comment: "One row for each distinct set of thresholds that face authentications were judged by.",
    },
    Table {
        schema: Schema::Facts,
        name: "faceauth",
        stream: Stream::Faceauth,
        key: Key::Record,
        source: Source::Item,
        columns: FACEAUTH,
        comment: "One row for each face authentication.",
    },
    Table {
        schema: Schema::Facts,
        name: "faceauth_failure",
        stream: Stream::Faceauth,
        key: Key::Ordinal,
        source: Source::Derived,
        columns: FAILURE,
        comment: "One row for each reason why a face authentication was rejected.",
    },
    Table {
        schema: Schema::Personal,
        name: "faceauth_comment",
        stream: Stream::Faceauth,
        key: Key::Record,
        source: Source::Item,
        columns: COMMENT,
        comment: "The texts that explain a rejected face authentication.",
    },
];

pub(super) const OTHER_PATHS: &[(&str, super::Class, &str)] = &[
    ("auth_id", Identifier, "the key of every row"),
    ("delete_check", Fact, "the vendor's mark of a deletion"),
    ("policy", Fact, "the set whose digest is faceauth_policy_id"),
];

#[rustfmt::skip]
const FACEAUTH: &[Column] = &[
    surviving("created_at", "create_time", Type::Timestamp, Fact, "When the authentication was made."),
    surviving("status", "auth_status|aurh_status", Enum, Fact, "The answer: `approved` or `rejected`; the vendor may add others."),
    column("submit_type", "submit_type", Text, Fact, "How the face was sent, such as `form`."),
    column("kyc_submission_id", "kyc_submission_id", Text, Identifier, "The submission whose face was compared."),
    column("kyc_project", "", Text, Fact, "The project that kyc_submission_id belongs to: the parent in the configuration."),
    column("active_liveness_score", "result.active_liveness_score", Double, Fact, "How surely the face was alive, 0 to 100."),
    column("face_similarity", "result.face_similarity", Double, Fact, "How alike the faces are, 0 to 100."),
    column("detect_occluded", "result.detectOccluded", Bool, Fact, "Whether the face was covered."),
    surviving("faceauth_policy_id", "", Text, Fact, "The thresholds it was judged by: faceauth_policy.policy_id."),
    surviving("deleted_at", "", Type::Timestamp, Fact, "When argos-sync had proof that the vendor had deleted it. Null: not deleted. What remains of a deleted face authentication is still personal data."),
    surviving("vendor_deleted_at", "delete_time", Type::Timestamp, Fact, "The vendor's own time of the deletion; null where the vendor gives none."),
];

#[rustfmt::skip]
const FAILURE: &[Column] = &[
    surviving("fail_code", "fail_code", Text, Fact, "Why it was rejected, such as `face_compare_underscore`; null where only a text was given."),
    surviving("has_comment", "", Bool, Fact, "Whether a text stands beside the code."),
];

#[rustfmt::skip]
const COMMENT: &[Column] = &[
    column("reject_comment", "reject_comment", TextArray, Personal, "Texts beside the fail codes, in their order."),
];

#[rustfmt::skip]
const POLICY: &[Column] = &[
    column("policy_id", "", Text, Identifier, "The first 16 bytes of SHA-256 over the set in canonical form, in hex."),
    column("face_similarity_threshold", "policy.faceSimilarity_threshold", Double, Fact, "Least face similarity, 0 to 100."),
    column("occluded_threshold", "policy.occluded_threshold", Bool, Fact, "Whether a covered face is refused."),
    column("face_cover_threshold", "policy.faceCover_threshold", Double, Fact, "Least certainty of protective gear on the face; 0 is off."),
    column("head_cover_threshold", "policy.headCover_threshold", Double, Fact, "Least certainty of protective gear on the head; 0 is off."),
    column("liveness_threshold", "policy.liveness_threshold", Double, Fact, "Least liveness; absent in older answers."),
    column("active_liveness_threshold", "policy.activeLiveness_threshold", Double, Fact, "Least active liveness; absent in older answers."),
];
