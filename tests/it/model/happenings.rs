//! Changes at the vendor, drawn from a seed: every kind of change, to every kind of record.

use std::fmt;

use argos_sync::{
    domain::Stream,
    simulator::{Change, KycResult},
};

use crate::random::Random;

/// One change at the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    /// A record appears; it may be older than now.
    New { stream: Stream, minutes_old: i64, result: Option<KycResult> },
    /// The record with this number changes. Generated records have the first numbers, new ones
    /// follow in their order.
    Changed { stream: Stream, number: usize, change: Change },
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { stream, minutes_old, result: None } => {
                write!(f, "new {stream} {minutes_old} minutes old")
            }
            Self::New { stream, minutes_old, result: Some(result) } => {
                write!(f, "new {stream} {minutes_old} minutes old, {result:?}")
            }
            Self::Changed { stream, number, change } => write!(f, "{stream} {number}: {change:?}"),
        }
    }
}

/// The state of one stream's records that determines which changes are possible.
#[derive(Debug)]
pub(super) struct Records {
    stream: Stream,
    of: Vec<Record>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    is_vanished: bool,
    is_undated: bool,
    is_unlisted: bool,
}

/// Members that lists show, and members that only detail calls show.
const EDITABLE: [&str; 9] = [
    "email",
    "userid",
    "name",
    "phoneNumber",
    "cf1",
    "full_name",
    "documentNumber",
    "address_city",
    "typeOfPermit",
];
const TEXTS: [&str; 6] = ["new", "", "이름 \"O'Brien\" \\ {x}", "a\nb\tc", "null", "0"];
const CODES: [&str; 4] = ["duplicate_user", "expired_id", "timeout", "other"];
/// Maximum age of late records.
const OLDEST_MINUTES: u64 = 20 * 24 * 60;

impl Records {
    pub(super) fn new(stream: Stream, count: u32) -> Self {
        let count = usize::try_from(count).expect("few");
        Self { stream, of: vec![Record::default(); count] }
    }

    /// Draws the next change.
    pub(super) fn next(&mut self, random: &mut Random) -> Happening {
        if self.of.is_empty() || random.percent(20) {
            return self.add(random);
        }
        // A few records change often.
        let among = if random.percent(30) { self.of.len().min(6) } else { self.of.len() };
        let number = random.between(0, among - 1);
        let stream = self.stream;
        let record = &mut self.of[number];
        let change = match random.up_to(100) {
            1..=10 => {
                record.is_vanished = !record.is_vanished;
                if record.is_vanished { Change::Vanish } else { Change::Return }
            }
            11..=14 => {
                record.is_undated = !record.is_undated;
                if record.is_undated { Change::HideDate } else { Change::ShowDate }
            }
            15..=18 => {
                record.is_unlisted = !record.is_unlisted;
                if record.is_unlisted { Change::Unlist } else { Change::Relist }
            }
            // Vanished records often return.
            19..=40 if record.is_vanished => {
                record.is_vanished = false;
                Change::Return
            }
            _ => match stream {
                Stream::Submission => of_submission(random),
                Stream::Faceauth => Change::DeleteFaceauth { keep_result: random.percent(50) },
            },
        };
        Happening::Changed { stream, number, change }
    }

    fn add(&mut self, random: &mut Random) -> Happening {
        self.of.push(Record::default());
        let minutes_old = match random.up_to(3) {
            1 => random.up_to(OLDEST_MINUTES),
            2 => random.up_to(2 * 24 * 60),
            _ => random.up_to(120) - 1,
        };
        let states = [KycResult::Pending, KycResult::Incomplete, KycResult::Approved];
        let result = match self.stream {
            Stream::Submission => random.percent(70).then(|| random.pick(&states)),
            Stream::Faceauth => None,
        };
        let minutes_old = i64::try_from(minutes_old).expect("few");
        Happening::New { stream: self.stream, minutes_old, result }
    }
}

fn of_submission(random: &mut Random) -> Change {
    match random.up_to(12) {
        1..=3 => {
            let states = [
                KycResult::Approved,
                KycResult::Rejected,
                KycResult::Pending,
                KycResult::Incomplete,
            ];
            let result = random.pick(&states);
            let is_rejected = result == KycResult::Rejected;
            let codes = if is_rejected { vec![random.pick(&CODES).to_owned()] } else { Vec::new() };
            Change::Decide { result, codes }
        }
        4 => Change::FlagAml,
        5 => Change::ClearAml,
        6..=7 => {
            let mut edits = std::collections::BTreeMap::new();
            for _ in 0..random.up_to(3) {
                edits.insert(random.pick(&EDITABLE).to_owned(), random.pick(&TEXTS).to_owned());
            }
            Change::Edit(edits)
        }
        8 => Change::Memo(random.pick(&TEXTS).to_owned()),
        9..=11 => Change::Detail,
        _ => Change::Delete,
    }
}
