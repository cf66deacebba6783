//! Troubles on this side of the API during a step: a wrong key, a wrong clock, lost numbers.

use std::fmt;

use chrono::TimeDelta;
use sqlx::AssertSqlSafe;

use crate::{random::Random, world::TestWorld};

/// One trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The last process of the step has another customer's key for the project of submissions.
    SwappedKey,
    /// PostgreSQL's clock is ahead of the vendor's and this machine's by this time; behind them if
    /// negative.
    WrongClock(TimeDelta),
    /// The sequences of read numbers and fencing numbers start again at 1, as after a data-only
    /// restore.
    LostNumbers,
}

/// Separate numbers for troubles, so that everything else stays the same for a seed.
pub(super) fn drawn_apart(seed: u64) -> Random {
    Random(seed ^ 0x7472_6f75_626c_6573)
}

impl Trouble {
    /// Draws a trouble; mostly none.
    pub(super) fn draw(random: &mut Random) -> Option<Self> {
        match random.up_to(10) {
            1 => Some(Self::SwappedKey),
            2 => Some(Self::WrongClock(random.pick(&[
                TimeDelta::minutes(40),
                TimeDelta::days(2),
                TimeDelta::days(30),
                TimeDelta::minutes(-40),
                TimeDelta::days(-3),
            ]))),
            3 => Some(Self::LostNumbers),
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwappedKey => write!(f, "the last process has another customer's key"),
            Self::WrongClock(ahead) => {
                write!(f, "PostgreSQL's clock is {} minutes ahead", ahead.num_minutes())
            }
            Self::LostNumbers => write!(f, "the sequences start again at 1"),
        }
    }
}

/// Restarts the sequences.
pub(super) async fn lose_numbers(world: &TestWorld) {
    let sql = "alter sequence argos_sync.read_number restart with 1;
        alter sequence argos_sync.fence restart with 1";
    sqlx::raw_sql(sql).execute(&world.pool).await.expect("the sequences");
}

/// Sets the clocks of this machine and of the vendor behind PostgreSQL's by this time.
pub(super) async fn set_others_behind(world: &TestWorld, behind: TimeDelta) {
    let sql = format!(
        "create or replace function argos_sync.clock_ahead(other timestamptz) returns interval
            language sql volatile
            as $$ select other - clock_timestamp() - make_interval(secs => {}) $$",
        behind.num_seconds(),
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.expect("the other clocks");
}

/// Whether a record is known with which a key can be verified.
pub(super) async fn knows_a_submission(world: &TestWorld) -> bool {
    let sql = "select exists (select from argos_sync.record
        where project = 'main' and stream = 'submission' and deleted_at is null)";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.expect("an answer")
}
