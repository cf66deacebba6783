//! Whether a server runs on a cluster, according to `postmaster.pid` and the system.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, layout::remove_if_there};

/// The state of a server process, from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Postmaster {
    /// No server runs on the cluster.
    Absent,
    /// A server runs. It need not answer yet, and may end at any time.
    Present {
        /// Its port, once it has been written.
        port: Option<u16>,
    },
}

/// Looks for the server of a cluster, and removes a `postmaster.pid` whose process number now
/// belongs to another process.
///
/// After a crash of the machine, another process may have that number, and PostgreSQL would refuse
/// to start.
pub(super) fn look(cluster: &Path) -> Result<Postmaster, EmbeddedError> {
    let file = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Postmaster::Absent),
        Err(error) => return Err(EmbeddedError::file("read", &file, &error)),
    };
    let mut lines = text.lines();
    let Some(process) = lines.next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        // Truncated by a crash, or being written at this moment. PostgreSQL handles both cases.
        return Ok(Postmaster::Absent);
    };
    // Its lines: process, cluster, start time, port, ...
    let port = lines.nth(2).and_then(|line| line.trim().parse().ok());
    if !Path::new("/proc/self").exists() {
        // Without /proc the file is trusted; a wrong one shows when connecting.
        return Ok(Postmaster::Present { port });
    }
    let process = PathBuf::from(format!("/proc/{process}"));
    if !process.exists() {
        return Ok(Postmaster::Absent);
    }
    // The working directory of a postmaster is its cluster.
    let works_in = fs::read_link(process.join("cwd")).ok();
    if works_in.is_some() && works_in == fs::canonicalize(cluster).ok() {
        return Ok(Postmaster::Present { port });
    }
    remove_if_there(&file)
        .map_err(|error| EmbeddedError::file("remove the stale", &file, &error))?;
    Ok(Postmaster::Absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster_with(text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("postmaster.pid"), text).expect("a file");
        directory
    }

    #[test]
    fn the_number_of_another_living_process_is_no_server() {
        let own = std::process::id();
        let cluster = cluster_with(&format!("{own}\n/somewhere\n0\n5432\n"));
        assert_eq!(look(cluster.path()), Ok(Postmaster::Absent));
        assert!(!cluster.path().join("postmaster.pid").exists(), "it is in nobody's way any more");
    }

    #[test]
    fn a_process_that_works_in_the_cluster_is_its_server() {
        let cluster = tempfile::tempdir().expect("a directory");
        let mut server = std::process::Command::new("cat")
            .current_dir(cluster.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        let text = format!("{}\n/somewhere\n0\n5432\n", server.id());
        fs::write(cluster.path().join("postmaster.pid"), text).expect("a file");
        let seen = look(cluster.path());
        drop(server.stdin.take());
        server.wait().expect("cat ends with its input");
        assert_eq!(seen, Ok(Postmaster::Present { port: Some(5432) }));
    }

    #[test]
    fn a_file_cut_short_is_left_to_postgresql() {
        let cluster = cluster_with("");
        assert_eq!(look(cluster.path()), Ok(Postmaster::Absent));
        assert!(cluster.path().join("postmaster.pid").exists());
    }
}
