//! Secure Data Transmission on the vendor's side (contract section 10).
//!
//! Implemented independently of the client, with manual padding, so that a misunderstanding on one
//! side shows on the other.

use std::collections::BTreeMap;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::request::{invalid_format, missing};
use crate::simulator::knobs::{CiphertextForm, Knobs, ModeMismatch, PagingPlace};
use crate::simulator::render::writer::JsonWriter;

/// The parameters of a call, as in a query.
pub(in crate::simulator) type Pairs = Vec<(String, String)>;

/// The vendor's list of parameters that may be encrypted in a query.
const ENCRYPTABLE: [&str; 4] = ["email", "start_date", "end_date", "submission_id"];
/// Parameters that lists need although the vendor's list omits them.
const PAGING: [&str; 3] = ["count", "nextpage_id", "nextpage_date"];

const BLOCK: usize = 16;

/// The effective parameters of a query that may contain a ciphertext under this key.
pub(in crate::simulator) fn opened(
    knobs: &Knobs,
    key: &str,
    pairs: &[(String, String)],
) -> Result<Pairs, Answer> {
    let mut clear = pairs.to_vec();
    let data = clear.iter().position(|(name, _)| name == "data");
    let overlooks = knobs.mode_mismatch == ModeMismatch::Overlooked;
    let is_encryptable = |name: &str| ENCRYPTABLE.contains(&name);
    if knobs.encryption == CiphertextForm::None {
        // Without the mode this is an ordinary unknown parameter.
        clear.retain(|(name, _)| !overlooks || name != "data");
        return Ok(clear);
    }
    if clear.iter().any(|(name, _)| is_encryptable(name)) && !overlooks {
        return Err(decryption_failed(knobs));
    }
    let Some(data) = data else { return Ok(clear) };
    let (_, ciphertext) = clear.remove(data);
    let mut inside =
        parameters(knobs.encryption, key, &ciphertext).ok_or_else(|| decryption_failed(knobs))?;
    if let Some(name) = inside.keys().find(|name| !is_encryptable(name) && !is_paging(name)) {
        let message = format!("invalid parameter: {name}");
        return Err(Answer::refused(knobs, "invalid_parameter", &message));
    }
    match knobs.encrypted_paging {
        PagingPlace::Clear => inside.retain(|name, _| !is_paging(name)),
        PagingPlace::Inside => clear.retain(|(name, _)| !is_paging(name)),
        PagingPlace::Both => {
            for name in PAGING {
                let twin = clear.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                match (twin, inside.remove(name)) {
                    (None, None) => {}
                    (Some(twin), Some(value)) if *twin == value => {}
                    (Some(_), Some(_)) => return Err(invalid_format(knobs, name)),
                    (Some(_), None) | (None, Some(_)) => return Err(missing(knobs, name)),
                }
            }
        }
    }
    clear.extend(inside);
    Ok(clear)
}

/// The final answer: encrypted under this key if the knobs require it.
pub(super) fn sealed(
    knobs: &Knobs,
    key: &str,
    answer: Result<Answer, Answer>,
) -> Result<Answer, Answer> {
    let seal = |answer: Answer| {
        let body = envelope(knobs.encryption, key, answer.body);
        body.map(|body| Answer { body, ..answer })
            .ok_or_else(|| Answer::gateway_fault(StatusCode::INTERNAL_SERVER_ERROR))
    };
    match answer {
        _ if knobs.encryption == CiphertextForm::None => answer,
        Ok(answer) => seal(answer),
        // Gateways have no keys.
        Err(refused) if knobs.encrypted_errors && refused.status == StatusCode::BAD_REQUEST => {
            Err(seal(refused).unwrap_or_else(|fault| fault))
        }
        Err(refused) => Err(refused),
    }
}

/// The answer of PATCH to ciphertexts that it cannot decrypt (contract section 9.3). Other calls
/// probably answer the same.
fn decryption_failed(knobs: &Knobs) -> Answer {
    let sentence = "Decryption is Failed. Please check the api-key.";
    Answer::refused(knobs, sentence, sentence)
}

fn is_paging(name: &str) -> bool {
    PAGING.contains(&name)
}

/// The object in a ciphertext. Accepts exactly this format; numbers and texts are equivalent.
fn parameters(
    encryption: CiphertextForm,
    key: &str,
    ciphertext: &str,
) -> Option<BTreeMap<String, String>> {
    let bytes = match encryption {
        CiphertextForm::None => return None,
        CiphertextForm::Base64 => STANDARD.decode(ciphertext).ok()?,
        CiphertextForm::Hex => {
            let starts = (0..ciphertext.len()).step_by(2);
            let byte = |at| u8::from_str_radix(ciphertext.get(at..at + 2)?, 16).ok();
            starts.map(byte).collect::<Option<_>>()?
        }
    };
    let object: BTreeMap<String, Value> = serde_json::from_slice(&decrypted(key, bytes)?).ok()?;
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    object.into_iter().map(|(name, value)| Some((name, text(value)?))).collect()
}

fn envelope(encryption: CiphertextForm, key: &str, body: Vec<u8>) -> Option<Vec<u8>> {
    let bytes = encrypted(key, body)?;
    let ciphertext = match encryption {
        CiphertextForm::None => return None,
        CiphertextForm::Base64 => STANDARD.encode(&bytes),
        CiphertextForm::Hex => {
            let digits = bytes.iter().flat_map(|byte| [byte / 16, byte % 16]);
            digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
        }
    };
    let mut w = JsonWriter::with_capacity(ciphertext.len() + 64);
    w.object(|w| {
        w.pair("data", &ciphertext);
        w.key("isEncrypted").bool(true);
    });
    Some(w.into_bytes())
}

fn cipher_key(key: &str) -> Option<UnboundCipherKey> {
    UnboundCipherKey::new(&AES_256, &Sha256::digest(key)).ok()
}

fn encrypted(key: &str, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let padding = BLOCK - bytes.len() % BLOCK;
    bytes.resize(bytes.len() + padding, u8::try_from(padding).ok()?);
    let cipher = EncryptingKey::ecb(cipher_key(key)?).ok()?;
    cipher.encrypt(&mut bytes).ok()?;
    Some(bytes)
}

fn decrypted(key: &str, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let cipher = DecryptingKey::ecb(cipher_key(key)?).ok()?;
    cipher.decrypt(&mut bytes, DecryptionContext::None).ok()?;
    let padding = *bytes.last()?;
    let length = bytes.len().checked_sub(usize::from(padding))?;
    let tail = bytes.split_off(length);
    let is_padding = (1..=BLOCK).contains(&tail.len()) && tail.iter().all(|byte| *byte == padding);
    is_padding.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "EXAMPLE-API-KEY-0000000000000000000000000";

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn knobs(encryption: CiphertextForm, encrypted_paging: PagingPlace) -> Knobs {
        Knobs { encryption, encrypted_paging, ..Knobs::default() }
    }

    fn ciphertext(object: &str) -> String {
        STANDARD.encode(encrypted(KEY, object.into()).unwrap())
    }

    /// Contract section 10.1.
    #[test]
    fn the_worked_example_is_met() {
        let base64 = knobs(CiphertextForm::Base64, PagingPlace::Clear);
        let detail = pairs(&[("data", "RPkkSdNC1O73Ei+0LqAQEuB9fVWJBK7Pdj+klbWb3Oc=")]);
        let asked = pairs(&[("submission_id", "abc123")]);
        assert_eq!(opened(&base64, KEY, &detail), Ok(asked.clone()));
        let days = "zexGUCjMQrWql5jmdDTnAsYFY03bo9Au2wBkjukOd7bPQMr+ZDt2oyqxnNrWjbzqIPbeq0a2w+uXgqrZL3P7Ug==";
        let asked_days = pairs(&[("end_date", "2025-01-31"), ("start_date", "2025-01-01")]);
        assert_eq!(opened(&base64, KEY, &pairs(&[("data", days)])), Ok(asked_days));
        let answer = sealed(&base64, KEY, Ok(Answer::ok(br#"{"Items":[]}"#.to_vec()))).unwrap();
        assert_eq!(answer.body, br#"{"data":"AAqikbbTbrPx8yYWAZsutA==","isEncrypted":true}"#);

        let hex = knobs(CiphertextForm::Hex, PagingPlace::Clear);
        let text = "44f92449d342d4eef7122fb42ea01012e07d7d558904aecf763fa495b59bdce7";
        assert_eq!(opened(&hex, KEY, &pairs(&[("data", text)])), Ok(asked));
        assert_eq!(opened(&hex, KEY, &detail), Err(decryption_failed(&hex)));
        assert!(opened(&hex, "another key", &pairs(&[("data", text)])).is_err());
    }

    #[test]
    fn paging_is_looked_for_where_the_knob_says() {
        let inside = ciphertext(r#"{"email":"a","count":"20"}"#);
        let asked = pairs(&[("count", "10"), ("data", &inside)]);
        let count = |place| {
            let opened = opened(&knobs(CiphertextForm::Base64, place), KEY, &asked).ok()?;
            let counts = opened.into_iter().filter(|(name, _)| name == "count");
            Some(counts.map(|(_, count)| count).collect::<Vec<_>>())
        };
        assert_eq!(count(PagingPlace::Clear), Some(vec!["10".to_owned()]));
        assert_eq!(count(PagingPlace::Inside), Some(vec!["20".to_owned()]));
        assert_eq!(count(PagingPlace::Both), None);
    }

    #[test]
    fn only_the_vendors_list_is_encrypted() {
        let on = knobs(CiphertextForm::Base64, PagingPlace::Clear);
        let off = knobs(CiphertextForm::None, PagingPlace::Clear);
        let overlooking =
            |knobs: &Knobs| Knobs { mode_mismatch: ModeMismatch::Overlooked, ..knobs.clone() };
        let userid = ciphertext(r#"{"userid":"u"}"#);
        assert!(opened(&on, KEY, &pairs(&[("data", &userid)])).is_err());
        let plain = pairs(&[("userid", "u"), ("count", "1")]);
        assert_eq!(opened(&on, KEY, &plain), Ok(plain));
        let plain = pairs(&[("email", "a")]);
        assert_eq!(opened(&on, KEY, &plain), Err(decryption_failed(&on)));
        assert_eq!(opened(&overlooking(&on), KEY, &plain), Ok(plain));
        let encrypted = pairs(&[("count", "1"), ("data", &userid)]);
        assert_eq!(opened(&off, KEY, &encrypted), Ok(encrypted.clone()));
        assert_eq!(opened(&overlooking(&off), KEY, &encrypted), Ok(pairs(&[("count", "1")])));
    }
}
