//! The vendor's clock, by the `Date` header of its answers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap};
use tokio::time::Instant;

/// The last `Date` header, and when it arrived.
#[derive(Debug, Default)]
pub(super) struct VendorClock(Mutex<Option<(DateTime<Utc>, Instant)>>);

impl VendorClock {
    /// Stores the time of an answer. An answer without a readable time changes nothing.
    pub(super) fn note(&self, headers: &HeaderMap, arrived: Instant) {
        let date =
            headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        if let Some(date) = date {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((date.into(), arrived));
        }
    }

    /// The vendor's current time; `None` before the first answer.
    pub(super) fn now(&self, now: Instant) -> Option<DateTime<Utc>> {
        let (date, arrived) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let passed: Duration = now.saturating_duration_since(arrived);
        Some(date + passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_on_from_the_last_date_that_could_be_read() {
        let (clock, start) = (VendorClock::default(), Instant::now());
        let headers = |date: &'static str| {
            HeaderMap::from_iter([(DATE, reqwest::header::HeaderValue::from_static(date))])
        };
        assert_eq!(clock.now(start), None);
        clock.note(&headers("Sun, 06 Nov 1994 08:49:37 GMT"), start);
        clock.note(&headers("yesterday"), start + Duration::from_secs(5));
        clock.note(&HeaderMap::new(), start + Duration::from_secs(6));
        let now = clock.now(start + Duration::from_secs(23)).unwrap();
        assert_eq!(now.to_rfc3339(), "1994-11-06T08:50:00+00:00");
    }
}
