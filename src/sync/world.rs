//! Everything that a run uses.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    details::answer_memory::AnswerMemory, lists::memory::PageMemory, process_id,
    progress::Progress, project::Project, settings::SyncSettings,
};
use crate::warehouse::{Warehouse, WarehouseError};

/// Everything that a run uses.
#[derive(Debug, Clone)]
pub struct World {
    /// Where rows are stored. Retries its transactions, unless [`World::without_retries`] was
    /// called.
    pub warehouse: Warehouse,
    /// The projects of the configuration.
    pub projects: Vec<Project>,
    /// The settings of the work.
    pub settings: SyncSettings,
    /// Whether this is a daemon, so that another round follows.
    pub(super) is_daemon: bool,
    /// Cancelled when the program has to end.
    pub stop: CancellationToken,
    /// Counters for a progress bar.
    pub progress: Arc<Progress>,
    /// Memory for pages.
    pub(super) page_memory: PageMemory,
    /// Memory for the answers of detail calls.
    pub(super) answer_memory: AnswerMemory,
    /// Names this process in claims.
    pub(super) holder: String,
}

impl World {
    /// Collects everything that a run of this process uses.
    pub fn new(
        warehouse: Warehouse,
        projects: Vec<Project>,
        settings: SyncSettings,
        stop: CancellationToken,
    ) -> Self {
        Self {
            warehouse: warehouse.with_retries(stop.clone(), settings.give_up_after),
            projects,
            page_memory: PageMemory::new(settings.bytes_in_flight),
            answer_memory: AnswerMemory::new(settings.bytes_in_flight),
            settings,
            is_daemon: false,
            stop,
            progress: Arc::default(),
            holder: process_id::this_process(),
        }
    }

    /// Returns the same without retries of transactions, for a command whose operator waits.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { warehouse: self.warehouse.without_retries(), ..self }
    }

    /// Returns the same for a daemon, which does not give up.
    pub(super) fn of_daemon(&self) -> Self {
        let world = self.clone();
        Self { is_daemon: true, warehouse: world.warehouse.with_endless_retries(), ..world }
    }

    /// Stores the identity of this server, and raises its sequences if they are behind the numbers
    /// in use.
    pub(super) async fn adopt_server(&self) -> Result<(), WarehouseError> {
        if self.warehouse.adopt_server().await? {
            warn!(
                "a sequence of argos_sync was lower than the numbers in use, as after a restore or \
                 failover; raised it"
            );
        }
        Ok(())
    }
}
