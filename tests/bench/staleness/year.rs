//! A year of one customer: submissions and their changes.

/// Days with changes.
pub(crate) const DAYS: u32 = 365;
/// Quiet days after these, for changes that become visible late.
pub(crate) const QUIET_DAYS: u32 = 200;

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It is submitted.
    New,
    /// It is submitted, but backdated.
    Late,
    /// A review or timeout decides a pending or incomplete submission.
    Decided,
    /// AML monitoring flags or clears an approved submission.
    Aml,
    /// Like `Aml`, but list items omit `aml`.
    AmlUnlisted,
    /// An operator edits a settled submission.
    Edited,
    /// A change that only the detail call shows.
    DetailOnly,
    /// It is deleted, and stays in lists with the vendor's mark.
    Deleted,
    /// It disappears from lists and detail calls.
    Vanished,
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    pub(crate) record: usize,
    pub(crate) kind: Kind,
    /// Seconds since the year began.
    pub(crate) at: i64,
}

/// One submission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Creation time that it shows.
    pub(crate) created: i64,
    /// When lists first show it.
    pub(crate) shown: i64,
    /// When it stops being pending or incomplete.
    pub(crate) settled: i64,
    /// When it disappears.
    pub(crate) vanished: Option<i64>,
    /// Whether list items omit `aml`.
    pub(crate) sparse: bool,
}

/// Percentage of records whose list items are sparse.
const SPARSE_PERCENT: u64 = 12;

/// All records and changes.
#[derive(Debug)]
pub(crate) struct Year {
    pub(crate) records: Vec<Record>,
    /// Oldest first.
    pub(crate) moves: Vec<Move>,
}

/// Reproducible pseudo-random numbers (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }

    /// An exponentially distributed number with this mean.
    #[expect(clippy::cast_possible_truncation, reason = "seconds of days")]
    fn around(&mut self, mean: i64) -> i64 {
        (-(1.0 - self.share()).ln() * mean as f64) as i64
    }
}

impl Year {
    /// Generates `count` submissions, evenly over the year.
    pub(crate) fn generate(seed: u64, count: usize) -> Self {
        let mut draw = Draw(seed);
        let end = i64::from(DAYS) * DAY;
        let mut year = Self { records: Vec::with_capacity(count), moves: Vec::new() };
        for record in 0..count {
            // Drawn separately, so that the other draws do not depend on it.
            let number = u64::try_from(record).unwrap_or_default();
            let sparse =
                Draw(seed ^ number.wrapping_mul(0x9e37_79b9)).next() % 100 < SPARSE_PERCENT;
            let aml = if sparse { Kind::AmlUnlisted } else { Kind::Aml };
            let shown = draw.below(end);
            let is_late = draw.share() < 0.01;
            let created = if is_late { (shown - draw.around(20 * DAY)).max(0) } else { shown };
            let kind = if is_late { Kind::Late } else { Kind::New };
            let mut happens = |kind, at| {
                if at < end {
                    year.moves.push(Move { record, kind, at });
                }
                at < end
            };
            happens(kind, shown);
            // Every fifth waits: hours to days for a reviewer, or for the applicant.
            let settled = match draw.share() {
                waits if waits < 0.12 => shown + 10 * MINUTE + draw.around(8 * HOUR),
                waits if waits < 0.18 => shown + HOUR + draw.around(2 * DAY),
                waits if waits < 0.20 => shown + DAY + draw.around(20 * DAY),
                _ => shown,
            };
            let is_settled = settled == shown || happens(Kind::Decided, settled);
            if is_settled && draw.share() < 0.02 {
                let flagged = settled + draw.below(end - settled);
                happens(aml, flagged);
                if draw.share() < 0.5 {
                    happens(aml, flagged + HOUR + draw.around(5 * DAY));
                }
            }
            if is_settled && draw.share() < 0.03 {
                let soon = draw.share() < 0.5;
                let after = if soon { draw.around(3 * DAY) } else { draw.below(end - settled) };
                happens(Kind::Edited, settled + MINUTE + after);
            }
            if draw.share() < 0.01 {
                happens(Kind::DetailOnly, shown + draw.below(end - shown));
            }
            let mut vanished = None;
            match draw.share() {
                gone if gone < 0.01 => {
                    happens(Kind::Deleted, settled.max(shown) + draw.below(end - shown));
                }
                gone if gone < 0.013 => {
                    let at = settled.max(shown) + draw.below(end - shown);
                    vanished = happens(Kind::Vanished, at).then_some(at);
                }
                _ => {}
            }
            year.records.push(Record { created, shown, settled, vanished, sparse });
        }
        // Vanished records do not change.
        let records = &year.records;
        year.moves.retain(|given| {
            let vanished = records.get(given.record).and_then(|record| record.vanished);
            given.kind == Kind::Vanished || vanished.is_none_or(|vanished| given.at < vanished)
        });
        year.moves.sort_unstable_by_key(|given| (given.at, given.record));
        year
    }
}
