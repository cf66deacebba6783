//! A vendor with limits, in a thread of the benchmark, which counts its calls.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use argos_sync::{
    domain::Stream,
    simulator::{Knobs, Population, SimulatedProject, Simulation, TrafficLimits, serve},
};
use tokio::net::TcpListener;

use crate::simulator::{self, KEY};

/// The latency of a call. One of [`SLOW_EVERY`] calls takes five times as long.
pub(crate) const LATENCY_MS: u64 = 80;
const SLOW_EVERY: u64 = 20;

/// Time between two reads of the counters.
const SECOND: Duration = Duration::from_secs(1);

/// A vendor that is served until the benchmark ends.
pub(crate) struct LimitedVendor {
    simulation: Simulation,
    /// The address of its API.
    pub(crate) url: String,
    /// Its days in the form of the command line.
    pub(crate) days: String,
}

impl LimitedVendor {
    /// Starts a vendor.
    pub(crate) fn start(submissions: u32, traffic: &TrafficLimits) -> Self {
        let days = simulator::Population::of_year(2024, submissions);
        let population = Population {
            seed: days.seed,
            submissions,
            faceauths: 0,
            from: days.days.0,
            to: days.days.1.succ_opt().expect("a day"),
        };
        let project =
            SimulatedProject { key: KEY.to_owned(), stream: Stream::Submission, population };
        let simulation = Simulation::new(vec![project]);
        let traffic = TrafficLimits { slow_every: SLOW_EVERY, ..traffic.clone() };
        // Calls that confirm a deletion would wait for an hour.
        let knobs =
            Knobs { latency_ms: LATENCY_MS, traffic, deleted_permille: 0, ..Knobs::default() };
        simulation.set_all_knobs(&knobs);
        let served = simulation.clone();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let url = format!("http://{}/v3", listener.local_addr().expect("an address"));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                serve(listener, served, std::future::pending()).await.expect("it serves");
            });
        });
        Self { simulation, url, days: days.days_as_text() }
    }

    /// Calls so far, and how many of them were refused.
    pub(crate) fn calls(&self) -> (u64, u64) {
        (self.simulation.call_count(), self.simulation.refused_count(KEY))
    }

    /// Does some work, and returns its result with the accepted calls of each second.
    pub(crate) fn watched<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<u64>) {
        let has_ended = Arc::new(AtomicBool::new(false));
        let watching = {
            let (simulation, has_ended) = (self.simulation.clone(), Arc::clone(&has_ended));
            thread::spawn(move || {
                let accepted = || simulation.call_count() - simulation.refused_count(KEY);
                let (mut seconds, mut before) = (Vec::new(), accepted());
                while !has_ended.load(Ordering::Relaxed) {
                    thread::sleep(SECOND);
                    let now = accepted();
                    seconds.push(now - before);
                    before = now;
                }
                seconds
            })
        };
        let result = work();
        has_ended.store(true, Ordering::Relaxed);
        (result, watching.join().expect("its calls were counted"))
    }
}
