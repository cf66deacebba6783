//! Bodies of items as they are kept: compressed, so that PostgreSQL neither parses nor compresses them.

use std::io::Read as _;

use super::WarehouseError;

/// How bodies are kept in `argos_raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawStorage {
    /// Compressed with zstd by argos-sync.
    Zstd,
    /// Not at all. Merging needs both bodies, so this goes only with `detail = "always"` or `"never"`.
    None,
}

/// The word in the `encoding` columns.
pub(super) const ZSTD: &str = "zstd";

/// Fast, and on this data nearly as small as the slower levels.
const LEVEL: i32 = 1;

/// More than this does not come out of a body: the largest answer that is read at all.
const INFLATED_BYTES_MAX: u64 = 64 << 20;

/// Compresses bodies one after the other with one context.
pub(super) struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    pub(super) fn new() -> Result<Self, WarehouseError> {
        zstd::bulk::Compressor::new(LEVEL)
            .map(Self)
            .map_err(|_no_memory| WarehouseError::CorruptRaw("no compressor"))
    }

    pub(super) fn compress(&mut self, body: &[u8]) -> Result<Vec<u8>, WarehouseError> {
        self.0.compress(body).map_err(|_no_memory| WarehouseError::CorruptRaw("not compressible"))
    }
}

/// The bytes as the vendor sent them.
pub(super) fn inflate(encoding: &str, body: &[u8]) -> Result<Vec<u8>, WarehouseError> {
    match encoding {
        ZSTD => {
            let mut inflated = Vec::with_capacity(body.len() * 6);
            zstd::stream::read::Decoder::with_buffer(body)
                .and_then(|decoder| decoder.take(INFLATED_BYTES_MAX).read_to_end(&mut inflated))
                .map_err(|_broken| WarehouseError::CorruptRaw("broken compression"))?;
            Ok(inflated)
        }
        _ => Err(WarehouseError::CorruptRaw("unknown encoding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_byte_for_byte() {
        let body = b"{\"name\":\"\xff\\ud800\"}".repeat(300);
        let packed = Compressor::new().unwrap().compress(&body).unwrap();
        assert!(packed.len() < body.len() / 10);
        assert_eq!(inflate(ZSTD, &packed).unwrap(), body.as_slice());
        assert!(inflate(ZSTD, &packed[..10]).is_err());
        assert!(inflate("gzip", &packed).is_err());
    }
}
