//! SIGTERM and SIGINT: the first signal requests an orderly stop, the second one exits at once.
//! SIGHUP: the daemon reads secrets and the log filter again.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    print,
};

/// Signals within this time after the first one are ignored.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

fn no_signals(error: &std::io::Error) -> Failed {
    Failed::new(ExitStatus::Fault, format!("cannot listen for signals: {error}"))
}

/// Listens for SIGHUP from now on.
pub(super) fn hangups() -> Result<Signal, Failed> {
    signal(SignalKind::hangup()).map_err(|error| no_signals(&error))
}

/// Starts listening for signals. Returns a token that the first signal cancels.
pub(super) fn listen() -> Result<CancellationToken, Failed> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signals(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signals(&error))?;
    let stop = CancellationToken::new();
    let rung = stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        rung.cancel();
        print::stderr(
            "argos-sync: stopping after storing the received data; a second signal stops at once",
        );
        let rung_at = Instant::now();
        // Service managers and terminals may send the first signal twice.
        loop {
            next().await;
            if rung_at.elapsed() >= ONE_SIGNAL {
                break;
            }
        }
        #[expect(clippy::exit, reason = "the second signal asks for just that")]
        std::process::exit(75);
    });
    Ok(stop)
}
