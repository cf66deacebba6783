//! The files of `deploy/`: mistakes that a cluster would refuse.

/// Name and text of every file of `deploy/` with this extension.
fn files(ending: &str) -> Vec<(String, String)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let paths =
        std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("a file").path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    let read = |path: std::path::PathBuf| {
        (path.display().to_string(), std::fs::read_to_string(&path).expect("a text"))
    };
    wanted.map(read).collect()
}

/// A file of the repository.
fn text(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("a text")
}

#[test]
fn the_dockerfile_builds_what_benchmarks_measure_with_the_toolchain_of_ci() {
    let toolchain = text("rust-toolchain.toml");
    let release = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"1."));
    let (minor, _) = release.and_then(|release| release.split_once('.')).expect("three numbers");
    let dockerfile = text("deploy/Dockerfile");
    for line in [
        format!("FROM rust:1.{minor}-slim-bookworm AS build").as_str(),
        "RUN cargo build --profile dist --locked --no-default-features --features jemalloc",
        "COPY --from=build /build/target/dist/argos-sync /usr/local/bin/argos-sync",
    ] {
        assert!(dockerfile.lines().any(|found| found == line), "{line}");
    }
    assert!(text("Cargo.toml").contains("[profile.bench]\ninherits = \"dist\"\n"));
}

#[test]
fn every_condition_of_a_pod_failure_policy_has_a_status() {
    // Kubernetes requires it up to 1.34.
    let mut conditions = 0;
    for (file, text) in files("yaml") {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for at in 0..lines.len() {
            if lines[at] == "- type: DisruptionTarget" {
                assert_eq!(lines[at + 1], "status: \"True\"", "{file}");
                conditions += 1;
            }
        }
    }
    assert_eq!(conditions, 2);
}
