//! Writes a submission as the vendor does: the envelope, and which parts go with which call.

use super::draw::{Draw, Purpose, mix};
use super::kept::Kept;
use super::knobs::{DeletedLabel, HiddenFields, Knobs};
use super::population::{BEFORE, Population};
use super::render_checks;
use super::render_data;
use super::render_kyc;
use super::submission::Submission;
use super::writer::{SIGNATURE, Writer};
use crate::domain::Stream;

const DAY_MS: i64 = 86_400_000;
/// What the vendor calls a deleted submission.
const DELETED: &str = "Deleted Submission";

/// Which part of an item is asked for (`request_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    Kyc,
    Aml,
    Data,
    Others,
}

/// How to write an item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    pub(super) knobs: &'a Knobs,
    pub(super) part: Part,
    /// Everything the single call shows; else what lists show.
    pub(super) full: bool,
    /// Signs addresses of images; another one for every call.
    pub(super) call: u64,
    /// What was written in this style and is kept.
    pub(super) kept: Option<&'a Kept>,
}

impl Style<'_> {
    /// Writes a member that a projection may hide.
    pub(super) fn hidable(
        self,
        w: &mut Writer,
        key: &str,
        hidden: bool,
        value: impl FnOnce(&mut Writer),
    ) {
        if !hidden {
            value(w.key(key));
        } else if self.knobs.hidden_fields == HiddenFields::Null {
            w.key(key).null();
        }
    }
}

/// Writes one item.
pub(super) fn submission(
    w: &mut Writer,
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
            w.key("data").object(|w| render_data::data(w, style, item, minimal));
        }
        w.pair("submission_id", &item.id);
        if matches!(style.part, Part::All | Part::Kyc) {
            w.key("kyc").object(|w| render_kyc::kyc(w, style, item, minimal));
        }
        let has_aml = match style.part {
            Part::All => !minimal,
            Part::Aml => !minimal || style.knobs.aml_lists_are_whole,
            Part::Kyc | Part::Data | Part::Others => false,
        };
        if has_aml {
            w.key("aml").object(|w| render_kyc::aml(w, item));
        }
        if matches!(style.part, Part::All | Part::Others) {
            envelope(w, style, item, minimal);
            if style.full {
                detail_envelope(w, style, population, item);
                render_data::readings(w, style, item);
                render_checks::checks(w, style, item);
            }
        }
    });
}

/// What contract section 3.6 keeps: id, creation date, id type, state; and the label.
fn deleted(w: &mut Writer, style: Style<'_>, item: &Submission<'_>) {
    let label = style.knobs.deleted_label;
    w.pair("submission_id", &item.id);
    if matches!(style.part, Part::All | Part::Data) {
        w.key("data").object(|w| {
            w.pair("idType", render_data::id_type(item));
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

fn created_at(w: &mut Writer, style: Style<'_>, item: &Submission<'_>) {
    if !item.altered.is_some_and(|altered| altered.date_hidden) {
        w.key("created_at").time(style.knobs.time_format, item.created_at_ms);
    }
}

fn envelope(w: &mut Writer, style: Style<'_>, item: &Submission<'_>, minimal: bool) {
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
            w.key("projectionId").pieces(&["prj-7f3a9c", if projection == 0 { "0" } else { "1" }]);
            let names = ["hide_documents", "hide_images", "hide_readings"];
            let name = usize::try_from(projection).ok().and_then(|index| names.get(index));
            w.pair("projectionName", name.unwrap_or(&""));
        });
    }
}

fn additional_list(w: &mut Writer, draw: &mut Draw) {
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

fn images(w: &mut Writer, style: Style<'_>, item: &Submission<'_>) {
    let names: &[&'static str] = match item.number % 3 {
        0 => &["idImage", "selfieImage"],
        1 => &["idImage", "idBackImage", "selfieImage"],
        _ => &["idImage", "idBackImage", "selfieImage", "addressImage"],
    };
    for name in names {
        signed_address(w.key(name), style, &item.id, name);
    }
}

/// Signs the addresses of one item's images for one call.
pub(super) struct Signer(u64);

impl Signer {
    pub(super) fn new(call: u64, id: &str) -> Self {
        Self(mixed(call, id))
    }

    pub(super) fn sign(&self, name: &str) -> [u8; SIGNATURE] {
        let key = mixed(self.0, name);
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(hex([key, mix(key), mix(key ^ 1), mix(key ^ 2)]).as_flattened());
        signature
    }
}

fn mixed(key: u64, text: &str) -> u64 {
    text.bytes().fold(key, |key, byte| mix(key ^ u64::from(byte)))
}

/// Writes the address of an image, signed anew for every call.
pub(super) fn signed_address(w: &mut Writer, style: Style<'_>, id: &str, name: &'static str) {
    let beginning = [
        "https://images.argos.example/v3/",
        id,
        "/",
        name,
        ".jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=",
    ];
    w.address(name, &beginning, &Signer::new(style.call, id).sign(name));
}

fn detail_envelope(
    w: &mut Writer,
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
        w.key("tokenId").pieces(&["tok_", &draw.code(20)]);
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

/// A hash of who the person is: the same for all submissions of one person.
fn duplicated_information(item: &Submission<'_>, salt: u64) -> String {
    let key = mix(item.seed ^ mix((u64::from(item.person_number) << 4) | salt));
    String::from_utf8_lossy(hex([key, mix(key)]).as_flattened()).into_owned()
}

/// The numbers as hexadecimal digits, sixteen each.
fn hex<const COUNT: usize>(numbers: [u64; COUNT]) -> [[u8; 16]; COUNT] {
    numbers.map(|number| {
        let mut digits = [0; 16];
        for (place, shift) in digits.iter_mut().zip((0..64).step_by(4).rev()) {
            let nibble = number >> shift & 15;
            *place = u8::try_from(nibble + if nibble < 10 { 48 } else { 87 }).unwrap_or(0);
        }
        digits
    })
}

/// Writes the members of one entry of an applicant's list (contract section 4).
pub(super) fn applicant(w: &mut Writer, item: &Submission<'_>) {
    w.pair("submission_id", &item.id);
    w.pair("duplicated_information", &duplicated_information(item, 1));
    w.pair("email", &item.email());
}
