//! Appends JSON text to one byte buffer.
//!
//! The simulator must never be what a measurement measures, so items are written byte by byte into
//! the body they are sent in, without a tree in between. Commas come from the byte before: after
//! `{`, `[` and `:` there is none.

use super::buffers;
use crate::simulator::knobs::TimeFormat;

const DAY_MS: i64 = 86_400_000;

/// The hexadecimal digits of a signature.
pub(super) const SIGNATURE: usize = 64;

/// An address in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    /// Where its signature begins.
    at: usize,
    /// What it is the address of.
    name: &'static str,
}

/// A growing JSON text.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Writer {
    out: Vec<u8>,
    addresses: Vec<Address>,
}

impl Writer {
    /// An empty text with room for `capacity` bytes.
    pub(in crate::simulator) fn with_capacity(capacity: usize) -> Self {
        Self { out: buffers::take(capacity), addresses: Vec::new() }
    }

    /// The text written so far.
    pub(in crate::simulator) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Starts a member; its value must follow. The key is written as it is.
    pub(in crate::simulator) fn key(&mut self, key: &str) -> &mut Self {
        self.quote();
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
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

    /// Writes a text, escaped where JSON wants it.
    pub(super) fn text(&mut self, text: &str) {
        self.quote();
        self.escaped(text);
        self.out.push(b'"');
    }

    /// Writes a text made of pieces, escaped where JSON wants it.
    pub(super) fn pieces(&mut self, pieces: &[&str]) {
        self.quote();
        for piece in pieces {
            self.escaped(piece);
        }
        self.out.push(b'"');
    }

    /// Writes an address of that name: what it begins with, then its signature.
    pub(super) fn address(
        &mut self,
        name: &'static str,
        beginning: &[&str],
        signature: &[u8; SIGNATURE],
    ) {
        self.quote();
        for piece in beginning {
            self.escaped(piece);
        }
        self.addresses.push(Address { at: self.out.len(), name });
        self.out.extend_from_slice(signature);
        self.out.push(b'"');
    }

    /// Writes a value with `write`; returns it, and the addresses in it.
    pub(super) fn watched(&mut self, write: impl FnOnce(&mut Self)) -> (&[u8], Box<[Address]>) {
        let (is_first, before) = (self.is_first(), self.addresses.len());
        let from = self.out.len() + usize::from(!is_first);
        write(self);
        let text = self.out.get(from..).unwrap_or_default();
        let addresses = self.addresses.get(before..).unwrap_or_default().iter();
        let inside = |address: &Address| Address { at: address.at - from, ..*address };
        (text, addresses.map(inside).collect())
    }

    /// Writes a value that was written before, with other signatures.
    pub(super) fn signed(
        &mut self,
        value: &[u8],
        addresses: &[Address],
        sign: impl Fn(&'static str) -> [u8; SIGNATURE],
    ) {
        self.separate();
        let from = self.out.len();
        self.out.extend_from_slice(value);
        for Address { at, name } in addresses {
            let at = from + at;
            if let Some(place) = self.out.get_mut(at..at + SIGNATURE) {
                place.copy_from_slice(&sign(name));
            }
        }
    }

    /// Writes bytes as they are, with a comma before where one is due.
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
        self.digits(value.into());
    }

    /// Writes `units / 10^places`: as a whole number where it is one, as the vendor does (contract
    /// Q20).
    pub(super) fn decimal(&mut self, units: u32, places: u32) {
        self.separate();
        let scale = 10_u32.pow(places);
        self.digits(u64::from(units / scale));
        let mut rest = u64::from(units % scale);
        if rest == 0 {
            return;
        }
        let mut text = [b'.'; 11];
        let digits =
            text.get_mut(1..).and_then(|text| text.get_mut(..usize::try_from(places).ok()?));
        for place in digits.into_iter().flatten().rev() {
            *place = digit(rest % 10);
            rest /= 10;
        }
        let length = text.iter().rposition(|byte| !matches!(byte, b'0' | b'.')).unwrap_or(0) + 1;
        self.out.extend_from_slice(text.get(..length).unwrap_or_default());
    }

    /// Writes a date-time, given in milliseconds since 1970, as a text.
    pub(in crate::simulator) fn time(&mut self, format: TimeFormat, at_ms: i64) {
        self.quote();
        self.bare_day(at_ms.div_euclid(DAY_MS));
        let ms = u64::try_from(at_ms.rem_euclid(DAY_MS)).unwrap_or(0);
        let (first, between, last, end): (u8, u8, u8, &[u8]) = match format {
            TimeFormat::Iso => (b'T', b':', b'.', b"Z\""),
            TimeFormat::Dashed => (b'-', b'-', b'-', b"\""),
        };
        self.marked(first, ms / 3_600_000);
        self.marked(between, ms / 60_000 % 60);
        self.marked(between, ms / 1000 % 60);
        self.out.extend_from_slice(&[last, digit(ms / 100 % 10)]);
        self.out.extend_from_slice(&two_digits(ms % 100));
        self.out.extend_from_slice(end);
    }

    /// Writes a calendar date, given in days since 1970, as a text `YYYY-MM-DD`.
    pub(super) fn day(&mut self, day: i64) {
        self.quote();
        self.bare_day(day);
        self.out.push(b'"');
    }

    fn bare_day(&mut self, day: i64) {
        let (year, month, day) = civil(day);
        self.out.extend_from_slice(&two_digits(year / 100));
        self.out.extend_from_slice(&two_digits(year % 100));
        self.marked(b'-', month);
        self.marked(b'-', day);
    }

    /// Two digits behind a mark.
    fn marked(&mut self, mark: u8, value: u64) {
        let [one, two] = two_digits(value);
        self.out.extend_from_slice(&[mark, one, two]);
    }

    /// Begins a text.
    fn quote(&mut self) {
        self.out.extend_from_slice(if self.is_first() { b"\"" } else { b",\"" });
    }

    fn separate(&mut self) {
        if !self.is_first() {
            self.out.push(b',');
        }
    }

    /// Whether nothing stands before what comes next, in the same object or array.
    fn is_first(&self) -> bool {
        matches!(self.out.last(), None | Some(b'{' | b'[' | b':'))
    }

    fn digits(&mut self, value: u64) {
        let mut text = [b'0'; 20];
        let (mut rest, mut from) = (value, text.len());
        for place in text.iter_mut().rev() {
            *place = digit(rest % 10);
            rest /= 10;
            from -= 1;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(text.get(from..).unwrap_or_default());
    }

    fn escaped(&mut self, text: &str) {
        // All bytes are looked at, which takes less time than to stop at one.
        let is_special = |byte| matches!(byte, 0..b' ' | b'"' | b'\\');
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                0..b' ' => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
    }
}

/// The digit of a value below ten.
fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

/// The digits of a value below a hundred.
fn two_digits(value: u64) -> [u8; 2] {
    [digit(value / 10), digit(value % 10)]
}

/// Year, month and day of a day since 1970, by the era arithmetic of the Gregorian calendar.
fn civil(day: i64) -> (u64, u64, u64) {
    let shifted = u64::try_from(day + 719_468).unwrap_or(0);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::default();
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
