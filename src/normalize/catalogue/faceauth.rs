//! The tables of face authentications.

use super::{
    Class::{Fact, Identifier, Personal},
    Column, Key, Schema, Source, Table, Type,
    Type::{Bool, Double, Enum, Text, TextArray},
    column, numbered, surviving,
};
use crate::domain::Stream;

pub(super) const TABLES: &[Table] = &numbered([
    Table {
        index: 0,
        schema: Schema::Facts,
        name: "faceauth_policy",
        stream: Stream::Faceauth,
        key: Key::Set,
        source: Source::Derived,
        columns: POLICY,
        comment: "One row for each distinct set of thresholds that face authentications were \
                  judged by.",
    },
    Table {
        index: 0,
        schema: Schema::Facts,
        name: "faceauth",
        stream: Stream::Faceauth,
        key: Key::Record,
        source: Source::Item,
        columns: FACEAUTH,
        comment: "One row for each face authentication, including deleted ones (`deleted_at`).",
    },
    Table {
        index: 0,
        schema: Schema::Facts,
        name: "faceauth_failure",
        stream: Stream::Faceauth,
        key: Key::Ordinal,
        source: Source::Derived,
        columns: FAILURE,
        comment: "One row for each reason for the rejection of a face authentication.",
    },
    Table {
        index: 0,
        schema: Schema::Personal,
        name: "faceauth_comment",
        stream: Stream::Faceauth,
        key: Key::Record,
        source: Source::Item,
        columns: COMMENT,
        comment: "One row for each face authentication with texts that explain its rejection.",
    },
]);

pub(super) const OTHER_PATHS: &[(&str, super::Class, &str)] = &[
    ("auth_id", Identifier, "part of the key of every row"),
    ("delete_check", Fact, "the vendor's deletion mark"),
    ("policy", Fact, "the set of thresholds that `faceauth_policy_id` identifies"),
];

#[rustfmt::skip]
const FACEAUTH: &[Column] = &[
    surviving("created_at", "create_time", Type::Timestamp, Fact,
        "Time of the face authentication. Null if the vendor returned no valid time."),
    surviving("status", "auth_status|aurh_status", Enum, Fact,
        "Result: `approved` or `rejected`. Other values are possible. A deleted face \
         authentication keeps its last value by default."),
    column("submit_type", "submit_type", Text, Fact,
        "Method by which the face was submitted, such as `form`."),
    column("kyc_submission_id", "kyc_submission_id", Text, Identifier,
        "Submission whose face was compared: submission_id in the project `kyc_project`. Null if \
         the vendor returned none, or after a deletion."),
    column("kyc_project", "", Text, Fact,
        "Project of the submission `kyc_submission_id`: the `parent` of this project in the \
         configuration of argos-sync."),
    column("active_liveness_score", "result.active_liveness_score", Double, Fact,
        "Active liveness score: confidence that the face belongs to a live person."),
    column("face_similarity", "result.face_similarity", Double, Fact,
        "Similarity score of the submitted face and the face in the submission."),
    column("detect_occluded", "result.detectOccluded", Bool, Fact,
        "Whether the face was covered, for example by goggles, a mask or protective gear."),
    surviving("faceauth_policy_id", "", Text, Fact,
        "Thresholds that the face authentication was judged by: policy_id of faceauth_policy. Null \
         if the vendor returned none."),
    surviving("deleted_at", "", Type::Timestamp, Fact,
        "Time at which argos-sync had proof of the deletion by the vendor. Null: not deleted. The \
         remaining data of a deleted face authentication are still personal data."),
    surviving("vendor_deleted_at", "delete_time", Type::Timestamp, Fact,
        "Vendor's time of the deletion. Null if not deleted, or if the vendor gave no time."),
];

#[rustfmt::skip]
const FAILURE: &[Column] = &[
    surviving("fail_code", "fail_code", Text, Fact,
        "Code of the reason, such as `face_compare_underscore`. Null if only a text was given."),
    surviving("has_comment", "", Bool, Fact,
        "Whether the reason has a text. It is in argos_pii.faceauth_comment.reject_comment."),
];

#[rustfmt::skip]
const COMMENT: &[Column] = &[
    column("reject_comment", "reject_comment", TextArray, Personal,
        "Texts of the reasons for the rejection, in the vendor's order."),
];

#[rustfmt::skip]
const POLICY: &[Column] = &[
    column("policy_id", "", Text, Identifier,
        "Digest of the set of thresholds: first 16 bytes of the SHA-256 of its canonical JSON \
         form, in hex."),
    column("face_similarity_threshold", "policy.faceSimilarity_threshold", Double, Fact,
        "Minimum of `face_similarity`, such as 85."),
    column("occluded_threshold", "policy.occluded_threshold", Bool, Fact,
        "Whether covered faces (goggles, mask, protective gear) are detected."),
    column("face_cover_threshold", "policy.faceCover_threshold", Double, Fact,
        "Minimum confidence that protective gear on the face was detected. 0: off."),
    column("head_cover_threshold", "policy.headCover_threshold", Double, Fact,
        "Minimum confidence that protective gear on the head was detected. 0: off."),
    column("liveness_threshold", "policy.liveness_threshold", Double, Fact,
        "Minimum liveness score. Null in older face authentications."),
    column("active_liveness_threshold", "policy.activeLiveness_threshold", Double, Fact,
        "Minimum of `active_liveness_score`. Null in older face authentications."),
];
