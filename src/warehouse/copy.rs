//! Rows in the binary form of COPY, which PostgreSQL takes several times faster than an INSERT.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::WarehouseError;

/// What every binary COPY begins with: signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();
const NULL: [u8; 4] = (-1i32).to_be_bytes();

/// The object id of the type `text`, which names the elements of an array.
const TEXT_OID: u32 = 25;

/// Bytes handed to the connection at a time, so that it holds no second copy of all of them.
const SEND_BYTES: usize = 256 << 10;

/// Days from the calendar's first to the first day of PostgreSQL, 2000-01-01.
const EPOCH_DAYS: i32 = 730_120;
/// Microseconds from 1970 to 2000.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// Rows of one table.
#[derive(Debug, Default)]
pub(super) struct CopyRows {
    bytes: Vec<u8>,
    /// A field was longer than PostgreSQL's lengths reach.
    is_too_large: bool,
}

impl CopyRows {
    /// Begins a row of so many fields, each of which must follow.
    pub(super) fn begin_row(&mut self, fields: usize) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(HEADER);
        }
        let count = i16::try_from(fields).unwrap_or_else(|_many| self.too_large());
        self.bytes.extend_from_slice(&count.to_be_bytes());
    }

    /// The bytes of all rows so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn null(&mut self) {
        self.bytes.extend_from_slice(&NULL);
    }

    /// A field of bytes, and of text, whose binary form is its UTF-8.
    pub(super) fn bytes(&mut self, value: &[u8]) {
        let length = self.length(value.len());
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.bytes(&[u8::from(value)]);
    }

    pub(super) fn int4(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn int8(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn double(&mut self, value: f64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn at(&mut self, value: DateTime<Utc>) {
        self.int8(value.timestamp_micros() - EPOCH_MICROSECONDS);
    }

    pub(super) fn date(&mut self, value: NaiveDate) {
        use chrono::Datelike as _;
        self.int4(value.num_days_from_ce() - EPOCH_DAYS);
    }

    /// A field of `jsonb`: the version of its form, then its text.
    pub(super) fn json(&mut self, text: &str) {
        let length = self.length(text.len().saturating_add(1));
        self.bytes.extend_from_slice(&length);
        self.bytes.push(1);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A field of `text[]`, without nulls.
    pub(super) fn texts(&mut self, texts: &[Cow<'_, str>]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&NULL);
        let dimensions = i32::from(!texts.is_empty());
        self.bytes.extend_from_slice(&dimensions.to_be_bytes());
        self.bytes.extend_from_slice(&0i32.to_be_bytes());
        self.bytes.extend_from_slice(&TEXT_OID.to_be_bytes());
        if dimensions == 1 {
            let count = self.length(texts.len());
            self.bytes.extend_from_slice(&count);
            self.bytes.extend_from_slice(&1i32.to_be_bytes());
            for text in texts {
                self.text(text);
            }
        }
        let length = self.length(self.bytes.len() - start - NULL.len());
        if let Some(place) = self.bytes.get_mut(start..start + NULL.len()) {
            place.copy_from_slice(&length);
        }
    }

    fn length(&mut self, length: usize) -> [u8; 4] {
        i32::try_from(length).unwrap_or_else(|_long| self.too_large().into()).to_be_bytes()
    }

    /// Notes that the rows cannot be sent; the number stands for nothing.
    fn too_large(&mut self) -> i16 {
        self.is_too_large = true;
        0
    }

    /// Sends the rows with this statement, if there are any.
    pub(super) async fn send(
        &self,
        connection: &mut PgConnection,
        statement: &str,
        doing: &'static str,
    ) -> Result<(), WarehouseError> {
        if self.is_too_large {
            return Err(WarehouseError::Shape { doing });
        }
        if self.bytes.is_empty() {
            return Ok(());
        }
        let database = WarehouseError::database(doing);
        let sending = async {
            let mut copy = connection.copy_in_raw(statement).await?;
            for part in self.bytes.chunks(SEND_BYTES) {
                copy.send(part).await?;
            }
            copy.send(TRAILER.as_slice()).await?;
            copy.finish().await
        };
        sending.await.map(drop).map_err(database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_are_postgresqls() {
        let mut rows = CopyRows::default();
        rows.begin_row(2);
        let day = NaiveDate::from_ymd_opt(2000, 1, 2).unwrap();
        rows.date(day);
        rows.at(day.and_time(chrono::NaiveTime::MIN).and_utc());
        let fields = &rows.bytes[HEADER.len() + 2..];
        assert_eq!(fields[..8], [0, 0, 0, 4, 0, 0, 0, 1]);
        assert_eq!(fields[8..12], [0, 0, 0, 8]);
        assert_eq!(fields[12..], 86_400_000_000i64.to_be_bytes());
    }

    #[test]
    fn an_array_carries_its_length_and_an_empty_one_no_dimension() {
        let mut rows = CopyRows::default();
        rows.texts(&[]);
        assert_eq!(rows.bytes, [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]);
        let mut rows = CopyRows::default();
        rows.texts(&["a".into(), "".into()]);
        assert_eq!(rows.bytes[..4], [0, 0, 0, 29]);
        assert_eq!(rows.bytes.len(), 4 + 29);
    }
}
