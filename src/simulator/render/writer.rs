//! Appends JSON text to a byte buffer.
//!
//! The previous byte decides about a comma: there is none after `{`, `[` and `:`.

use std::io::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::simulator::knobs::TimeFormat;

const DAY_MS: i64 = 86_400_000;

/// A growing JSON text.
#[derive(Debug, Default)]
pub(in crate::simulator) struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    /// An empty text with a capacity of `capacity` bytes.
    pub(in crate::simulator) fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// The text written so far.
    pub(in crate::simulator) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Starts a member; its value must follow.
    pub(in crate::simulator) fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        self.out.push(b':');
        self
    }

    /// Writes a member with a text.
    pub(in crate::simulator) fn pair(&mut self, key: &str, text: &str) {
        self.key(key).text(text);
    }

    /// Writes an object; `inner` writes its members.
    pub(in crate::simulator) fn object(&mut self, inner: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'{');
        inner(self);
        self.out.push(b'}');
    }

    /// Writes an array; `inner` writes its elements.
    pub(in crate::simulator) fn array(&mut self, inner: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'[');
        inner(self);
        self.out.push(b']');
    }

    /// Writes an array of texts.
    pub(super) fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        self.array(|w| texts.into_iter().for_each(|text| w.text(text)));
    }

    /// Writes a text, escaped where JSON requires it.
    pub(super) fn text(&mut self, text: &str) {
        self.separate();
        let _infallible = serde_json::to_writer(&mut self.out, text);
    }

    /// Writes bytes as they are, after a comma if one is due.
    pub(super) fn verbatim(&mut self, bytes: &[u8]) {
        self.separate();
        self.out.extend_from_slice(bytes);
    }

    /// Writes `true` or `false`.
    pub(in crate::simulator) fn bool(&mut self, value: bool) {
        self.verbatim(if value { b"true" } else { b"false" });
    }

    /// Writes `null`.
    pub(super) fn null(&mut self) {
        self.verbatim(b"null");
    }

    /// Writes a whole number.
    pub(in crate::simulator) fn number(&mut self, value: impl Into<u64>) {
        self.separate();
        let _infallible = write!(self.out, "{}", value.into());
    }

    /// Writes `units / 10^places`. A whole value has no decimal point, as in the vendor's answers
    /// (contract Q20).
    pub(super) fn decimal(&mut self, units: u32, places: u32) {
        self.separate();
        let value = f64::from(units) / f64::from(10_u32.pow(places));
        let _infallible = write!(self.out, "{value}");
    }

    /// Writes a date-time, given in milliseconds since 1970, as a text.
    pub(in crate::simulator) fn time(&mut self, format: TimeFormat, at_ms: i64) {
        let at = moment(at_ms);
        self.text(&match format {
            TimeFormat::Iso => at.to_rfc3339_opts(SecondsFormat::Millis, true),
            TimeFormat::Dashed => at.format("%Y-%m-%d-%H-%M-%S-%3f").to_string(),
        });
    }

    /// Writes a calendar date, given in days since 1970, as a text `YYYY-MM-DD`.
    pub(super) fn day(&mut self, day: i64) {
        self.text(&moment(day.saturating_mul(DAY_MS)).date_naive().to_string());
    }

    /// Writes a comma unless the next value is the first of its object or array.
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }
}

/// Converts milliseconds since 1970. Values outside chrono's range become 1970-01-01.
fn moment(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut JsonWriter)) -> String {
        let mut writer = JsonWriter::default();
        write(&mut writer);
        String::from_utf8(writer.into_bytes()).unwrap()
    }

    #[test]
    fn commas_stand_between_members_and_elements_only() {
        let text = written(|w| {
            w.object(|w| {
                w.pair("a", "{");
                w.key("b").array(|w| {
                    w.number(1_u32);
                    w.object(|_| {});
                    w.null();
                });
                w.key("c").bool(true);
            });
        });
        assert_eq!(text, r#"{"a":"{","b":[1,{},null],"c":true}"#);
    }

    #[test]
    fn decimals_are_whole_where_they_can_be() {
        assert_eq!(written(|w| w.decimal(1000, 3)), "1");
        assert_eq!(written(|w| w.decimal(97_050, 3)), "97.05");
        assert_eq!(written(|w| w.decimal(7, 3)), "0.007");
    }

    proptest! {
        #[test]
        fn times_are_those_of_the_calendar(at_ms in 0i64..4_102_444_800_000) {
            let expected = DateTime::from_timestamp_millis(at_ms).unwrap();
            let iso = expected.to_rfc3339_opts(SecondsFormat::Millis, true);
            prop_assert_eq!(written(|w| w.time(TimeFormat::Iso, at_ms)), format!("\"{iso}\""));
            let dashed = expected.format("%Y-%m-%d-%H-%M-%S-%3f");
            prop_assert_eq!(written(|w| w.time(TimeFormat::Dashed, at_ms)), format!("\"{dashed}\""));
        }

        #[test]
        fn any_text_comes_back(text in ".*") {
            let json = written(|w| w.text(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
