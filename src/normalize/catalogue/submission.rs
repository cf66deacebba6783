//! The tables of submissions (contract section 3.5).

use super::{
    Class::{Biometric, Fact, Financial, Identifier, Personal, Secret},
    Column, Key, Schema, Source, Table,
    Type::{Bool, Date, Double, Enum, Integer, Json, Text, TextArray, Timestamp},
    column, surviving,
};
use crate::domain::Stream;

#[rustfmt::skip]
pub(super) const TABLES: &[Table] = &[
    table(Schema::Facts, "kyc_policy", Key::Set, Source::Derived, POLICY,
        "One row for each distinct set of project options that submissions were judged by."),
    table(Schema::Facts, "submission", Key::Record, Source::Item, SUBMISSION,
        "One row for each submission."),
    table(Schema::Facts, "kyc_attempt", Key::Ordinal, Source::Elements("kyc.attempts"), ATTEMPT,
        "One row for each attempt of a submission."),
    table(Schema::Facts, "kyc_reject_reason", Key::Ordinal, Source::Derived, REJECT_REASON,
        "One row for each reason why a submission was rejected."),
    table(Schema::Facts, "aml_match", Key::Ordinal, Source::Elements("aml.matches"), MATCH,
        "One row for each match of a submission in anti-money-laundering lists."),
    table(Schema::Facts, "submission_duplicate", Key::Columns(2), Source::Derived, DUPLICATE,
        "One row for each other submission that looks like the same person."),
    table(Schema::Facts, "injection_action", Key::Ordinal, Source::Elements("Injection_action"), INJECTION,
        "One row for each injection of data into an existing submission."),
    table(Schema::Facts, "camera_process", Key::Ordinal, Source::Elements("signals.cameraProcessInfo"), CAMERA,
        "One row for each capture with the applicant's camera."),
    table(Schema::Facts, "bank_verification", Key::Record, Source::Item, BANK,
        "One row for each submission whose bank account was checked."),
    table(Schema::Personal, "submission_identity", Key::Record, Source::Item, IDENTITY,
        "One row for each submission: who the applicant is."),
    table(Schema::Personal, "additional_answer", Key::Ordinal, Source::Elements("additional_list"), ANSWER,
        "One row for each answer in the project's additional form."),
    table(Schema::Personal, "kyc_attempt_verification", Key::Ordinal, Source::Elements("kyc.attempts"), VERIFICATION,
        "One row for each attempt of a submission: what was asked of and answered by the issuing authority."),
];

pub(super) const OTHER_PATHS: &[(&str, super::Class, &str)] = &[
    ("submission_id", Identifier, "the key of every row"),
    ("project_options", Fact, "the set whose digest is kyc_policy_id"),
    ("project_options.webhookURL", Secret, "stored nowhere but in raw"),
];

pub(super) const TEXTS_OF_OTHERS: &[(&str, &str)] = &[
    ("userid", "the company's own name for the applicant, in the address of the form"),
    ("email", "typed by the applicant"),
    ("tokenId", "given by the company"),
    ("memo", "written by the company's operators"),
    ("additional_list", "typed by the applicant: answers in the company's form"),
    ("review", "typed or corrected by the applicant"),
    ("data.cf*", "the company's own fields, in the address of the form"),
    ("data.address_*", "typed by the applicant, or read from what the applicant sent"),
    ("OCR_raw", "read from the applicant's document"),
    ("ocr", "read from the applicant's document"),
    ("kyc.attempts", "repeats what the applicant typed and the authority answered"),
    ("kyc.comment", "a reviewer of the company may write it"),
    ("kyc.retry", "may repeat a comment"),
    ("aml", "names of other persons on lists"),
    ("bank_verification", "typed by the applicant"),
    ("projection", "named by the company"),
    ("project_options", "written by the company"),
    ("updateHistory", "written by the company's administrators"),
];

pub(super) const VOLATILE_PATHS: &[&str] = &["image", "kyc.attempts.selfieImage"];

const fn table(
    schema: Schema,
    name: &'static str,
    key: Key,
    source: Source,
    columns: &'static [Column],
    comment: &'static str,
) -> Table {
    Table { schema, name, stream: Stream::Submission, key, source, columns, comment }
}

#[rustfmt::skip]
const SUBMISSION: &[Column] = &[
    surviving("created_at", "created_at", Timestamp, Fact, "When it was submitted. Null: undated."),
    surviving("kyc_result", "kyc.result", Enum, Fact, "The decision: `incomplete`, `pending`, `approved`, `rejected`; the vendor may add others."),
    surviving("kyc_result_at", "kyc_result_at", Timestamp, Fact, "When the final decision fell."),
    surviving("pending_at", "pending_at", Timestamp, Fact, "When it went to manual review."),
    surviving("updated_at", "updated_at", Timestamp, Fact, "The vendor's own time of the last update; it does not move with every change (contract U32)."),
    surviving("reviewer", "reviewer", Enum, Fact, "Who decided: `system` or `agent`; others are possible."),
    column("recognition_score", "recognition_score", Double, Fact, "How well the document was read."),
    column("argos_score", "argos_score", Double, Fact, "The overall score."),
    column("age_group", "data.age_group", Enum, Fact, "`minor`, `early-teen`, `teen`, `adult` or `n/a`."),
    column("gender", "data.gender", Enum, Fact, "`male` or `female`."),
    surviving("nationality", "data.nationality", Text, Fact, "ISO 3166-1 alpha-3."),
    surviving("id_type", "data.idType", Enum, Fact, "The kind of document, such as `passport`."),
    surviving("idcard_issuing_country", "data.idcard_issuingCountry", Text, Fact, "Who issued the document, ISO 3166-1 alpha-3."),
    surviving("aml_status", "aml.currentstatus", Enum, Fact, "`red flag` or `not screened`; the latter also means screened without a match (quirk Q10)."),
    surviving("aml_risk_level", "aml.risk_level_summary", Enum, Fact, "`not screened`, `high`, `medium` or `low`."),
    column("id_liveness_screen_play", "id_LivenessScore.Screen_play", Double, Fact, "How surely the document is no screen."),
    column("id_liveness_paper_printed", "id_LivenessScore.Paper_printed", Double, Fact, "How surely the document is no print."),
    column("id_liveness_replace_portraits", "id_LivenessScore.Replace_portraits", Double, Fact, "How surely the portrait was not replaced."),
    column("pre_verification_request_id", "pre_verification.request_id", Text, Fact, "The pre-verification's own number."),
    column("pre_verification_at", "pre_verification.created_at", Timestamp, Fact, "When the pre-verification was made."),
    column("pre_verification_fraud_score", "pre_verification.fraud_score", Double, Fact, "Fraud score of the connection."),
    column("pre_verification_attempts_frequency", "pre_verification.attempts_frequency", Text, Fact, "How often this device was seen, such as `FirstSeen`."),
    column("pre_verification_country_code", "pre_verification.country_code", Text, Fact, "Where the connection came from, ISO 3166-1 alpha-3."),
    column("pre_verification_connection_type", "pre_verification.connection_type", Text, Fact, "Kind of connection, such as `Mobile`."),
    column("pre_verification_is_valid", "pre_verification.is_valid", Bool, Fact, "Whether the pre-verification was passed."),
    surviving("projection_id", "projection.projectionId", Text, Fact, "The exclusion policy that hid fields; null: none."),
    surviving("projection_name", "projection.projectionName", Text, Fact, "That policy's name."),
    surviving("start_button_click_at", "signals.startButtonClickTime", Timestamp, Fact, "When the applicant began."),
    surviving("memo_updated_at", "memo.updated_at", Timestamp, Fact, "When the memo was last written."),
    surviving("admin_updated_at", "updateHistory.updateTime", Timestamp, Fact, "When an administrator last edited it."),
    surviving("kyc_policy_id", "", Text, Fact, "The options it was judged by: kyc_policy.policy_id."),
    column("userid_pseudonym", "", Text, Identifier, "HMAC-SHA256 of userid with privacy.pseudonym_key, in hex; null without a key."),
    column("email_pseudonym", "", Text, Identifier, "HMAC-SHA256 of email with privacy.pseudonym_key, in hex; null without a key."),
    surviving("deleted_at", "", Timestamp, Fact, "When argos-sync had proof that the vendor had deleted it. Null: not deleted. What remains of a deleted submission is still personal data."),
    surviving("vendor_deleted_at", "", Timestamp, Fact, "The vendor's own time of the deletion; null where the vendor gives none."),
];

#[rustfmt::skip]
const ATTEMPT: &[Column] = &[
    surviving("attempt_count", "kyc.attempts.attemptCnt", Integer, Fact, "The attempt's own number."),
    surviving("step1_1st_at", "kyc.attempts.step1Time1st", Timestamp, Fact, "First call of step 1."),
    surviving("step1_2nd_at", "kyc.attempts.step1Time2nd", Timestamp, Fact, "Second call of step 1."),
    surviving("step1_3rd_at", "kyc.attempts.step1Time3rd", Timestamp, Fact, "Third call of step 1."),
    surviving("step2_1st_at", "kyc.attempts.step2Time1st", Timestamp, Fact, "First call of step 2."),
    surviving("step2_2nd_at", "kyc.attempts.step2Time2nd", Timestamp, Fact, "Second call of step 2."),
    surviving("step2_3rd_at", "kyc.attempts.step2Time3rd", Timestamp, Fact, "Third call of step 2."),
    surviving("ocr_result", "kyc.attempts.ocrResult", Enum, Fact, "How reading the document went, such as `success`."),
    surviving("verification_result", "kyc.attempts.verificationResult", Enum, Fact, "Whether the authority confirmed the document: `success` or `fail`."),
    column("id_barcode_result", "kyc.attempts.idBarcodeResult", Text, Fact, "The barcode check of US, Canadian and Mexican documents."),
    column("face_similarity_score", "kyc.attempts.faceSimilarityScore", Double, Fact, "How alike the faces are, 0 to 100."),
    column("liveness_score", "kyc.attempts.livenessScore", Double, Fact, "How surely the face was alive, 0 to 100."),
    column("liveness_detail_score", "kyc.attempts.liveness.score", Double, Fact, "The liveness model's score; may exceed 1."),
    column("liveness_probability", "kyc.attempts.liveness.probability", Double, Fact, "The liveness model's probability, 0 to 1."),
    column("liveness_quality", "kyc.attempts.liveness.quality", Double, Fact, "The picture's quality, 0 to 1."),
    surviving("retry_code", "kyc.attempts.retryCode", TextArray, Fact, "Why the applicant had to try again."),
    surviving("error_code", "kyc.attempts.errorCode", Text, Fact, "What failed."),
];

#[rustfmt::skip]
const REJECT_REASON: &[Column] = &[
    surviving("comment_code", "kyc.commentCode", Text, Fact, "Why it was rejected, such as `duplicate_user`; null where only a text was given."),
    surviving("has_comment", "", Bool, Fact, "Whether a text stands beside the code; the text is personal."),
];

#[rustfmt::skip]
const MATCH: &[Column] = &[
    column("risk_level", "aml.matches.risk_level", Enum, Fact, "`high`, `medium` or `low`."),
    column("resource_id", "aml.matches.resource_id", Text, Identifier, "Names the match, and its report."),
    column("argos_number", "aml.matches.argos_number", Text, Identifier, "Another number of the report."),
    column("score", "aml.matches.score", Double, Fact, "How alike the names are."),
    column("risk_icons", "aml.matches.risk_icons", TextArray, Fact, "Families of lists, such as `PEP-LINKED`."),
];

#[rustfmt::skip]
const DUPLICATE: &[Column] = &[
    column("kind", "", Text, Fact, "`identity` or `selfie`: what looks the same."),
    column("duplicate_submission_id", "duplicated_users|duplicated_selfie_users", Text, Identifier, "The other submission."),
];

#[rustfmt::skip]
const INJECTION: &[Column] = &[
    surviving("type", "Injection_action.type", Text, Fact, "What was injected."),
    surviving("injected_at", "Injection_action.time", Timestamp, Fact, "When."),
];

#[rustfmt::skip]
const CAMERA: &[Column] = &[
    surviving("type", "signals.cameraProcessInfo.type", Text, Fact, "What was captured, such as `idcard-front-capture`."),
    surviving("process_start_at", "signals.cameraProcessInfo.processStartTime", Timestamp, Fact, "When the capture began."),
    surviving("process_end_at", "signals.cameraProcessInfo.processEndTime", Timestamp, Fact, "When it ended."),
    column("error", "signals.cameraProcessInfo.error", Text, Fact, "What went wrong; null: nothing."),
];

#[rustfmt::skip]
const BANK: &[Column] = &[
    surviving("result", "bank_verification.result", Enum, Fact, "`success` or `fail`."),
    surviving("type", "bank_verification.type", Text, Fact, "`occupancy` or `nameCheck`."),
    column("bank_code", "bank_verification.bank_code", Text, Fact, "The bank."),
    column("retry_count", "bank_verification.retry_count", Integer, Fact, "How often sending the code failed."),
];

#[rustfmt::skip]
const POLICY: &[Column] = &[
    column("policy_id", "", Text, Identifier, "The first 16 bytes of SHA-256 over the set without webhookURL in canonical form, in hex."),
    column("option_aml", "project_options.option_aml", Bool, Fact, "Screening against lists is on."),
    column("option_address_data", "project_options.option_addressData", Bool, Fact, "Addresses are asked for."),
    column("option_id_number", "project_options.option_idNumber", Bool, Fact, "Identity numbers are kept."),
    column("option_mask_document_number", "project_options.option_mask_documentNumber", Bool, Fact, "Document numbers are masked."),
    column("option_validation_gov", "project_options.option_validationGov", Bool, Fact, "The issuing authority is asked."),
    column("option_mask_id_number", "project_options.option_mask_idNumber", Bool, Fact, "Identity numbers are masked."),
    column("option_document_number", "project_options.option_documentNumber", Bool, Fact, "Document numbers are kept."),
    column("option_ai_only", "project_options.option_ai_only", Bool, Fact, "No human reviews."),
    column("policy_approve_period", "project_options.policy_approvePeriod", Double, Fact, "How long an approval holds."),
    column("policy_age_limit", "project_options.policy_ageLimit", Double, Fact, "Least age in years."),
    column("policy_blacklist_countries", "project_options.policy_blacklistCountries", TextArray, Fact, "Countries that are refused."),
    column("policy_accepted_id", "project_options.policy_acceptedID", TextArray, Fact, "Kinds of documents that are accepted."),
];

#[rustfmt::skip]
const IDENTITY: &[Column] = &[
    column("email", "email", Text, Personal, "The applicant's e-mail address."),
    column("userid", "userid", Text, Identifier, "The company's own name for the applicant."),
    column("applicant_id", "applicant_id", Text, Identifier, "The vendor's guess of the same person; never a person's key (quirk Q9)."),
    column("token_id", "tokenId", Text, Identifier, "The private-mode token used."),
    column("duplicated_information", "duplicated_information", Text, Identifier, "Made of name, birth date, gender and nationality."),
    column("custom_duplicated_information", "custom_duplicated_information", Text, Identifier, "The same by the project's own criteria."),
    column("name", "data.name", Text, Personal, "The name in older and knowledge-based submissions."),
    column("first_name", "data.first_name", Text, Personal, "Given name."),
    column("last_name", "data.last_name", Text, Personal, "Family name."),
    column("full_name", "data.full_name", Text, Personal, "Full name."),
    column("date_of_birth", "data.date_of_birth", Date, Personal, "Birth date."),
    column("ip_address", "data.ip_address", Text, Personal, "Where the submission came from."),
    column("idcard_issue_date", "data.idcard_issueDate", Date, Personal, "When the document was issued."),
    column("idcard_expire_date", "data.idcard_expireDate", Date, Personal, "When the document ends."),
    column("document_number", "data.documentNumber", Text, Identifier, "The document's number; may be masked."),
    column("identity_number", "data.identityNumber", Text, Identifier, "National identity number; may be masked."),
    column("ssn_number", "data.ssnNumber", Text, Identifier, "Social security number; masked."),
    column("phone_number", "data.phoneNumber", Text, Personal, "Telephone number."),
    column("type_of_permit", "data.typeOfPermit", Text, Personal, "Residence permit, such as `F-1`."),
    column("type_of_permit_gov_kor", "data.typeOfPermitGovKor", Text, Personal, "The same by the Korean authority."),
    column("expiry_date_of_stay_kor", "data.expiryDateOfStayKor", Date, Personal, "Until when the stay in Korea is allowed."),
    column("nationality_gov_kor", "data.nationalityGovKor", Text, Personal, "Nationality by the Korean authority."),
    column("address_city", "data.address_city", Text, Personal, "City."),
    column("address_state", "data.address_state", Text, Personal, "State."),
    column("address_street", "data.address_street", Text, Personal, "Street."),
    column("address_street2", "data.address_street2", Text, Personal, "Street, second line."),
    column("address_zipcode", "data.address_zipcode", Text, Personal, "Postal code."),
    column("address_country", "data.address_country", Text, Personal, "Country."),
    column("address_global_code", "data.address_globalCode", Text, Personal, "Plus code of the place."),
    column("address_compound_code", "data.address_compoundCode", Text, Personal, "Plus code with the town's name."),
    column("address_formatted", "data.address_formatted", Text, Personal, "The address in one line."),
    column("address_input", "data.address_input", Text, Personal, "The address as typed."),
    column("address_detail", "data.address_detail", Text, Personal, "Flat, floor and the like."),
    column("cf1", "data.cf1", Text, Personal, "The company's own field 1."),
    column("cf2", "data.cf2", Text, Personal, "The company's own field 2."),
    column("cf3", "data.cf3", Text, Personal, "The company's own field 3."),
    column("memo", "memo.text", Text, Personal, "What operators wrote about it."),
    column("kyc_comment", "kyc.comment", TextArray, Personal, "Texts beside the reject codes, in their order."),
    column("kyc_retry", "kyc.retry", Json, Personal, "Undocumented."),
    column("ocr", "ocr", Json, Personal, "What was read from the document, normalised by the vendor."),
    column("ocr_raw", "OCR_raw", Json, Personal, "What was read from the document, field by field."),
    column("review", "review", Json, Personal, "What the applicant confirmed."),
    column("confidence", "signals.confidence", Json, Personal, "How sure the vendor is of each field."),
    column("verification_face_age", "verification.faceAge", Json, Biometric, "Ages estimated from the pictures."),
    column("signals_face_age", "signals.faceAge", Json, Biometric, "Ages estimated from the pictures."),
    column("warning", "warning", Json, Personal, "Undocumented."),
    column("aml_raw_data", "aml.raw_data", Json, Personal, "The screening's own answer."),
    column("admin_email", "updateHistory.updateAdmin", Text, Personal, "Which administrator last edited it."),
    column("pre_verification_ip_address", "pre_verification.ip_address", Text, Personal, "Where the pre-verification came from."),
    column("account_number", "bank_verification.account_number", Text, Financial, "The bank account that was checked."),
    column("id_image", "image.idImage", Text, Biometric, "Where the vendor keeps the document's front; the address ends soon."),
    column("id_back_image", "image.idBackImage", Text, Biometric, "Where the vendor keeps the document's back; the address ends soon."),
    column("selfie_image", "image.selfieImage", Text, Biometric, "Where the vendor keeps the face; the address ends soon."),
    column("address_image", "image.addressImage", Text, Personal, "Where the vendor keeps the proof of address; the address ends soon."),
];

#[rustfmt::skip]
const ANSWER: &[Column] = &[
    column("answer", "additional_list.answer", Text, Fact, "The field's name."),
    column("input_value", "additional_list.inputValue", Text, Personal, "What the applicant wrote."),
    column("block_type", "additional_list.blockType", Text, Fact, "The kind of field, such as `text`."),
];

#[rustfmt::skip]
const VERIFICATION: &[Column] = &[
    column("result_code", "kyc.attempts.verification.result.code", Text, Fact, "The authority's answer, such as `CF-00000`."),
    column("result_message", "kyc.attempts.verification.result.message", Text, Personal, "The same in words."),
    column("result_transaction_id", "kyc.attempts.verification.result.transactionId", Text, Identifier, "The query's number."),
    column("result_extra_message", "kyc.attempts.verification.result.extraMessage", Text, Personal, "More words."),
    column("res_authenticity", "kyc.attempts.verification.data.resAuthenticity", Text, Personal, "Whether the document is genuine."),
    column("res_expiration_date", "kyc.attempts.verification.data.resExpirationDate", Text, Personal, "When the document ends, as the authority writes it."),
    column("res_nationality", "kyc.attempts.verification.data.resNationality", Text, Personal, "Nationality by the authority."),
    column("res_authenticity_desc", "kyc.attempts.verification.data.resAuthenticityDesc", Text, Personal, "Why it is not genuine."),
    column("res_status", "kyc.attempts.verification.data.resStatus", Text, Personal, "The status by the authority."),
    column("user_name", "kyc.attempts.verification.userName", Text, Personal, "The name that was checked."),
    column("params_id_type", "kyc.attempts.verificationParams.idType", Text, Personal, "The kind of document that was checked."),
    column("params_nationality", "kyc.attempts.verificationParams.nationality", Text, Personal, "The nationality that was checked."),
    column("params_birth_date", "kyc.attempts.verificationParams.birthDate", Date, Personal, "The birth date that was checked."),
    column("params_document_number", "kyc.attempts.verificationParams.documentNumber", Text, Identifier, "The document number that was checked."),
    column("retry_message", "kyc.attempts.retryMsg", TextArray, Personal, "Why the applicant had to try again, in words."),
    column("error_message", "kyc.attempts.errorMsg", Text, Personal, "What failed, in words."),
    column("error", "kyc.attempts.error", Text, Personal, "What failed, in older answers."),
    column("selfie_image", "kyc.attempts.selfieImage", Text, Biometric, "Where the vendor keeps the face; the address ends soon."),
];
