//! Secure Data Transmission: encrypted parameters and answers (contract section 10).
//!
//! AES-256 in ECB mode with PKCS#7 padding, under the SHA-256 of the API key. The vendor chose this
//! weak mode: equal blocks have equal ciphertexts, and a modified ciphertext is not detected. TLS
//! protects the data; this is only the vendor's format. The hash allows decryption just like the
//! key, so neither is ever shown, logged or stored (I8).

mod error;
mod text_form;

use aws_lc_rs::{
    cipher::{
        AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
        UnboundCipherKey,
    },
    digest::{SHA256, digest},
    error::Unspecified,
};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use self::{
    error::{EncryptionError, Undecipherable},
    text_form::TextForm,
};
use crate::json::{self, Json};

/// Block size of the cipher in bytes.
const BLOCK: usize = 16;

/// The parameter that holds the ciphertext of other parameters.
pub(super) const SEALED: &str = "data";

/// Settings of a project that uses Secure Data Transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encryption {
    /// The encoding of ciphertexts in requests; answers may use either one (contract U21).
    pub text_form: TextForm,
    /// The place of page size and cursor (contract U22).
    pub paging: EncryptedPaging,
}

/// The place of `count`, `nextpage_id` and `nextpage_date` in an encrypted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptedPaging {
    /// In the query, as in a request in the clear.
    Clear,
    /// In the ciphertext only.
    Inside,
    /// In both.
    Both,
}

/// The cipher of one API key. Keys are never shown, and are wiped from memory on drop.
pub(super) struct Cipher {
    encryption: Encryption,
    encrypting: PaddedBlockEncryptingKey,
    decrypting: PaddedBlockDecryptingKey,
}

/// The place of a parameter in an encrypted request.
enum ParameterPlace {
    Clear,
    Inside,
    Both,
}

impl Cipher {
    /// Derives the cipher from the API key.
    pub(super) fn new(api_key: &SecretString, encryption: Encryption) -> Result<Self, Unspecified> {
        let hash = digest(&SHA256, api_key.expose_secret().as_bytes());
        let key = || UnboundCipherKey::new(&AES_256, hash.as_ref());
        Ok(Self {
            encryption,
            encrypting: PaddedBlockEncryptingKey::ecb_pkcs7(key()?)?,
            decrypting: PaddedBlockDecryptingKey::ecb_pkcs7(key()?)?,
        })
    }

    /// Moves the parameters of submissions that the vendor accepts encrypted from the query to
    /// `data`.
    ///
    /// Values keep the text form that they have in a query. A request without such parameters stays
    /// in the clear.
    pub(super) fn seal(
        &self,
        parameters: Vec<(&'static str, String)>,
    ) -> Result<Vec<(&'static str, String)>, EncryptionError> {
        let mut clear = Vec::with_capacity(parameters.len());
        let mut inside = Vec::new();
        for (name, value) in parameters {
            let place = self.place(name);
            if matches!(place, ParameterPlace::Inside | ParameterPlace::Both) {
                inside.push(format!("{}:{}", Value::from(name), Value::from(value.as_str())));
            }
            if matches!(place, ParameterPlace::Clear | ParameterPlace::Both) {
                clear.push((name, value));
            }
        }
        if !inside.is_empty() {
            let object = format!("{{{}}}", inside.join(","));
            clear.push((SEALED, self.encrypt(&object)?));
        }
        Ok(clear)
    }

    fn place(&self, name: &str) -> ParameterPlace {
        match (name, self.encryption.paging) {
            ("email" | "start_date" | "end_date" | "submission_id", _)
            | ("count" | "nextpage_id" | "nextpage_date", EncryptedPaging::Inside) => {
                ParameterPlace::Inside
            }
            ("count" | "nextpage_id" | "nextpage_date", EncryptedPaging::Both) => {
                ParameterPlace::Both
            }
            // Includes `userid`, which is missing in the vendor's list of encryptable parameters.
            // If the vendor ignored it in the ciphertext, it would list all persons. In the clear
            // it is still protected by TLS, like the API key.
            _ => ParameterPlace::Clear,
        }
    }

    fn encrypt(&self, text: &str) -> Result<String, EncryptionError> {
        let mut bytes = text.as_bytes().to_vec();
        self.encrypting
            .encrypt(&mut bytes)
            .map_err(|_unspecified| EncryptionError::NotEncrypted)?;
        Ok(self.encryption.text_form.encode(&bytes))
    }

    /// Decrypts `data`, the JSON value that holds a ciphertext. The caller checks whether the
    /// result is JSON.
    pub(super) fn open(&self, data: &[u8]) -> Result<Bytes, Undecipherable> {
        let text = json::text(data);
        let parsed = json::parse(&text).map_err(|_malformed| Undecipherable::NoText)?;
        let Json::Text(ciphertext) = parsed.value else { return Err(Undecipherable::NoText) };
        let mut bytes = text_form::decode(&ciphertext).ok_or(Undecipherable::TextForm)?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
            return Err(Undecipherable::Length);
        }
        let length = self
            .decrypting
            .decrypt(&mut bytes, DecryptionContext::None)
            .map_err(|_unspecified| Undecipherable::Padding)?
            .len();
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

impl std::fmt::Debug for Cipher {
    /// Shows nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cipher").field("encryption", &self.encryption).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The key of the worked example (contract section 10.1).
    const KEY: &str = "EXAMPLE-API-KEY-0000000000000000000000000";
    const KEY_HASH: &str = "9f91e87a8defef866f2f88a09d692ee81c97b2a2a28d8b5a9273affc3b232571";

    const DETAIL: &str = r#"{"submission_id":"abc123"}"#;
    const DETAIL_BASE64: &str = "RPkkSdNC1O73Ei+0LqAQEuB9fVWJBK7Pdj+klbWb3Oc=";
    const DETAIL_HEX: &str = "44f92449d342d4eef7122fb42ea01012e07d7d558904aecf763fa495b59bdce7";
    const DAYS: &str = r#"{"start_date":"2025-01-01","end_date":"2025-01-31"}"#;
    const DAYS_BASE64: &str =
        "zexGUCjMQrWql5jmdDTnAsYFY03bo9Au2wBkjukOd7bPQMr+ZDt2oyqxnNrWjbzqIPbeq0a2w+uXgqrZL3P7Ug==";
    const EMPTY: &str = r#"{"Items":[]}"#;
    const EMPTY_BASE64: &str = "AAqikbbTbrPx8yYWAZsutA==";

    fn cipher_of(key: &str, text_form: TextForm) -> Cipher {
        let encryption = Encryption { text_form, paging: EncryptedPaging::Clear };
        Cipher::new(&key.into(), encryption).unwrap()
    }

    /// An answer with this text, encrypted under this key.
    pub(in crate::client) fn answer(key: &str, text: &str) -> String {
        let data = cipher_of(key, TextForm::Base64).encrypt(text).unwrap();
        format!(r#"{{"data":"{data}","isEncrypted":true}}"#)
    }

    fn open(cipher: &Cipher, ciphertext: &str) -> Result<Bytes, Undecipherable> {
        cipher.open(Value::from(ciphertext).to_string().as_bytes())
    }

    fn query(cipher: &Cipher, parameters: &[(&'static str, &str)]) -> String {
        let parameters = parameters.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let sealed = cipher.seal(parameters.collect()).unwrap();
        let pairs = sealed.into_iter().map(|(name, value)| {
            // Decrypts the ciphertext, to make the test readable.
            let value = if name == SEALED {
                String::from_utf8(open(cipher, &value).unwrap().to_vec()).unwrap()
            } else {
                value
            };
            format!("{name}={value}")
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    #[test]
    fn the_worked_example_is_met() {
        let base64 = cipher_of(KEY, TextForm::Base64);
        let hex = cipher_of(KEY, TextForm::Hex);
        for (text, ciphertext) in
            [(DETAIL, DETAIL_BASE64), (DAYS, DAYS_BASE64), (EMPTY, EMPTY_BASE64)]
        {
            assert_eq!(base64.encrypt(text).unwrap(), ciphertext);
            for cipher in [&base64, &hex] {
                assert_eq!(open(cipher, ciphertext).unwrap(), text);
            }
        }
        assert_eq!(hex.encrypt(DETAIL).unwrap(), DETAIL_HEX);
        let url_safe = DETAIL_BASE64.replace('+', "-").replace('/', "_");
        let escaped = format!("\"{}\"", DETAIL_BASE64.replace('/', "\\/"));
        assert_eq!(base64.open(escaped.as_bytes()).unwrap(), DETAIL);
        for ciphertext in [DETAIL_HEX, &DETAIL_HEX.to_uppercase(), &url_safe] {
            assert_eq!(open(&base64, ciphertext).unwrap(), DETAIL);
            assert_eq!(open(&base64, ciphertext.trim_end_matches('=')).unwrap(), DETAIL);
        }
    }

    #[test]
    fn the_vendors_list_goes_inside_and_paging_where_it_is_wanted() {
        let paged = [
            ("start_date", "2025-01-01"),
            ("end_date", "2025-01-31"),
            ("count", "50"),
            ("nextpage_id", "x\"y"),
            ("nextpage_date", "d"),
        ];
        let days = r#""start_date":"2025-01-01","end_date":"2025-01-31""#;
        let paging = r#""count":"50","nextpage_id":"x\"y","nextpage_date":"d""#;
        let clear = "count=50&nextpage_id=x\"y&nextpage_date=d";
        for (place, expected) in [
            (EncryptedPaging::Clear, format!("{clear}&data={{{days}}}")),
            (EncryptedPaging::Inside, format!("data={{{days},{paging}}}")),
            (EncryptedPaging::Both, format!("{clear}&data={{{days},{paging}}}")),
        ] {
            let encryption = Encryption { text_form: TextForm::Base64, paging: place };
            let cipher = Cipher::new(&KEY.into(), encryption).unwrap();
            assert_eq!(query(&cipher, &paged), expected);
        }
        let cipher = cipher_of(KEY, TextForm::Hex);
        let detail = cipher.seal(vec![("submission_id", "abc123".to_owned())]).unwrap();
        assert_eq!(detail, [(SEALED, DETAIL_HEX.to_owned())]);
        let by_email = query(&cipher, &[("email", "a@b.example"), ("count", "50")]);
        assert_eq!(by_email, r#"count=50&data={"email":"a@b.example"}"#);
        let by_user = query(&cipher, &[("userid", "u"), ("count", "50")]);
        assert_eq!(by_user, "userid=u&count=50", "the vendor's list lacks the user id");
    }

    #[test]
    fn malformed_ciphertexts_are_refused() {
        let cipher = cipher_of(KEY, TextForm::Base64);
        let altered = DETAIL_HEX.replace("e7", "e8");
        for (ciphertext, why) in [
            ("", Undecipherable::Length),
            ("AAqikbbTbrPx8yYWAZs=", Undecipherable::Length),
            ("AAqikbbTbrPx8yYWAZsutAA=", Undecipherable::Length),
            // Hexadecimal digits, but not whole blocks, so they are read as base64.
            ("44f92449d342d4ee", Undecipherable::Length),
            ("AAqikbbTbrPx8yYWAZsut", Undecipherable::TextForm),
            ("AAqikbbT brPx8yYWAZsutA==", Undecipherable::TextForm),
            ("+-/_", Undecipherable::TextForm),
            ("\u{fc}", Undecipherable::TextForm),
            (altered.as_str(), Undecipherable::Padding),
        ] {
            assert_eq!(open(&cipher, ciphertext), Err(why), "{ciphertext}");
        }
        for no_text in ["null", "1", "true", "[]", "{}", "\"cut", ""] {
            assert_eq!(cipher.open(no_text.as_bytes()), Err(Undecipherable::NoText), "{no_text}");
        }
        for length in 1..DETAIL_HEX.len() {
            let cut = DETAIL_HEX.get(..length).unwrap();
            assert!(open(&cipher, cut).is_err(), "{cut}");
        }
    }

    #[test]
    fn another_key_never_reads_the_text() {
        for number in 0..1000 {
            let other = cipher_of(&format!("{KEY}{number}"), TextForm::Base64);
            // One wrong key in 256 yields valid padding by chance, but never JSON.
            let opened = open(&other, DAYS_BASE64);
            assert!(opened.is_err() || json::parse(&json::text(&opened.unwrap())).is_err());
        }
    }

    #[test]
    fn neither_key_nor_hash_is_shown() {
        let shown = format!("{:?}", cipher_of(KEY, TextForm::Hex)).to_lowercase();
        assert!(!shown.contains("example") && !shown.contains(KEY_HASH), "{shown}");
        assert_eq!(TextForm::Hex.encode(digest(&SHA256, KEY.as_bytes()).as_ref()), KEY_HASH);
    }
}
