//! Metrics of the process, under the names that Prometheus' own libraries use.

use procfs::process::{LimitValue, Process};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{TypedMetric as _, counter::ConstCounter, gauge::ConstGauge},
};

use super::names::{self, without_total};

/// Reads the metrics of this process from `/proc` at each request. Leaves them out where it cannot
/// be read.
#[derive(Debug)]
pub(crate) struct ProcessMetrics;

/// The figures of a process.
struct Figures {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_fds: usize,
    /// `None`: no limit.
    max_fds: Option<u64>,
    started_at: f64,
    threads: i64,
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, far above any of these figures")]
fn figures() -> procfs::ProcResult<Figures> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = procfs::ticks_per_second() as f64;
    Ok(Figures {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident_bytes: stat.rss * procfs::page_size(),
        open_fds: process.fd_count()?,
        max_fds: match process.limits()?.max_open_files.soft_limit {
            LimitValue::Unlimited => None,
            LimitValue::Value(limit) => Some(limit),
        },
        started_at: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
        threads: stat.num_threads,
    })
}

impl Collector for ProcessMetrics {
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Ok(figures) = figures() else { return Ok(()) };
        let cpu = ConstCounter::new(figures.cpu_seconds);
        let name = without_total(names::PROCESS_CPU);
        cpu.encode(encoder.encode_descriptor(
            name,
            "CPU time of the process.",
            None,
            ConstCounter::<f64>::TYPE,
        )?)?;
        let mut gauge = |name, help, value: f64| {
            let encoder = encoder.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
            ConstGauge::new(value).encode(encoder)
        };
        gauge(names::PROCESS_MEMORY, "Resident memory.", figures.resident_bytes as f64)?;
        gauge(names::PROCESS_OPEN_FDS, "Open file descriptors.", figures.open_fds as f64)?;
        if let Some(limit) = figures.max_fds {
            gauge(names::PROCESS_MAX_FDS, "Limit of open file descriptors.", limit as f64)?;
        }
        gauge(names::PROCESS_START, "Start of the process in Unix time.", figures.started_at)?;
        gauge(names::PROCESS_THREADS, "Threads of the process.", figures.threads as f64)
    }
}
