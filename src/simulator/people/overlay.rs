//! The changes made while the simulator runs; only changed records need memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::change::{Addition, Change, KycResult};
use super::population::{ADDED, BEFORE, Timeline};

/// The changes of one project.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Overlay {
    /// Added records; the index is the number minus [`ADDED`].
    added: Vec<(i64, Option<KycResult>)>,
    added_by_time: BTreeSet<(i64, u32)>,
    altered: HashMap<u32, Altered>,
    /// The states of altered records before each change, and when each ended.
    earlier: HashMap<u32, Vec<(i64, Altered)>>,
}

/// The differences of one record from the generated one.
#[derive(Debug, Default, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one record")]
pub(in crate::simulator) struct Altered {
    /// State, codes and time of the decision.
    pub(super) decided: Option<(KycResult, Vec<String>, i64)>,
    /// Whether AML monitoring flags it.
    pub(super) aml_flagged: Option<bool>,
    pub(in crate::simulator) edits: BTreeMap<String, String>,
    /// Text and time.
    pub(in crate::simulator) memo: Option<(String, i64)>,
    /// How often a value changed that only detail calls show.
    pub(super) detail_revision: u32,
    pub(super) updated_at_ms: Option<i64>,
    /// When it was deleted.
    pub(in crate::simulator) deleted_at_ms: Option<i64>,
    /// Whether a deleted face authentication lost policy, result and codes.
    pub(in crate::simulator) result_lost: bool,
    pub(in crate::simulator) vanished: bool,
    /// Whether the creation date is hidden.
    pub(in crate::simulator) date_hidden: bool,
    /// Whether lists with dates omit it.
    pub(super) unlisted: bool,
    /// Served instead of the item, byte for byte.
    pub(in crate::simulator) raw: Option<Vec<u8>>,
}

impl Altered {
    pub(in crate::simulator) fn apply(&mut self, change: Change, now_ms: i64) {
        match change {
            Change::Decide { result, codes } => {
                self.decided = Some((result, codes, now_ms));
                self.updated_at_ms = Some(now_ms);
            }
            Change::FlagAml => self.aml_flagged = Some(true),
            Change::ClearAml => self.aml_flagged = Some(false),
            Change::Edit(fields) => {
                self.edits.extend(fields);
                self.updated_at_ms = Some(now_ms);
            }
            Change::Memo(text) => self.memo = Some((text, now_ms)),
            Change::Detail => self.detail_revision += 1,
            Change::Delete => self.deleted_at_ms = Some(now_ms),
            Change::DeleteFaceauth { keep_result } => {
                self.deleted_at_ms = Some(now_ms);
                self.result_lost = !keep_result;
            }
            Change::Vanish => self.vanished = true,
            Change::Return => self.vanished = false,
            Change::HideDate => self.date_hidden = true,
            Change::ShowDate => self.date_hidden = false,
            Change::Unlist => self.unlisted = true,
            Change::Relist => self.unlisted = false,
        }
    }
}

impl Overlay {
    /// Adds a record and returns its number.
    pub(in crate::simulator) fn add(&mut self, addition: &Addition, now_ms: i64) -> u32 {
        let at_ms = addition.created_at_ms.unwrap_or(now_ms);
        let number = ADDED + u32::try_from(self.added.len()).unwrap_or(0);
        self.added.push((at_ms, addition.result));
        self.added_by_time.insert((at_ms, number));
        number
    }

    pub(in crate::simulator) fn altered(&self, number: u32) -> Option<&Altered> {
        if self.altered.is_empty() { None } else { self.altered.get(&number) }
    }

    /// Returns the state of a record for a change at this moment, and stores the earlier one.
    pub(in crate::simulator) fn alter_at(&mut self, number: u32, now_ms: i64) -> &mut Altered {
        let altered = self.altered.entry(number).or_default();
        self.earlier.entry(number).or_default().push((now_ms, altered.clone()));
        altered
    }

    /// The records whose texts were edited.
    pub(in crate::simulator) fn edited(&self) -> impl Iterator<Item = u32> {
        self.altered
            .iter()
            .filter(|(_, altered)| !altered.edits.is_empty())
            .map(|(number, _)| *number)
    }

    /// The numbers of the added records.
    pub(in crate::simulator) fn added_numbers(&self) -> impl Iterator<Item = u32> + use<> {
        ADDED..ADDED + u32::try_from(self.added.len()).unwrap_or(0)
    }

    fn added_record(&self, number: u32) -> Option<&(i64, Option<KycResult>)> {
        self.added.get(usize::try_from(number.checked_sub(ADDED)?).ok()?)
    }
}

/// The current records of one project: generated, added and changed.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Records<'a> {
    pub(in crate::simulator) timeline: Timeline,
    pub(in crate::simulator) overlay: &'a Overlay,
    /// The moment as of which records are written; `None` means now.
    pub(in crate::simulator) as_of_ms: Option<i64>,
}

impl<'a> Records<'a> {
    /// The differences of a record, as of that moment.
    pub(in crate::simulator) fn altered(&self, number: u32) -> Option<&'a Altered> {
        let ended_later = |as_of_ms: i64| {
            let earlier = self.overlay.earlier.get(&number)?.iter();
            earlier.filter(|(ended_ms, _)| *ended_ms > as_of_ms).map(|(_, state)| state).next()
        };
        self.as_of_ms.and_then(ended_later).or_else(|| self.overlay.altered(number))
    }

    /// When the record was created; `None` if it never existed.
    pub(in crate::simulator) fn created_at_ms(&self, number: u32) -> Option<i64> {
        if number >= ADDED {
            self.overlay.added_record(number).map(|(at_ms, _)| *at_ms)
        } else {
            (number < self.timeline.count).then(|| self.timeline.created_at_ms(number))
        }
    }

    /// Whether the vendor still shows the record.
    pub(in crate::simulator) fn is_shown(&self, number: u32) -> bool {
        let exists = if number >= ADDED {
            self.overlay.added_record(number).is_some()
        } else {
            number < self.timeline.count
        };
        exists && !self.overlay.altered(number).is_some_and(|altered| altered.vanished)
    }

    /// Whether lists with dates contain the record.
    pub(in crate::simulator) fn is_listed(&self, number: u32) -> bool {
        !self.overlay.altered(number).is_some_and(|altered| altered.unlisted)
    }

    /// The initial state of an added submission.
    pub(super) fn added_result(&self, number: u32) -> Option<KycResult> {
        self.overlay.added_record(number).and_then(|(_, result)| *result)
    }

    /// The first creation time of an added record at or after this moment.
    pub(in crate::simulator) fn added_at_or_after(&self, at_ms: i64) -> Option<i64> {
        self.overlay.added_by_time.range((at_ms, 0)..).next().map(|(at_ms, _)| *at_ms)
    }

    /// The last creation time of an added record before this moment.
    pub(in crate::simulator) fn added_before(&self, at_ms: i64) -> Option<i64> {
        self.overlay.added_by_time.range(..(at_ms, 0)).next_back().map(|(at_ms, _)| *at_ms)
    }

    /// The added records with this creation time.
    pub(in crate::simulator) fn added_at(&self, at_ms: i64) -> impl Iterator<Item = u32> {
        self.overlay.added_by_time.range((at_ms, 0)..=(at_ms, u32::MAX)).map(|(_, number)| *number)
    }
}

/// The record of a cursor, and whether the pass continues with it or after it.
pub(in crate::simulator) fn place(number: u32) -> (u32, bool) {
    (number & !BEFORE, number & BEFORE != 0)
}
