//! The passes that are due, and their times.

use proptest::prelude::*;

use super::*;

fn day(number: i64) -> Day {
    Day::from_ymd_opt(2025, 1, 1).unwrap() + Duration::days(number)
}

fn at(number: i64, hour: u32, minute: u32) -> DateTime<Utc> {
    day(number).and_hms_opt(hour, minute, 0).unwrap().and_utc()
}

/// Plans with clocks that agree.
fn plan(settings: &PlanSettings, ledger: &Ledger, now: DateTime<Utc>) -> Vec<Task> {
    super::plan(settings, ledger, &Clocks::agreeing(now))
}

fn window(from: i64, to: i64) -> Window {
    Window::new(day(from), day(to)).unwrap()
}

fn settings() -> PlanSettings {
    PlanSettings {
        since: Some(day(0)),
        settle: Duration::hours(1),
        window_days: 30,
        page_size: 2000,
        revisit: Revisit::PUBLISHED,
        cycle: Duration::days(30),
        cycle_calls_per_day: 1,
        detail_cycle: Duration::days(180),
    }
}

/// Days that were read at the same moment, with this number of records each.
fn read(days: std::ops::Range<i64>, as_of: DateTime<Utc>, records: u32) -> Ledger {
    let days = days.map(|number| DayState {
        as_of: Some(as_of),
        records,
        ..DayState::unread(day(number))
    });
    Ledger { days: days.collect(), unfiltered_as_of: Some(as_of) }
}

fn windows(tasks: &[Task], lane: Lane) -> Vec<Window> {
    let of_lane = tasks.iter().filter(|task| task.lane == lane);
    of_lane
        .filter_map(|task| match task.reading {
            ListScope::Window(window) => Some(window),
            ListScope::All => None,
        })
        .collect()
}

#[test]
fn today_yesterday_and_the_days_ahead_come_first_and_history_from_the_newest() {
    let tasks = plan(&settings(), &Ledger::default(), at(100, 12, 0));
    let fresh = Task { lane: Lane::Recent, reading: ListScope::Window(window(99, 108)) };
    assert_eq!(tasks[0], fresh);
    let history = [window(90, 99), window(60, 90), window(30, 60), window(0, 30)];
    assert_eq!(windows(&tasks, Lane::Backfill), history);
    assert_eq!(tasks.len(), 5, "all is listed without a filter once history is there");
}

#[test]
fn a_day_read_before_it_had_settled_is_read_again() {
    let mut known = read(0..9, at(9, 23, 0), 10);
    known.days[4].as_of = Some(at(5, 1, 0));
    let tasks = plan(&settings(), &known, at(10, 0, 30));
    assert_eq!(windows(&tasks, Lane::Backfill), [window(4, 5)]);
    known.days[4].as_of = Some(at(5, 1, 1));
    assert_eq!(windows(&plan(&settings(), &known, at(10, 0, 30)), Lane::Backfill), []);
}

#[test]
fn the_older_an_unsettled_day_is_the_longer_it_waits() {
    let now = at(100, 12, 0);
    for (age_days, waits) in
        [(3, Duration::minutes(97)), (20, Duration::hours(10)), (60, Duration::hours(24))]
    {
        let mut known = read(0..99, now - waits + Duration::minutes(20), 10);
        let index = usize::try_from(100 - age_days).unwrap();
        known.days[index].unsettled = true;
        let settings = PlanSettings {
            revisit: Revisit { active_interval: Duration::days(9), ..Revisit::PUBLISHED },
            ..settings()
        };
        assert_eq!(windows(&plan(&settings, &known, now), Lane::Unsettled), [], "{age_days}");
        let later = now + Duration::minutes(40);
        let due = windows(&plan(&settings, &known, later), Lane::Unsettled);
        assert_eq!(due, [window(100 - age_days, 101 - age_days)], "{age_days}");
    }
}

#[test]
fn young_days_and_days_that_moved_lately_are_read_every_few_hours() {
    let now = at(100, 12, 0);
    let mut known = read(0..99, now - Duration::hours(7), 10);
    known.days[50].changed_at = Some(at(90, 0, 0));
    known.days[40].changed_at = Some(at(80, 0, 0));
    let due = windows(&plan(&settings(), &known, now), Lane::Unsettled);
    assert_eq!(due, [window(87, 99), window(50, 51)]);
    known.days.iter_mut().for_each(|day| day.as_of = Some(now - Duration::hours(5)));
    assert_eq!(windows(&plan(&settings(), &known, now), Lane::Unsettled), []);
}

#[test]
fn what_lies_between_two_due_days_is_read_along_where_it_costs_no_call() {
    let now = at(100, 12, 0);
    for (records, want) in [(10, vec![window(50, 61)]), (900, vec![window(60, 61), window(50, 51)])]
    {
        let mut known = read(0..99, now - Duration::hours(25), records);
        known.days[50].unsettled = true;
        known.days[60].unsettled = true;
        let settings = PlanSettings {
            revisit: Revisit { active_age: Duration::zero(), ..Revisit::PUBLISHED },
            ..settings()
        };
        let due = plan(&settings, &known, now);
        assert_eq!(windows(&due, Lane::Unsettled), want, "{records}");
    }
}

#[test]
fn all_history_is_read_in_every_cycle_and_faster_where_calls_allow() {
    let now = at(400, 12, 0);
    let known = |days| read(0..360, now - Duration::days(days), 80);
    let quiet = PlanSettings {
        revisit: Revisit { active_age: Duration::zero(), ..Revisit::PUBLISHED },
        ..settings()
    };
    assert_eq!(
        windows(&plan(&quiet, &known(12), now), Lane::Audit),
        [],
        "a call a day takes 15 days, and nothing comes more than a fifth early"
    );
    let days = |settings: &PlanSettings, known: &Ledger| {
        windows(&plan(settings, known, now), Lane::Audit)
            .into_iter()
            .map(Window::len_days)
            .sum::<u32>()
    };
    assert_eq!(days(&quiet, &known(17)), 360);
    let quick = PlanSettings { cycle_calls_per_day: 100, ..quiet };
    assert_eq!(days(&quick, &known(1)), 360);
    let unhurried = PlanSettings { cycle_calls_per_day: 0, ..quiet };
    assert_eq!(days(&unhurried, &known(23)), 0);
    let slow = PlanSettings { page_size: 10, ..quiet };
    assert!(days(&slow, &known(29)) < 360, "some come early, and some do not");
    assert_eq!(days(&slow, &known(30)), 360);
}

#[test]
fn everything_is_listed_without_a_filter_once_a_cycle() {
    let now = at(100, 12, 0);
    let everything = Task { lane: Lane::Audit, reading: ListScope::All };
    let mut known = read(0..99, now - Duration::hours(1), 10);
    known.unfiltered_as_of = Some(now - Duration::days(29));
    assert!(!plan(&settings(), &known, now).contains(&everything));
    known.unfiltered_as_of = Some(now - Duration::days(30));
    assert!(plan(&settings(), &known, now).contains(&everything));
}

#[test]
fn days_ahead_are_read_in_every_round_as_far_as_the_newest_window_reaches() {
    let (known, now) = (read(0..99, at(100, 11, 0), 10), at(100, 12, 0));
    for (number, expected) in
        [(99, now), (100, now), (107, now), (108, at(101, 0, 0)), (200, at(193, 0, 0))]
    {
        let next = next_read(&settings(), &known, day(number), &Clocks::agreeing(now));
        assert_eq!(next, Some((Lane::Recent, expected)), "{number}");
    }
    for number in 108..120 {
        let (lane, due) =
            next_read(&settings(), &known, day(number), &Clocks::agreeing(now)).unwrap();
        for (at, is_read) in [(due, true), (due - Duration::seconds(1), false)] {
            let tasks = plan(&settings(), &known, at);
            let windows = windows(&tasks, lane);
            assert_eq!(windows.iter().any(|it| it.contains(day(number))), is_read, "{number}");
        }
    }
    assert!(next_read(&settings(), &known, Day::MAX, &Clocks::agreeing(now)).is_some());
}

#[test]
fn what_a_person_approved_is_looked_at_at_once() {
    let now = at(100, 12, 0);
    let mut known = read(0..99, now - Duration::hours(1), 10);
    known.days[20].approved_at = Some(now - Duration::minutes(5));
    assert_eq!(windows(&plan(&settings(), &known, now), Lane::Audit), [window(20, 21)]);
    known.days[20].as_of = Some(now - Duration::minutes(4));
    assert_eq!(windows(&plan(&settings(), &known, now), Lane::Audit), []);
}

#[test]
fn a_plan_tells_its_calls() {
    let now = at(100, 12, 0);
    let known = read(50..99, now - Duration::hours(7), 1000);
    let tasks = plan(&settings(), &known, now);
    let cost = cost(&settings(), &known, &tasks);
    assert_eq!(cost.unknown_days, 52, "50 of history, today and yesterday");
    assert_eq!(cost.expected_records, 52_000);
    assert_eq!(cost.lists[&Lane::Backfill], ListCost { passes: 2, calls: 16 + 11 });
    assert_eq!(cost.lists[&Lane::Recent], ListCost { passes: 1, calls: 2 });
}

#[test]
fn a_backfill_gives_each_worker_a_window_that_is_neither_tiny_nor_too_long() {
    let longest = |length: i64, workers, days_max| {
        let windows = backfill_windows(window(0, length), workers, days_max);
        windows.into_iter().map(Window::len_days).max()
    };
    assert_eq!(longest(365, 8, 60), Some(46));
    assert_eq!(longest(3650, 8, 60), Some(60), "no longer than a window may be");
    assert_eq!(longest(90, 8, 60), Some(30), "two days more are asked for than a window has");
    assert_eq!(longest(10, 1, 60), Some(10));
    assert_eq!(longest(365, 0, 60), Some(60));
    assert_eq!(longest(365, 8, 1), Some(1));
}

proptest! {
    #[test]
    fn the_windows_of_a_backfill_are_its_days(
        length in 1i64..400, workers in 0usize..20, days_max in 1u32..100,
    ) {
        let whole = window(0, length);
        let mut windows = backfill_windows(whole, workers, days_max);
        prop_assert!(windows.iter().all(|window| window.len_days() <= days_max));
        windows.reverse();
        let days: Vec<_> = windows.into_iter().flat_map(Window::days).collect();
        prop_assert_eq!(days, whole.days().collect::<Vec<_>>());
    }

    #[test]
    fn every_due_day_is_in_exactly_one_window_and_none_is_too_long(
        ages in proptest::collection::vec((0i64..40, any::<bool>(), 0u32..5000), 1..300),
    ) {
        let now = at(i64::try_from(ages.len()).unwrap() + 1, 12, 0);
        let days = ages.iter().enumerate().map(|(number, (age, unsettled, records))| DayState {
            as_of: Some(now - Duration::days(*age)),
            unsettled: *unsettled,
            records: *records,
            ..DayState::unread(day(i64::try_from(number).unwrap()))
        });
        let known = Ledger { days: days.collect(), unfiltered_as_of: None };
        let settings = settings();
        let tasks = plan(&settings, &known, now);
        let counts = known.days.iter().map(|state| (state.day, state.records)).collect();
        let cycle = revisit::cycle(&settings, &counts);
        for lane in [Lane::Unsettled, Lane::Backfill, Lane::Audit] {
            let windows = windows(&tasks, lane);
            for state in &known.days {
                let inside = windows.iter().filter(|window| window.contains(state.day)).count();
                let due = revisit::due(&settings, cycle, state, now) == Some(lane);
                prop_assert!(inside <= 1 && (inside == 1 || !due), "{state:?} {lane}");
            }
            prop_assert!(windows.iter().all(|window| window.len_days() <= settings.window_days));
        }
    }
}
