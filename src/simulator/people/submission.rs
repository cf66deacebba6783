//! The values of one submission, computed on request.

use super::change::KycResult;
use super::draw::{Draw, Purpose};
use super::ids::Ids;
use super::overlay::{Altered, Records};
use super::person::Person;
use super::population::Population;
use crate::domain::Stream;
use crate::simulator::knobs::Knobs;

const MINUTE_MS: i64 = 60_000;

/// How the person was verified (contract section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Pipeline {
    /// By a photographed identity document.
    Document,
    /// By questions that the person answered.
    Knowledge,
}

/// The values of one submission that several parts of the item need.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one record")]
pub(in crate::simulator) struct Submission<'a> {
    pub(in crate::simulator) seed: u64,
    pub(in crate::simulator) number: u32,
    pub(in crate::simulator) id: String,
    pub(in crate::simulator) created_at_ms: i64,
    pub(in crate::simulator) pipeline: Pipeline,
    pub(in crate::simulator) result: KycResult,
    pub(in crate::simulator) codes: Vec<&'a str>,
    pub(in crate::simulator) attempts: u32,
    /// A person decided, not the machine.
    pub(in crate::simulator) by_agent: bool,
    pub(in crate::simulator) pending_at_ms: Option<i64>,
    pub(in crate::simulator) kyc_result_at_ms: Option<i64>,
    pub(in crate::simulator) updated_at_ms: Option<i64>,
    pub(in crate::simulator) person: Person,
    pub(in crate::simulator) person_number: u32,
    pub(in crate::simulator) aml_flagged: bool,
    pub(in crate::simulator) is_deleted: bool,
    /// Lists show almost nothing of it (contract section 3.4).
    pub(in crate::simulator) is_minimal_in_lists: bool,
    /// The projection that hides values, if any.
    pub(in crate::simulator) projection: Option<u32>,
    pub(in crate::simulator) altered: Option<&'a Altered>,
}

/// Reject codes and their texts (contract section 11.2).
const REASONS: [(&str, &str); 12] = [
    ("id_image_invalidImage", "No ID document was found in the image"),
    ("id_image_badImage", "The ID image cannot be read"),
    ("id_info_dataMismatch", "The information entered differs from the ID"),
    ("duplicate_user", "A user with the same information exists"),
    ("duplicated_face", "A user with the same face exists"),
    ("too_many_retry", "Multiple invalid KYC attempts"),
    ("blacklistCountry", "The country is not accepted"),
    ("under_ageLimit", "The user is below the age limit"),
    ("no-date-of-birth", "The ID shows no date of birth"),
    ("expired_id", "The ID is expired"),
    ("timeout", "The submission was not finished in time"),
    ("other", "Reviewed by hand: the photo was taken of a screen"),
];

/// The text of a reject code.
pub(in crate::simulator) fn comment(code: &str) -> &'static str {
    let known = REASONS.iter().find(|(known, _)| *known == code);
    known.map_or("See the review guide", |(_, comment)| comment)
}

impl<'a> Submission<'a> {
    /// The submission with this number, which must exist.
    pub(in crate::simulator) fn new(
        population: &Population,
        records: Records<'a>,
        knobs: &Knobs,
        number: u32,
    ) -> Self {
        let seed = population.seed;
        let mut draw = Draw::new(seed, number, Purpose::Facts);
        let altered = records.altered(number);
        let created_at_ms = records.created_at_ms(number).unwrap_or(0);
        let drawn = match draw.below(1000) {
            0..60 => KycResult::Rejected,
            60..90 => KycResult::Pending,
            90..100 => KycResult::Incomplete,
            _ => KycResult::Approved,
        };
        let result = records.added_result(number).unwrap_or(drawn);
        let codes = drawn_codes(&mut draw);
        let by_agent = draw.permille(150);
        let waited = i64::from(draw.between(2, 3000)) * MINUTE_MS;
        let aml_flagged = draw.permille(44);
        let is_deleted = draw.permille(knobs.deleted_permille);
        let decided = matches!(result, KycResult::Approved | KycResult::Rejected);
        let pending = result == KycResult::Pending || (decided && by_agent);
        let pending_at_ms = pending.then_some(created_at_ms + 2 * MINUTE_MS);
        let decided_at_ms = created_at_ms + if by_agent { waited } else { 90_000 };
        let person_number = population.person(number);
        let mut submission = Self {
            seed,
            number,
            id: population.ids(Stream::Submission).id(number),
            created_at_ms,
            pipeline: if draw.permille(700) { Pipeline::Document } else { Pipeline::Knowledge },
            result,
            codes: if result == KycResult::Rejected { codes } else { Vec::new() },
            attempts: match draw.below(100) {
                0..78 => 1,
                78..93 => 2,
                _ => 3,
            },
            by_agent,
            pending_at_ms,
            kyc_result_at_ms: decided.then_some(decided_at_ms),
            updated_at_ms: decided.then_some(decided_at_ms).or(pending_at_ms),
            person: Person::new(seed, person_number),
            person_number,
            aml_flagged: aml_flagged && result == KycResult::Approved,
            is_deleted,
            is_minimal_in_lists: draw.permille(120),
            projection: if draw.permille(60) { Some(draw.below(3)) } else { None },
            altered,
        };
        if let Some(altered) = altered {
            submission.alter(altered);
        }
        submission
    }

    fn alter(&mut self, altered: &'a Altered) {
        if let Some((result, codes, at_ms)) = &altered.decided {
            self.result = *result;
            self.codes = codes.iter().map(String::as_str).collect();
            match result {
                KycResult::Approved | KycResult::Rejected => {
                    self.kyc_result_at_ms = Some(*at_ms);
                    self.by_agent = true;
                }
                KycResult::Pending => self.pending_at_ms = Some(*at_ms),
                KycResult::Incomplete => {}
            }
            self.aml_flagged &= self.result == KycResult::Approved;
        }
        self.aml_flagged = altered.aml_flagged.unwrap_or(self.aml_flagged);
        self.updated_at_ms = altered.updated_at_ms.or(self.updated_at_ms);
        self.is_deleted |= altered.deleted_at_ms.is_some();
    }

    /// The sequence of this submission for one purpose.
    pub(in crate::simulator) fn draw(&self, purpose: Purpose) -> Draw {
        Draw::new(self.seed, self.number, purpose)
    }

    /// The sequence of one attempt.
    pub(in crate::simulator) fn draw_attempt(&self, attempt: u32) -> Draw {
        Draw::new(self.seed.wrapping_add(u64::from(attempt)), self.number, Purpose::Attempt)
    }

    /// How often a value changed that only detail calls show.
    pub(in crate::simulator) fn detail_revision(&self) -> u32 {
        self.altered.map_or(0, |altered| altered.detail_revision)
    }

    /// The edited value of a text.
    pub(in crate::simulator) fn edit(&self, name: &str) -> Option<&'a str> {
        self.altered?.edits.get(name).map(String::as_str)
    }

    /// The type of the document (contract section 11.5).
    pub(in crate::simulator) fn id_type(&self) -> &'static str {
        match (self.pipeline, self.person.is_korean) {
            (Pipeline::Knowledge, _) => "government_id",
            (Pipeline::Document, true) => match self.number % 3 {
                0 => "government_id",
                1 => "drivers_license",
                _ => "passport",
            },
            (Pipeline::Document, false) => match self.number % 4 {
                0 => "residence_permit",
                1 => "drivers_license",
                _ => "passport",
            },
        }
    }

    /// The caller's name for the person; three in four have one.
    pub(in crate::simulator) fn userid(&self) -> Option<String> {
        if let Some(edit) = self.edit("userid") {
            return Some(edit.to_owned());
        }
        let drawn = Draw::new(self.seed, self.person_number, Purpose::SharedPerson).next();
        (!drawn.is_multiple_of(4))
            .then(|| ["user-", &user_ids(self.seed).id(self.person_number)].concat())
    }

    /// The e-mail address.
    pub(in crate::simulator) fn email(&self) -> String {
        if let Some(edit) = self.edit("email") {
            return edit.to_owned();
        }
        [&email_ids(self.seed).id(self.person_number), "@mail.example"].concat()
    }

    /// The vendor's id for the person, only for approved submissions (Q9).
    pub(in crate::simulator) fn applicant_id(&self) -> Option<String> {
        let known = self.result == KycResult::Approved && !self.is_deleted;
        known.then(|| applicant_ids(self.seed).id(self.person_number))
    }
}

/// The ids used in `userid`.
pub(in crate::simulator) fn user_ids(seed: u64) -> Ids {
    Ids::new(seed, 11)
}

/// The ids used in `email`.
pub(in crate::simulator) fn email_ids(seed: u64) -> Ids {
    Ids::new(seed, 12)
}

/// The ids used in `applicant_id`.
pub(in crate::simulator) fn applicant_ids(seed: u64) -> Ids {
    Ids::new(seed, 13)
}

fn drawn_codes(draw: &mut Draw) -> Vec<&'static str> {
    let count = match draw.below(10) {
        0..7 => 1,
        7..9 => 2,
        _ => 3,
    };
    let first = draw.below(12);
    // Steps of five through twelve reasons never repeat one.
    let index = |step: u32| usize::try_from((first + step * 5) % 12).unwrap_or(0);
    (0..count).filter_map(|step| REASONS.get(index(step))).map(|(code, _)| *code).collect()
}
