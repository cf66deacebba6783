//! Checks numbers before deserialization: the `config` crate rounds `0.4` to 0, which means "no
//! limit" for some keys, and converts `true` and `on` to 1.

use std::time::Duration;

use serde_json::Value;

/// Keys whose values may be fractions, by their last part.
const FRACTIONS: [&str; 3] = ["calls_per_second", "calls_per_second_max", "missing_percent"];

/// Keys of whole numbers without a default, by their last part.
const WITHOUT_DEFAULT: [&str; 4] = ["calls_per_day", "calls_per_second", "page_size", "workers"];

/// Lowest accepted rate, in calls per second.
pub(super) const CALLS_PER_SECOND_MIN: f64 = 0.01;

/// A duration of whole seconds.
pub(super) fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// Returns one sentence for each value that is not a valid number where `defaults` has a number.
pub(super) fn problems(given: &Value, defaults: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    visit(given, Some(defaults), &mut Vec::new(), &mut problems);
    problems
}

fn visit<'v>(
    given: &'v Value,
    default: Option<&Value>,
    path: &mut Vec<&'v str>,
    problems: &mut Vec<String>,
) {
    if let Value::Object(members) = given {
        for (name, value) in members {
            path.push(name);
            visit(value, default.and_then(|default| default.get(name)), path, problems);
            path.pop();
        }
        return;
    }
    let name = path.last().copied().unwrap_or_default();
    let is_number = default.is_some_and(Value::is_number) || WITHOUT_DEFAULT.contains(&name);
    let may_be_fraction = FRACTIONS.contains(&name);
    let is_wrong = match given {
        Value::Bool(_) => true,
        // JSON has neither NaN nor infinity; both arrive as null.
        Value::Null => is_number || may_be_fraction,
        Value::Number(number) => {
            !may_be_fraction && number.as_f64().is_some_and(|number| number.fract() != 0.0)
        }
        // From the environment.
        Value::String(text) if may_be_fraction => {
            !text.trim().parse::<f64>().is_ok_and(f64::is_finite)
        }
        Value::String(text) => is_number && text.trim().parse::<i64>().is_err(),
        Value::Array(_) | Value::Object(_) => false,
    };
    if is_wrong {
        let expectation = match (may_be_fraction, is_number) {
            (true, _) => "must be a number",
            (false, true) => "must be a whole number",
            (false, false) => "must not be a boolean",
        };
        problems.push(format!("`{}` {expectation}", path.join(".")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fractions_and_words_where_whole_numbers_belong_are_named() {
        let defaults = json!({
            "client": {"calls_per_second": 5, "page_size": 2000},
            "deletion": {"missing_percent": 1.0},
            "log": {"format": "text"},
        });
        for (given, expected) in [
            (json!({"client": {"calls_per_second": 0.4, "page_size": 20}}), None),
            (json!({"client": {"calls_per_second": "0.4", "page_size": "20"}}), None),
            (json!({"client": {"page_size": 20.0}, "log": {"format": "true"}}), None),
            (json!({"client": {"page_size": 0.4}}), Some("`client.page_size` must be a whole")),
            (json!({"client": {"page_size": "0.4"}}), Some("`client.page_size` must be a whole")),
            (json!({"client": {"page_size": "on"}}), Some("`client.page_size` must be a whole")),
            (json!({"client": {"page_size": true}}), Some("`client.page_size` must be a whole")),
            (json!({"client": {"page_size": null}}), Some("`client.page_size` must be a whole")),
            (
                json!({"client": {"calls_per_second": "inf"}}),
                Some("`client.calls_per_second` must be a number"),
            ),
            (
                json!({"deletion": {"missing_percent": true}}),
                Some("`deletion.missing_percent` must be a"),
            ),
            (
                json!({"project": {"main": {"calls_per_day": 0.5}}}),
                Some("`project.main.calls_per_day`"),
            ),
            (json!({"sync": {"workers": "yes"}}), Some("`sync.workers` must be a whole number")),
            (json!({"log": {"format": true}}), Some("`log.format` must not be a boolean")),
        ] {
            let problems = problems(&given, &defaults);
            match expected {
                None => assert_eq!(problems, [""; 0], "{given}"),
                Some(expected) => {
                    assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
                }
            }
        }
    }
}
