//! Waiting for the work of another process. An [`Awaited`] value names the event, and a poll of its
//! rows detects it.
//!
//! A wait is logged with its reason. It ends with the event, when other work becomes due, when the
//! blocking lease expires, or with the program. Only a process without other work waits.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{process_id, project::Project, stop::pause, world::World};
use crate::warehouse::{Awaited, Lease, WarehouseError};

/// Average time between two polls. It varies, so that processes do not poll in step.
const POLL: Duration = Duration::from_millis(500);

/// Longest wait for a lease after its expiry. Afterwards PostgreSQL's clock is assumed to be
/// stopped or set back.
const OVERDUE: Duration = Duration::from_secs(5);

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// The event happened or the time came: there may be work.
    Ready,
    /// The leases in the way should have expired and did not.
    InVain,
    /// The program has to end.
    Stopped,
}

/// Waits for the event, but not longer than until there is other work.
pub(super) async fn wait_for(
    world: &World,
    project: &Project,
    awaited: &Awaited,
    other_work_in: Option<Duration>,
) -> Result<Woken, WarehouseError> {
    info!("waiting: {awaited}");
    let began = Instant::now();
    let woken = project.pulse().wait(poll(world, awaited, other_work_in)).await?;
    let waited_ms = began.elapsed().as_millis();
    debug!(?woken, waited_ms, "done waiting");
    Ok(woken)
}

/// Polls the leases in the way until one of them ends, or another reason ends the wait.
async fn poll(
    world: &World,
    awaited: &Awaited,
    other_work_in: Option<Duration>,
) -> Result<Woken, WarehouseError> {
    let began = Instant::now();
    let other_work_at = other_work_in.map(|time| began + time);
    let mut watch = Watch::new(began);
    loop {
        let leases = world.warehouse.leases(awaited).await?;
        if leases.is_empty() || free_one_that_is_gone(world, &leases).await? {
            return Ok(Woken::Ready);
        }
        let now = Instant::now();
        watch.note(&leases, now);
        if other_work_at.is_some_and(|at| now >= at) {
            return Ok(Woken::Ready);
        }
        if watch.is_over(now) {
            return Ok(Woken::InVain);
        }
        let next = now + around(POLL);
        let next = other_work_at.map_or(next, |at| next.min(at));
        if !pause(&world.stop, next - now).await {
            return Ok(Woken::Stopped);
        }
    }
}

/// Waits for about one poll interval; returns whether the program goes on.
pub(super) async fn a_moment(world: &World) -> bool {
    pause(&world.stop, around(POLL)).await
}

/// How long leases are waited for: until the last of them expires. Starts over when one is renewed
/// or changes its holder.
#[derive(Debug)]
struct Watch {
    expiries: Vec<DateTime<Utc>>,
    end: Instant,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self { expiries: Vec::new(), end: now }
    }

    fn note(&mut self, leases: &[Lease], now: Instant) {
        let expiries: Vec<_> = leases.iter().map(|lease| lease.expires_at).collect();
        if expiries != self.expiries {
            let longest = leases.iter().map(|lease| lease.left).max().unwrap_or_default();
            (self.expiries, self.end) = (expiries, now + longest + OVERDUE);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.end
    }
}

/// Frees the claims of a killed process of this machine; returns whether there was one.
async fn free_one_that_is_gone(world: &World, leases: &[Lease]) -> Result<bool, WarehouseError> {
    let Some(gone) = leases.iter().find(|lease| process_id::is_gone(&lease.holder)) else {
        return Ok(false);
    };
    info!("releasing the claims of a dead process");
    world.warehouse.free(&gone.holder).await?;
    Ok(true)
}

/// A random time between half and one and a half times the given one.
fn around(time: Duration) -> Duration {
    // Each new state hashes with its own random key.
    let part = RandomState::new().hash_one(()) % 1000;
    time / 2 + time * u32::try_from(part).unwrap_or(500) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(expires_at: i64, left: u64) -> Lease {
        Lease {
            holder: "another".to_owned(),
            expires_at: DateTime::from_timestamp(expires_at, 0).unwrap(),
            left: Duration::from_secs(left),
        }
    }

    #[test]
    fn a_lease_is_waited_for_until_it_ends_and_longer_only_when_it_moves() {
        let began = Instant::now();
        let mut watch = Watch::new(began);
        watch.note(&[lease(300, 300), lease(100, 100)], began);
        assert!(!watch.is_over(began + 304 * SECOND));
        assert!(watch.is_over(began + 305 * SECOND));
        // PostgreSQL's clock is stopped: nothing changes.
        watch.note(&[lease(300, 300), lease(100, 100)], began + 200 * SECOND);
        assert!(watch.is_over(began + 305 * SECOND));
        // The holder is working and renews the lease.
        watch.note(&[lease(500, 300)], began + 200 * SECOND);
        assert!(!watch.is_over(began + 504 * SECOND));
        assert!(watch.is_over(began + 505 * SECOND));
    }

    #[test]
    fn polls_are_spread_between_a_half_and_one_and_a_half_of_the_time() {
        let times: Vec<_> = (0..1000).map(|_| around(POLL)).collect();
        let range = POLL / 2..POLL * 3 / 2;
        assert!(times.iter().all(|time| range.contains(time)));
        let mean = times.iter().sum::<Duration>() / 1000;
        assert!(mean.abs_diff(POLL) < POLL / 10, "{mean:?}");
    }
}
