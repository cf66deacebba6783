//! Arrays of column values as statement parameters, in PostgreSQL's binary format.
//!
//! Each value is written once, directly from the item to the send buffer. Rows are many and wide:
//! an allocation for each cell would cost more than all other work on it.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

use crate::normalize::{Cell, catalogue};

/// Size of the header before the elements, in bytes: the array's own length, the number of
/// dimensions, the null flag, the element type, the element count and the lower bound.
const HEAD_BYTES: usize = 6 * size_of::<i32>();

/// The length field of a null element.
const NULL: [u8; 4] = (-1i32).to_be_bytes();

/// PostgreSQL's epoch, 2000-01-01, as a day number; 0001-01-01 is day 1.
const EPOCH_DAYS: i32 = 730_120;
/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// The element type of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum PgType {
    Text,
    /// Arrays of texts, each sent in PostgreSQL's text format because `unnest` flattens nested
    /// arrays.
    TextArray,
    Json,
    Bytes,
    Int4,
    Int8,
    Double,
    Bool,
    Timestamp,
    Date,
}

impl PgType {
    /// The element type for the values of a column of this type.
    pub(in crate::warehouse) fn of(kind: catalogue::Type) -> Self {
        match kind {
            catalogue::Type::Text | catalogue::Type::Enum => Self::Text,
            catalogue::Type::TextArray => Self::TextArray,
            catalogue::Type::Double => Self::Double,
            catalogue::Type::Integer => Self::Int8,
            catalogue::Type::Bool => Self::Bool,
            catalogue::Type::Timestamp => Self::Timestamp,
            catalogue::Type::Date => Self::Date,
            catalogue::Type::Json => Self::Json,
        }
    }

    /// Object ids of the element type and the array type. They are the same in every PostgreSQL
    /// installation (`pg_type.dat`).
    fn oids(self) -> (u32, u32) {
        match self {
            Self::Text | Self::TextArray => (25, 1009),
            Self::Json => (3802, 3807),
            Self::Bytes => (17, 1001),
            Self::Int4 => (23, 1007),
            Self::Int8 => (20, 1016),
            Self::Double => (701, 1022),
            Self::Bool => (16, 1000),
            Self::Timestamp => (1184, 1185),
            Self::Date => (1082, 1182),
        }
    }
}

/// Values of one type, one for each row.
#[derive(Debug)]
pub(in crate::warehouse) struct PgArray {
    element: PgType,
    count: usize,
    has_null: bool,
    /// The elements, each preceded by its length.
    bytes: Vec<u8>,
    /// True if a value had another type or was longer than the length field allows.
    is_spoilt: bool,
}

impl PgArray {
    /// Creates an empty array with a capacity of `bytes`.
    pub(in crate::warehouse) fn with_capacity(element: PgType, bytes: usize) -> Self {
        let bytes = Vec::with_capacity(bytes);
        Self { element, count: 0, has_null: false, bytes, is_spoilt: false }
    }

    /// The capacity to reserve for an array of similar size, in bytes: the current size plus an
    /// eighth.
    pub(in crate::warehouse) fn capacity(&self) -> usize {
        self.bytes.len() + self.bytes.len() / 8
    }

    pub(in crate::warehouse) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn null(&mut self) {
        self.count += 1;
        self.has_null = true;
        self.bytes.extend_from_slice(&NULL);
    }

    pub(in crate::warehouse) fn text(&mut self, value: &str) {
        self.put(PgType::Text, value.as_bytes());
    }

    pub(in crate::warehouse) fn bytes(&mut self, value: &[u8]) {
        self.put(PgType::Bytes, value);
    }

    pub(in crate::warehouse) fn int4(&mut self, value: i32) {
        self.put(PgType::Int4, &value.to_be_bytes());
    }

    /// Appends one column value.
    pub(in crate::warehouse) fn cell(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Null => self.null(),
            Cell::Bool(value) => self.put(PgType::Bool, &[u8::from(*value)]),
            Cell::Integer(value) => self.put(PgType::Int8, &value.to_be_bytes()),
            Cell::Double(value) => self.put(PgType::Double, &value.to_be_bytes()),
            Cell::Text(value) => self.text(value),
            Cell::TextArray(values) => self.texts(values),
            Cell::Timestamp(value) => self.at(*value),
            Cell::Date(value) => self.date(*value),
            Cell::Json(value) => self.json(value),
        }
    }

    fn at(&mut self, value: DateTime<Utc>) {
        let microseconds = value.timestamp_micros() - EPOCH_MICROSECONDS;
        self.put(PgType::Timestamp, &microseconds.to_be_bytes());
    }

    fn date(&mut self, value: NaiveDate) {
        self.put(PgType::Date, &(value.num_days_from_ce() - EPOCH_DAYS).to_be_bytes());
    }

    /// Appends a `jsonb` value: the version byte of its binary format, then the text.
    fn json(&mut self, text: &str) {
        self.write(PgType::Json, |out| {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        });
    }

    fn texts(&mut self, texts: &[Cow<'_, str>]) {
        self.write(PgType::TextArray, |out| {
            out.push(b'{');
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.push(b'"');
                for byte in text.bytes() {
                    if matches!(byte, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
                out.push(b'"');
            }
            out.push(b'}');
        });
    }

    fn put(&mut self, element: PgType, value: &[u8]) {
        self.write(element, |out| out.extend_from_slice(value));
    }

    /// Appends one element, preceded by its length.
    fn write(&mut self, element: PgType, write: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        self.is_spoilt |= element != self.element;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&NULL);
        write(&mut self.bytes);
        let length = self.bytes.len() - start - NULL.len();
        match (i32::try_from(length), self.bytes.get_mut(start..start + NULL.len())) {
            (Ok(length), Some(place)) => place.copy_from_slice(&length.to_be_bytes()),
            _ => self.is_spoilt = true,
        }
    }
}

impl Type<Postgres> for PgArray {
    fn type_info() -> PgTypeInfo {
        // `produces` returns the actual array type.
        PgTypeInfo::with_name("anyarray")
    }
}

impl Encode<'_, Postgres> for PgArray {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        if self.is_spoilt {
            return Err("a value does not fit its column".into());
        }
        let (element, _) = self.element.oids();
        let dimensions = i32::from(!self.is_empty());
        buffer.extend_from_slice(&dimensions.to_be_bytes());
        buffer.extend_from_slice(&i32::from(self.has_null).to_be_bytes());
        buffer.extend_from_slice(&element.to_be_bytes());
        if dimensions > 0 {
            buffer.extend_from_slice(&i32::try_from(self.count)?.to_be_bytes());
            buffer.extend_from_slice(&1i32.to_be_bytes());
            buffer.extend_from_slice(&self.bytes);
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let (_, array) = self.element.oids();
        Some(PgTypeInfo::with_oid(Oid(array)))
    }

    fn size_hint(&self) -> usize {
        HEAD_BYTES + self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(array: &PgArray) -> Vec<u8> {
        let mut buffer = PgArgumentBuffer::default();
        assert!(matches!(array.encode_by_ref(&mut buffer), Ok(IsNull::No)));
        buffer.to_vec()
    }

    #[test]
    fn the_epochs_are_postgresqls() {
        let day = NaiveDate::from_ymd_opt(2000, 1, 2).unwrap();
        let mut days = PgArray::with_capacity(PgType::Date, 0);
        days.cell(&Cell::Date(day));
        assert_eq!(sent(&days)[20..], [0, 0, 0, 4, 0, 0, 0, 1]);
        let mut times = PgArray::with_capacity(PgType::Timestamp, 0);
        times.cell(&Cell::Timestamp(day.and_time(chrono::NaiveTime::MIN).and_utc()));
        assert_eq!(sent(&times)[24..], 86_400_000_000i64.to_be_bytes());
    }

    #[test]
    fn an_array_tells_its_shape_and_an_empty_one_has_none() {
        assert_eq!(
            sent(&PgArray::with_capacity(PgType::Int4, 0)),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]
        );
        let mut array = PgArray::with_capacity(PgType::Text, 0);
        array.text("a");
        array.null();
        let head = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1];
        let elements = [0, 0, 0, 1, b'a', 255, 255, 255, 255];
        assert_eq!(sent(&array), [&head[..], &elements[..]].concat());
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let mut array = PgArray::with_capacity(PgType::Int8, 0);
        array.cell(&Cell::Bool(true));
        assert!(array.encode_by_ref(&mut PgArgumentBuffer::default()).is_err());
    }
}
