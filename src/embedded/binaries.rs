//! Finds the PostgreSQL installed on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{EmbeddedError, layout::Layout};

/// Programs that a directory must contain to run a server.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where packages install servers: directory, prefix of the entry's name, and subdirectory.
const USUAL_PLACES: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/usr/local", "pgsql", "bin"),
    ("/opt", "postgresql", "bin"),
];

/// The PostgreSQL to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Installation {
    /// Installed on the machine, in the directory that contains `bin`.
    Installed(PathBuf),
    /// Not installed. This major version, or the newest if `None`, is to be downloaded.
    Download(Option<u32>),
}

/// Chooses the server binaries for the cluster in `layout`, or for a new cluster if there is none.
pub(super) async fn choose(layout: &Layout) -> Result<Installation, EmbeddedError> {
    let needed = cluster_version(layout)?;
    let mut found = Vec::new();
    for directory in candidates().await {
        if let Some(major) = major_version(&directory).await {
            found.push((major, directory));
        }
    }
    match pick(&found, needed.as_deref()) {
        Some(directory) => Ok(Installation::Installed(directory.to_owned())),
        None if found.is_empty() => {
            Ok(Installation::Download(needed.and_then(|text| text.parse().ok())))
        }
        None => Err(EmbeddedError::WrongVersion {
            path: layout.cluster(),
            needed: needed.unwrap_or_default(),
            found: found.iter().map(|(major, _)| major.to_string()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The first installation of the needed version, or of any version if `None`; the parent of its
/// `bin`.
fn pick<'a>(found: &'a [(u32, PathBuf)], needed: Option<&str>) -> Option<&'a Path> {
    found
        .iter()
        .find(|(major, _)| needed.is_none_or(|needed| needed == major.to_string()))
        .and_then(|(_, directory)| directory.parent())
}

/// The version of the cluster; `None` if there is no cluster yet. An incomplete cluster is an error
/// and is never initialised again.
fn cluster_version(layout: &Layout) -> Result<Option<String>, EmbeddedError> {
    let cluster = layout.cluster();
    if !cluster.exists() {
        return Ok(None);
    }
    for needed in ["PG_VERSION", "global/pg_control", "postgresql.conf"] {
        if !cluster.join(needed).exists() {
            return Err(EmbeddedError::Damaged { path: cluster, missing: needed.to_owned() });
        }
    }
    let file = cluster.join("PG_VERSION");
    let text =
        fs::read_to_string(&file).map_err(|error| EmbeddedError::file("read", &file, &error))?;
    Ok(Some(text.trim().to_owned()))
}

/// Directories with a server: first those in PATH, then the usual ones, newest first.
async fn candidates() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    // PATH locates programs; it is not part of our configuration.
    for directory in env::var_os("PATH").iter().flat_map(env::split_paths) {
        for program in ["initdb", "postgres"] {
            if let Ok(resolved) = fs::canonicalize(directory.join(program)) {
                directories.extend(resolved.parent().map(Path::to_owned));
                directories.push(directory.clone());
            }
        }
    }
    if let Some(directory) = answer(Path::new("pg_config"), "--bindir").await {
        directories.push(PathBuf::from(directory.trim()));
    }
    directories.extend(usual_directories());
    let mut seen = Vec::new();
    for directory in directories {
        // The crate that starts the server looks for programs in a directory of this name.
        if directory.ends_with("bin")
            && PROGRAMS.iter().all(|program| directory.join(program).exists())
            && !seen.contains(&directory)
        {
            seen.push(directory);
        }
    }
    seen
}

fn usual_directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, rest) in USUAL_PLACES {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix(prefix) {
                found.push((
                    leading_number(version.trim_start_matches(['@', '-'])),
                    entry.path().join(rest),
                ));
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, directory)| directory).collect()
}

async fn major_version(directory: &Path) -> Option<u32> {
    // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
    let text = answer(&directory.join("postgres"), "--version").await?;
    leading_number(text.split_whitespace().nth(2)?)
}

async fn answer(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_data_decides_before_the_order_of_search() {
        let found = vec![(17, PathBuf::from("/a/17/bin")), (15, PathBuf::from("/a/15/bin"))];
        assert_eq!(pick(&found, None), Some(Path::new("/a/17")));
        assert_eq!(pick(&found, Some("15")), Some(Path::new("/a/15")));
        assert_eq!(pick(&found, Some("16")), None);
    }

    #[test]
    fn versions_are_read_from_what_servers_print() {
        for (text, major) in [("15.18", Some(15)), ("18beta1", Some(18)), ("devel", None)] {
            assert_eq!(leading_number(text), major, "{text}");
        }
    }
}
