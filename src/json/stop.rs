//! Finds where a string stops being plain.

use memchr::memchr3;

/// Words checked before a vector search, which is slower to start: most texts and nearly all keys
/// are shorter.
const WORDS: usize = 4;
const WORD: usize = size_of::<u64>();

/// The offset of the first quote, backslash or NUL, which a string cannot contain unescaped.
pub(super) fn stop(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<WORD>();
    for (index, word) in words.iter().take(WORDS).enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = zeros(word ^ every(b'"')) | zeros(word ^ every(b'\\')) | zeros(word);
        if hits != 0 {
            return Some(index * WORD + hits.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(WORDS) * WORD;
    memchr3(b'"', b'\\', 0, bytes.get(seen..)?).map(|at| seen + at)
}

const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Marks the highest bit of every zero byte. Bytes above the first zero byte may be marked wrongly.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every(1)) & !word & every(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_where_a_look_at_every_byte_finds_it(
            text in "[a\u{80}-\u{ff}\u{a1a2}!#\\[\\]]{0,80}",
            tail in "[\"\\\\!#a\0]{0,3}",
        ) {
            let bytes = [text.as_bytes(), tail.as_bytes()].concat();
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0));
            prop_assert_eq!(stop(&bytes), expected);
        }
    }
}
