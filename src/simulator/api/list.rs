//! Cuts lists into pages, with all the paging oddities of the knobs.

use std::ops::Range;

use super::order::{OrderedRecords, StartPlace, is_ahead, sort};
use crate::simulator::knobs::{CursorLoop, Knobs, Order};
use crate::simulator::people::draw::mix;
use crate::simulator::people::overlay::Records;
use crate::simulator::people::population::BEFORE;

/// The parameters of one list call.
#[derive(Debug, Clone)]
pub(super) struct ListCall {
    /// The requested time in milliseconds since 1970.
    pub(super) window: Option<Range<i64>>,
    pub(super) cursor: Option<StartPlace>,
    /// The page size, at least 1.
    pub(super) count: u32,
    /// Restricts the list to these records: those of a user or an e-mail address.
    pub(super) among: Option<Vec<u32>>,
}

/// The rows of one page and the cursor after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListPage {
    pub(super) rows: Vec<u32>,
    /// The number of the record whose id is the cursor; its moment is that of the record.
    pub(super) next: Option<u32>,
}

/// Returns the page; `turn` counts the list pages of the project.
pub(super) fn page(records: Records<'_>, knobs: &Knobs, call: &ListCall, turn: u64) -> ListPage {
    if knobs.dated_lists_are_empty && call.window.is_some() {
        return ListPage { rows: Vec::new(), next: None };
    }
    let mut page = straight(records, knobs, call);
    let resumes_before = call.cursor.is_some_and(|place| place.included);
    let every = u64::from(knobs.empty_page_every);
    if every > 0 && turn % every == every - 1 && !resumes_before {
        // The cursor of an empty page must differ from the requested one, and must not skip any
        // record.
        if let Some(first) = page.rows.first() {
            return ListPage { rows: Vec::new(), next: Some(first | BEFORE) };
        }
    }
    repeat_rows(records, knobs, call, &mut page);
    if knobs.order == Order::ShuffledPages {
        page.rows.sort_unstable_by_key(|number| mix(u64::from(*number) + 1));
    }
    lead_back(records, knobs, call, &mut page);
    page
}

/// The page of a vendor without oddities.
fn straight(records: Records<'_>, knobs: &Knobs, call: &ListCall) -> ListPage {
    let window = call.window.clone().unwrap_or(i64::MIN..i64::MAX);
    let count = usize::try_from(call.count).unwrap_or(usize::MAX);
    let order = knobs.order;
    let is_listed = |number: &u32| call.window.is_none() || records.is_listed(*number);
    let mut rows: Vec<u32> = match &call.among {
        None => {
            let walk = OrderedRecords::new(records, order, window, call.cursor);
            walk.filter(is_listed).take(count + 1).collect()
        }
        Some(numbers) => {
            let inside = |number: &u32| {
                records.is_shown(*number)
                    && is_listed(number)
                    && records.created_at_ms(*number).is_some_and(|at| window.contains(&at))
                    && call.cursor.is_none_or(|place| is_ahead(records, order, *number, place))
            };
            let mut rows: Vec<_> = numbers.iter().copied().filter(inside).collect();
            sort(records, order, &mut rows);
            rows.truncate(count + 1);
            rows
        }
    };
    let more = rows.len() > count;
    rows.truncate(count);
    ListPage { next: rows.last().copied().filter(|_| more), rows }
}

/// Repeats rows of the previous page at the start.
fn repeat_rows(records: Records<'_>, knobs: &Knobs, call: &ListCall, page: &mut ListPage) {
    let (Some(place), None, true) = (call.cursor, &call.among, knobs.repeated_rows > 0) else {
        return;
    };
    let window = call.window.clone().unwrap_or(i64::MIN..i64::MAX);
    let count = usize::try_from(knobs.repeated_rows).unwrap_or(0);
    let is_listed = |number: &u32| call.window.is_none() || records.is_listed(*number);
    let walk = OrderedRecords::back(records, knobs.order, window, place);
    let mut rows: Vec<_> = walk.filter(is_listed).take(count).collect();
    rows.reverse();
    rows.append(&mut page.rows);
    page.rows = rows;
}

/// Replaces the cursor by an earlier one.
fn lead_back(records: Records<'_>, knobs: &Knobs, call: &ListCall, page: &mut ListPage) {
    let Some(place) = call.cursor else { return };
    match knobs.cursor_loop {
        CursorLoop::None => {}
        CursorLoop::Aa => page.next = Some(place.number),
        CursorLoop::Aba => {
            let first = straight(records, knobs, &ListCall { cursor: None, ..call.clone() }).next;
            if first != Some(place.number) {
                page.next = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Day, Stream};
    use crate::simulator::people::change::Addition;
    use crate::simulator::people::overlay::{Overlay, place};
    use crate::simulator::people::population::Population;

    fn population(submissions: u32) -> Population {
        let from = Day::from_ymd_opt(2024, 1, 1).unwrap();
        Population { seed: 5, submissions, faceauths: 0, from, to: from + chrono::Days::new(2) }
    }

    /// Reads a list to its end; calls `between` after every page.
    fn walked(
        population: &Population,
        overlay: &mut Overlay,
        knobs: &Knobs,
        count: u32,
        mut between: impl FnMut(&mut Overlay, u64),
    ) -> BTreeMap<u32, u32> {
        let timeline = population.timeline(Stream::Submission);
        let mut call = ListCall { window: None, cursor: None, count, among: None };
        let mut seen = BTreeMap::new();
        for turn in 0..10_000 {
            let records = Records { timeline, overlay, as_of_ms: None };
            let page = page(records, knobs, &call, turn);
            for number in page.rows {
                *seen.entry(number).or_insert(0) += 1;
            }
            let Some(next) = page.next else { return seen };
            let (number, included) = place(next);
            let at_ms = records.created_at_ms(number).unwrap();
            call.cursor = Some(StartPlace { at_ms, number, included });
            between(overlay, turn);
        }
        panic!("the walk does not end")
    }

    fn orders() -> impl Strategy<Value = Order> {
        prop_oneof![
            Just(Order::Ascending),
            Just(Order::Descending),
            Just(Order::ShuffledTies),
            Just(Order::ShuffledPages),
        ]
    }

    proptest! {
        #[test]
        fn every_walk_sees_every_record_once(
            order in orders(),
            count in 1u32..60,
            size in 0u32..400,
            empty_page_every in 0u32..4,
            ties in proptest::collection::vec(0u32..400, 0..30),
        ) {
            let population = population(size);
            let timeline = population.timeline(Stream::Submission);
            let mut overlay = Overlay::default();
            for tie in &ties {
                let created_at_ms = Some(timeline.created_at_ms(*tie));
                overlay.add(&Addition { created_at_ms, result: None }, 0);
            }
            let knobs = Knobs { order, empty_page_every, ..Knobs::default() };
            let seen = walked(&population, &mut overlay, &knobs, count, |_, _| {});
            prop_assert_eq!(seen.len(), usize::try_from(size).unwrap() + ties.len());
            prop_assert!(seen.values().all(|times| *times == 1));
        }

        #[test]
        fn records_that_come_and_go_do_not_disturb_the_others(order in orders(), count in 1u32..40) {
            let population = population(300);
            let start_ms = population.timeline(Stream::Submission).created_at_ms(150);
            let knobs = Knobs { order, ..Knobs::default() };
            let mut overlay = Overlay::default();
            let seen = walked(&population, &mut overlay, &knobs, count, |overlay, turn| {
                let number = u32::try_from(turn * 7 % 300).unwrap();
                overlay.alter_at(number, 0).vanished = true;
                // With more than one per page forever, the pass would never end.
                if turn < 50 {
                    overlay.add(&Addition { created_at_ms: Some(start_ms), result: None }, 0);
                }
            });
            prop_assert!(seen.values().all(|times| *times == 1));
            let stayed = (0..300).filter(|number| overlay.altered(*number).is_none());
            for number in stayed {
                prop_assert!(seen.contains_key(&number), "{number}");
            }
        }

        #[test]
        fn repeated_rows_repeat_and_lose_nothing(order in orders(), count in 1u32..60) {
            let knobs = Knobs { order, repeated_rows: 3, ..Knobs::default() };
            let seen = walked(&population(200), &mut Overlay::default(), &knobs, count, |_, _| {});
            prop_assert_eq!(seen.len(), 200);
            prop_assert!(seen.values().any(|times| *times > 1));
        }
    }

    #[test]
    fn loops_lead_back() {
        let population = population(100);
        let overlay = Overlay::default();
        let records = Records {
            timeline: population.timeline(Stream::Submission),
            overlay: &overlay,
            as_of_ms: None,
        };
        for (cursor_loop, expected) in
            [(CursorLoop::Aa, [0, 0, 0, 0]), (CursorLoop::Aba, [0, 1, 0, 1])]
        {
            let knobs = Knobs { cursor_loop, ..Knobs::default() };
            let mut call = ListCall { window: None, cursor: None, count: 10, among: None };
            let mut names = Vec::new();
            let mut cursors = Vec::new();
            for turn in 0..4 {
                let number = page(records, &knobs, &call, turn).next.unwrap();
                let at_ms = records.created_at_ms(number).unwrap();
                call.cursor = Some(StartPlace { at_ms, number, included: false });
                if !names.contains(&number) {
                    names.push(number);
                }
                cursors.push(names.iter().position(|name| *name == number).unwrap());
            }
            assert_eq!(cursors, expected);
        }
    }
}
