//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    print,
};

/// Listens from now on; the token is rung by the first signal.
pub(super) fn listen() -> Result<CancellationToken, Failed> {
    let no_signals = |error: std::io::Error| {
        Failed::new(ExitStatus::Fault, format!("cannot listen for signals: {error}"))
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
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
        print::talk(
            "argos-sync: ending; what was received is stored first, a second signal ends at once",
        );
        next().await;
        #[expect(clippy::exit, reason = "the second signal asks for just that")]
        std::process::exit(75);
    });
    Ok(stop)
}
