//! Whether a server runs on a cluster, as `postmaster.pid` and the system tell.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, layout::remove_if_there};

/// A server process, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Postmaster {
    /// No server runs on the cluster.
    Absent,
    /// One runs. Whether it answers, and still is in a moment, is another question.
    Present {
        /// Its port, once it has written it down.
        port: Option<u16>,
    },
}

/// Looks for the server of a cluster, and removes a `postmaster.pid` whose number now belongs to
/// another process.
///
/// After a crash of the machine the number is easily that of some other process, and PostgreSQL
/// would refuse to start.
pub(super) fn look(cluster: &Path) -> Result<Postmaster, EmbeddedError> {
    let file = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Postmaster::Absent),
        Err(error) => return Err(EmbeddedError::file("read", &file, &error)),
    };
    let mut lines = text.lines();
    let Some(process) = lines.next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        // Cut short while it was written, by a crash or this very moment: PostgreSQL knows how to
        // tell.
        return Ok(Postmaster::Absent);
    };
    // Its lines: process, cluster, start time, port, ...
    let port = lines.nth(2).and_then(|line| line.trim().parse().ok());
    if !Path::new("/proc/self").exists() {
        // Without /proc the file has to be believed; whoever connects finds out.
        return Ok(Postmaster::Present { port });
    }
    let process = PathBuf::from(format!("/proc/{process}"));
    if !process.exists() {
        return Ok(Postmaster::Absent);
    }
    // A postmaster works in its cluster.
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
