//! The time that an answer asks to wait.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Longest accepted wait, so that a broken header does not stop a project for a year.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Reads `Retry-After`, in seconds or as a date; `None` if absent or unreadable.
///
/// A date counts from the answer's own `Date` header, because both come from one clock and ours may
/// be wrong (I11).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    let wait = if let Ok(seconds) = asked.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = httpdate::parse_http_date(text(DATE)?).ok()?;
        until.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(reqwest::header::HeaderName, &str)], expected: Option<u64>) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let found = retry_after(&headers.collect());
        assert_eq!(found, expected.map(Duration::from_secs));
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let now = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&[(RETRY_AFTER, "0")], Some(0));
        check(&[(RETRY_AFTER, " 120 ")], Some(120));
        check(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT"), now.clone()], Some(30));
        check(&[(RETRY_AFTER, "Sunday, 06-Nov-94 08:50:07 GMT"), now.clone()], Some(30));
        check(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT"), now], Some(0));
    }

    #[test]
    fn nobody_waits_longer_than_an_hour() {
        check(&[(RETRY_AFTER, "86400")], Some(3600));
        check(&[(RETRY_AFTER, "18446744073709551615")], Some(3600));
    }

    #[test]
    fn what_cannot_be_read_is_no_wait() {
        check(&[], None);
        for text in ["soon", "-1", "1.5", "Sun, 06 Nov 1994 08:50:07 GMT"] {
            check(&[(RETRY_AFTER, text)], None);
        }
    }
}
