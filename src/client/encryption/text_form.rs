//! The encodings of ciphertexts: base64 or hexadecimal digits. The vendor does not document which
//! one it uses (contract U21).

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};

use super::BLOCK;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The encoding of ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// Standard base64 with padding.
    Base64,
    /// Lower-case hexadecimal digits.
    Hex,
}

impl TextForm {
    /// Encodes bytes.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => general_purpose::STANDARD.encode(bytes),
            Self::Hex => {
                let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
            }
        }
    }
}

/// Decodes a text in either encoding; `None` if it is neither.
///
/// Hexadecimal digits of whole blocks are read as hexadecimal. Base64 of that form practically
/// never occurs, and would fail to decrypt.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let is_hex =
        text.len().is_multiple_of(2 * BLOCK) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_hex {
        return hex(text);
    }
    STANDARD.decode(text).or_else(|_other_alphabet| URL_SAFE.decode(text)).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
