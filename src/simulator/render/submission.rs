//! Writes a submission like the vendor: the envelope, and the parts for each kind of call.

use super::checks;
use super::data;
use super::kyc;
use super::signed::{hex, signed_address};
use super::style::{Part, Style};
use super::writer::JsonWriter;
use crate::domain::Stream;
use crate::simulator::knobs::DeletedLabel;
use crate::simulator::people::draw::{Draw, Purpose, mix};
use crate::simulator::people::population::{BEFORE, Population};
use crate::simulator::people::submission::Submission;

const DAY_MS: i64 = 86_400_000;
/// The vendor's label of a deleted submission.
const DELETED: &str = "Deleted Submission";

/// Writes one item.
pub(in crate::simulator) fn submission(
    w: &mut JsonWriter,
    style: Style<'_>,
    population: &Population,
    item: &Submission<'_>,
) {
    if let Some(raw) = item.altered.and_then(|altered| altered.raw.as_ref()) {
        w.verbatim(raw);
        return;
    }
    w.object(|w| {
        if item.is_deleted {
            deleted(w, style, item);
            return;
        }
        let minimal = !style.full && item.is_minimal_in_lists;
        if matches!(style.part, Part::All | Part::Data) {
            w.key("data").object(|w| data::data(w, style, item, minimal));
        }
        w.pair("submission_id", &item.id);
        if matches!(style.part, Part::All | Part::Kyc) {
            w.key("kyc").object(|w| kyc::kyc(w, style, item, minimal));
        }
        let has_aml = match style.part {
            Part::All => !minimal,
            Part::Aml => !minimal || style.knobs.aml_lists_are_whole,
            Part::Kyc | Part::Data | Part::Others => false,
        };
        if has_aml {
            w.key("aml").object(|w| kyc::aml(w, item));
        }
        if matches!(style.part, Part::All | Part::Others) {
            envelope(w, style, item, minimal);
            if style.full {
                detail_envelope(w, style, population, item);
                data::readings(w, style, item);
                checks::checks(w, style, item);
            }
        }
    });
}

/// Writes the members kept by contract section 3.6: id, creation date, id type, state, and the
/// label.
fn deleted(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>) {
    let label = style.knobs.deleted_label;
    w.pair("submission_id", &item.id);
    if matches!(style.part, Part::All | Part::Data) {
        w.key("data").object(|w| {
            w.pair("idType", item.id_type());
            if label == DeletedLabel::Name {
                w.pair("name", DELETED);
            }
        });
    }
    if matches!(style.part, Part::All | Part::Kyc) {
        w.key("kyc").object(|w| w.pair("result", item.result.as_str()));
    }
    if matches!(style.part, Part::All | Part::Others) {
        created_at(w, style, item);
        let at_ms = item.altered.and_then(|altered| altered.deleted_at_ms);
        match label {
            DeletedLabel::Memo => w.key("memo").object(|w| {
                w.pair("text", DELETED);
                let at_ms = at_ms.unwrap_or(item.created_at_ms + 200 * DAY_MS);
                w.key("updated_at").time(style.knobs.time_format, at_ms);
            }),
            DeletedLabel::Name => {}
            DeletedLabel::Email => w.pair("email", DELETED),
            DeletedLabel::Warning => w.key("warning").array(|w| w.text(DELETED)),
            DeletedLabel::Label => w.pair("label", DELETED),
        }
    }
}

fn created_at(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>) {
    if !item.altered.is_some_and(|altered| altered.date_hidden) {
        w.key("created_at").time(style.knobs.time_format, item.created_at_ms);
    }
}

fn envelope(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>, minimal: bool) {
    let format = style.knobs.time_format;
    let mut draw = item.draw(Purpose::Envelope);
    w.pair("email", &item.email());
    created_at(w, style, item);
    if minimal {
        return;
    }
    if let Some(userid) = item.userid() {
        w.pair("userid", &userid);
    }
    let times = [
        ("kyc_result_at", item.kyc_result_at_ms),
        ("updated_at", item.updated_at_ms),
        ("pending_at", item.pending_at_ms),
    ];
    for (key, at_ms) in times {
        if let Some(at_ms) = at_ms {
            w.key(key).time(format, at_ms);
        }
    }
    w.pair("reviewer", if item.by_agent { "agent" } else { "system" });
    w.pair("recognition_score", draw.pick(&["97", "98", "99", "93.5", "88"]));
    w.pair("argos_score", draw.pick(&["91", "86.25", "95", "79", "100"]));
    w.pair("duplicated_information", &duplicated_information(item, 1));
    style.hidable(w, "image", item.projection == Some(1), |w| w.object(|w| images(w, style, item)));
    let drawn = draw.permille(40).then_some(("dashboard memo", item.created_at_ms + DAY_MS));
    let written = item.altered.and_then(|altered| altered.memo.as_ref());
    if let Some((text, at_ms)) = written.map(|(text, at_ms)| (text.as_str(), *at_ms)).or(drawn) {
        w.key("memo").object(|w| {
            w.pair("text", text);
            w.key("updated_at").time(format, at_ms);
        });
    }
    w.key("additional_list").array(|w| additional_list(w, &mut draw));
    if let Some(projection) = item.projection {
        w.key("projection").object(|w| {
            w.pair("projectionId", if projection == 0 { "prj-7f3a9c0" } else { "prj-7f3a9c1" });
            let names = ["hide_documents", "hide_images", "hide_readings"];
            let name = usize::try_from(projection).ok().and_then(|index| names.get(index));
            w.pair("projectionName", name.unwrap_or(&""));
        });
    }
}

fn additional_list(w: &mut JsonWriter, draw: &mut Draw) {
    const QUESTIONS: [&str; 5] =
        ["occupation", "source_of_funds", "거래목적", "annual_income", "referrer"];
    const ANSWERS: [&str; 5] =
        ["engineer", "salary", "투자", "between 40,000 and 60,000", "a \"friend\""];
    for _ in 0..draw.below(4) {
        w.object(|w| {
            w.pair("answer", draw.pick(&QUESTIONS));
            w.pair("inputValue", draw.pick(&ANSWERS));
            w.pair("blockType", "text");
        });
    }
}

fn images(w: &mut JsonWriter, style: Style<'_>, item: &Submission<'_>) {
    let names: &[&str] = match item.number % 3 {
        0 => &["idImage", "selfieImage"],
        1 => &["idImage", "idBackImage", "selfieImage"],
        _ => &["idImage", "idBackImage", "selfieImage", "addressImage"],
    };
    for name in names {
        signed_address(w.key(name), style.call, &item.id, name);
    }
}

fn detail_envelope(
    w: &mut JsonWriter,
    style: Style<'_>,
    population: &Population,
    item: &Submission<'_>,
) {
    let format = style.knobs.time_format;
    let mut draw = item.draw(Purpose::Duplicates);
    w.pair("custom_duplicated_information", &duplicated_information(item, 2));
    if let Some(applicant) = item.applicant_id() {
        w.pair("applicant_id", &applicant);
    }
    let ids = population.ids(Stream::Submission);
    w.key("duplicated_users").array(|w| {
        if item.person_number != item.number {
            w.text(&ids.id(item.person_number));
        }
    });
    w.key("duplicated_selfie_users").array(|w| {
        if draw.permille(20) && item.number > 0 {
            let count = population.submissions.clamp(1, BEFORE - 1);
            (0..draw.between(1, 3)).for_each(|_| w.text(&ids.id(draw.below(count))));
        }
    });
    if draw.permille(150) {
        w.pair("tokenId", &format!("tok_{}", draw.code(20)));
    }
    let revision = item.detail_revision();
    if draw.permille(50) || revision > 0 {
        let at_ms = item.created_at_ms + 3 * DAY_MS + i64::from(revision) * 1000;
        w.key("updateHistory").object(|w| {
            w.pair("updateAdmin", "admin@operator.example");
            w.key("updateTime").time(format, at_ms);
        });
    }
    w.key("warning").array(|_| {});
}

/// A hash of the person's identity: the same for all submissions of one person.
fn duplicated_information(item: &Submission<'_>, salt: u64) -> String {
    let key = mix(item.seed ^ mix((u64::from(item.person_number) << 4) | salt));
    hex([key, mix(key)])
}

/// Writes the members of one entry of an applicant's list (contract section 4).
pub(in crate::simulator) fn applicant(w: &mut JsonWriter, item: &Submission<'_>) {
    w.pair("submission_id", &item.id);
    w.pair("duplicated_information", &duplicated_information(item, 1));
    w.pair("email", &item.email());
}
