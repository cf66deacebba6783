//! What the kernel counts for a process: CPU time and memory, out of `/proc`.

use std::fs;

/// Units of CPU time a second in `/proc`, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// A line of `/proc/PID/stat`, as far as it is needed.
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended and were waited for.
    children_ticks: u64,
}

impl Stat {
    /// `None` when there is no such process.
    fn read(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        // Behind the name: state, parent, and so on; see proc_pid_stat(5).
        let field = |number: usize| rest.split_whitespace().nth(number)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(field(1)?).ok()?,
            own_ticks: field(11)? + field(12)?,
            children_ticks: field(13)? + field(14)?,
        })
    }
}

/// CPU seconds that a living process or thread has used; `/proc` has a directory of this name.
pub(crate) fn cpu_seconds(name: &str) -> f64 {
    let stat = Stat::read(name).expect("it lives");
    stat.own_ticks as f64 / TICKS_PER_SECOND
}

/// The directory of the calling thread in `/proc`, such as `1234/task/1235`.
pub(crate) fn this_thread() -> String {
    let directory = fs::read_link("/proc/thread-self").expect("/proc is there");
    directory.into_os_string().into_string().expect("a number")
}

/// CPU seconds that this process' children had used when they ended.
pub(crate) fn ended_children_cpu_seconds() -> f64 {
    let stat = Stat::read("self").expect("/proc is there");
    stat.children_ticks as f64 / TICKS_PER_SECOND
}

/// CPU seconds of a process and all its children, those that have ended included.
pub(crate) fn family_cpu_seconds(parent: u32) -> f64 {
    let own = Stat::read(&parent.to_string()).expect("the process lives");
    let names = fs::read_dir("/proc").expect("/proc is there").flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let processes = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let children = processes.filter_map(|name| Stat::read(&name));
    let children = children.filter(|stat| stat.parent == parent);
    let living: u64 = children.map(|stat| stat.own_ticks + stat.children_ticks).sum();
    (own.own_ticks + own.children_ticks + living) as f64 / TICKS_PER_SECOND
}

/// The parent of a process; `None` when no such process is on this machine.
pub(crate) fn parent(process: u32) -> Option<u32> {
    Some(Stat::read(&process.to_string())?.parent)
}

/// The name of a process' program.
pub(crate) fn name(process: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim().to_owned())
}

/// The most memory a process has had so far, in bytes; `None` when it has ended.
pub(crate) fn peak_memory_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
