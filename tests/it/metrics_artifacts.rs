//! The metrics of the program, of its documentation, of the alert rules and of the dashboard are
//! the same. CI checks the syntax of rules and dashboard.

use std::collections::{BTreeMap, BTreeSet};

use crate::deploy::text;

/// The series of a histogram are its name with these suffixes.
const HISTOGRAM_SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

const DOCUMENT: &str = "docs/metrics.md";
const RULES: &str = "deploy/prometheus/alerts.yaml";
const RULE_TESTS: &str = "deploy/prometheus/alerts.test.yaml";
const RUNBOOK: &str = "docs/operations.md";

fn is_metric(word: &str) -> bool {
    let is_part = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    (word.starts_with("argos_sync_") || word.starts_with("process_")) && word.chars().all(is_part)
}

/// The metrics that the program names.
fn named_in_code() -> BTreeSet<String> {
    let code = text("src/metrics/names.rs");
    code.split('"').filter(|piece| is_metric(piece)).map(str::to_owned).collect()
}

/// The series that a rule file or a dashboard names. Names of recording rules contain colons.
fn series(path: &str) -> BTreeSet<String> {
    text(path)
        .split(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || char == ':'))
        .filter(|word| is_metric(word))
        .map(str::to_owned)
        .collect()
}

/// The rows of the tables of the document whose first column is a name in backticks: the name
/// and the second column.
fn documented(is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let document = text(DOCUMENT);
    let rows = document.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (second, _) = rest.split_once(" | ")?;
        is_wanted(name).then(|| (name.to_owned(), second.to_owned()))
    });
    rows.collect()
}

/// The metric that a series belongs to.
fn metric_of(series: &str, types: &BTreeMap<String, String>) -> String {
    let is_histogram = |name: &&str| types.get(*name).is_some_and(|kind| kind == "histogram");
    let mut bases = HISTOGRAM_SUFFIXES.iter().filter_map(|suffix| series.strip_suffix(suffix));
    bases.find(is_histogram).unwrap_or(series).to_owned()
}

/// The alerts of the rule file: name, severity and runbook.
fn alerts() -> Vec<[String; 3]> {
    let rules = text(RULES);
    let after = |rule: &str, key: &str| {
        let line = rule.lines().find_map(|line| line.trim().strip_prefix(key));
        line.expect("a line of each alert").to_owned()
    };
    let rules = rules.split("- alert: ").skip(1);
    rules
        .map(|rule| {
            let name = rule.lines().next().expect("a name").to_owned();
            [name, after(rule, "severity: "), after(rule, "runbook: ")]
        })
        .collect()
}

#[test]
fn every_metric_is_documented() {
    let documented = documented(is_metric);
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), named_in_code());
    for (name, kind) in documented {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    }
}

#[test]
fn rules_and_dashboard_use_the_metrics_of_the_program_and_all_of_them() {
    let (named, types) = (named_in_code(), documented(is_metric));
    let mut used = BTreeSet::new();
    for path in [RULES, "deploy/grafana/argos-sync.json"] {
        for series in series(path) {
            let metric = metric_of(&series, &types);
            assert!(named.contains(&metric), "{path} uses {series}, which does not exist");
            let is_whole_histogram = types.get(&series).is_some_and(|kind| kind == "histogram");
            assert!(!is_whole_histogram, "{path} uses the histogram {series} without a suffix");
            used.insert(metric);
        }
    }
    let unused: Vec<_> = named.difference(&used).collect();
    assert!(unused.is_empty(), "in no rule and not on the dashboard: {unused:?}");
}

#[test]
fn every_alert_is_documented_and_tested() {
    let alerts = alerts();
    let rules: BTreeMap<_, _> =
        alerts.iter().map(|[name, severity, _]| (name.clone(), severity.clone())).collect();
    assert_eq!(rules.len(), alerts.len(), "two alerts have the same name");
    assert_eq!(documented(|name| name.starts_with("ArgosSync")), rules);
    let tests = text(RULE_TESTS);
    for name in rules.keys() {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "no test of {name} fires it");
    }
}

#[test]
fn every_alert_has_a_section_in_the_runbook() {
    let runbook = text(RUNBOOK);
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<_> = headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for [name, _, link] in alerts() {
        let anchor = name.to_lowercase();
        assert_eq!(link, format!("{RUNBOOK}#{anchor}"));
        assert!(anchors.contains(&anchor), "{RUNBOOK} has no heading {name}");
    }
}
