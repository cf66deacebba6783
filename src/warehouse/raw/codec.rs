//! Bodies of items as they are kept: compressed, so that PostgreSQL neither parses nor compresses
//! them.
//!
//! Most of an item is names of members and words that all items share. A dictionary of them halves
//! what is kept, so that it stands in its row and not in a table beside it, and compresses faster.
//! A body names the dictionary it needs.

use std::{num::NonZeroU32, sync::LazyLock};

use zstd::{
    bulk,
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::{compress_bound, get_dict_id_from_frame, get_frame_content_size},
};

use crate::warehouse::postgres::error::WarehouseError;

/// The word in the `encoding` columns.
pub(in crate::warehouse) const ZSTD: &str = "zstd";

/// Fast, and on this data nearly as small as the slower levels.
const LEVEL: i32 = 1;

/// The first bytes of a body, which tell how long it is: zstd's longest frame header.
pub(super) const HEAD_BYTES: i32 = 18;

/// More than this does not come out of a body: the largest answer that is read at all.
const INFLATED_BYTES_MAX: u64 = 64 << 20;

/// Trained on simulated items by `tests/bench/dictionary.sh`. Bodies that were written with it need
/// it for ever.
const DICTIONARY: &[u8] = include_bytes!("items.dict");

/// The id in the dictionary and in every body that needs it.
const DICTIONARY_ID: Option<NonZeroU32> = NonZeroU32::new(20_261_122);

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Compresses bodies one after the other with one context and one buffer.
pub(in crate::warehouse) struct Compressor {
    context: bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl Compressor {
    pub(in crate::warehouse) fn new() -> Result<Self, WarehouseError> {
        bulk::Compressor::with_prepared_dictionary(&ENCODER)
            .map(|context| Self { context, packed: Vec::new() })
            .map_err(|_no_memory| WarehouseError::CorruptRaw("no compressor"))
    }

    /// The body, packed; stands there until the next one.
    pub(in crate::warehouse) fn compress(&mut self, body: &[u8]) -> Result<&[u8], WarehouseError> {
        self.packed.clear();
        self.packed.reserve(compress_bound(body.len()));
        self.context
            .compress_to_buffer(body, &mut self.packed)
            .map_err(|_no_memory| WarehouseError::CorruptRaw("not compressible"))?;
        Ok(&self.packed)
    }
}

/// Inflates bodies one after the other with one context.
pub(in crate::warehouse) struct Inflater {
    plain: bulk::Decompressor<'static>,
    with_dictionary: bulk::Decompressor<'static>,
}

impl Inflater {
    pub(in crate::warehouse) fn new() -> Result<Self, WarehouseError> {
        let no_memory = |_no_memory| WarehouseError::CorruptRaw("no decompressor");
        Ok(Self {
            plain: bulk::Decompressor::new().map_err(no_memory)?,
            with_dictionary: bulk::Decompressor::with_prepared_dictionary(&DECODER)
                .map_err(no_memory)?,
        })
    }

    /// The bytes as the vendor sent them.
    pub(super) fn inflate(
        &mut self,
        encoding: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, WarehouseError> {
        if encoding != ZSTD {
            return Err(WarehouseError::CorruptRaw("unknown encoding"));
        }
        let context = match get_dict_id_from_frame(body) {
            None => &mut self.plain,
            needed if needed == DICTIONARY_ID => &mut self.with_dictionary,
            Some(_) => return Err(WarehouseError::CorruptRaw("unknown dictionary")),
        };
        inflated_length(body)
            .and_then(|length| context.decompress(body, usize::try_from(length).ok()?).ok())
            .ok_or(WarehouseError::CorruptRaw("broken compression"))
    }
}

/// How many bytes a body has once inflated, out of its first [`HEAD_BYTES`]: bodies are compressed
/// whole, so that their frames tell. `None` for what is not a body, or too long for one.
pub(super) fn inflated_length(head: &[u8]) -> Option<u64> {
    let length = get_frame_content_size(head).ok().flatten();
    length.filter(|length| *length <= INFLATED_BYTES_MAX)
}

/// The bytes of one body as the vendor sent them.
pub(in crate::warehouse) fn inflate(
    encoding: &str,
    body: &[u8],
) -> Result<Vec<u8>, WarehouseError> {
    Inflater::new()?.inflate(encoding, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_byte_for_byte() {
        let body = b"{\"name\":\"\xff\\ud800\"}".repeat(300);
        let mut compressor = Compressor::new().unwrap();
        let packed = compressor.compress(&body).unwrap();
        assert!(packed.len() < body.len() / 10);
        assert_eq!(inflate(ZSTD, packed).unwrap(), body.as_slice());
        assert!(inflate(ZSTD, &packed[..10]).is_err());
        assert!(inflate("gzip", packed).is_err());
    }

    #[test]
    fn bodies_of_releases_without_a_dictionary_come_back_too() {
        let body = b"{\"submission_id\":\"s-1\",\"kyc\":{\"result\":\"approved\"}}".repeat(20);
        let packed = bulk::compress(&body, LEVEL).unwrap();
        assert_eq!(inflate(ZSTD, &packed).unwrap(), body.as_slice());
    }

    #[test]
    fn a_body_names_the_dictionary_it_needs() {
        let mut compressor = Compressor::new().unwrap();
        assert_eq!(get_dict_id_from_frame(compressor.compress(b"{}").unwrap()), DICTIONARY_ID);
        let mut other = DICTIONARY.to_vec();
        other[4] ^= 1;
        let other = bulk::Compressor::with_dictionary(LEVEL, &other).unwrap().compress(b"{}");
        assert!(inflate(ZSTD, &other.unwrap()).is_err());
    }
}
