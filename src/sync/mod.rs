//! Connects all modules: windows become pages, pages become rows, and due work gets done.
//!
//! It leaves decisions to the planner, and does not depend on HTTP, SQL or the command line.

mod account;
mod binding;
mod clocks;
mod commands;
mod conclude;
mod details;
mod each_minute;
mod heartbeat;
mod job;
mod lists;
mod outcome;
mod patience;
mod plan_input;
mod probe;
mod process_id;
mod progress;
mod project;
mod pulse;
mod rate;
mod settings;
mod stop;
mod told;
mod wait;
mod world;

pub use account::{key_standing, verify_key};
pub use binding::{KeyStanding, OtherAccount};
pub use clocks::host_time;
pub use commands::backfill::BackfillRequest;
pub use commands::daemon::run_daemon;
pub use commands::fetch::{FetchKey, FetchResult, fetch};
pub use commands::quarantine::retry_quarantined;
pub use commands::renormalize::renormalize;
pub use commands::resync::{ResyncScope, resync};
pub use commands::round::run_due;
pub use commands::run::free_gone_holders;
pub use commands::verify::Verify;
pub use lists::hints::has_aml_lists;
pub use outcome::{Conclusion, Ended, ProjectOutcome};
pub use plan_input::PlanInput;
pub use probe::{Fact, Finding, ProbeError, probe, probe_and_learn};
pub use progress::{Part, Progress, ProgressSnapshot};
pub use project::Project;
pub use pulse::Pulse;
pub use settings::{ProjectSettings, SyncSettings};
pub use world::World;
