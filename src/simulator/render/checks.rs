//! Writes settings, signals and other checks of a submission (contract sections 3.5.4, 3.5.7).

use super::style::Style;
use super::writer::JsonWriter;
use crate::simulator::people::draw::{Draw, Purpose};
use crate::simulator::people::submission::Submission;

/// The number of sets of project options.
const OPTION_SETS: u32 = 12;

/// Writes the members that only detail calls have, except the envelope and the readings.
pub(super) fn checks(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>) {
    let mut draw = item.draw(Purpose::Signals);
    let format = style.knobs.time_format;
    let set = draw.below(OPTION_SETS);
    w.key("project_options").object(|w| project_options(w, item.seed, set));
    let has_face_age = draw.permille(100);
    w.key("verification").object(|w| {
        w.key("faceAge").array(|w| {
            if has_face_age {
                w.object(|w| face_age(w, &mut draw));
            }
        });
    });
    w.key("signals").object(|w| signals(w, style, item, &mut draw));
    w.key("id_LivenessScore").object(|w| {
        if draw.permille(600) {
            for name in ["Screen_play", "Paper_printed", "Replace_portraits"] {
                w.key(name).decimal(draw.below(10_001), 4);
            }
        }
    });
    injection_action(w, style, item, &mut draw);
    if draw.permille(300) {
        w.key("pre_verification").object(|w| {
            w.pair("request_id", &draw.code(20));
            w.key("created_at").time(format, item.created_at_ms - 400_000);
            let [a, b] = [draw.below(256), draw.below(256)];
            w.pair("ip_address", &format!("203.0.{a}.{b}"));
            w.key("fraud_score").number(draw.below(101));
            w.pair("attempts_frequency", draw.pick(&["FirstSeen", "Frequent"]));
            w.pair("country_code", item.person.nationality);
            w.pair("connection_type", draw.pick(&["Mobile", "Residential", "Corporate"]));
            w.key("is_valid").bool(draw.permille(950));
        });
    }
    if draw.permille(150) {
        w.key("bank_verification").object(|w| {
            w.pair("result", if draw.permille(900) { "success" } else { "fail" });
            w.pair("type", draw.pick(&["occupancy", "nameCheck"]));
            w.pair("bank_code", &format!("0{}", draw.decimal_digits(2)));
            w.pair("account_number", &draw.decimal_digits(12));
            w.key("retry_count").number(draw.below(4));
        });
    }
}

fn project_options(w: &mut JsonWriter, seed: u64, set: u32) {
    const SWITCHES: [&str; 8] = [
        "option_aml",
        "option_addressData",
        "option_idNumber",
        "option_mask_documentNumber",
        "option_validationGov",
        "option_mask_idNumber",
        "option_documentNumber",
        "option_ai_only",
    ];
    let mut draw = Draw::new(seed, set, Purpose::Options);
    for switch in SWITCHES {
        w.key(switch).bool(draw.permille(500));
    }
    w.key("policy_approvePeriod").number(draw.below(3) * 30);
    w.key("policy_ageLimit").number(if draw.permille(700) { 18_u32 } else { 14 });
    let blacklist: &[&str] = if draw.permille(500) { &[] } else { &["PRK", "IRN"] };
    w.key("policy_blacklistCountries").texts(blacklist.iter().copied());
    w.key("policy_acceptedID").texts(["government_id", "passport", "drivers_license"]);
    // The vendor's customers put secrets into these addresses (Q21).
    let secret = draw.code(24);
    w.pair("webhookURL", &format!("https://hooks.operator.example/argos?secret={secret}"));
}

fn face_age(w: &mut JsonWriter, draw: &mut Draw) {
    const NAMES: [&str; 8] = [
        "originalSelfieLow",
        "originalSelfieMedian",
        "originalSelfieHigh",
        "selfieMedian",
        "idLow",
        "idMedian",
        "idHigh",
        "birthDateAge",
    ];
    w.key("usedValues").object(|w| {
        for name in NAMES {
            w.key(name).number(draw.between(16, 70));
        }
    });
}

fn signals(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, draw: &mut Draw) {
    let format = style.knobs.time_format;
    let mut at_ms = item.created_at_ms - 240_000;
    w.key("faceAge").array(|_| {});
    w.key("startButtonClickTime").time(format, at_ms);
    w.key("cameraProcessInfo").array(|w| {
        for kind in ["idcard-front-capture", "idcard-back-capture", "selfie-capture"] {
            let took_ms = i64::from(draw.between(2000, 40_000));
            w.object(|w| {
                w.key("processStartTime").time(format, at_ms);
                w.key("processEndTime").time(format, at_ms + took_ms);
                w.pair("type", kind);
                w.key("error");
                if draw.permille(970) { w.null() } else { w.text("camera-permission-denied") }
            });
            at_ms += took_ms + 1000;
        }
    });
    w.key("confidence").object(|w| {
        let read =
            ["fullName", "gender", "nationality", "birthDate", "expireDate", "documentNumber"];
        w.key("finalData").object(|w| confidences(w, draw, &read));
        w.key("ocrData").object(|w| confidences(w, draw, &read));
        w.key("ocrExtractedData").object(|w| confidences(w, draw, &EXTRACTED));
    });
}

const EXTRACTED: [&str; 22] = [
    "birth_date",
    "emergency_name",
    "number",
    "height",
    "restrictions",
    "weight",
    "emergency_address",
    "nationality",
    "authority",
    "name",
    "gender",
    "audit_number",
    "emergency_telephone",
    "eyes",
    "donor",
    "blood_type",
    "first_name",
    "address",
    "expiry_date",
    "last_name",
    "middle_name",
    "endorsements",
];

fn confidences(w: &mut JsonWriter, draw: &mut Draw, names: &[&str]) {
    for name in names {
        w.key(name);
        match draw.below(5) {
            0 => w.number(1_u32),
            // As in the vendor's own samples (Q20).
            1 => w.verbatim(b"0.9969999999999999"),
            _ => w.decimal(draw.below(100), 2),
        }
    }
}

/// An array or an object, since the vendor's pages disagree (Q7).
fn injection_action(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, draw: &mut Draw) {
    let format = style.knobs.time_format;
    let action = |w: &mut JsonWriter| {
        w.pair("type", "address");
        w.key("time").time(format, item.created_at_ms + 7_200_000);
    };
    w.key("Injection_action");
    match draw.below(100) {
        0..3 => w.array(|w| w.object(action)),
        3..5 => w.object(action),
        _ => w.array(|_| {}),
    }
}
