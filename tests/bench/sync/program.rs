//! The program under test, as a process of its own.

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    process,
    server::Database,
    simulator::{KEY, Simulator},
};

/// Interval between reads of the peak memory. The kernel keeps the peak, so only growth in the last
/// moment can be missed.
const LOOK_DELAY: Duration = Duration::from_millis(20);

/// Configured values; all other settings are the program's defaults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// `sync.details`
    pub(crate) details: &'static str,
    /// `client.calls_in_flight_max`
    pub(crate) calls_in_flight_max: Option<u32>,
    /// `sync.workers`
    pub(crate) workers: Option<u32>,
    /// `sync.window_days`
    pub(crate) window_days: Option<u32>,
    /// `client.page_size`
    pub(crate) page_size: Option<u32>,
}

impl Settings {
    /// Lists alone, at full speed.
    pub(crate) const LISTS: Self = Self {
        details: "never",
        calls_in_flight_max: None,
        workers: None,
        window_days: None,
        page_size: None,
    };

    fn file(self, database: &Database, simulator: &Simulator) -> String {
        let mut text = format!(
            "[log]\nfilter = \"warn\"\n\
             [database]\nurl = \"{database}\"\n\
             [budget]\ncalls_per_day = 0\n\
             [project.main]\nkind = \"idcheck\"\nbase_url = \"{url}\"\napi_key = \"{KEY}\"\n\
             [client]\ncalls_per_second = 0\n",
            database = database.url,
            url = simulator.url(),
        );
        let mut key = |name: &str, value: Option<u32>| {
            if let Some(value) = value {
                let _infallible = writeln!(text, "{name} = {value}");
            }
        };
        key("page_size", self.page_size);
        key("calls_in_flight_max", self.calls_in_flight_max);
        let _infallible = writeln!(text, "[sync]\ndetails = \"{}\"", self.details);
        let mut key = |name: &str, value: Option<u32>| {
            if let Some(value) = value {
                let _infallible = writeln!(text, "{name} = {value}");
            }
        };
        key("workers", self.workers);
        key("window_days", self.window_days);
        text
    }
}

/// Duration, CPU and memory of a run of the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    /// From its start to its exit.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// Reads all data of the simulator, and requires success.
pub(crate) fn backfill(database: &Database, simulator: &Simulator, settings: Settings) -> Ran {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("argos-sync.toml");
    std::fs::write(&file, settings.file(database, simulator))
        .expect("the configuration is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos-sync"));
    command
        .arg("--config")
        .arg(&file)
        .args(["run", "--backfill", &simulator.population.days_as_text()])
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let cpu_before = process::ended_children_cpu_seconds();
    let started = Instant::now();
    let child = command.spawn().expect("the program starts");
    let id = child.id();
    let has_ended = AtomicBool::new(false);
    let (output, seconds, peak_memory_bytes) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !has_ended.load(Ordering::Relaxed) {
                peak = process::peak_memory_bytes(id).unwrap_or_default().max(peak);
                thread::sleep(LOOK_DELAY);
            }
            peak
        });
        let output = child.wait_with_output().expect("the program ends");
        let seconds = started.elapsed().as_secs_f64();
        has_ended.store(true, Ordering::Relaxed);
        (output, seconds, watching.join().expect("its memory was watched"))
    });
    let cpu_seconds = process::ended_children_cpu_seconds() - cpu_before;
    assert!(
        output.status.success(),
        "the program failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ran { seconds, cpu_seconds, peak_memory_bytes }
}
