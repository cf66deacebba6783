//! Writes a face authentication (contract section 6.4), the same for lists and detail calls.

use super::writer::JsonWriter;
use crate::domain::Stream;
use crate::simulator::knobs::{Knobs, TimeFormat};
use crate::simulator::people::draw::{Draw, Purpose};
use crate::simulator::people::overlay::Records;
use crate::simulator::people::population::{BEFORE, Population};

const HOUR_MS: i64 = 3_600_000;
/// The number of sets of thresholds.
const POLICIES: u32 = 6;

/// The remaining parts of a deleted face authentication (Q18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Everything,
    WithoutCodes,
    Tombstone,
}

/// Writes one record, which must exist.
pub(in crate::simulator) fn faceauth(
    w: &mut JsonWriter,
    population: &Population,
    records: Records<'_>,
    knobs: &Knobs,
    number: u32,
) {
    let altered = records.altered(number);
    if let Some(raw) = altered.and_then(|altered| altered.raw.as_ref()) {
        w.verbatim(raw);
        return;
    }
    let mut draw = Draw::new(population.seed, number, Purpose::Faceauth);
    let created_at_ms = records.created_at_ms(number).unwrap_or(0);
    let rejected = draw.permille(120);
    let submission = draw.below(population.submissions.clamp(1, BEFORE - 1));
    let policy_set = draw.below(POLICIES);
    let form = draw.permille(900);
    let drawn_deletion = draw.permille(10);
    let deletion_took_ms = i64::from(draw.between(1, 900)) * HOUR_MS;
    let left = match draw.below(4) {
        0 => Left::Tombstone,
        1 => Left::WithoutCodes,
        _ => Left::Everything,
    };
    let deleted = match altered.and_then(|altered| Some((altered, altered.deleted_at_ms?))) {
        Some((altered, at_ms)) if altered.result_lost => Some((at_ms, Left::Tombstone)),
        Some((_, at_ms)) => Some((at_ms, Left::Everything)),
        None => drawn_deletion.then_some((created_at_ms + deletion_took_ms, left)),
    };
    let misspelled = knobs.aurh_status_every > 0 && number.is_multiple_of(knobs.aurh_status_every);
    w.object(|w| {
        w.pair("auth_id", &population.ids(Stream::Faceauth).id(number));
        let status = if rejected { "rejected" } else { "approved" };
        w.pair(if misspelled { "aurh_status" } else { "auth_status" }, status);
        if !altered.is_some_and(|altered| altered.date_hidden) {
            w.key("create_time").time(TimeFormat::Iso, created_at_ms);
        }
        w.key("delete_check").bool(deleted.is_some());
        if let Some((at_ms, _)) = deleted {
            w.key("delete_time").time(TimeFormat::Iso, at_ms);
        }
        let left = deleted.map_or(Left::Everything, |(_, left)| left);
        if left == Left::Tombstone {
            return;
        }
        w.pair("submit_type", if form { "form" } else { "api" });
        w.pair("kyc_submission_id", &population.ids(Stream::Submission).id(submission));
        w.key("policy").object(|w| policy(w, population.seed, policy_set));
        let occluded = rejected && draw.permille(500);
        w.key("result").object(|w| {
            w.key("active_liveness_score").decimal(draw.between(50_000, 100_000), 3);
            let similarity =
                if rejected { draw.between(100, 850) } else { draw.between(850, 1001) };
            w.key("face_similarity").decimal(similarity, 1);
            w.key("detectOccluded").bool(occluded);
        });
        if rejected && left == Left::Everything {
            failures(w, &mut draw, occluded);
        }
    });
}

fn policy(w: &mut JsonWriter, seed: u64, set: u32) {
    let mut draw = Draw::new(seed, set, Purpose::Policy);
    w.key("faceSimilarity_threshold").number(if set.is_multiple_of(2) { 85_u32 } else { 70 });
    w.key("occluded_threshold").bool(draw.permille(500));
    w.key("faceCover_threshold").number(draw.below(2) * 50);
    w.key("headCover_threshold").number(set * 10);
    // Older policies had no liveness thresholds.
    if set < 4 {
        w.key("liveness_threshold").number(draw.below(2) * 50);
        w.key("activeLiveness_threshold").number(draw.below(2) * 80);
    }
}

fn failures(w: &mut JsonWriter, draw: &mut Draw, occluded: bool) {
    let first = if occluded {
        ("Face_Occluded_fail", "face is occluded and the confidence is higher than threshold.")
    } else {
        ("face_compare_underscore", "face similarity is lower than threshold.")
    };
    let second = match draw.below(6) {
        0 => Some(("Face_cover_fail", "protective gear on face is not found.")),
        1 => Some(("Head_cover_fail", "protective gear on head is not found.")),
        _ => None,
    };
    let all = || std::iter::once(first).chain(second);
    w.key("reject_comment").texts(all().map(|(_, comment)| comment));
    w.key("fail_code").texts(all().map(|(code, _)| code));
}
