//! Iterates over the records of a project in the order of its lists.
//!
//! A place is a moment and a record, never an offset. Records that appear, disappear or share a
//! moment therefore do not change the order after it.

use std::ops::Range;

use crate::simulator::knobs::Order;
use crate::simulator::people::draw::mix;
use crate::simulator::people::overlay::Records;

/// The start of an iteration: the place of this record, with or without the record itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StartPlace {
    pub(super) at_ms: i64,
    pub(super) number: u32,
    pub(super) included: bool,
}

/// Iterates over records in order, one moment at a time.
#[derive(Debug)]
pub(super) struct OrderedRecords<'a> {
    records: Records<'a>,
    order: Order,
    newest_first: bool,
    window: Range<i64>,
    start: Option<StartPlace>,
    /// The remaining generated records.
    generated: Range<u32>,
    /// The remaining records of the current moment, the next one last.
    moment: Vec<u32>,
    /// All moments before this one are done; if newest come first, all later ones.
    done_to: i64,
}

impl<'a> OrderedRecords<'a> {
    /// Iterates over the records created in `window` (milliseconds since 1970), from `start` or
    /// from the beginning.
    pub(super) fn new(
        records: Records<'a>,
        order: Order,
        window: Range<i64>,
        start: Option<StartPlace>,
    ) -> Self {
        Self::directed(records, order, order == Order::Descending, window, start)
    }

    /// Iterates backwards over the records before `start`.
    pub(super) fn back(
        records: Records<'a>,
        order: Order,
        window: Range<i64>,
        start: StartPlace,
    ) -> Self {
        let start = StartPlace { included: !start.included, ..start };
        Self::directed(records, order, order != Order::Descending, window, Some(start))
    }

    fn directed(
        records: Records<'a>,
        order: Order,
        newest_first: bool,
        window: Range<i64>,
        start: Option<StartPlace>,
    ) -> Self {
        let mut window = window;
        if let Some(place) = start {
            if newest_first {
                window.end = window.end.min(place.at_ms.saturating_add(1));
            } else {
                window.start = window.start.max(place.at_ms);
            }
        }
        let first = records.timeline.first_at_or_after(window.start);
        let last = records.timeline.first_at_or_after(window.end);
        let done_to = if newest_first { window.end } else { window.start };
        let generated = first..last;
        Self { records, order, newest_first, window, start, generated, moment: Vec::new(), done_to }
    }

    /// Collects the next moment's records; `false` if there are none.
    fn reach_next_moment(&mut self) -> bool {
        let timeline = self.records.timeline;
        let ahead = if self.newest_first {
            let generated = self.generated.clone().next_back();
            let generated = generated.map(|number| timeline.created_at_ms(number));
            generated.max(self.records.added_before(self.done_to))
        } else {
            let generated = self.generated.clone().next();
            let generated = generated.map(|number| timeline.created_at_ms(number));
            let added = self.records.added_at_or_after(self.done_to);
            generated.into_iter().chain(added).min()
        };
        let Some(at_ms) = ahead.filter(|at_ms| self.window.contains(at_ms)) else { return false };
        if self.newest_first {
            while self.generated.end > self.generated.start
                && timeline.created_at_ms(self.generated.end - 1) == at_ms
            {
                self.generated.end -= 1;
                self.moment.push(self.generated.end);
            }
            self.done_to = at_ms;
        } else {
            while self.generated.start < self.generated.end
                && timeline.created_at_ms(self.generated.start) == at_ms
            {
                self.moment.push(self.generated.start);
                self.generated.start += 1;
            }
            self.done_to = at_ms + 1;
        }
        self.moment.extend(self.records.added_at(at_ms));
        self.sort_moment(at_ms);
        true
    }

    fn sort_moment(&mut self, at_ms: i64) {
        let (order, newest_first) = (self.order, self.newest_first);
        if let Some(place) = self.start.filter(|place| place.at_ms == at_ms) {
            let bound = rank(order, place.number);
            self.moment.retain(|number| {
                let rank = rank(order, *number);
                let beyond = if newest_first { rank < bound } else { rank > bound };
                beyond || (place.included && *number == place.number)
            });
        }
        self.moment.sort_unstable_by_key(|number| rank(order, *number));
        if !newest_first {
            self.moment.reverse();
        }
    }
}

impl Iterator for OrderedRecords<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            match self.moment.pop() {
                Some(number) if self.records.is_shown(number) => return Some(number),
                Some(_) => {}
                None => {
                    if !self.reach_next_moment() {
                        return None;
                    }
                }
            }
        }
    }
}

/// Sorts records in the order of a list, by moment and record.
pub(super) fn sort(records: Records<'_>, order: Order, numbers: &mut [u32]) {
    numbers.sort_unstable_by_key(|number| (records.created_at_ms(*number), rank(order, *number)));
    if order == Order::Descending {
        numbers.reverse();
    }
}

/// Whether the record comes at or after this place, in the order of a list.
pub(super) fn is_ahead(records: Records<'_>, order: Order, number: u32, place: StartPlace) -> bool {
    let here = (records.created_at_ms(number).unwrap_or(0), rank(order, number));
    let there = (place.at_ms, rank(order, place.number));
    let beyond = if order == Order::Descending { here < there } else { here > there };
    beyond || (place.included && number == place.number)
}

/// Orders the records of one moment.
fn rank(order: Order, number: u32) -> u64 {
    match order {
        Order::Ascending | Order::Descending => u64::from(number),
        Order::ShuffledTies | Order::ShuffledPages => mix(u64::from(number)),
    }
}
