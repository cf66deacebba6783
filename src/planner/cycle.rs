//! The slow cycle of detail calls: lists do not show everything, so every record gets a detail call
//! from time to time.

use chrono::Duration;

/// The number of further records to request now so that the cycle completes in time.
///
/// The cycle runs a tenth ahead, so that it catches up after an outage before it ends. At its end
/// it takes all remaining records, however many are known by then.
pub fn cycle_due(records: u64, done: u64, elapsed: Duration, cycle: Duration) -> u64 {
    let cycle = (cycle * 9 / 10).num_seconds().max(1);
    let elapsed = elapsed.num_seconds().clamp(0, cycle);
    let (elapsed, cycle) =
        (u128::try_from(elapsed).unwrap_or_default(), u128::try_from(cycle).unwrap_or(1));
    if elapsed == cycle {
        return u64::MAX;
    }
    let target = u128::from(records) * elapsed / cycle;
    u64::try_from(target).unwrap_or(u64::MAX).saturating_sub(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_spread_over_the_cycle_and_all_are_done_before_its_end() {
        let cycle = Duration::days(180);
        assert_eq!(cycle_due(1800, 0, Duration::zero(), cycle), 0);
        assert_eq!(cycle_due(1620, 0, Duration::days(1), cycle), 10);
        assert_eq!(cycle_due(1620, 10, Duration::days(1), cycle), 0);
        assert_eq!(cycle_due(1800, 0, Duration::days(162), cycle), u64::MAX);
        assert_eq!(cycle_due(1800, 1700, Duration::days(900), cycle), u64::MAX);
    }
}
