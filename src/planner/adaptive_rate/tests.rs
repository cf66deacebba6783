//! Plays an adaptive rate against vendors, in simulated time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small positive numbers of calls"
)]

use super::*;
use crate::domain::Call;

/// Latency of a healthy vendor, in seconds.
const LATENCY: f64 = 0.08;

/// Calls in flight of all processes, as a multiple of those that a healthy vendor needs.
const IN_FLIGHT: f64 = 3.0;

/// What a vendor does with a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    /// It answers after this many seconds.
    After(f64),
    Refused,
    TimedOut,
}

/// A vendor that sees calls in the order of their times, in seconds.
trait Vendor {
    fn call(&mut self, at: f64) -> Answer;
}

/// A latency with a long tail: every twentieth call takes five times as long.
fn tail(number: &mut u32) -> f64 {
    *number += 1;
    if number.is_multiple_of(20) { LATENCY * 5.0 } else { LATENCY }
}

/// Allows this many calls a second, with bursts of as many.
struct Refusing {
    limit: f64,
    tokens: f64,
    last: f64,
    number: u32,
}

impl Refusing {
    fn above(limit: f64) -> Self {
        Self { limit, tokens: limit, last: 0.0, number: 0 }
    }
}

impl Vendor for Refusing {
    fn call(&mut self, at: f64) -> Answer {
        self.tokens = (self.tokens + (at - self.last) * self.limit).min(self.limit.max(1.0));
        self.last = at;
        if self.tokens < 1.0 {
            return Answer::Refused;
        }
        self.tokens -= 1.0;
        Answer::After(tail(&mut self.number))
    }
}

/// Answers calls one after the other, this many a second, and half as many while its queue takes
/// longer than a second.
struct Queueing {
    capacity: f64,
    busy_until: f64,
}

impl Vendor for Queueing {
    fn call(&mut self, at: f64) -> Answer {
        let queue = self.busy_until - at;
        let time = if queue > 1.0 { 2.0 } else { 1.0 } / self.capacity;
        self.busy_until = at.max(self.busy_until) + time;
        let latency = LATENCY + self.busy_until - at;
        if latency > 10.0 { Answer::TimedOut } else { Answer::After(latency) }
    }
}

/// Answers everything, and takes this many times as long from the minute on.
struct Slower {
    times: f64,
    number: u32,
}

impl Vendor for Slower {
    fn call(&mut self, at: f64) -> Answer {
        let latency = tail(&mut self.number);
        Answer::After(if at < 60.0 { latency } else { latency * self.times })
    }
}

/// What came of the calls.
#[derive(Debug, Default)]
struct Played {
    answered: u32,
    refused: u32,
    timed_out: u32,
    /// The rate at each take, with its time in seconds.
    rates: Vec<(f64, f64)>,
    cuts: u32,
}

impl Played {
    fn refused_share(&self) -> f64 {
        f64::from(self.refused) / f64::from(self.answered + self.refused)
    }

    /// The lowest rate from this time on.
    fn lowest_from(&self, seconds: f64) -> f64 {
        let rates = self.rates.iter().filter(|(at, _)| *at >= seconds);
        rates.map(|(_, rate)| *rate).fold(f64::INFINITY, f64::min)
    }
}

fn is_equal(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

fn at(seconds: f64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

fn start(rate: f64) -> SharedRate {
    SharedRate::new(&RateBounds { start: rate, max: rate }, at(0.0))
}

/// A call that was made, and when its outcome is known.
struct Made {
    known_at: f64,
    granted: GrantedRate,
    answer: Answer,
}

/// A process that always has calls to make.
struct Process {
    latencies: Latencies,
    /// The calls that are in flight or not reported yet.
    made: Vec<Made>,
    granted: GrantedRate,
    /// When the next call of the block may be made, and how many are left.
    slot: f64,
    left: u32,
    in_flight_max: usize,
}

impl Process {
    fn new() -> Self {
        let granted = GrantedRate { at: at(0.0), rate: 1.0, cuts: 0 };
        Self {
            latencies: Latencies::default(),
            made: Vec::new(),
            granted,
            slot: 0.0,
            left: 0,
            in_flight_max: 1,
        }
    }

    /// When it makes its next call, or takes its next block.
    fn next_at(&self) -> f64 {
        let in_flight = self.made.iter().map(|made| made.known_at).filter(|at| *at > self.slot);
        let mut ends: Vec<f64> = in_flight.collect();
        ends.sort_by(f64::total_cmp);
        let excess = (ends.len() + 1).saturating_sub(self.in_flight_max);
        excess.checked_sub(1).map_or(self.slot, |last| ends[last])
    }
}

/// Plays `count` processes that share a rate, for this time in seconds. Each takes the calls of a
/// quarter of a second at a time; the blocks of all follow one another.
fn play(vendor: &mut dyn Vendor, count: u32, max: f64, seconds: f64) -> Played {
    let bounds = RateBounds { start: 5.0, max };
    let mut shared = start(5.0);
    let mut played = Played::default();
    let mut free_at = 0.0_f64;
    let mut processes: Vec<Process> = (0..count).map(|_| Process::new()).collect();
    loop {
        let next = processes.iter_mut().min_by(|a, b| a.next_at().total_cmp(&b.next_at()));
        let process = next.expect("a process");
        let now = process.next_at();
        if now > seconds {
            return played;
        }
        if process.left == 0 {
            let before = shared.cuts;
            shared = adjust(&shared, &report(process, now), &bounds, at(now));
            played.cuts += u32::from(shared.cuts != before);
            played.rates.push((now, shared.rate));
            process.granted = GrantedRate { at: at(now), rate: shared.rate, cuts: before };
            process.left = ((shared.rate / 4.0) as u32).max(1);
            process.slot = free_at.max(now);
            free_at = process.slot + f64::from(process.left) / shared.rate;
            let latency = shared.latencies[Call::Detail].baseline.unwrap_or(0.5);
            let in_flight = IN_FLIGHT * shared.rate * latency;
            process.in_flight_max = (in_flight.ceil() as usize).max(4);
            continue;
        }
        process.left -= 1;
        process.slot = now.max(process.slot + 1.0 / process.granted.rate);
        let answer = vendor.call(now);
        let known_at = match answer {
            Answer::After(latency) => {
                played.answered += 1;
                now + latency
            }
            Answer::Refused => {
                played.refused += 1;
                now + LATENCY / 2.0
            }
            Answer::TimedOut => {
                played.timed_out += 1;
                now + 10.0
            }
        };
        process.made.push(Made { known_at, granted: process.granted, answer });
    }
}

/// The report of what a process knows by now.
fn report(process: &mut Process, now: f64) -> AnswerReport {
    let mut report = AnswerReport::default();
    for Made { granted, answer, .. } in process.made.extract_if(.., |made| made.known_at <= now) {
        match answer {
            Answer::After(latency) => {
                report.answered = Some(granted);
                report.answers += 1;
                process.latencies.add(Duration::from_secs_f64(latency));
            }
            Answer::Refused => report.refused = Some(granted),
            Answer::TimedOut => report.timed_out = Some(granted),
        }
    }
    report.latencies[Call::Detail] = process.latencies.take();
    report
}

#[test]
fn a_healthy_vendor_is_read_at_the_highest_rate() {
    for processes in [1, 2, 4, 10_u32] {
        let played = play(&mut Slower { times: 1.0, number: 0 }, processes, 200.0, 120.0);
        assert_eq!(played.cuts, 0, "{processes}");
        assert!(is_equal(played.lowest_from(30.0), 200.0), "{processes} {played:?}");
    }
}

#[test]
fn a_vendor_that_refuses_calls_is_read_just_below_its_limit() {
    for (limit, share_min, refused_max) in [
        (150.0, 0.95, 0.01),
        (50.0, 0.95, 0.01),
        (8.0, 0.95, 0.01),
        (1.0, 0.85, 0.1),
        (0.3, 0.7, 0.3),
    ] {
        for processes in [1, 2, 4] {
            let played = play(&mut Refusing::above(limit), processes, 200.0, 600.0);
            let share = f64::from(played.answered) / (limit * 600.0);
            assert!(share > share_min, "{limit} {processes} {share}");
            assert!(played.refused_share() < refused_max, "{limit} {processes} {}", played.cuts);
        }
    }
}

#[test]
fn a_vendor_that_slows_down_is_not_pushed_into_collapse() {
    for capacity in [150.0, 50.0, 20.0] {
        for processes in [1, 2, 4] {
            let mut vendor = Queueing { capacity, busy_until: 0.0 };
            let played = play(&mut vendor, processes, 200.0, 600.0);
            let share = f64::from(played.answered) / (capacity * 600.0);
            assert!(share > 0.9, "{capacity} {processes} {share} {}", played.cuts);
            assert_eq!(played.timed_out, 0, "{capacity} {processes}");
        }
    }
}

#[test]
fn a_latency_that_does_not_depend_on_the_rate_becomes_usual() {
    for times in [3.0, 10.0] {
        let played = play(&mut Slower { times, number: 0 }, 2, 200.0, 300.0);
        assert!(played.cuts <= 3, "{times} {played:?}");
        assert!(is_equal(played.lowest_from(200.0), 200.0), "{times} {played:?}");
    }
}

/// A grant at this second, at a rate of ten calls a second, after one cut.
fn granted(seconds: f64) -> GrantedRate {
    GrantedRate { at: at(seconds), rate: 10.0, cuts: 1 }
}

/// A report of detail calls granted at this second.
fn answered(granted_at: f64, answers: u32, latency: f64) -> AnswerReport {
    let mut latencies = Latencies::default();
    for _ in 0..answers {
        latencies.add(Duration::from_secs_f64(latency));
    }
    let mut report =
        AnswerReport { answered: Some(granted(granted_at)), answers, ..AnswerReport::default() };
    report.latencies[Call::Detail] = latencies.take();
    report
}

/// The rate after a report at second 100. At second 99 it was 10 calls a second, the usual latency
/// was 0.1 seconds, and the rate had been cut `cuts` times.
fn after(report: &AnswerReport, refused: Option<f64>, cuts: i64) -> (f64, RateCause) {
    let mut before = start(10.0);
    before.adjusted_at = at(99.0);
    before.refused = refused;
    before.cuts = cuts;
    before.latencies[Call::Detail].baseline = Some(0.1);
    let bounds = RateBounds { start: 5.0, max: 50.0 };
    let after = adjust(&before, report, &bounds, at(100.0));
    ((after.rate * 1000.0).round() / 1000.0, after.cause)
}

#[test]
fn only_congestion_of_calls_granted_after_the_last_cut_cuts_the_rate() {
    use RateCause::{Healthy, Refused, Slow, TimedOut};
    let refused = |at| AnswerReport { refused: Some(granted(at)), ..answered(at, 10, 0.1) };
    let timed_out = |at| AnswerReport { timed_out: Some(granted(at)), ..answered(at, 10, 0.1) };
    for (what, report, cuts, expected) in [
        ("refused after the cut", refused(98.0), 1, (7.0, Refused)),
        ("refused before the cut", refused(98.0), 2, (12.5, Healthy)),
        ("timed out after the cut", timed_out(98.0), 1, (7.0, TimedOut)),
        ("timed out before the cut", timed_out(98.0), 2, (12.5, Healthy)),
        ("slow", answered(98.0, 10, 0.25), 1, (7.0, Slow)),
        ("slow, too few answers to judge", answered(98.0, 9, 0.25), 1, (12.5, Healthy)),
        ("less slow than twice as long", answered(98.0, 10, 0.19), 1, (12.5, Healthy)),
    ] {
        assert_eq!(after(&report, None, cuts), expected, "{what}");
    }
}

#[test]
fn a_congestion_is_remembered_by_the_rate_of_its_first_cut() {
    for (seconds_ago, refused) in [(20.0, 30.0), (200.0, 10.0)] {
        let mut before = start(10.0);
        before.refused = Some(30.0);
        before.latencies[Call::Detail].baseline = Some(0.1);
        let judged_at = at(300.0 - seconds_ago);
        before.latencies[Call::List].slow =
            Some(SlowLatency { latency: 5.0, judged_at, without_effect: 0 });
        let bounds = RateBounds { start: 5.0, max: 50.0 };
        let granted = GrantedRate { cuts: 0, ..granted(299.0) };
        let report = AnswerReport { answered: Some(granted), ..answered(299.0, 10, 0.25) };
        let after = adjust(&before, &report, &bounds, at(300.0));
        assert_eq!((after.cause, after.refused), (RateCause::Slow, Some(refused)), "{seconds_ago}");
    }
}

#[test]
fn a_rate_grows_only_while_it_is_used_and_slowly_near_the_refused_one() {
    for (what, answers, refused, expected) in [
        ("no limit is known", 10, None, 12.5),
        ("half of it is used", 5, None, 12.5),
        ("less is used", 4, None, 10.0),
        ("nothing is used", 0, None, 10.0),
        ("far below the refused rate", 10, Some(20.0), 10.5),
        ("nearly returned", 10, Some(10.6), 10.07),
        ("near the refused rate", 10, Some(10.5), 10.013),
        ("above the refused rate", 10, Some(9.0), 10.061),
    ] {
        let report = answered(98.0, answers, 0.1);
        let (rate, _cause) = after(&report, refused, 1);
        assert!(is_equal(rate, expected), "{what}: {rate}");
    }
}

#[test]
fn the_rate_stays_within_its_bounds() {
    for (max, expected) in [(50.0, 12.5), (11.0, 11.0), (0.05, 0.05)] {
        let mut before = start(10.0);
        before.adjusted_at = at(99.0);
        let bounds = RateBounds { start: 5.0, max };
        let after = adjust(&before, &answered(98.0, 10, 0.1), &bounds, at(100.0));
        assert!(is_equal(after.rate, expected), "{max} {after:?}");
    }
    let mut shared = start(5.0);
    let bounds = RateBounds { start: 5.0, max: 50.0 };
    for second in 1..100 {
        let second = f64::from(second);
        let granted = GrantedRate { at: at(second - 0.5), rate: shared.rate, cuts: shared.cuts };
        let report = AnswerReport { refused: Some(granted), ..AnswerReport::default() };
        shared = adjust(&shared, &report, &bounds, at(second));
    }
    assert!(is_equal(shared.rate, FLOOR), "{shared:?}");
}
