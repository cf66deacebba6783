//! A schedule: all changes and faults of one world, drawn from a seed in advance.

use std::fmt;

use argos_sync::{
    domain::{Day, Stream},
    simulator::{FaceauthShape, Faults, Knobs, Population},
};
use chrono::{DateTime, Days, TimeDelta, Utc};

use super::{
    happenings::{Happening, Records},
    knobs,
    replicas::Fate,
    troubles::{self, Trouble},
};
use crate::random::Random;

/// All steps, with the settings of the world.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) population: Population,
    /// The start time.
    pub(super) begin: DateTime<Utc>,
    /// The vendor's habits for submissions and for face authentications.
    pub(super) knobs: [Knobs; 2],
    /// Items per page, for submissions and for face authentications.
    pub(super) page_size: [u32; 2],
    /// The maximum length of a window.
    pub(super) window_days: u32,
    /// `audit.calls_per_day`: list calls that may shorten the cycle of lists.
    pub(super) daily_calls: u32,
    pub(super) steps: Vec<Step>,
}

/// Changes happen, the program works, time passes.
#[derive(Debug)]
pub(super) struct Step {
    /// Changes before the program starts.
    pub(super) before: Vec<Happening>,
    /// Changes while it works, each after this number of calls, in order.
    pub(super) during: Vec<(u64, Happening)>,
    pub(super) faults: Faults,
    /// The trouble on this side of the API.
    pub(super) trouble: Option<Trouble>,
    /// The processes that work in parallel.
    pub(super) replicas: Vec<Fate>,
    /// Whether they backfill the whole history instead of doing the due work.
    pub(super) is_backfill: bool,
    /// Time that passes after the step.
    pub(super) pause: TimeDelta,
}

impl Schedule {
    /// The schedule of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let today = Day::from_ymd_opt(2025, 3, 10).expect("a day");
        let population = Population {
            seed: random.any(),
            submissions: random.between(30, 110),
            faceauths: random.between(15, 40),
            from: today - Days::new(random.between(20, 28)),
            to: today,
        };
        let minute = i64::try_from(random.between(0_u64, 24 * 60 - 1)).expect("few");
        let begin = today.and_hms_opt(0, 0, 0).expect("midnight").and_utc();
        let size = random.between(7, 50);
        let main = knobs::habits(&mut random, Stream::Submission, size);
        let face = knobs::habits(&mut random, Stream::Faceauth, size);
        let is_flat = face.faceauth_shape == FaceauthShape::Flat;
        let page_size = [size, if is_flat { 2000 } else { size }];
        let mut records = [
            Records::new(Stream::Submission, population.submissions),
            Records::new(Stream::Faceauth, population.faceauths),
        ];
        let mut troubled = troubles::drawn_apart(seed);
        let steps = (0..random.between(6, 12)).map(|_| {
            let trouble = Trouble::draw(&mut troubled);
            Step { trouble, ..Step::draw(&mut random, &mut records) }
        });
        let steps = steps.collect();
        Self {
            seed,
            population,
            begin: begin + TimeDelta::minutes(minute),
            knobs: [main, face],
            page_size,
            window_days: random.pick(&[3, 10, 30]),
            daily_calls: random.pick(&[1, 100]),
            steps,
        }
    }
}

impl Step {
    fn draw(random: &mut Random, records: &mut [Records; 2]) -> Self {
        let mut next = |random: &mut Random| {
            let stream = usize::from(random.percent(30));
            records[stream].next(random)
        };
        let before = (0..random.between(0, 10)).map(|_| next(random)).collect();
        let is_busy = random.percent(40);
        let during = if is_busy { random.up_to(6) } else { 0 };
        let drawn = (0..during).map(|_| (random.up_to(40), next(random)));
        let (mut calls, during): (Vec<u64>, Vec<Happening>) = drawn.unzip();
        // They happen in the order in which they were drawn: new records come before their changes.
        calls.sort_unstable();
        let during = calls.into_iter().zip(during).collect();
        let replicas = match random.up_to(10) {
            1..=5 => vec![fate(random)],
            6..=8 => vec![fate(random), fate(random)],
            _ => vec![Fate::FrozenAfter(commit(random)), Fate::Lives],
        };
        Self {
            before,
            during,
            faults: knobs::faults(random),
            trouble: None,
            replicas,
            is_backfill: random.percent(12),
            pause: TimeDelta::minutes(random.pick(&[3, 20, 70, 300, 800, 2000])),
        }
    }
}

fn fate(random: &mut Random) -> Fate {
    match random.up_to(9) {
        1..=4 => Fate::Lives,
        5..=6 => Fate::KilledBefore(commit(random)),
        7..=8 => Fate::KilledAfter(commit(random)),
        _ => Fate::ToldToEndAfter(commit(random)),
    }
}

/// Mostly a low number, since not every run has many.
fn commit(random: &mut Random) -> u64 {
    let most = random.pick(&[8, 20, 60]);
    random.up_to(most)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, population, begin, knobs, page_size, window_days, daily_calls, steps } =
            self;
        writeln!(f, "seed {seed}, beginning {begin}, {population:?}")?;
        writeln!(
            f,
            "pages of {page_size:?}, windows of {window_days} days, {daily_calls} calls a day for the cycle"
        )?;
        writeln!(f, "submissions: {:?}\nface authentications: {:?}", knobs[0], knobs[1])?;
        for (number, step) in steps.iter().enumerate() {
            let Step { before, during, faults, trouble, replicas, is_backfill, pause } = step;
            writeln!(f, "step {number}:")?;
            for happening in before {
                writeln!(f, "  {happening}")?;
            }
            if let Some(trouble) = trouble {
                writeln!(f, "  {trouble}")?;
            }
            let work = if *is_backfill { "a backfill" } else { "what is due" };
            let replicas: Vec<_> = replicas.iter().map(ToString::to_string).collect();
            writeln!(f, "  {work}: {}", replicas.join("; and at the same time: "))?;
            for (calls, happening) in during {
                writeln!(f, "    after {calls} calls: {happening}")?;
            }
            if *faults != Faults::default() {
                writeln!(f, "    {faults:?}")?;
            }
            writeln!(f, "  {} minutes pass", pause.num_minutes())?;
        }
        Ok(())
    }
}
