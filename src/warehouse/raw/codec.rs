//! The format of stored bodies. They are compressed here, so that PostgreSQL neither parses nor
//! compresses them.
//!
//! The first byte of a body is its format; the rest is its payload. There is one format:
//!
//! - 1: a zstd frame, compressed with our dictionary or without one.
//!
//! A different encoding, such as encryption, needs a new format number: stored bodies are not
//! rewritten.
//!
//! An item consists mostly of member names and words that all items share. A dictionary of them
//! halves the stored size, so that a body fits into its row instead of a TOAST table, and speeds up
//! compression. Each body contains the id of its dictionary.

use std::{io::Cursor, num::NonZeroU32, sync::LazyLock};

use zstd::{
    bulk,
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::{compress_bound, get_dict_id_from_frame, get_frame_content_size},
};

use crate::warehouse::postgres::error::WarehouseError;

/// The format byte of a zstd frame.
const ZSTD: u8 = 1;

/// A fast level; on this data, slower levels save little.
const LEVEL: i32 = 1;

/// Number of leading bytes of a body from which its length can be read: the format byte and zstd's
/// longest frame header.
pub(super) const HEAD_BYTES: i32 = 1 + 18;

/// Maximum size of a decompressed body: the largest answer that is accepted.
const INFLATED_BYTES_MAX: u64 = 64 << 20;

/// Trained on simulated items by `tests/bench/dictionary.sh`. Must never be removed, because stored
/// bodies need it.
const DICTIONARY: &[u8] = include_bytes!("items.dict");

/// The id in the dictionary and in every body that needs it.
const DICTIONARY_ID: Option<NonZeroU32> = NonZeroU32::new(20_261_122);

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Compresses bodies, reusing one context and one buffer.
pub(in crate::warehouse) struct Compressor {
    context: bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl Compressor {
    pub(in crate::warehouse) fn new() -> Result<Self, WarehouseError> {
        bulk::Compressor::with_prepared_dictionary(&ENCODER)
            .map(|context| Self { context, packed: Vec::new() })
            .map_err(|_no_memory| WarehouseError::CorruptRaw("compressor unavailable"))
    }

    /// Returns the compressed body with its format byte. Valid until the next call.
    pub(in crate::warehouse) fn compress(&mut self, body: &[u8]) -> Result<&[u8], WarehouseError> {
        self.packed.clear();
        self.packed.reserve(1 + compress_bound(body.len()));
        self.packed.push(ZSTD);
        let mut end = Cursor::new(&mut self.packed);
        end.set_position(1);
        self.context
            .compress_to_buffer(body, &mut end)
            .map_err(|_no_memory| WarehouseError::CorruptRaw("not compressible"))?;
        Ok(&self.packed)
    }
}

/// Decompresses bodies, reusing one context per dictionary.
pub(in crate::warehouse) struct Inflater {
    plain: bulk::Decompressor<'static>,
    with_dictionary: bulk::Decompressor<'static>,
}

impl Inflater {
    pub(in crate::warehouse) fn new() -> Result<Self, WarehouseError> {
        let no_memory = |_no_memory| WarehouseError::CorruptRaw("decompressor unavailable");
        Ok(Self {
            plain: bulk::Decompressor::new().map_err(no_memory)?,
            with_dictionary: bulk::Decompressor::with_prepared_dictionary(&DECODER)
                .map_err(no_memory)?,
        })
    }

    /// Returns the bytes as the vendor sent them.
    pub(super) fn inflate(&mut self, body: &[u8]) -> Result<Vec<u8>, WarehouseError> {
        let frame = frame(body)?;
        let context = match get_dict_id_from_frame(frame) {
            None => &mut self.plain,
            needed if needed == DICTIONARY_ID => &mut self.with_dictionary,
            Some(_) => return Err(WarehouseError::CorruptRaw("unknown dictionary")),
        };
        content_size(frame)
            .and_then(|length| context.decompress(frame, usize::try_from(length).ok()?).ok())
            .ok_or(WarehouseError::CorruptRaw("invalid compressed data"))
    }
}

/// Reads the decompressed size of a body in bytes from its first [`HEAD_BYTES`]. `None` if they are
/// not the head of a body, or if the size exceeds the largest answer.
pub(super) fn inflated_length(head: &[u8]) -> Option<u64> {
    content_size(frame(head).ok()?)
}

/// The zstd frame of a body.
fn frame(body: &[u8]) -> Result<&[u8], WarehouseError> {
    match body {
        [ZSTD, frame @ ..] => Ok(frame),
        [] => Err(WarehouseError::CorruptRaw("empty body")),
        _ => Err(WarehouseError::CorruptRaw("unknown format byte")),
    }
}

/// Reads the decompressed size from a frame's header. The header always contains it because bodies
/// are compressed in one piece.
fn content_size(frame: &[u8]) -> Option<u64> {
    let length = get_frame_content_size(frame).ok().flatten();
    length.filter(|length| *length <= INFLATED_BYTES_MAX)
}

/// Returns the bytes of one body as the vendor sent them.
pub(in crate::warehouse) fn inflate(body: &[u8]) -> Result<Vec<u8>, WarehouseError> {
    Inflater::new()?.inflate(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a body of this format.
    fn body(format: u8, payload: &[u8]) -> Vec<u8> {
        [&[format], payload].concat()
    }

    #[test]
    fn bodies_come_back_byte_for_byte() {
        let mut compressor = Compressor::new().unwrap();
        for item in [b"{\"name\":\"\xff\\ud800\"}".repeat(300), b"{}".to_vec(), Vec::new()] {
            let packed = compressor.compress(&item).unwrap();
            assert_eq!(packed[0], 1);
            assert_eq!(inflate(packed).unwrap(), item);
        }
    }

    #[test]
    fn repeated_text_becomes_small() {
        let item = b"{\"name\":\"\xff\\ud800\"}".repeat(300);
        let mut compressor = Compressor::new().unwrap();
        let packed = compressor.compress(&item).unwrap();
        assert!(packed.len() < item.len() / 10);
        assert!(inflate(&packed[..10]).is_err());
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        let mut compressor = Compressor::new().unwrap();
        let frame = compressor.compress(b"{}").unwrap()[1..].to_vec();
        assert_eq!(inflate(&body(1, &frame)).unwrap(), b"{}");
        for (stored, problem) in [
            (body(0, &frame), "unknown format byte"),
            (body(2, &frame), "unknown format byte"),
            // A frame without a format byte: zstd's magic number.
            (frame, "unknown format byte"),
            (Vec::new(), "empty body"),
            (vec![1], "invalid compressed data"),
        ] {
            let error = inflate(&stored).unwrap_err();
            let expected = format!("a stored item cannot be read ({problem})");
            assert_eq!(error.to_string(), expected, "{stored:?}");
            assert_eq!(inflated_length(&stored), None, "{stored:?}");
        }
    }

    #[test]
    fn the_head_of_a_body_has_its_length() {
        let mut compressor = Compressor::new().unwrap();
        for length in [0, 1, 255, 256, 65_791, 65_792, 5 << 20] {
            let item = vec![b'x'; length];
            let packed = compressor.compress(&item).unwrap();
            let head = &packed[..packed.len().min(usize::try_from(HEAD_BYTES).unwrap())];
            assert_eq!(inflated_length(head), Some(length as u64));
        }
        let larger_than_any_answer = vec![0; 65 << 20];
        let packed = compressor.compress(&larger_than_any_answer).unwrap();
        assert_eq!(inflated_length(packed), None);
        assert!(inflate(packed).is_err());
    }

    #[test]
    fn bodies_without_a_dictionary_come_back_too() {
        let item = b"{\"submission_id\":\"s-1\",\"kyc\":{\"result\":\"approved\"}}".repeat(20);
        let frame = bulk::compress(&item, LEVEL).unwrap();
        assert_eq!(inflate(&body(ZSTD, &frame)).unwrap(), item.as_slice());
    }

    #[test]
    fn a_body_names_the_dictionary_it_needs() {
        let mut compressor = Compressor::new().unwrap();
        let packed = compressor.compress(b"{}").unwrap();
        assert_eq!(get_dict_id_from_frame(&packed[1..]), DICTIONARY_ID);
        let mut other = DICTIONARY.to_vec();
        other[4] ^= 1;
        let other = bulk::Compressor::with_dictionary(LEVEL, &other).unwrap().compress(b"{}");
        let error = inflate(&body(ZSTD, &other.unwrap())).unwrap_err();
        assert!(error.to_string().contains("unknown dictionary"), "{error}");
    }
}
