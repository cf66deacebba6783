//! The two readers of the year: the planner, and a fixed lookback.

use std::collections::BTreeSet;

use argos_sync::{
    config::Config,
    domain::{Clocks, Day, DayState, Ledger, ListScope, SparseRecord, Window},
    planner::{self, Budget, DetailSchedule, PlanSettings},
};
use chrono::{DateTime, Duration, Utc};

use crate::year::{DAY, DAYS, HOUR, Kind, MINUTE, QUIET_DAYS, Year};

/// Interval of the daemon's schedule.
const BELL: i64 = 5 * MINUTE;
/// Delay between the two detail calls that confirm a deletion.
const CONFIRM: i64 = HOUR;
const PAGE_SIZE: i64 = 2000;

/// Calls made to the vendor.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) lists: u64,
    pub(crate) singles: u64,
}

/// The state of a warehouse during the replay.
struct Warehouse<'a> {
    year: &'a Year,
    /// Records by creation day.
    by_day: Vec<Vec<usize>>,
    /// Changes of each record, oldest first.
    by_record: Vec<Vec<usize>>,
    /// When each change became visible.
    visible: Vec<Option<i64>>,
    days: Vec<DayState>,
    /// Whether each record is known, and whether it is known to be unsettled.
    known: Vec<bool>,
    unsettled: Vec<bool>,
    /// When each sparse record was last found changed, and the sparse records whose next detail
    /// call must be scheduled.
    moved: Vec<Option<i64>>,
    to_schedule: Vec<usize>,
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
            moved: vec![None; year.records.len()],
            to_schedule: Vec::new(),
            calls: Calls::default(),
        }
    }

    /// Number of records that a list of these days shows.
    fn listed(&self, from: usize, to: usize, now: i64) -> i64 {
        let days = self.by_day.get(from..to.min(self.by_day.len())).unwrap_or_default();
        let shown = days.iter().flatten().filter(|number| {
            self.year.records.get(**number).is_some_and(|record| {
                record.shown <= now && record.vanished.is_none_or(|vanished| vanished > now)
            })
        });
        i64::try_from(shown.count()).unwrap_or(i64::MAX)
    }

    /// Reads some days; the list includes one more day on either side.
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
                    state.changed_at = Some(time(now));
                }
            }
        }
    }

    /// Reads a record; returns whether a known one changed. A changed record gets a detail call,
    /// which shows the rest.
    fn look(&mut self, number: usize, now: i64, by_detail_call: bool) -> bool {
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
        let is_listed =
            |kind: Option<Kind>| !matches!(kind, Some(Kind::DetailOnly | Kind::AmlUnlisted));
        let changed = unseen.iter().any(|index| is_listed(kind(index)));
        let has_changed = !unseen.is_empty();
        if !changed && !by_detail_call {
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
        if record.sparse && !is_gone {
            if let Some(moved) = self.moved.get_mut(number).filter(|_| was_known && has_changed) {
                *moved = Some(now);
            }
            self.to_schedule.push(number);
        }
        was_known && changed
    }

    fn end(self) -> (Vec<Option<i64>>, Calls) {
        (self.visible, self.calls)
    }
}

/// The detail calls for sparse records.
struct Scheduled {
    schedule: DetailSchedule,
    budget: Budget,
    /// Next call of each record, earliest first.
    next: BTreeSet<(i64, usize)>,
    next_of: Vec<Option<i64>>,
    until: Option<DateTime<Utc>>,
}

impl Scheduled {
    fn new(year: &Year) -> Self {
        let budget = budget();
        let schedule = DetailSchedule::new(&settings(), &Ledger::default(), &budget, 0);
        let next_of = vec![None; year.records.len()];
        Self { schedule, budget, next: BTreeSet::new(), next_of, until: None }
    }

    /// Schedules the records that were just read, and reads those that are due.
    fn round(&mut self, warehouse: &mut Warehouse<'_>, now: i64) {
        self.date(warehouse, now);
        let (mut left, from) = self.schedule.allowance(self.until, time(now));
        let mut drawn = 0;
        let due_by = now + self.schedule.ahead().num_seconds();
        while left > 0
            && let Some((_, number)) = self.next.first().copied().filter(|(at, _)| *at <= due_by)
        {
            self.next.pop_first();
            if let Some(next) = self.next_of.get_mut(number) {
                *next = None;
            }
            warehouse.look(number, now, true);
            (left, drawn) = (left - 1, drawn + 1);
        }
        self.until = Some(self.schedule.until(from, drawn));
        self.date(warehouse, now);
    }

    fn date(&mut self, warehouse: &mut Warehouse<'_>, now: i64) {
        for number in std::mem::take(&mut warehouse.to_schedule) {
            let Some(record) = warehouse.year.records.get(number) else { continue };
            let known = SparseRecord {
                id: format!("record {number}"),
                day: time(record.created).date_naive(),
                unsettled: warehouse.unsettled.get(number).copied().unwrap_or_default(),
                changed_at: warehouse.moved.get(number).copied().flatten().map(time),
                read_at: Some(time(now)),
            };
            let at = (self.schedule.next(&known, time(now)) - time(0)).num_seconds();
            if let Some(next) = self.next_of.get_mut(number) {
                if let Some(before) = next.replace(at) {
                    self.next.remove(&(before, number));
                }
                self.next.insert((at, number));
            }
        }
    }
}

/// The program's planner, with its default settings.
pub(crate) struct Planned;

impl Planned {
    /// When each change became visible, and the calls that this took.
    pub(crate) fn replay(year: &Year) -> (Vec<Option<i64>>, Calls) {
        let settings = settings();
        let mut warehouse = Warehouse::new(year);
        let mut scheduled = Scheduled::new(year);
        let mut cycle_started = 0;
        let mut cycle_done = 0;
        let end = i64::from(DAYS + QUIET_DAYS) * DAY;
        for now in (0..end).step_by(usize::try_from(BELL).unwrap_or(1)) {
            let days = warehouse.days.iter().filter(|state| state.as_of.is_some()).copied();
            let ledger = Ledger { days: days.collect(), unfiltered_as_of: Some(time(now)) };
            for task in planner::plan(&settings, &ledger, &Clocks::agreeing(time(now))) {
                if let ListScope::Window(window) = task.reading {
                    let (from, to) = places(window);
                    warehouse.walk(from, to, now);
                }
            }
            if now % DAY == 0 {
                let (ledger, count) = (&ledger, u64::try_from(scheduled.next.len()));
                let (settings, budget) = (&settings, &scheduled.budget);
                scheduled.schedule =
                    DetailSchedule::new(settings, ledger, budget, count.unwrap_or_default());
            }
            scheduled.round(&mut warehouse, now);
            // The slow cycle of detail calls; ids have an arbitrary order.
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

/// The window as day indexes of the year. The planner starts a day earlier, which becomes 0.
fn places(window: Window) -> (usize, usize) {
    let place = |day: Day| usize::try_from((day - first_day()).num_days()).unwrap_or_default();
    (place(window.from()), place(window.to()))
}

/// The configuration of config/default.toml.
fn defaults() -> Config {
    let text = "data_dir = \"unused\"\n[project.main]\nkind = \"idcheck\"\n\
        base_url = \"https://api.example/v3\"\napi_key = \"unused\"";
    Config::of_text(text).expect("the defaults are complete")
}

pub(crate) fn settings() -> PlanSettings {
    PlanSettings { since: Some(first_day()), ..defaults().sync.planner }
}

fn budget() -> Budget {
    defaults().projects.first().expect("a project").budget
}

/// The common approach: reads the last days repeatedly.
pub(crate) struct Lookback;

impl Lookback {
    /// Reads the last days as often as this number of list calls allows.
    pub(crate) fn replay(year: &Year, days: usize, calls: u64) -> (Vec<Option<i64>>, Calls) {
        let mut warehouse = Warehouse::new(year);
        let end = i64::from(DAYS + QUIET_DAYS) * DAY;
        for now in (0..end).step_by(usize::try_from(BELL).unwrap_or(1)) {
            // Spreads the calls evenly over the time.
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
