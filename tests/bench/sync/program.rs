//! The program under test, as a process of its own.

use std::{
    fmt::Write as _,
    fs::File,
    process::{Child, Command, Stdio},
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

/// The file with the program's output.
const OUTPUT: &str = "output";

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
    /// `client.calls_per_second_max`; `None` means that `client.calls_per_second` is 0.
    pub(crate) calls_per_second_max: Option<u32>,
}

impl Settings {
    /// Lists alone, at full speed.
    pub(crate) const LISTS: Self = Self {
        details: "never",
        calls_in_flight_max: None,
        workers: None,
        window_days: None,
        page_size: None,
        calls_per_second_max: None,
    };

    fn file(self, database: &Database, url: &str) -> String {
        let mut text = format!(
            "[log]\nfilter = \"warn\"\n\
             [database]\nurl = \"{database}\"\n\
             [budget]\ncalls_per_day = 0\n\
             [project.main]\nkind = \"idcheck\"\nbase_url = \"{url}\"\napi_key = \"{KEY}\"\n\
             [client]\n",
            database = database.url,
        );
        let mut key = |name: &str, value: Option<u32>| {
            if let Some(value) = value {
                let _infallible = writeln!(text, "{name} = {value}");
            }
        };
        let is_limited = self.calls_per_second_max.is_some();
        key("calls_per_second", (!is_limited).then_some(0));
        key("calls_per_second_max", self.calls_per_second_max);
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

/// A running program that reads all data of a vendor.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    /// Contains its configuration and its output.
    directory: tempfile::TempDir,
}

/// Starts the program. `url` and `days` are those of the vendor.
pub(crate) fn start(database: &Database, url: &str, days: &str, settings: Settings) -> Running {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("argos-sync.toml");
    std::fs::write(&file, settings.file(database, url)).expect("the configuration is written");
    let output = File::create(directory.path().join(OUTPUT)).expect("a file for the output");
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos-sync"));
    command
        .arg("--config")
        .arg(&file)
        .args(["run", "--backfill", days])
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output);
    let started = Instant::now();
    let child = command.spawn().expect("the program starts");
    Running { child, started, directory }
}

impl Running {
    /// Waits for its end, and requires success. Returns the seconds since its start.
    pub(crate) fn end(mut self) -> f64 {
        let status = self.child.wait().expect("the program ends");
        let seconds = self.started.elapsed().as_secs_f64();
        let output = std::fs::read_to_string(self.directory.path().join(OUTPUT));
        assert!(status.success(), "the program failed: {status}\n{}", output.unwrap_or_default());
        seconds
    }
}

/// Reads all data of the simulator, and requires success.
pub(crate) fn backfill(database: &Database, simulator: &Simulator, settings: Settings) -> Ran {
    let cpu_before = process::ended_children_cpu_seconds();
    let days = simulator.population.days_as_text();
    let running = start(database, &simulator.url(), &days, settings);
    let id = running.child.id();
    let has_ended = AtomicBool::new(false);
    let (seconds, peak_memory_bytes) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !has_ended.load(Ordering::Relaxed) {
                peak = process::peak_memory_bytes(id).unwrap_or_default().max(peak);
                thread::sleep(LOOK_DELAY);
            }
            peak
        });
        let seconds = running.end();
        has_ended.store(true, Ordering::Relaxed);
        (seconds, watching.join().expect("its memory was watched"))
    });
    let cpu_seconds = process::ended_children_cpu_seconds() - cpu_before;
    Ran { seconds, cpu_seconds, peak_memory_bytes }
}
