//! The files of `deploy/`: they match each other and the build. CI checks their syntax.

/// A file of the repository.
pub(crate) fn text(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("a text")
}

/// The lines of a text from the first `from` to the next `to`, both included, without indentation,
/// comments and empty lines.
fn section(text: &str, from: &str, to: &str) -> Vec<String> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found: Vec<_> = lines.skip_while(|line| *line != from).map(str::to_owned).collect();
    let end = found.iter().position(|line| line == to).expect("the last line of the section");
    found.truncate(end + 1);
    found
}

#[test]
fn the_dockerfile_builds_what_benchmarks_measure_with_the_toolchain_of_ci() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"1."));
    let (minor, _) = channel.and_then(|channel| channel.split_once('.')).expect("three numbers");
    let dockerfile = text("deploy/Dockerfile");
    let image = format!("FROM rust:1.{minor}-bookworm${{RUST_DIGEST:+@$RUST_DIGEST}} AS toolchain");
    let build = "cargo build --profile dist --locked --no-default-features --features jemalloc";
    for line in [
        image.as_str(),
        &format!("RUN {build}"),
        &format!("    && {build}"),
        "COPY --from=build /build/target/dist/argos-sync /usr/local/bin/argos-sync",
    ] {
        assert!(dockerfile.lines().any(|found| found == line), "{line}");
    }
    let release = text("CONTRIBUTING.md");
    assert!(release.contains(&format!("RUST_DIGEST=$(digest rust:1.{minor}-bookworm)")));
    assert!(text("Cargo.toml").contains("[profile.bench]\ninherits = \"dist\"\n"));
}

#[test]
fn the_default_image_contains_no_simulator() {
    let dockerfile = text("deploy/Dockerfile");
    let (_, last) = dockerfile.rsplit_once("\nFROM ").expect("stages");
    let copied: Vec<_> = last.lines().filter(|line| line.starts_with("COPY")).collect();
    assert!(copied.iter().all(|line| line.starts_with("COPY --from=build ")), "{copied:?}");
}

#[test]
fn both_services_have_the_same_credentials_and_sandbox() {
    let services = ["argos-sync", "argos-sync-once"].map(|name| {
        let service = text(&format!("deploy/systemd/{name}.service"));
        let credentials: Vec<_> = service
            .lines()
            .filter(|line| line.starts_with("LoadCredential="))
            .map(str::to_owned)
            .collect();
        assert!(!credentials.is_empty());
        (credentials, section(&service, "KillMode=mixed", "SystemCallErrorNumber=EPERM"))
    });
    assert_eq!(services[0], services[1]);
}

#[test]
fn the_pods_of_daemon_round_and_backfill_are_alike() {
    let pods = ["base/deployment.yaml", "overlays/cron/cronjob.yaml", "overlays/backfill/job.yaml"]
        .map(|path| {
            let manifest = text(&format!("deploy/kubernetes/{path}"));
            (
                section(
                    &manifest,
                    "serviceAccountName: argos-sync",
                    "imagePullPolicy: IfNotPresent",
                ),
                section(&manifest, "allowPrivilegeEscalation: false", "defaultMode: 0440"),
            )
        });
    assert_eq!(pods[0], pods[1]);
    assert_eq!(pods[0], pods[2]);
}

#[test]
fn only_readiness_depends_on_the_database() {
    let deployment = text("deploy/kubernetes/base/deployment.yaml");
    for (probe, path) in
        [("startupProbe:", "/livez"), ("livenessProbe:", "/livez"), ("readinessProbe:", "/readyz")]
    {
        let wanted = [probe, "httpGet:", &format!("path: {path}")].map(str::to_owned);
        assert_eq!(section(&deployment, probe, &wanted[2]), wanted);
    }
    assert!(text("deploy/Dockerfile").contains("\"health\", \"--alive\"]"));
}

#[test]
fn every_condition_of_a_pod_failure_policy_has_a_status() {
    // Kubernetes requires it up to 1.34.
    for path in ["overlays/cron/cronjob.yaml", "overlays/backfill/job.yaml"] {
        let manifest = text(&format!("deploy/kubernetes/{path}"));
        let condition = section(&manifest, "- type: DisruptionTarget", "template:");
        assert_eq!(condition[1], "status: \"True\"", "{path}");
    }
}

#[test]
fn the_operator_gets_the_rules_of_prometheus() {
    let rules = text("deploy/prometheus/alerts.yaml");
    let (_, rules) = rules.split_once("\ngroups:\n").expect("groups");
    let manifest = text("deploy/kubernetes/components/monitoring/prometheusrule.yaml");
    let (_, copy) = manifest.split_once("\nspec:\n  groups:\n").expect("groups");
    let copy: Vec<_> = copy.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    let rules: Vec<_> = rules.lines().collect();
    assert_eq!(copy, rules, "the first lines of prometheusrule.yaml contain the command");
    assert!(text("deploy/prometheus/prometheus.yaml").contains("rule_files:\n  - alerts.yaml\n"));
}
