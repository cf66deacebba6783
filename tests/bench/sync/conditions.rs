//! The machine on which a result was measured.

use std::{fs, path::Path};

/// Describes the machine and its load.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim();
    let meminfo = read("/proc/meminfo");
    let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let loads = read("/proc/loadavg");
    let loads: Vec<_> = loads.split_whitespace().take(3).collect();
    let build = if cfg!(debug_assertions) { "\nNOT OPTIMISED: these are no results" } else { "" };
    format!(
        "machine: {model}, {cores} cores, {:.1} GiB; load average before: {}{build}\n",
        memory.unwrap_or_default() as f64 / f64::from(1 << 20),
        loads.join(" "),
    )
}

/// The type of a directory's file system.
pub(crate) fn file_system(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(at, _)| directory.starts_with(at));
    above.max_by_key(|(at, _)| at.len()).map_or("unknown", |(_, kind)| kind).to_owned()
}
