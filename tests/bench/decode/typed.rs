//! A submission for `serde_json`: main members, borrowed where possible; others are skipped.

#![expect(dead_code, reason = "filled to measure the filling")]
#![expect(clippy::struct_field_names, reason = "the vendor's names")]

use std::borrow::Cow;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Submission<'a> {
    #[serde(borrow)]
    pub(crate) submission_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) updated_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) userid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) reviewer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) data: Data<'a>,
    #[serde(borrow)]
    pub(crate) kyc: Kyc<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data<'a> {
    #[serde(borrow, rename = "full_name")]
    pub(crate) full_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) nationality: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "date_of_birth")]
    pub(crate) date_of_birth: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) id_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) document_number: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Kyc<'a> {
    #[serde(borrow)]
    pub(crate) result: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) attempts: Vec<Attempt<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt<'a> {
    pub(crate) attempt_cnt: Option<i64>,
    pub(crate) liveness_score: Option<f64>,
    pub(crate) face_similarity_score: Option<f64>,
    #[serde(borrow)]
    pub(crate) ocr_result: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) verification_result: Option<Cow<'a, str>>,
}
