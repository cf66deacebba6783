//! Asks the service of a running daemon, so that a container needs no HTTP client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// Time limit of the whole request.
const TIME_MAX: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthCheck {
    /// Whether the work continues (`/livez`).
    Alive,
    /// Whether the daemon can work (`/readyz`).
    Ready,
    /// Whether, in addition, the warehouse is complete.
    Complete,
}

impl HealthCheck {
    fn path(self) -> &'static str {
        match self {
            Self::Alive => "livez?verbose",
            Self::Ready => "readyz?verbose",
            Self::Complete => "readyz?verbose&complete",
        }
    }
}

/// The answer of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether all checks passed.
    pub is_good: bool,
    /// One line for each check.
    pub text: String,
}

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// No daemon listens there, or it does not answer within 5 seconds.
    #[error("no daemon answers at {0}")]
    NoAnswer(SocketAddr),
    /// Another program listens there.
    #[error("the answer at {0} is not that of argos-sync")]
    Foreign(SocketAddr),
}

/// Asks the daemon that listens at this address.
pub async fn ask(listen: SocketAddr, check: HealthCheck) -> Result<Health, HealthError> {
    let address = reachable(listen);
    let no_answer = |_error| HealthError::NoAnswer(address);
    // A proxy of the environment must not be asked instead.
    let client = reqwest::Client::builder().no_proxy().timeout(TIME_MAX).build();
    let url = format!("http://{address}/{}", check.path());
    let response = client.map_err(no_answer)?.get(url).send().await.map_err(no_answer)?;
    let is_good = match response.status() {
        reqwest::StatusCode::OK => true,
        reqwest::StatusCode::SERVICE_UNAVAILABLE => false,
        _ => return Err(HealthError::Foreign(address)),
    };
    Ok(Health { is_good, text: response.text().await.map_err(no_answer)? })
}

/// The address under which a program on this machine reaches a listener.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_by_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8642", "127.0.0.1:8642"),
            ("[::]:8642", "[::1]:8642"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("127.0.0.1:8642", "127.0.0.1:8642"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
