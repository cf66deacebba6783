//! The only module that contains SQL.
//!
//! A page or a batch of detail calls is one transaction (I1): rows, due detail calls, the
//! checkpoint and the counters. It begins by comparing a fencing number (I6). Every statement takes
//! arrays in key order. The module is independent of HTTP and of the reason for a change.

mod commit;
mod deletion;
mod ingest;
mod postgres;
mod raw;
mod record;
mod report;
mod scope;
mod state;
mod tables;
mod tx;

pub use commit::answer::{DetailAnswer, DueDetail};
pub use commit::page::{PageStored, PageToStore};
pub use commit::quarantine::{QuarantinedItem, Retried};
pub use commit::renormalize::Renormalized;
pub use commit::repair::tables_of_records;
pub use commit::sample::SampleReport;
pub use commit::verified::{Chunk, InvalidRecords, Verified};
pub use deletion::alarms::{Alarm, Decision, Verdict};
pub use deletion::seen_ids::SeenIds;
pub use ingest::hints::Hint;
pub use ingest::insert::bytes_to_write;
#[doc(hidden)]
pub use ingest::insert_statement::all_statements;
pub use ingest::sparse::{CallDraw, DrawnCalls, SparseReport};
pub use postgres::address::{AddressError, LessThanFull, Protection};
pub use postgres::error::{WarehouseError, WarehouseRemedy};
pub use postgres::migrate::{MIGRATOR, SchemaState};
#[doc(hidden)]
pub use postgres::plan_settings::LOOKING_UP;
pub use postgres::pool::{Warehouse, WarehouseSettings};
pub use postgres::renewal::take_refusal;
pub use postgres::surroundings::{Concern, Obstacle};
pub use postgres::unreachable::Unreachable;
pub use record::body::Body;
pub use record::observation::Observation;
pub use report::backfills::BackfillReport;
pub use report::blocked_days::BlockedDay;
pub use report::days::{DayReport, WindowReport, WindowState};
pub use report::record::{RecordEvent, RecordStatus};
pub use report::status::{DAEMON, DataTable, ProjectReport, RawBody, RunReport};
pub use scope::{Count, DeletionRules, DetailMode, Keep, RawStorage, Scope};
pub use state::account::{Binding, FirstKey, KeyProof};
pub use state::backfill::{Backfill, OpenedBackfill, RequestedBackfill};
pub use state::backfill_window::NextWindow;
pub use state::budget::{
    Block, BlockDecision, BlockRequest, CallsReport, StoredRate, Taken, Unused,
};
pub use state::claim::{Claim, Claiming};
pub use state::clock::SetBack;
pub use state::coverage::ReadRequest;
pub use state::detail_cycle::Cycle;
pub use state::detail_left::DetailsLeft;
pub use state::detail_queue::Priority;
pub use state::findings::FindingUpdate;
pub use state::lease::{Awaited, HeldClaims, HeldDetail, Lease};
pub use state::pass::{Checkpoint, GivenUp, Pass};
pub use state::project::ProjectState;
pub use state::project_rows::{Hindrance, KnownProject, ProjectRows};
pub use state::proof::{Proof, Unverified};
pub use state::rate::RateReport;
pub use state::run::{Outcome, ProjectEnd, RunId, Tally};
