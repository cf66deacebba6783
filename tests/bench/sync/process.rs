//! CPU time and memory of processes, from `/proc`.

use std::fs;

/// Units of CPU time per second in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The required fields of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended and were waited for.
    children_ticks: u64,
}

impl Stat {
    /// `None` if the process does not exist.
    fn read(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it may contain any character.
        let (_, rest) = text.rsplit_once(')')?;
        // After the name: state, parent, and so on; see proc_pid_stat(5).
        let field = |number: usize| rest.split_whitespace().nth(number)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(field(1)?).ok()?,
            own_ticks: field(11)? + field(12)?,
            children_ticks: field(13)? + field(14)?,
        })
    }
}

/// CPU seconds used by a running process or thread, named by its directory in `/proc`.
pub(crate) fn cpu_seconds(name: &str) -> f64 {
    let stat = Stat::read(name).expect("it lives");
    stat.own_ticks as f64 / TICKS_PER_SECOND
}

/// The directory of the calling thread in `/proc`, such as `1234/task/1235`.
pub(crate) fn this_thread() -> String {
    let directory = fs::read_link("/proc/thread-self").expect("/proc is there");
    directory.into_os_string().into_string().expect("a number")
}

/// CPU seconds used by children of this process that have ended.
pub(crate) fn ended_children_cpu_seconds() -> f64 {
    let stat = Stat::read("self").expect("/proc is there");
    stat.children_ticks as f64 / TICKS_PER_SECOND
}

/// CPU seconds of a process and all its children, including ended ones.
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

/// The parent of a process; `None` if the process is not on this machine.
pub(crate) fn parent(process: u32) -> Option<u32> {
    Some(Stat::read(&process.to_string())?.parent)
}

/// The name of a process's program.
pub(crate) fn name(process: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim().to_owned())
}

/// Peak memory of a process so far, in bytes; `None` if it has ended.
pub(crate) fn peak_memory_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
