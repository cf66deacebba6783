//! `simulate`: serves the simulated API on this machine.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::{
    exit::{ExitStatus, Failed},
    print, signal,
};
use crate::simulator::{self, SimulateOptions};

/// Serves until a signal arrives. Prints the address as the first line on stdout.
pub(super) async fn simulate(options: &SimulateOptions) -> Result<ExitStatus, Failed> {
    let fault = |error: std::io::Error| {
        let address = format!("{}:{}", Ipv4Addr::LOCALHOST, options.port);
        Failed::new(ExitStatus::Fault, format!("cannot serve at {address}: {}", error.kind()))
    };
    let stop = signal::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    print::stdout(&format!("http://{address}/v3\n"));
    simulator::serve(listener, options.simulation(), stop.cancelled_owned())
        .await
        .map_err(fault)?;
    Ok(ExitStatus::Done)
}
