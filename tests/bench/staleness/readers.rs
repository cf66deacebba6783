//! Who reads the year: the planner, and a fixed lookback.

use argos_sync::{
    config::Config,
    domain::{Clocks, Day, DayState, Ledger, Reading, Window},
    planner::{self, Settings},
};
use chrono::{DateTime, Duration, Utc};

use crate::year::{DAY, DAYS, HOUR, Kind, MINUTE, QUIET_DAYS, Year};

/// The daemon's bell.
const BELL: i64 = 5 * MINUTE;
/// Between the two single calls that confirm a deletion.
const CONFIRM: i64 = HOUR;
const PAGE_SIZE: i64 = 2000;

/// What was asked of the vendor.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) lists: u64,
    pub(crate) singles: u64,
}

/// What a warehouse knows while time goes on.
struct Warehouse<'a> {
    year: &'a Year,
    /// Records by the day of their creation.
    by_day: Vec<Vec<usize>>,
    /// Moves of each record, in the order of time.
    by_record: Vec<Vec<usize>>,
    /// When each move became visible.
    visible: Vec<Option<i64>>,
    days: Vec<DayState>,
    /// Records of each day that are known, and those of them known to be unsettled.
    known: Vec<bool>,
    unsettled: Vec<bool>,
    calls: Calls,
}

fn first_day() -> Day {
    Day::from_ymd_opt(2025, 1, 1).unwrap_or_default()
}

fn day_of(at: i64) -> usize {
    usize::try_from(at.div_euclid(DAY)).unwrap_or_default()
}

fn time(at: i64) -> DateTime<Utc> {
    first_day().and_time(chrono::NaiveTime::MIN).and_utc() + Duration::seconds(at)
}

impl<'a> Warehouse<'a> {
    fn new(year: &'a Year) -> Self {
        let days = usize::try_from(DAYS + QUIET_DAYS + 2).unwrap_or_default();
        let mut by_day = vec![Vec::new(); days];
        for (number, record) in year.records.iter().enumerate() {
            if let Some(day) = by_day.get_mut(day_of(record.created)) {
                day.push(number);
            }
        }
        let mut by_record = vec![Vec::new(); year.records.len()];
        for (number, given) in year.moves.iter().enumerate() {
            if let Some(moves) = by_record.get_mut(given.record) {
                moves.push(number);
            }
        }
        let state = |number| DayState::unread(first_day() + Duration::days(number));
        Self {
            year,
            by_day,
            by_record,
            visible: vec![None; year.moves.len()],
            days: (0..).take(days).map(state).collect(),
            known: vec![false; year.records.len()],
            unsettled: vec![false; year.records.len()],
            calls: Calls::default(),
        }
    }

    /// Records that a list of these days shows.
    fn listed(&self, from: usize, to: usize, now: i64) -> i64 {
        let days = self.by_day.get(from..to.min(self.by_day.len())).unwrap_or_default();
        let shown = days.iter().flatten().filter(|number| {
            self.year.records.get(**number).is_some_and(|record| {
                record.shown <= now && record.vanished.is_none_or(|vanished| vanished > now)
            })
        });
        i64::try_from(shown.count()).unwrap_or(i64::MAX)
    }

    /// Walks some days, asking for one more on either side.
    fn walk(&mut self, from: usize, to: usize, now: i64) {
        let asked = self.listed(from.saturating_sub(1), to + 1, now);
        self.calls.lists +=
            u64::try_from((asked + PAGE_SIZE - 1) / PAGE_SIZE).unwrap_or_default().max(1);
        for day in from..to {
            let numbers = self.by_day.get(day).cloned().unwrap_or_default();
            let mut moved = false;
            let mut unsettled = false;
            for number in numbers {
                moved |= self.look(number, now, false);
                unsettled |= self.unsettled.get(number).copied().unwrap_or_default();
            }
            let records = u32::try_from(self.listed(day, day + 1, now)).unwrap_or(u32::MAX);
            if let Some(state) = self.days.get_mut(day) {
                state.as_of = Some(time(now));
                state.records = records;
                state.unsettled = unsettled;
                if moved {
                    state.moved_at = Some(time(now));
                }
            }
        }
    }

    /// Sees a record; returns whether a known one changed. What changed gets a single call, which shows the rest.
    fn look(&mut self, number: usize, now: i64, by_single_call: bool) -> bool {
        let year = self.year;
        let Some(record) = year.records.get(number).filter(|record| record.shown <= now) else {
            return false;
        };
        let was_known = self.known.get(number).copied().unwrap_or_default();
        let moves = self.by_record.get(number).cloned().unwrap_or_default();
        let unseen = moves.into_iter().filter(|index| {
            self.visible.get(*index).is_some_and(Option::is_none)
                && year.moves.get(*index).is_some_and(|given| given.at <= now)
        });
        let unseen: Vec<usize> = unseen.collect();
        let kind = |index: &usize| year.moves.get(*index).map(|given| given.kind);
        let changed = unseen.iter().any(|index| kind(index) != Some(Kind::DetailOnly));
        if !changed && !by_single_call {
            return false;
        }
        let is_gone = record.vanished.is_some_and(|vanished| vanished <= now);
        if is_gone && !was_known {
            return false;
        }
        let is_marked = unseen.iter().any(|index| kind(index) == Some(Kind::Deleted));
        self.calls.singles += match (is_gone, is_marked) {
            (true, _) => 3,
            (false, true) => 2,
            (false, false) => 1,
        };
        for index in unseen {
            let is_deletion = matches!(kind(&index), Some(Kind::Deleted | Kind::Vanished));
            if let Some(visible) = self.visible.get_mut(index) {
                *visible = Some(if is_deletion { now + CONFIRM + BELL } else { now });
            }
        }
        if let Some(known) = self.known.get_mut(number) {
            *known = true;
        }
        if let Some(unsettled) = self.unsettled.get_mut(number) {
            *unsettled = record.settled > now && !is_gone;
        }
        was_known && changed
    }

    fn end(self) -> (Vec<Option<i64>>, Calls) {
        (self.visible, self.calls)
    }
}

/// The program's planner, with its default settings.
pub(crate) struct Planned;

impl Planned {
    /// When each move became visible, and what that took.
    pub(crate) fn replay(year: &Year) -> (Vec<Option<i64>>, Calls) {
        let settings = settings();
        let mut warehouse = Warehouse::new(year);
        let mut cycle_started = 0;
        let mut cycle_done = 0;
        let end = i64::from(DAYS + QUIET_DAYS) * DAY;
        for now in (0..end).step_by(usize::try_from(BELL).unwrap_or(1)) {
            let days = warehouse.days.iter().filter(|state| state.as_of.is_some()).copied();
            let ledger = Ledger { days: days.collect(), unfiltered_as_of: Some(time(now)) };
            for task in planner::plan(&settings, &ledger, &Clocks::agreeing(time(now))) {
                if let Reading::Window(window) = task.reading {
                    let (from, to) = places(window);
                    warehouse.walk(from, to, now);
                }
            }
            // The slow cycle of single calls, in the order of ids: any order.
            let known = u64::try_from(warehouse.known.len()).unwrap_or_default();
            let elapsed = Duration::seconds(now - cycle_started);
            let due = planner::cycle_due(known, cycle_done, elapsed, settings.detail_cycle)
                .min(known - cycle_done);
            for number in cycle_done..cycle_done + due {
                let number = usize::try_from(number * 7919 % known).unwrap_or_default();
                warehouse.look(number, now, true);
            }
            cycle_done += due;
            if elapsed >= settings.detail_cycle {
                (cycle_started, cycle_done) = (now, 0);
            }
        }
        warehouse.end()
    }
}

/// The windows' places in the year; the planner begins a day before it.
fn places(window: Window) -> (usize, usize) {
    let place = |day: Day| usize::try_from((day - first_day()).num_days()).unwrap_or_default();
    (place(window.from()), place(window.to()))
}

/// What config/default.toml says.
pub(crate) fn settings() -> Settings {
    let config = Config::of_text("data_dir = \"unused\"").expect("the defaults are complete");
    Settings { since: Some(first_day()), ..config.sync.planner }
}

/// What most tools do: the last days, again and again.
pub(crate) struct Lookback;

impl Lookback {
    /// Reads the last days as often as so many list calls allow.
    pub(crate) fn replay(year: &Year, days: usize, calls: u64) -> (Vec<Option<i64>>, Calls) {
        let mut warehouse = Warehouse::new(year);
        let end = i64::from(DAYS + QUIET_DAYS) * DAY;
        for now in (0..end).step_by(usize::try_from(BELL).unwrap_or(1)) {
            // Spread evenly: a share of the calls for a share of the time.
            let allowed = u128::from(calls) * u128::try_from(now + BELL).unwrap_or_default()
                / u128::try_from(end).unwrap_or(1);
            if u128::from(warehouse.calls.lists) < allowed {
                let today = day_of(now);
                warehouse.walk(today.saturating_sub(days), today + 1, now);
            }
        }
        warehouse.end()
    }
}
