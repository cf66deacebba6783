//! The daemon's HTTP service: health, metrics, and the status as JSON and as a page.
//!
//! All answers come from the [`Board`], which is kept in memory and refreshed in the
//! background. No request reads the database. While PostgreSQL is away, the answers contain the
//! last known state and its age.

mod board;
mod guard;
mod health;
mod metrics;
mod notify;
mod page;
mod refresh;
mod routes;
mod trend;

pub use health::{Health, HealthCheck, HealthError, ask};

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use board::Board;

use crate::{
    config::{Config, Http},
    sync::World,
};

/// The service of a daemon. It runs while the daemon waits for PostgreSQL, too.
#[derive(Debug)]
pub struct Service {
    board: Arc<Board>,
    /// The server; `None` if the service is off, or if its address cannot be used.
    server: Option<JoinHandle<()>>,
    /// The messages to systemd.
    notifier: JoinHandle<()>,
}

impl Service {
    /// Serves until `stop` is cancelled, and tells systemd that the daemon has started. An address
    /// that cannot be used is reported, and the daemon works without HTTP.
    pub async fn start(http: &Http, stop: &CancellationToken) -> Self {
        let board = Arc::new(Board::default());
        let server = listen(http.listen).await.map(|listener| {
            let router = routes::router(Arc::clone(&board), http.hosts.clone());
            tokio::spawn(serve(listener, router, stop.clone()))
        });
        notify::ready();
        let (followed, stop) = (Arc::clone(&board), stop.clone());
        let notifier = tokio::spawn(async move { notify::follow(&followed, &stop).await });
        Self { board, server, notifier }
    }

    /// Shows the state of this world, until its work ends.
    pub async fn show(&self, config: &Config, world: &World) {
        self.board.begin(world);
        if self.server.is_some() || notify::is_heard() {
            refresh::keep(config, world, &self.board).await;
        } else {
            world.stop.cancelled().await;
        }
        self.board.end();
    }

    /// Waits until the last request is answered, but not longer than a second.
    pub async fn end(self) {
        let server = async {
            if let Some(server) = self.server {
                drop(server.await);
            }
        };
        let ending = async { tokio::join!(server, self.notifier) };
        let _late = tokio::time::timeout(END_TIME, ending).await;
    }
}

/// Time limit for the requests in flight when the daemon ends.
const END_TIME: Duration = Duration::from_secs(1);

async fn serve(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        warn!(error = error.kind().to_string(), "the HTTP service ended early");
    }
}

async fn listen(address: Option<SocketAddr>) -> Option<TcpListener> {
    let address = address?;
    match TcpListener::bind(address).await {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            info!(%address, "serving health, metrics and status");
            Some(listener)
        }
        Err(error) => {
            warn!(
                %address, error = error.kind().to_string(),
                advice = "set another address as `http.listen`, or \"off\"",
                "cannot serve HTTP; the sync works without it"
            );
            None
        }
    }
}
