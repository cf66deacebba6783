//! Writes `kyc` and `aml` of a submission (contract sections 3.5.5, 3.5.6).

use super::signed::signed_address;
use super::style::Style;
use super::writer::JsonWriter;
use crate::simulator::people::change::KycResult;
use crate::simulator::people::draw::{Draw, Purpose};
use crate::simulator::people::submission::{Pipeline, Submission, comment};

/// Writes the members of `kyc`.
pub(super) fn kyc(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, minimal: bool) {
    w.pair("result", item.result.as_str());
    let comments: Vec<_> = item.codes.iter().map(|code| comment(code)).collect();
    texts(w.key("comment"), style, &comments);
    texts(w.key("commentCode"), style, &item.codes);
    if minimal {
        return;
    }
    w.key("attempts").array(|w| {
        for number in 1..=item.attempts {
            w.object(|w| attempt(w, style, item, number));
        }
    });
    w.key("retry").array(|_| {});
}

/// Writes texts as an array, or as one text if the knobs require it (Q6).
fn texts(w: &mut JsonWriter, style: Style<'_>, texts: &[&str]) {
    if style.knobs.comments_as_text {
        w.text(&texts.join(", "));
    } else {
        w.texts(texts.iter().copied());
    }
}

fn attempt(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, number: u32) {
    let mut draw = item.draw_attempt(number);
    let is_last = number == item.attempts;
    let finished = !(is_last && item.result == KycResult::Incomplete);
    let failed = !is_last || item.result == KycResult::Rejected;
    // Draws all values before any is omitted, so that lists and detail calls agree.
    let began_ms = item.created_at_ms - i64::from(item.attempts - number + 1) * 180_000;
    let step1_ms = began_ms + i64::from(draw.below(60_000));
    let step2_ms = step1_ms + 5000 + i64::from(draw.below(60_000));
    let similarity = if failed { draw.between(200, 900) } else { draw.between(850, 1000) };
    let liveness = draw.between(500, 1001);
    let scores = [draw.between(4000, 21_000), draw.below(10_001), draw.below(10_001)];
    let format = style.knobs.time_format;

    w.key("attemptCnt").number(number);
    w.key("step1Time1st").time(format, step1_ms);
    if finished {
        w.key("step2Time1st").time(format, step2_ms);
        w.key("faceSimilarityScore").decimal(similarity, 1);
        let hidden = item.projection == Some(1);
        style.hidable(w, "selfieImage", hidden, |w| {
            let name = match number {
                1 => "selfie1",
                2 => "selfie2",
                _ => "selfie3",
            };
            signed_address(w, style.call, &item.id, name);
        });
        w.key("livenessScore").decimal(liveness, 1);
        w.key("liveness").object(|w| {
            for (name, score) in ["score", "probability", "quality"].into_iter().zip(scores) {
                w.key(name).decimal(score, 4);
            }
        });
    }
    if !style.full {
        return;
    }
    if draw.permille(120) {
        w.key("step1Time2nd").time(format, step1_ms + 1500);
        if draw.permille(400) {
            w.key("step1Time3rd").time(format, step1_ms + 2800);
        }
    }
    if finished && draw.permille(100) {
        w.key("step2Time2nd").time(format, step2_ms + 1700);
        if draw.permille(400) {
            w.key("step2Time3rd").time(format, step2_ms + 3100);
        }
    }
    w.pair("ocrResult", if draw.permille(970) { "success" } else { "fail" });
    w.pair("verificationResult", if failed { "fail" } else { "success" });
    if item.pipeline == Pipeline::Document {
        verification(w, item, &mut draw, failed);
    }
    if failed {
        failure(w, style, &mut draw);
    }
}

fn verification(w: &mut JsonWriter, item: &Submission<'_>, draw: &mut Draw, failed: bool) {
    const DAY_MS: i64 = 86_400_000;
    let person = &item.person;
    let (code, message) = if failed { ("CF-13002", "불일치") } else { ("CF-00000", "성공") };
    w.key("verification").object(|w| {
        w.key("result").object(|w| {
            w.pair("code", code);
            w.pair("message", message);
            w.pair("transactionId", &draw.code(24));
            w.pair("extraMessage", "");
        });
        w.key("data").object(|w| {
            w.pair("resAuthenticity", if failed { "0" } else { "1" });
            w.key("resExpirationDate").day(item.created_at_ms.div_euclid(DAY_MS) + 900);
            w.pair("resNationality", person.nationality);
            w.pair("resAuthenticityDesc", "");
            w.pair("resStatus", draw.pick(&["valid", "정상"]));
        });
        w.pair("userName", &person.full_name);
    });
    w.key("verificationParams").object(|w| {
        w.pair("idType", item.id_type());
        w.pair("nationality", person.nationality);
        w.key("birthDate").day(person.birth_day);
        w.pair("documentNumber", &person.document_number);
    });
    if matches!(person.nationality, "USA" | "CAN" | "MEX") {
        w.pair("idBarcodeResult", if failed { "fail" } else { "success" });
    }
}

/// The reason of a failed attempt (contract section 11.3).
fn failure(w: &mut JsonWriter, style: Style<'_>, draw: &mut Draw) {
    const CODES: [&str; 7] = [
        "glare_detected",
        "recaptured_document",
        "liveness_error",
        "face_compare_underscore",
        "document_expired",
        "mrz_protocol_fail",
        "missing_birth_date",
    ];
    let code = draw.pick(&CODES);
    texts(w.key("retryMsg"), style, &["try again with a clear picture"]);
    texts(w.key("retryCode"), style, &[code]);
    if draw.permille(250) {
        w.pair("errorCode", "E-4012");
        w.pair("errorMsg", "the verification service did not answer");
    }
    if draw.permille(100) {
        w.pair("error", "face compare fail");
    }
}

/// Writes the members of `aml`.
pub(super) fn aml(w: &mut JsonWriter, item: &Submission<'_>) {
    let mut draw = item.draw(Purpose::Aml);
    if !item.aml_flagged {
        w.key("raw_data").object(|_| {});
        w.key("matches").array(|_| {});
        w.pair("risk_level_summary", "Not Screened");
        w.pair("currentstatus", "Not Screened");
        return;
    }
    let (summary, level) = match draw.below(3) {
        0 => ("High", "HIGH"),
        1 => ("Medium", "MEDIUM"),
        _ => ("Low", "LOW"),
    };
    w.key("raw_data").object(|w| {
        w.pair("search_id", &draw.code(12));
        w.key("total_hits").number(draw.between(1, 9));
        w.key("sources").texts(["sanctions-list", "pep-register"]);
    });
    w.key("matches").array(|w| {
        for _ in 0..draw.between(1, 4) {
            w.object(|w| {
                w.pair("risk_level", level);
                w.pair("resource_id", &draw.code(22));
                w.pair("argos_number", &format!("AN-{}", draw.decimal_digits(10)));
                w.key("score").decimal(draw.between(900, 1000), 1);
                let icons = ["PEP-LINKED", "PEP-FORMER", "SAN-CURRENT", "INS", "REL"];
                let (first, second) = (draw.pick(&icons), draw.pick(&icons));
                w.key("risk_icons").texts([first, second]);
            });
        }
    });
    w.pair("risk_level_summary", summary);
    w.pair("currentstatus", "Red Flag");
}
