//! Compares the catalogue with lists written from contract sections 3.5 and 6.4 and design
//! section 7.

use std::collections::BTreeSet;

use crate::{
    domain::Stream,
    normalize::catalogue::{self, Class, Column, Key, Schema, Source, Table, Type},
};

const SUBMISSION: &str = "
submission_id email userid applicant_id created_at kyc_result_at updated_at pending_at reviewer recognition_score
argos_score duplicated_information custom_duplicated_information duplicated_users duplicated_selfie_users tokenId
projection.projectionId projection.projectionName memo.text memo.updated_at image.idImage image.idBackImage
image.selfieImage image.addressImage additional_list.answer additional_list.inputValue additional_list.blockType
warning updateHistory.updateAdmin updateHistory.updateTime

data.age_group data.name data.first_name data.last_name data.full_name data.gender data.nationality data.date_of_birth
data.ip_address data.idType data.idcard_issuingCountry data.idcard_issueDate data.idcard_expireDate data.documentNumber
data.identityNumber data.ssnNumber data.phoneNumber data.typeOfPermit data.typeOfPermitGovKor data.expiryDateOfStayKor
data.nationalityGovKor data.address_city data.address_state data.address_street data.address_zipcode
data.address_street2 data.address_country data.address_globalCode data.address_compoundCode data.address_formatted
data.address_input data.address_detail data.cf1 data.cf2 data.cf3

OCR_raw ocr review

project_options.option_aml project_options.option_addressData project_options.option_idNumber
project_options.option_mask_documentNumber project_options.option_validationGov project_options.option_mask_idNumber
project_options.option_documentNumber project_options.option_ai_only project_options.policy_approvePeriod
project_options.policy_ageLimit project_options.policy_blacklistCountries project_options.policy_acceptedID
project_options.webhookURL

kyc.result kyc.comment kyc.commentCode kyc.retry kyc.attempts.attemptCnt
kyc.attempts.step1Time1st kyc.attempts.step1Time2nd kyc.attempts.step1Time3rd
kyc.attempts.step2Time1st kyc.attempts.step2Time2nd kyc.attempts.step2Time3rd
kyc.attempts.ocrResult kyc.attempts.verificationResult
kyc.attempts.verification.result.code kyc.attempts.verification.result.message
kyc.attempts.verification.result.transactionId kyc.attempts.verification.result.extraMessage
kyc.attempts.verification.data.resAuthenticity kyc.attempts.verification.data.resExpirationDate
kyc.attempts.verification.data.resNationality kyc.attempts.verification.data.resAuthenticityDesc
kyc.attempts.verification.data.resStatus kyc.attempts.verification.userName
kyc.attempts.verificationParams.idType kyc.attempts.verificationParams.nationality
kyc.attempts.verificationParams.birthDate kyc.attempts.verificationParams.documentNumber
kyc.attempts.idBarcodeResult kyc.attempts.faceSimilarityScore kyc.attempts.livenessScore kyc.attempts.liveness.score
kyc.attempts.liveness.probability kyc.attempts.liveness.quality kyc.attempts.selfieImage kyc.attempts.retryMsg
kyc.attempts.retryCode kyc.attempts.errorCode kyc.attempts.errorMsg kyc.attempts.error

aml.currentstatus aml.risk_level_summary aml.raw_data aml.matches.risk_level aml.matches.resource_id
aml.matches.argos_number aml.matches.score aml.matches.risk_icons

verification.faceAge signals.faceAge signals.cameraProcessInfo.processStartTime
signals.cameraProcessInfo.processEndTime signals.cameraProcessInfo.type signals.cameraProcessInfo.error
signals.startButtonClickTime signals.confidence id_LivenessScore.Screen_play id_LivenessScore.Paper_printed
id_LivenessScore.Replace_portraits Injection_action.type Injection_action.time pre_verification.request_id
pre_verification.created_at pre_verification.ip_address pre_verification.fraud_score
pre_verification.attempts_frequency pre_verification.country_code pre_verification.connection_type
pre_verification.is_valid bank_verification.result bank_verification.type bank_verification.bank_code
bank_verification.account_number bank_verification.retry_count
";

const FACEAUTH: &str = "
auth_id auth_status aurh_status create_time submit_type kyc_submission_id delete_check delete_time
policy.faceSimilarity_threshold policy.occluded_threshold policy.faceCover_threshold policy.headCover_threshold
policy.liveness_threshold policy.activeLiveness_threshold result.active_liveness_score result.face_similarity
result.detectOccluded reject_comment fail_code
";

/// Open maps and values of undocumented shape, which are stored as a whole.
const KEPT_WHOLE: [&str; 9] = [
    "OCR_raw",
    "ocr",
    "review",
    "signals.confidence",
    "aml.raw_data",
    "warning",
    "kyc.retry",
    "verification.faceAge",
    "signals.faceAge",
];

const STREAMS: [Stream; 2] = [Stream::Submission, Stream::Faceauth];

fn of_contract(stream: Stream) -> BTreeSet<&'static str> {
    let list = match stream {
        Stream::Submission => SUBMISSION,
        Stream::Faceauth => FACEAUTH,
    };
    list.split_whitespace().collect()
}

fn columns(stream: Stream) -> impl Iterator<Item = (&'static Table, &'static Column)> {
    catalogue::tables(stream)
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
}

fn paths(column: &Column) -> impl Iterator<Item = &'static str> {
    column.path.split('|').filter(|path| !path.is_empty())
}

#[test]
fn every_path_of_the_contract_is_in_the_catalogue_and_no_other() {
    for stream in STREAMS {
        let stored = columns(stream).flat_map(|(_, column)| paths(column));
        let others = catalogue::other_paths(stream).iter().map(|(path, ..)| *path);
        let mut known: BTreeSet<&str> = stored.chain(others).collect();
        // The sets whose digests are the policies' keys are not leaves.
        known.retain(|path| !["project_options", "policy"].contains(path));
        assert_eq!(known, of_contract(stream));
    }
}

#[test]
fn a_path_and_a_name_stand_once_in_a_table() {
    for table in STREAMS.into_iter().flat_map(catalogue::tables) {
        let mut names: BTreeSet<_> = ["project", table.id_column(), "ordinal"].into();
        let mut seen = BTreeSet::new();
        for column in table.columns {
            assert!(names.insert(column.name), "{} {}", table.name, column.name);
            for path in paths(column) {
                assert!(seen.insert(path), "{} {path}", table.name);
            }
        }
    }
}

#[test]
fn the_webhook_address_has_no_column() {
    for (table, column) in columns(Stream::Submission) {
        assert!(!column.path.contains("webhookURL"), "{} {}", table.name, column.name);
        assert_ne!(column.path, "project_options", "{} {}", table.name, column.name);
        assert_ne!(column.class, Class::Secret, "{} {}", table.name, column.name);
    }
    let others = catalogue::other_paths(Stream::Submission);
    assert!(others.iter().any(|(path, class, _)| {
        *path == "project_options.webhookURL" && *class == Class::Secret
    }));
}

#[test]
fn every_comment_is_a_sentence() {
    for table in STREAMS.into_iter().flat_map(catalogue::tables) {
        assert!(table.comment.ends_with('.'), "{}", table.name);
        for column in table.columns {
            assert!(column.comment.ends_with('.'), "{} {}", table.name, column.name);
        }
    }
}

#[test]
fn names_are_words_in_snake_case_and_times_end_in_at() {
    for (table, column) in STREAMS.into_iter().flat_map(columns) {
        let place = format!("{} {}", table.name, column.name);
        let snake = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        assert!(column.name.chars().all(snake), "{place}");
        assert_eq!(column.kind == Type::Timestamp, column.name.ends_with("_at"), "{place}");
    }
}

#[test]
fn facts_name_nobody_and_open_maps_are_personal() {
    for (table, column) in STREAMS.into_iter().flat_map(columns) {
        let place = format!("{} {}", table.name, column.name);
        let hidden = [Class::Personal, Class::Biometric, Class::Financial, Class::Secret];
        if table.schema == Schema::Facts {
            assert!(!hidden.contains(&column.class), "{place}");
            assert_ne!(column.kind, Type::Json, "{place}");
        }
        assert_eq!(column.kind == Type::Json, KEPT_WHOLE.contains(&column.path), "{place}");
    }
}

#[test]
fn every_table_of_the_design_exists_with_its_key() {
    use Key::{Columns, Ordinal, Record, Set};
    let designed = [
        ("argos.submission", Record),
        ("argos.kyc_attempt", Ordinal),
        ("argos.kyc_reject_reason", Ordinal),
        ("argos.aml_match", Ordinal),
        ("argos.kyc_policy", Set),
        ("argos.submission_duplicate", Columns(2)),
        ("argos.injection_action", Ordinal),
        ("argos.camera_process", Ordinal),
        ("argos.bank_verification", Record),
        ("argos.faceauth", Record),
        ("argos.faceauth_failure", Ordinal),
        ("argos.faceauth_policy", Set),
        ("argos_pii.submission_identity", Record),
        ("argos_pii.additional_answer", Ordinal),
        ("argos_pii.kyc_attempt_verification", Ordinal),
    ];
    for (name, key) in designed {
        let all = STREAMS.into_iter().flat_map(catalogue::tables);
        let found: Vec<_> = all.filter(|table| table.qualified() == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].key, key, "{name}");
        if key == Set {
            assert_eq!(found[0].columns[0].name, "policy_id", "{name}");
        }
    }
    let duplicate = &catalogue::tables(Stream::Submission)
        .iter()
        .find(|table| table.name == "submission_duplicate")
        .unwrap();
    let key: Vec<_> = duplicate.columns.iter().take(2).map(|column| column.name).collect();
    assert_eq!(key, ["kind", "duplicate_submission_id"]);
}

#[test]
fn an_element_column_stands_below_its_array() {
    for (table, column) in STREAMS.into_iter().flat_map(columns) {
        if let Source::Elements(array) = table.source {
            let below = column.path.strip_prefix(array).is_some_and(|rest| rest.starts_with('.'));
            assert!(below, "{} {}", table.name, column.name);
        }
    }
}

#[test]
fn a_volatile_path_is_a_place_that_the_contract_knows() {
    for stream in STREAMS {
        for path in catalogue::volatile_paths(stream) {
            let known = of_contract(stream)
                .iter()
                .any(|known| known == path || known.starts_with(&format!("{path}.")));
            assert!(known, "{path}");
        }
    }
}

#[test]
fn a_deletion_leaves_status_dates_country_document_policy_reviewer_and_codes_alone() {
    let survivors: BTreeSet<String> = STREAMS
        .into_iter()
        .flat_map(columns)
        .filter(|(table, column)| {
            assert!(!column.survives || table.schema == Schema::Facts, "{}", column.name);
            assert!(!column.survives || column.class == Class::Fact, "{}", column.name);
            column.survives
        })
        .map(|(table, column)| format!("{}.{}", table.name, column.name))
        .collect();
    let wanted = "
        submission.created_at submission.kyc_result submission.kyc_result_at submission.pending_at
        submission.updated_at submission.reviewer submission.nationality submission.id_type
        submission.idcard_issuing_country submission.aml_status submission.aml_risk_level submission.projection_id
        submission.projection_name submission.start_button_click_at submission.memo_updated_at
        submission.admin_updated_at submission.kyc_policy_id submission.deleted_at submission.vendor_deleted_at
        kyc_attempt.attempt_count kyc_attempt.step1_1st_at kyc_attempt.step1_2nd_at kyc_attempt.step1_3rd_at
        kyc_attempt.step2_1st_at kyc_attempt.step2_2nd_at kyc_attempt.step2_3rd_at kyc_attempt.ocr_result
        kyc_attempt.verification_result kyc_attempt.retry_code kyc_attempt.error_code
        kyc_reject_reason.comment_code kyc_reject_reason.has_comment
        injection_action.type injection_action.injected_at
        camera_process.type camera_process.process_start_at camera_process.process_end_at
        bank_verification.result bank_verification.type
        faceauth.created_at faceauth.status faceauth.faceauth_policy_id faceauth.deleted_at faceauth.vendor_deleted_at
        faceauth_failure.fail_code faceauth_failure.has_comment";
    let wanted: BTreeSet<String> = wanted.split_whitespace().map(str::to_owned).collect();
    assert_eq!(survivors, wanted);
}

#[test]
fn a_text_of_others_stands_where_the_contract_knows_it_and_has_a_reason() {
    for (path, reason) in catalogue::texts_of_others(Stream::Submission) {
        let beginning = path.strip_suffix('*').unwrap_or(path);
        let is_known = |known: &&str| {
            *known == beginning
                || path.ends_with('*') && known.starts_with(beginning)
                || known.starts_with(&format!("{beginning}."))
        };
        assert!(of_contract(Stream::Submission).iter().any(is_known), "{path}");
        assert!(!reason.is_empty(), "{path}");
    }
}
