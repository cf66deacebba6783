//! The expected values of all columns, as SQL over the vendor's items, written by hand from
//! contract sections 3.5 and 6.4.
//!
//! `item` is the whole record as jsonb. Signed addresses differ with every call and are omitted.

/// The expected rows of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation {
    /// Schema and name.
    pub(super) table: &'static str,
    /// The project whose rows are compared.
    pub(super) project: &'static str,
    /// The source of the expected rows.
    pub(super) from: &'static str,
    /// Columns of the key after the project, with expected values; the first identifies the record.
    pub(super) key: &'static [(&'static str, &'static str)],
    /// The other columns, with expected values.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// Whether rows without a value are omitted.
    pub(super) left_out_when_empty: bool,
}

/// Columns without an expectation: the warehouse's own times, and signed addresses.
pub(super) const NOT_COMPARED: &[&str] = &[
    "project",
    "first_seen_at",
    "changed_at",
    "change_number",
    "detail_read_at",
    "id_image",
    "id_back_image",
    "selfie_image",
    "address_image",
];

const SUBMISSIONS: &str = "truth.submission cross join lateral (select item->'data' as data, item->'kyc' as kyc,
    item->'aml' as aml, item->'pre_verification' as pre, item->'bank_verification' as bank) as part";

const ATTEMPTS: &str = "truth.submission cross join lateral
    jsonb_array_elements(truth.elements(item->'kyc'->'attempts')) with ordinality as e(a, n)";

const fn of(
    table: &'static str,
    from: &'static str,
    key: &'static [(&'static str, &'static str)],
    columns: &'static [(&'static str, &'static str)],
) -> Expectation {
    Expectation { table, project: "main", from, key, columns, left_out_when_empty: false }
}

const fn unless_empty(expectation: Expectation) -> Expectation {
    Expectation { left_out_when_empty: true, ..expectation }
}

const fn of_face(expectation: Expectation) -> Expectation {
    Expectation { project: "face", ..expectation }
}

const ID: &[(&str, &str)] = &[("submission_id", "id")];
const ID_AND_PLACE: &[(&str, &str)] = &[("submission_id", "id"), ("ordinal", "n::int")];

/// The expectations of every data table.
#[rustfmt::skip]
pub(super) const ALL: &[Expectation] = &[
    of("argos.submission", SUBMISSIONS, ID, SUBMISSION),
    unless_empty(of("argos_pii.submission_identity", SUBMISSIONS, ID, IDENTITY)),
    unless_empty(of("argos.bank_verification", SUBMISSIONS, ID, &[
        ("result", "lower(bank->>'result')"),
        ("type", "bank->>'type'"),
        ("bank_code", "bank->>'bank_code'"),
        ("retry_count", "(bank->>'retry_count')::bigint"),
    ])),
    of("argos.kyc_attempt", ATTEMPTS, ID_AND_PLACE, ATTEMPT),
    of("argos_pii.kyc_attempt_verification", ATTEMPTS, ID_AND_PLACE, VERIFICATION),
    of("argos.kyc_reject_reason", "truth.submission cross join lateral unnest(
        truth.texts(item->'kyc'->'commentCode'), truth.texts(item->'kyc'->'comment'))
        with ordinality as e(code, text, n)", ID_AND_PLACE, &[
        ("comment_code", "code"),
        ("has_comment", "coalesce(text <> '', false)"),
    ]),
    of("argos.aml_match", "truth.submission cross join lateral
        jsonb_array_elements(truth.elements(item->'aml'->'matches')) with ordinality as e(m, n)", ID_AND_PLACE, &[
        ("risk_level", "lower(m->>'risk_level')"),
        ("resource_id", "m->>'resource_id'"),
        ("argos_number", "m->>'argos_number'"),
        ("score", "(m->>'score')::float8"),
        ("risk_icons", "truth.texts(m->'risk_icons')"),
    ]),
    of("argos.submission_duplicate", "(
        select id, 'identity' as kind, unnest(truth.texts(item->'duplicated_users')) as other from truth.submission
        union select id, 'selfie', unnest(truth.texts(item->'duplicated_selfie_users')) from truth.submission) as e",
        &[("submission_id", "id"), ("kind", "kind"), ("duplicate_submission_id", "other")], &[]),
    of("argos.injection_action", "truth.submission cross join lateral
        jsonb_array_elements(truth.elements(item->'Injection_action')) with ordinality as e(i, n)", ID_AND_PLACE, &[
        ("type", "i->>'type'"),
        ("injected_at", "truth.at(i->>'time')"),
    ]),
    of("argos.camera_process", "truth.submission cross join lateral
        jsonb_array_elements(truth.elements(item->'signals'->'cameraProcessInfo')) with ordinality as e(c, n)", ID_AND_PLACE, &[
        ("type", "c->>'type'"),
        ("process_start_at", "truth.at(c->>'processStartTime')"),
        ("process_end_at", "truth.at(c->>'processEndTime')"),
        ("error", "c->>'error'"),
    ]),
    of("argos_pii.additional_answer", "truth.submission cross join lateral
        jsonb_array_elements(truth.elements(item->'additional_list')) with ordinality as e(a, n)", ID_AND_PLACE, &[
        ("answer", "a->>'answer'"),
        ("input_value", "a->>'inputValue'"),
        ("block_type", "a->>'blockType'"),
    ]),
    of("argos.kyc_policy", "(select distinct truth.shown_set(item->'project_options') as o from truth.submission) as e
        where o is not null", &[("policy_id", "truth.set_id(o)")], &[
        ("option_aml", "(o->>'option_aml')::boolean"),
        ("option_address_data", "(o->>'option_addressData')::boolean"),
        ("option_id_number", "(o->>'option_idNumber')::boolean"),
        ("option_mask_document_number", "(o->>'option_mask_documentNumber')::boolean"),
        ("option_validation_gov", "(o->>'option_validationGov')::boolean"),
        ("option_mask_id_number", "(o->>'option_mask_idNumber')::boolean"),
        ("option_document_number", "(o->>'option_documentNumber')::boolean"),
        ("option_ai_only", "(o->>'option_ai_only')::boolean"),
        ("policy_approve_period", "(o->>'policy_approvePeriod')::float8"),
        ("policy_age_limit", "(o->>'policy_ageLimit')::float8"),
        ("policy_blacklist_countries", "truth.texts(o->'policy_blacklistCountries')"),
        ("policy_accepted_id", "truth.texts(o->'policy_acceptedID')"),
    ]),
    of_face(of("argos.faceauth_policy", "(select distinct truth.shown_set(item->'policy') as p from truth.faceauth) as e
        where p is not null", &[("policy_id", "truth.set_id(p)")], &[
        ("face_similarity_threshold", "(p->>'faceSimilarity_threshold')::float8"),
        ("occluded_threshold", "(p->>'occluded_threshold')::boolean"),
        ("face_cover_threshold", "(p->>'faceCover_threshold')::float8"),
        ("head_cover_threshold", "(p->>'headCover_threshold')::float8"),
        ("liveness_threshold", "(p->>'liveness_threshold')::float8"),
        ("active_liveness_threshold", "(p->>'activeLiveness_threshold')::float8"),
    ])),
    of_face(of("argos.faceauth", "truth.faceauth", &[("auth_id", "id")], &[
        ("created_at", "truth.at(item->>'create_time')"),
        ("status", "lower(coalesce(item->>'auth_status', item->>'aurh_status'))"),
        ("submit_type", "item->>'submit_type'"),
        ("kyc_submission_id", "item->>'kyc_submission_id'"),
        ("kyc_project", "'main'::text"),
        ("active_liveness_score", "(item->'result'->>'active_liveness_score')::float8"),
        ("face_similarity", "(item->'result'->>'face_similarity')::float8"),
        ("detect_occluded", "(item->'result'->>'detectOccluded')::boolean"),
        ("faceauth_policy_id", "truth.set_id(truth.shown_set(item->'policy'))"),
        ("deleted_at", "null::timestamptz"),
        ("vendor_deleted_at", "null::timestamptz"),
    ])),
    of_face(of("argos.faceauth_failure", "truth.faceauth cross join lateral unnest(
        truth.texts(item->'fail_code'), truth.texts(item->'reject_comment')) with ordinality as e(code, text, n)",
        &[("auth_id", "id"), ("ordinal", "n::int")], &[
        ("fail_code", "code"),
        ("has_comment", "coalesce(text <> '', false)"),
    ])),
    of_face(unless_empty(of("argos_pii.faceauth_comment", "truth.faceauth", &[("auth_id", "id")], &[
        ("reject_comment", "truth.texts(item->'reject_comment')"),
    ]))),
];

#[rustfmt::skip]
const SUBMISSION: &[(&str, &str)] = &[
    ("created_at", "truth.at(item->>'created_at')"),
    ("kyc_result", "lower(kyc->>'result')"),
    ("kyc_result_at", "truth.at(item->>'kyc_result_at')"),
    ("pending_at", "truth.at(item->>'pending_at')"),
    ("updated_at", "truth.at(item->>'updated_at')"),
    ("reviewer", "lower(item->>'reviewer')"),
    ("recognition_score", "(item->>'recognition_score')::float8"),
    ("argos_score", "(item->>'argos_score')::float8"),
    ("age_group", "lower(data->>'age_group')"),
    ("gender", "lower(data->>'gender')"),
    ("nationality", "data->>'nationality'"),
    ("id_type", "lower(data->>'idType')"),
    ("idcard_issuing_country", "data->>'idcard_issuingCountry'"),
    ("aml_status", "lower(aml->>'currentstatus')"),
    ("aml_risk_level", "lower(aml->>'risk_level_summary')"),
    ("id_liveness_screen_play", "(item->'id_LivenessScore'->>'Screen_play')::float8"),
    ("id_liveness_paper_printed", "(item->'id_LivenessScore'->>'Paper_printed')::float8"),
    ("id_liveness_replace_portraits", "(item->'id_LivenessScore'->>'Replace_portraits')::float8"),
    ("pre_verification_request_id", "pre->>'request_id'"),
    ("pre_verification_at", "truth.at(pre->>'created_at')"),
    ("pre_verification_fraud_score", "(pre->>'fraud_score')::float8"),
    ("pre_verification_attempts_frequency", "pre->>'attempts_frequency'"),
    ("pre_verification_country_code", "pre->>'country_code'"),
    ("pre_verification_connection_type", "pre->>'connection_type'"),
    ("pre_verification_is_valid", "(pre->>'is_valid')::boolean"),
    ("projection_id", "item->'projection'->>'projectionId'"),
    ("projection_name", "item->'projection'->>'projectionName'"),
    ("start_button_click_at", "truth.at(item->'signals'->>'startButtonClickTime')"),
    ("memo_updated_at", "truth.at(item->'memo'->>'updated_at')"),
    ("admin_updated_at", "truth.at(item->'updateHistory'->>'updateTime')"),
    ("kyc_policy_id", "truth.set_id(truth.shown_set(item->'project_options'))"),
    ("userid_pseudonym", "null::text"),
    ("email_pseudonym", "null::text"),
    ("deleted_at", "null::timestamptz"),
    ("vendor_deleted_at", "null::timestamptz"),
];

#[rustfmt::skip]
const ATTEMPT: &[(&str, &str)] = &[
    ("attempt_count", "(a->>'attemptCnt')::bigint"),
    ("step1_1st_at", "truth.at(a->>'step1Time1st')"),
    ("step1_2nd_at", "truth.at(a->>'step1Time2nd')"),
    ("step1_3rd_at", "truth.at(a->>'step1Time3rd')"),
    ("step2_1st_at", "truth.at(a->>'step2Time1st')"),
    ("step2_2nd_at", "truth.at(a->>'step2Time2nd')"),
    ("step2_3rd_at", "truth.at(a->>'step2Time3rd')"),
    ("ocr_result", "lower(a->>'ocrResult')"),
    ("verification_result", "lower(a->>'verificationResult')"),
    ("id_barcode_result", "a->>'idBarcodeResult'"),
    ("face_similarity_score", "(a->>'faceSimilarityScore')::float8"),
    ("liveness_score", "(a->>'livenessScore')::float8"),
    ("liveness_detail_score", "(a->'liveness'->>'score')::float8"),
    ("liveness_probability", "(a->'liveness'->>'probability')::float8"),
    ("liveness_quality", "(a->'liveness'->>'quality')::float8"),
    ("retry_code", "truth.texts(a->'retryCode')"),
    ("error_code", "a->>'errorCode'"),
];

#[rustfmt::skip]
const VERIFICATION: &[(&str, &str)] = &[
    ("result_code", "a->'verification'->'result'->>'code'"),
    ("result_message", "a->'verification'->'result'->>'message'"),
    ("result_transaction_id", "a->'verification'->'result'->>'transactionId'"),
    ("result_extra_message", "a->'verification'->'result'->>'extraMessage'"),
    ("res_authenticity", "a->'verification'->'data'->>'resAuthenticity'"),
    ("res_expiration_date", "a->'verification'->'data'->>'resExpirationDate'"),
    ("res_nationality", "a->'verification'->'data'->>'resNationality'"),
    ("res_authenticity_desc", "a->'verification'->'data'->>'resAuthenticityDesc'"),
    ("res_status", "a->'verification'->'data'->>'resStatus'"),
    ("user_name", "a->'verification'->>'userName'"),
    ("params_id_type", "a->'verificationParams'->>'idType'"),
    ("params_nationality", "a->'verificationParams'->>'nationality'"),
    ("params_birth_date", "(a->'verificationParams'->>'birthDate')::date"),
    ("params_document_number", "a->'verificationParams'->>'documentNumber'"),
    ("retry_message", "truth.texts(a->'retryMsg')"),
    ("error_message", "a->>'errorMsg'"),
    ("error", "a->>'error'"),
];

#[rustfmt::skip]
const IDENTITY: &[(&str, &str)] = &[
    ("email", "item->>'email'"),
    ("userid", "item->>'userid'"),
    ("applicant_id", "item->>'applicant_id'"),
    ("token_id", "item->>'tokenId'"),
    ("duplicated_information", "item->>'duplicated_information'"),
    ("custom_duplicated_information", "item->>'custom_duplicated_information'"),
    ("name", "data->>'name'"),
    ("first_name", "data->>'first_name'"),
    ("last_name", "data->>'last_name'"),
    ("full_name", "data->>'full_name'"),
    ("date_of_birth", "(data->>'date_of_birth')::date"),
    ("ip_address", "data->>'ip_address'"),
    ("idcard_issue_date", "(data->>'idcard_issueDate')::date"),
    ("idcard_expire_date", "(data->>'idcard_expireDate')::date"),
    ("document_number", "data->>'documentNumber'"),
    ("identity_number", "data->>'identityNumber'"),
    ("ssn_number", "data->>'ssnNumber'"),
    ("phone_number", "data->>'phoneNumber'"),
    ("type_of_permit", "data->>'typeOfPermit'"),
    ("type_of_permit_gov_kor", "data->>'typeOfPermitGovKor'"),
    ("expiry_date_of_stay_kor", "(data->>'expiryDateOfStayKor')::date"),
    ("nationality_gov_kor", "data->>'nationalityGovKor'"),
    ("address_city", "data->>'address_city'"),
    ("address_state", "data->>'address_state'"),
    ("address_street", "data->>'address_street'"),
    ("address_street2", "data->>'address_street2'"),
    ("address_zipcode", "data->>'address_zipcode'"),
    ("address_country", "data->>'address_country'"),
    ("address_global_code", "data->>'address_globalCode'"),
    ("address_compound_code", "data->>'address_compoundCode'"),
    ("address_formatted", "data->>'address_formatted'"),
    ("address_input", "data->>'address_input'"),
    ("address_detail", "data->>'address_detail'"),
    ("cf1", "data->>'cf1'"),
    ("cf2", "data->>'cf2'"),
    ("cf3", "data->>'cf3'"),
    ("memo", "item->'memo'->>'text'"),
    ("kyc_comment", "truth.texts(kyc->'comment')"),
    ("kyc_retry", "nullif(kyc->'retry', 'null')"),
    ("ocr", "nullif(item->'ocr', 'null')"),
    ("ocr_raw", "nullif(item->'OCR_raw', 'null')"),
    ("review", "nullif(item->'review', 'null')"),
    ("confidence", "nullif(item->'signals'->'confidence', 'null')"),
    ("verification_face_age", "nullif(item->'verification'->'faceAge', 'null')"),
    ("signals_face_age", "nullif(item->'signals'->'faceAge', 'null')"),
    ("warning", "nullif(item->'warning', 'null')"),
    ("aml_raw_data", "nullif(aml->'raw_data', 'null')"),
    ("admin_email", "item->'updateHistory'->>'updateAdmin'"),
    ("pre_verification_ip_address", "pre->>'ip_address'"),
    ("account_number", "bank->>'account_number'"),
];
