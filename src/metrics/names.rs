//! The names of all metrics. Units and labels: docs/metrics.md. No label grows with the data.

pub(crate) const CALLS: &str = "argos_sync_calls_total";
pub(crate) const CALL_RETRIES: &str = "argos_sync_call_retries_total";
pub(crate) const CALL_DURATION: &str = "argos_sync_call_duration_seconds";
pub(crate) const THROTTLE: &str = "argos_sync_throttle_seconds_total";
pub(crate) const ITEMS: &str = "argos_sync_items_total";
pub(crate) const ROUNDS: &str = "argos_sync_rounds_total";
pub(crate) const COMMIT_DURATION: &str = "argos_sync_commit_duration_seconds";
pub(crate) const DATABASE_RETRIES: &str = "argos_sync_database_retries_total";

pub(crate) const BUILD: &str = "argos_sync_build_info";
pub(crate) const DATABASE_UP: &str = "argos_sync_database_up";
pub(crate) const STATE_AGE: &str = "argos_sync_state_age_seconds";
pub(crate) const WORK_ALIVE: &str = "argos_sync_work_alive";

pub(crate) const FRESHNESS: &str = "argos_sync_freshness_seconds";
pub(crate) const FRESHNESS_TARGET: &str = "argos_sync_freshness_target_seconds";
pub(crate) const OLDEST_READ: &str = "argos_sync_oldest_read_seconds";
pub(crate) const OLDEST_READ_TARGET: &str = "argos_sync_oldest_read_target_seconds";
pub(crate) const RECORDS: &str = "argos_sync_records";
pub(crate) const COVERAGE_MISSING: &str = "argos_sync_coverage_missing";
pub(crate) const COVERAGE_BLOCKED: &str = "argos_sync_coverage_blocked";
pub(crate) const UNVERIFIED_WINDOWS: &str = "argos_sync_unverified_windows";
pub(crate) const OPEN_PASSES: &str = "argos_sync_open_passes";
pub(crate) const CLAIMS: &str = "argos_sync_claims";
pub(crate) const DETAIL_CALLS_DUE: &str = "argos_sync_detail_calls_due";
pub(crate) const BACKFILL_WINDOWS_LEFT: &str = "argos_sync_backfill_windows_left";
pub(crate) const QUARANTINED_ITEMS: &str = "argos_sync_quarantined_items";
pub(crate) const DRIFT_PATHS: &str = "argos_sync_drift_paths";
pub(crate) const SUSPECTS: &str = "argos_sync_suspects";
pub(crate) const DELETION_ALARMS: &str = "argos_sync_deletion_alarms";
pub(crate) const DIFFERING_RECORDS: &str = "argos_sync_differing_records";
pub(crate) const PROJECT_BLOCKED: &str = "argos_sync_project_blocked";
pub(crate) const PROJECT_PAUSED: &str = "argos_sync_project_paused";
pub(crate) const CALLS_TODAY: &str = "argos_sync_calls_today";
pub(crate) const BUDGET_CALLS: &str = "argos_sync_budget_calls";
pub(crate) const BUDGET_CALLS_LEFT: &str = "argos_sync_budget_calls_left";
pub(crate) const CALLS_PER_SECOND: &str = "argos_sync_calls_per_second";
pub(crate) const CLOCK_AHEAD: &str = "argos_sync_clock_ahead_seconds";

pub(crate) const PROCESS_CPU: &str = "process_cpu_seconds_total";
pub(crate) const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
pub(crate) const PROCESS_OPEN_FDS: &str = "process_open_fds";
pub(crate) const PROCESS_MAX_FDS: &str = "process_max_fds";
pub(crate) const PROCESS_START: &str = "process_start_time_seconds";
pub(crate) const PROCESS_THREADS: &str = "process_threads";

/// The name under which a counter is registered: the encoders append `_total`.
pub(crate) fn without_total(counter: &str) -> &str {
    counter.strip_suffix("_total").unwrap_or(counter)
}
