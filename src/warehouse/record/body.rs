//! An item's bytes as received. They never appear in logs or panics.

use std::{fmt, ops::Deref};

use bytes::Bytes;

/// An item's bytes; clones share them. They are personal data, so `Debug` prints only their length.
#[derive(Clone)]
pub struct Body(Bytes);

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Body").field("length", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_bytes() {
        let body = Body::from(Bytes::from_static(br#"{"name":"Erika Mustermann"}"#));
        assert_eq!(format!("{body:?}"), "Body { length: 27, .. }");
    }
}
