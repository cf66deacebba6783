//! Identifies the holder of a claim, and detects whether that process still exists.
//!
//! A claim expires by itself. A process that was killed and restarted need not wait for that,
//! because on the same machine its end can be detected. A wrong guess only costs a fenced writer
//! its window (I6).

use std::fs;

/// A unique name of this process: machine boot, process namespace, process number and start.
pub(super) fn this_process() -> String {
    match (place(), start_of("self")) {
        (Some(place), Some(start)) => format!("{place}/{}/{start}", std::process::id()),
        // Without /proc no two processes can be compared; the claim then ends only by expiry.
        _ => format!("elsewhere/{}", std::process::id()),
    }
}

/// Whether a holder certainly no longer exists.
pub(super) fn is_gone(holder: &str) -> bool {
    let mut parts = holder.rsplitn(3, '/');
    let (Some(start), Some(process), Some(there)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    place().is_some_and(|here| here == there) && start_of(process).is_none_or(|now| now != start)
}

/// The scope of a process number: a boot of a machine, and a process namespace.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The start of a process in ticks since the boot: the 22nd field of its `stat`.
fn start_of(process: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may contain spaces and parentheses. The fields after the last one are
    // numbered from 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // A process that has ended keeps its entry until its parent has waited for it.
    fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
    fields.nth(22 - 4).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_another_start_of_its_number_is_not() {
        let this = this_process();
        assert!(!is_gone(&this));
        let (place_and_number, _) = this.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{place_and_number}/1")));
        assert!(!is_gone("another machine/1/1"));
        assert!(!is_gone("nonsense"));
    }

    #[test]
    fn a_process_that_has_ended_is_gone_though_its_parent_has_not_asked_how() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let start = start_of(&child.id().to_string()).unwrap();
        let holder = format!("{}/{}/{start}", place().unwrap(), child.id());
        assert!(!is_gone(&holder));
        drop(child.stdin.take());
        while !is_gone(&holder) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
