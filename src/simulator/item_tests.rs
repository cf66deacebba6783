//! Tests of the items: every documented path occurs, and lists and detail calls agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::domain::{Day, Stream};

/// Every path of contract section 3.5; paths into open maps end at the map.
const SUBMISSION_PATHS: &str = "
    submission_id email userid applicant_id created_at kyc_result_at updated_at pending_at reviewer
    recognition_score argos_score duplicated_information custom_duplicated_information duplicated_users[]
    duplicated_selfie_users[] tokenId projection.projectionId projection.projectionName memo.text memo.updated_at
    image.idImage image.idBackImage image.selfieImage image.addressImage additional_list[].answer
    additional_list[].inputValue additional_list[].blockType warning updateHistory.updateAdmin
    updateHistory.updateTime data.age_group data.name data.first_name data.last_name data.full_name data.gender
    data.nationality data.date_of_birth data.ip_address data.idType data.idcard_issuingCountry
    data.idcard_issueDate data.idcard_expireDate data.documentNumber data.identityNumber data.ssnNumber
    data.phoneNumber data.typeOfPermit data.typeOfPermitGovKor data.expiryDateOfStayKor data.nationalityGovKor
    data.address_city data.address_state data.address_street data.address_zipcode data.address_street2
    data.address_country data.address_globalCode data.address_compoundCode data.address_formatted
    data.address_input data.address_detail data.cf1 data.cf2 data.cf3 OCR_raw.address.value OCR_raw.address.score
    OCR_raw.address.accepted OCR_raw.address.coordinates OCR_raw.rotate.value ocr.birthDate ocr.expireDate
    ocr.issueDate ocr.firstName ocr.lastName ocr.fullName ocr.identityNumber ocr.nationality review.birthDate
    review.fullName review.gender review.nationality review.issueDate review.expireDate review.documentNumber
    review.identityNumber project_options.option_aml project_options.option_addressData
    project_options.option_idNumber project_options.option_mask_documentNumber
    project_options.option_validationGov project_options.option_mask_idNumber
    project_options.option_documentNumber project_options.option_ai_only project_options.policy_approvePeriod
    project_options.policy_ageLimit project_options.policy_blacklistCountries[]
    project_options.policy_acceptedID[] project_options.webhookURL kyc.result kyc.comment[] kyc.commentCode[]
    kyc.retry kyc.attempts[].attemptCnt kyc.attempts[].step1Time1st kyc.attempts[].step1Time2nd
    kyc.attempts[].step1Time3rd kyc.attempts[].step2Time1st kyc.attempts[].step2Time2nd
    kyc.attempts[].step2Time3rd kyc.attempts[].ocrResult kyc.attempts[].verificationResult
    kyc.attempts[].verification.result.code kyc.attempts[].verification.result.message
    kyc.attempts[].verification.result.transactionId kyc.attempts[].verification.result.extraMessage
    kyc.attempts[].verification.data.resAuthenticity kyc.attempts[].verification.data.resExpirationDate
    kyc.attempts[].verification.data.resNationality kyc.attempts[].verification.data.resAuthenticityDesc
    kyc.attempts[].verification.data.resStatus kyc.attempts[].verification.userName
    kyc.attempts[].verificationParams.idType kyc.attempts[].verificationParams.nationality
    kyc.attempts[].verificationParams.birthDate kyc.attempts[].verificationParams.documentNumber
    kyc.attempts[].idBarcodeResult kyc.attempts[].faceSimilarityScore kyc.attempts[].livenessScore
    kyc.attempts[].liveness.score kyc.attempts[].liveness.probability kyc.attempts[].liveness.quality
    kyc.attempts[].selfieImage kyc.attempts[].retryMsg[] kyc.attempts[].retryCode[] kyc.attempts[].errorCode
    kyc.attempts[].errorMsg kyc.attempts[].error aml.currentstatus aml.risk_level_summary aml.raw_data
    aml.matches[].risk_level aml.matches[].resource_id aml.matches[].argos_number aml.matches[].score
    aml.matches[].risk_icons[] verification.faceAge[].usedValues.birthDateAge signals.faceAge
    signals.cameraProcessInfo[].processStartTime signals.cameraProcessInfo[].processEndTime
    signals.cameraProcessInfo[].type signals.cameraProcessInfo[].error signals.startButtonClickTime
    signals.confidence.finalData.fullName signals.confidence.ocrData.gender
    signals.confidence.ocrExtractedData.emergency_name id_LivenessScore.Screen_play
    id_LivenessScore.Paper_printed id_LivenessScore.Replace_portraits Injection_action[].type
    Injection_action[].time Injection_action.type Injection_action.time pre_verification.request_id
    pre_verification.created_at pre_verification.ip_address pre_verification.fraud_score
    pre_verification.attempts_frequency pre_verification.country_code pre_verification.connection_type
    pre_verification.is_valid bank_verification.result bank_verification.type bank_verification.bank_code
    bank_verification.account_number bank_verification.retry_count";

/// Every path of contract section 6.4.
const FACEAUTH_PATHS: &str = "
    auth_id auth_status aurh_status create_time submit_type kyc_submission_id delete_check delete_time
    policy.faceSimilarity_threshold policy.occluded_threshold policy.faceCover_threshold
    policy.headCover_threshold policy.liveness_threshold policy.activeLiveness_threshold
    result.active_liveness_score result.face_similarity result.detectOccluded reject_comment[] fail_code[]";

fn simulation(count: u32) -> Simulation {
    let from = Day::from_ymd_opt(2024, 1, 1).unwrap();
    let population = Population {
        seed: 42,
        submissions: count,
        faceauths: count,
        from,
        to: from + chrono::Days::new(365),
    };
    let project = |key: &str, stream| SimulatedProject {
        key: key.to_owned(),
        stream,
        population: population.clone(),
    };
    Simulation::new(vec![project("main", Stream::Submission), project("face", Stream::Faceauth)])
}

/// Collects the path of every value, with the text of scalars; array positions are `[]`.
fn paths(value: &Value, path: String, out: &mut BTreeSet<String>) {
    match value {
        Value::Array(elements) => {
            for element in elements {
                paths(element, format!("{path}[]"), out);
            }
        }
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            paths(value, path, out);
        }),
        _ => {}
    }
    out.insert(path);
}

/// Every leaf by its exact path, without image addresses.
fn leaves(value: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .for_each(|(index, element)| leaves(element, &format!("{path}[{index}]"), out)),
        Value::Object(members) => {
            for (key, value) in members {
                leaves(value, &format!("{path}.{key}"), out);
            }
        }
        _ if path.contains("Image") => {}
        _ => {
            out.insert(path.to_owned(), value.clone());
        }
    }
}

fn items(simulation: &Simulation, key: &str) -> Vec<Value> {
    let project = simulation.project(key).unwrap();
    let count = [("count".to_owned(), "2000".to_owned())].to_vec();
    let body: Value =
        serde_json::from_slice(&project.answer(&project.key, Ok(count), 1).unwrap().body).unwrap();
    let items = body.get("Items").unwrap_or_else(|| &body[0]["data"]);
    items.as_array().unwrap().clone()
}

fn details(simulation: &Simulation) -> Vec<Value> {
    let item = |id: String| simulation.submission("main", &id).unwrap();
    simulation.submission_ids("main").map(|id| serde_json::from_slice(&item(id)).unwrap()).collect()
}

#[test]
fn every_documented_path_of_a_submission_occurs() {
    let mut seen = BTreeSet::new();
    for item in details(&simulation(2000)) {
        paths(&item, String::new(), &mut seen);
    }
    let missing: Vec<_> =
        SUBMISSION_PATHS.split_whitespace().filter(|path| !seen.contains(*path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_documented_path_of_a_face_authentication_occurs() {
    let simulation = simulation(2000);
    let knobs = Knobs { aurh_status_every: 10, ..Knobs::default() };
    simulation.set_knobs("face", knobs).unwrap();
    let mut seen = BTreeSet::new();
    for item in items(&simulation, "face") {
        paths(&item, String::new(), &mut seen);
    }
    let missing: Vec<_> =
        FACEAUTH_PATHS.split_whitespace().filter(|path| !seen.contains(*path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_list_item_says_nothing_that_the_detail_call_does_not() {
    let simulation = simulation(2000);
    let listed = items(&simulation, "main");
    assert_eq!(listed.len(), 2000);
    let by_id: BTreeMap<_, _> = details(&simulation)
        .into_iter()
        .map(|item| (item["submission_id"].as_str().unwrap().to_owned(), item))
        .collect();
    for item in &listed {
        let (mut list, mut detail) = (BTreeMap::new(), BTreeMap::new());
        leaves(item, "", &mut list);
        leaves(&by_id[item["submission_id"].as_str().unwrap()], "", &mut detail);
        for (path, value) in list {
            assert_eq!(detail.get(&path), Some(&value), "{path}");
        }
    }
}

#[test]
fn lists_leave_out_what_only_the_detail_call_has() {
    let mut seen = BTreeSet::new();
    for item in items(&simulation(2000), "main") {
        paths(&item, String::new(), &mut seen);
    }
    for absent in ["OCR_raw", "signals", "project_options", "data.full_name", "applicant_id"] {
        assert!(!seen.contains(absent), "{absent}");
    }
    for present in ["data.name", "kyc.attempts[].liveness.score", "aml.matches", "memo.text"] {
        assert!(seen.contains(present), "{present}");
    }
}

#[test]
fn two_worlds_of_one_seed_are_the_same() {
    assert_eq!(details(&simulation(300)), details(&simulation(300)));
}

#[test]
fn details_have_the_size_of_real_ones() {
    let simulation = simulation(1000);
    let item = |id: String| simulation.submission("main", &id).unwrap().len();
    let average = simulation.submission_ids("main").map(item).sum::<usize>() / 1000;
    assert!((5000..6300).contains(&average), "{average} bytes");
}

#[test]
fn shares_of_states_are_those_of_a_real_project() {
    let details = details(&simulation(10_000));
    let count = |test: &dyn Fn(&Value) -> bool| details.iter().filter(|item| test(item)).count();
    let result = |wanted: &'static str| count(&move |item| item["kyc"]["result"] == wanted);
    assert!((500..700).contains(&result("rejected")));
    assert!((230..370).contains(&result("pending")));
    assert!((60..140).contains(&result("incomplete")));
    let flagged = count(&|item| item["aml"]["currentstatus"] == "Red Flag");
    assert!((320..480).contains(&flagged), "{flagged} flagged");
    assert!((10..60).contains(&count(&|item| item["data"]["name"] == "Deleted Submission")));
    let sets: BTreeSet<_> =
        details.iter().map(|item| item["project_options"].to_string()).collect();
    assert!((10..15).contains(&sets.len()), "{} sets", sets.len());
}

#[test]
fn face_authentications_point_to_submissions() {
    let simulation = simulation(200);
    for item in items(&simulation, "face") {
        if let Some(id) = item.get("kyc_submission_id") {
            assert!(simulation.submission("main", id.as_str().unwrap()).is_some());
        }
    }
}

#[test]
fn changes_show_where_they_should() {
    let simulation = simulation(50);
    let id = simulation
        .submission_ids("main")
        .find(|id| {
            let item: Value =
                serde_json::from_slice(&simulation.submission("main", id).unwrap()).unwrap();
            item["kyc"]["result"] == "approved" && item["data"].get("full_name").is_some()
        })
        .unwrap();
    let detail = || -> Value {
        serde_json::from_slice(&simulation.submission("main", &id).unwrap()).unwrap()
    };
    let listed = || -> Value {
        items(&simulation, "main").into_iter().find(|item| item["submission_id"] == *id).unwrap()
    };
    let change = |change| simulation.change("main", &id, change).unwrap();

    let codes = vec!["other".to_owned()];
    change(Change::Decide { result: KycResult::Rejected, codes });
    assert_eq!(listed()["kyc"]["commentCode"][0], "other");
    change(Change::Decide { result: KycResult::Approved, codes: Vec::new() });
    change(Change::FlagAml);
    assert_eq!(detail()["aml"]["currentstatus"], "Red Flag");
    change(Change::ClearAml);
    assert_eq!(detail()["aml"]["matches"], Value::Array(Vec::new()));
    let edits = [("full_name", "새 \"이름\""), ("cf3", "new"), ("email", "new@mail.example")];
    change(Change::Edit(edits.map(|(name, text)| (name.to_owned(), text.to_owned())).into()));
    assert_eq!(detail()["data"]["full_name"], "새 \"이름\"");
    assert_eq!(detail()["email"], "new@mail.example");

    let (mut before, before_detail) = (listed(), detail());
    change(Change::Detail);
    let mut after = listed();
    for item in [&mut before, &mut after] {
        item.as_object_mut().unwrap().remove("image");
        item["kyc"]["attempts"] = Value::Null;
    }
    assert_eq!(after, before);
    assert_ne!(detail(), before_detail);

    change(Change::Delete);
    let left = detail();
    let keys: Vec<_> = left.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["created_at", "data", "kyc", "submission_id"]);
    change(Change::Vanish);
    assert_eq!(simulation.submission("main", &id), None);
    assert_eq!(simulation.submission_ids("main").count(), 49);
    change(Change::Return);
    simulation.override_item("main", &id, b"{\"x\":\"\\ud800\"}".to_vec()).unwrap();
    assert_eq!(simulation.submission("main", &id).unwrap(), b"{\"x\":\"\\ud800\"}");
    simulation.set_now_ms(1_700_000_000_000);
    let new = simulation.add("main", &Addition::default()).unwrap();
    let new: Value = serde_json::from_slice(&simulation.submission("main", &new).unwrap()).unwrap();
    assert_eq!(new["created_at"], "2023-11-14T22:13:20.000Z");
    let wrong = simulation.change("face", &id, Change::Vanish);
    assert_eq!(wrong, Err(ChangeError::UnknownRecord));
    let wrong = Change::DeleteFaceauth { keep_result: true };
    assert_eq!(simulation.change("main", &id, wrong), Err(ChangeError::WrongStream));
}

#[test]
fn a_hidden_date_is_shown_by_no_call_and_an_unlisted_record_by_no_list_with_dates() {
    let simulation = simulation(50);
    for (key, date) in [("main", "created_at"), ("face", "create_time")] {
        let project = simulation.project(key).unwrap();
        let id = Arc::clone(project).shown_ids().nth(7).unwrap();
        let change = |change| simulation.change(key, &id, change).unwrap();
        let item = || -> Value { serde_json::from_slice(&project.item(&id).unwrap()).unwrap() };
        let dated = || {
            let [start, end] =
                if key == "main" { ["start_date", "end_date"] } else { ["startDate", "endDate"] };
            let pairs = [(start, "2024-01-01"), (end, "2024-12-31"), ("count", "2000")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            let body = project.answer(key, Ok(pairs.to_vec()), 1).unwrap().body;
            String::from_utf8(body).unwrap().contains(&id)
        };
        let all = || items(&simulation, key);
        let without_date = || all().iter().filter(|item| item.get(date).is_none()).count();

        change(Change::HideDate);
        assert_eq!((item().get(date), without_date(), dated()), (None, 1, true));
        change(Change::ShowDate);
        assert!(item().get(date).is_some() && without_date() == 0);
        change(Change::Unlist);
        assert_eq!((all().len(), dated()), (50, false));
        assert!(item().get(date).is_some());
        change(Change::Relist);
        assert!(dated());
    }
}

#[test]
#[ignore = "measures; run it alone"]
fn speed() {
    let simulation = simulation(1_000_000);
    let project = simulation.project("main").unwrap();
    let began = std::time::Instant::now();
    let mut bytes = 0;
    let mut cursor: Vec<(String, String)> = Vec::new();
    for call in 0..50 {
        let count = ("count".to_owned(), "2000".to_owned());
        let pairs = std::iter::once(count).chain(cursor).collect();
        let body = project.answer(&project.key, Ok(pairs), call).unwrap().body;
        bytes += body.len();
        let tail = String::from_utf8_lossy(&body[body.len() - 140..]);
        let (_, key) = tail.split_once("nextpageKey").unwrap();
        let text: Vec<_> = key.split('"').collect();
        cursor = vec![
            ("nextpage_id".to_owned(), text[4].to_owned()),
            ("nextpage_date".to_owned(), text[8].to_owned()),
        ];
    }
    let list = began.elapsed();
    let ids: Vec<_> = simulation.submission_ids("main").take(20_000).collect();
    let began = std::time::Instant::now();
    for id in &ids {
        let pairs = vec![("submission_id".to_owned(), id.clone())];
        project.answer(&project.key, Ok(pairs), 1).unwrap();
    }
    let single = began.elapsed();
    println!("100,000 list items, {bytes} bytes: {list:?}; 20,000 detail calls: {single:?}");
}

#[test]
fn knobs_turn_the_shape_of_items() {
    let simulation = simulation(2000);
    let turn = |knobs| simulation.set_knobs("main", knobs).unwrap();
    let has = |test: &dyn Fn(&Value) -> bool| details(&simulation).iter().any(test);
    let hidden = |item: &Value| item["projection"]["projectionName"] == "hide_images";
    assert!(has(&|item| hidden(item) && item.get("image").is_none()));
    assert!(!has(&|item| item["kyc"]["comment"].is_string()));

    turn(Knobs { hidden_fields: HiddenFields::Null, comments_as_text: true, ..Knobs::default() });
    assert!(!has(&|item| hidden(item) && item.get("image") != Some(&Value::Null)));
    assert!(has(&|item| item["kyc"]["commentCode"] == "other"));

    for (deleted_label, path) in [
        (DeletedLabel::Memo, "/memo/text"),
        (DeletedLabel::Name, "/data/name"),
        (DeletedLabel::Email, "/email"),
        (DeletedLabel::Warning, "/warning/0"),
        (DeletedLabel::Label, "/label"),
    ] {
        turn(Knobs { deleted_label, deleted_permille: 1000, ..Knobs::default() });
        assert!(!has(&|item| item.pointer(path) != Some(&Value::from("Deleted Submission"))));
    }
}
