//! The files of `deploy/`: what a cluster would refuse.

/// Every file of `deploy/` of that ending: name and text.
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
