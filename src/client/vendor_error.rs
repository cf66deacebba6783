//! Bodies of unsuccessful answers: many shapes, reduced to one code and one message (contract
//! section 9.1).

use std::fmt;

use bytes::Bytes;

use super::{
    encryption::{Cipher, EncryptionError, SEALED, Undecipherable},
    envelope,
    redaction::Redaction,
    vocabulary::known_words,
};
use crate::json::{self, Json};

/// The vendor's reason for a refusal, without secrets and without the person that the call is
/// about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VendorRefusal {
    /// The vendor's code, which may be a whole sentence.
    pub code: Option<String>,
    /// The vendor's message.
    pub message: Option<String>,
}

/// Why a key does not open a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The key is missing, wrong, or of another API.
    KeyRefused,
    /// The key is valid, but this machine's address is not on the project's allowlist.
    AddressRefused,
    /// No project belongs to the key. For face authentications this has status 400 (contract
    /// section 9.7).
    NoSuchProject,
}

/// The subject of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalMeaning {
    /// The key or its project, not the request.
    Denied(Denial),
    /// Encryption: it is missing where required, or the vendor cannot decrypt the request (contract
    /// section 10).
    Encrypted,
    /// The format of a window's days (contract U4).
    DateStyle,
    /// The vendor has no record with the requested id.
    UnknownId,
    /// Another property of the request.
    Request,
}

impl VendorRefusal {
    /// Reads the body of an answer, which may be a ciphertext if answers are encrypted (contract
    /// U20).
    ///
    /// Text in the clear is never lost to an error about the rest.
    pub(super) fn open(body: &Bytes, cipher: Option<&Cipher>) -> Result<Self, EncryptionError> {
        let plain = Self::read(body);
        let Ok(Some(data)) = envelope::sealed(body) else { return Ok(plain) };
        let opened = match cipher {
            None => Err(EncryptionError::AnswerEncrypted),
            Some(cipher) => cipher.open(&data).map_err(EncryptionError::from),
        };
        match opened {
            Ok(text) if json::parse(&json::text(&text)).is_ok() => Ok(Self::read(&text)),
            _ if plain != Self::default() => Ok(plain),
            Ok(_) => Err(Undecipherable::NotJson.into()),
            Err(error) => Err(error),
        }
    }

    /// Reads the body of an answer. A body that is not a JSON object has neither code nor message.
    ///
    /// Not yet safe to show: see [`VendorRefusal::cleaned`].
    fn read(body: &[u8]) -> Self {
        let text = json::text(body);
        let Ok(body) = json::parse(&text) else { return Self::default() };
        let pick = |names: &[&str]| names.iter().find_map(|name| shown(member(&body.value, name)?));
        let code = pick(&["errorCode", "code", "error"]);
        let message = pick(&["message", "errorMessage"]).or_else(|| {
            let Json::Array(errors) = member(&body.value, "errors")? else { return None };
            shown(member(errors.first()?, "message")?)
        });
        Self { code, message }
    }

    /// The same text without secrets and without the id or person of the call, and with blanks for
    /// all words outside the vocabulary.
    ///
    /// Applied after [`VendorRefusal::meaning`], because an id may look like part of a code.
    pub(super) fn cleaned(self, redaction: &Redaction<'_>) -> Self {
        let clean = |text: String| known_words(&redaction.clean(&text));
        Self { code: self.code.map(clean), message: self.message.map(clean) }
    }

    /// The subject of the refusal, given its status.
    ///
    /// An unknown id is recognized narrowly. It counts as an absence, which is evidence for a
    /// deletion (I7), so no other refusal may be mistaken for it.
    pub(super) fn meaning(&self, status: u16) -> RefusalMeaning {
        match status {
            403 if self.mentions("explicit deny") => RefusalMeaning::Denied(Denial::AddressRefused),
            401 | 403 => RefusalMeaning::Denied(Denial::KeyRefused),
            400 if self.mentions("decryption is failed") || self.names_the_ciphertext() => {
                RefusalMeaning::Encrypted
            }
            400 if self.knows_no_project() => RefusalMeaning::Denied(Denial::NoSuchProject),
            400 if self.may_mean_a_date() => RefusalMeaning::DateStyle,
            400 if self.knows_no_such_id() => RefusalMeaning::UnknownId,
            _ => RefusalMeaning::Request,
        }
    }

    /// A vendor without encrypted requests refuses their parameter by its name.
    fn names_the_ciphertext(&self) -> bool {
        let is_refusal = self.says("invalid_parameter", "invalid parameter")
            || self.says("invalid_format", "invalid format");
        let texts = [&self.code, &self.message];
        is_refusal && texts.into_iter().flatten().any(|text| has_word(text, SEALED))
    }

    fn knows_no_project(&self) -> bool {
        self.says("invalid_project", "project not found")
            || self.mentions("project is not found")
            || self.mentions("not exist project")
    }

    fn may_mean_a_date(&self) -> bool {
        let names = ["start_date", "end_date", "startdate", "enddate"];
        if self.message.is_none() && self.is_code("invalid_format") {
            // The parameter is unknown; trying the other date style costs one call.
            return true;
        }
        self.says("invalid_format", "invalid format")
            && names.iter().any(|name| self.mentions(name))
    }

    fn knows_no_such_id(&self) -> bool {
        self.says("NOT_FOUND", "cannot find submission")
            || self.says("invalid_submission", "not exist submission")
            || self.says("submission_not_found", "invalid submission id")
    }

    fn says(&self, code: &str, text: &str) -> bool {
        self.is_code(code) || self.mentions(text)
    }

    fn is_code(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(code))
    }

    /// Searches both, since a code may be a sentence.
    fn mentions(&self, text: &str) -> bool {
        [&self.code, &self.message]
            .into_iter()
            .flatten()
            .any(|found| found.to_ascii_lowercase().contains(text))
    }
}

impl fmt::Display for VendorRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "`{code}`: {message}"),
            (Some(text), None) | (None, Some(text)) => write!(f, "`{text}`"),
            (None, None) => f.write_str("no reason given"),
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.split(|char| !is_part(char)).any(|found| found.eq_ignore_ascii_case(word))
}

/// Ignores case, because gateways write `Message` and applications write `message`.
fn member<'j>(value: &'j Json<'_>, name: &str) -> Option<&'j Json<'j>> {
    let Json::Object(members) = value else { return None };
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn shown(value: &Json<'_>) -> Option<String> {
    match value {
        Json::Text(text) if !text.trim().is_empty() => Some(text.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Text(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> VendorRefusal {
        VendorRefusal::read(body.as_bytes())
    }

    #[test]
    fn every_shape_gives_its_code_and_message() {
        let cases = [
            (
                r#"{"traceId":"1-2","errorCode":"NOT_FOUND","message":"faceAuth_project not found"}"#,
                "`NOT_FOUND`: faceAuth_project not found",
            ),
            (r#"{"errorCode":"required key is missing"}"#, "`required key is missing`"),
            (
                r#"{"message":"not Exist Submission ID","statusCode":400}"#,
                "`not Exist Submission ID`",
            ),
            (
                r#"{"errorCode":"EXPIRED","errorMessage":"token expired"}"#,
                "`EXPIRED`: token expired",
            ),
            (
                r#"{"code":"invalid_format","message":"invalid format: end_date"}"#,
                "`invalid_format`: invalid format: end_date",
            ),
            (r#"{"message":"Forbidden"}"#, "`Forbidden`"),
            (r#"{"Message":"User is not authorized"}"#, "`User is not authorized`"),
            (r#"{"errors":[{"message":"first"},{"message":"second"}]}"#, "`first`"),
            (r#"{"error":400,"message":""}"#, "`400`"),
            ("\u{feff}{\"message\":\"with a mark\"}", "`with a mark`"),
            ("<html>Bad Gateway</html>", "no reason given"),
            ("[]", "no reason given"),
            ("", "no reason given"),
            (r#"{"message":"cut sh"#, "no reason given"),
        ];
        for (body, shown) in cases {
            assert_eq!(read(body).to_string(), shown, "{body}");
        }
    }

    #[test]
    fn what_is_shown_names_nobody() {
        let refusal = read(r#"{"code":"x y","message":"no ADA@example.com"}"#);
        let cleaned = refusal.cleaned(&Redaction::new(["ada@example.com", "x"]));
        assert_eq!(cleaned.to_string(), "`‹…›`: no ‹…›");
    }

    #[test]
    fn each_refusal_has_its_meaning() {
        let address =
            r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;
        for (status, body, meaning) in [
            (400, r#"{"message":"invalid format: start_date"}"#, RefusalMeaning::DateStyle),
            (400, r#"{"code":"invalid_format","message":"endDate"}"#, RefusalMeaning::DateStyle),
            (400, r#"{"errorCode":"invalid_format"}"#, RefusalMeaning::DateStyle),
            (400, r#"{"code":"invalid_format","message":"count"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"invalid format: nextpage_date"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"invalid format: count"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"invalid parameter: start_date"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"invalid parameter: data_x"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"no data"}"#, RefusalMeaning::Request),
            (400, r#"{"message":"invalid parameter: data"}"#, RefusalMeaning::Encrypted),
            (400, r#"{"code":"invalid_format","message":"`data`"}"#, RefusalMeaning::Encrypted),
            (
                400,
                r#"{"errorCode":"NOT_FOUND","message":"no such record"}"#,
                RefusalMeaning::UnknownId,
            ),
            (400, r#"{"message":"not Exist Submission ID"}"#, RefusalMeaning::UnknownId),
            (400, r#"{"message":"Not Found"}"#, RefusalMeaning::Request),
            (404, r#"{"errorCode":"NOT_FOUND"}"#, RefusalMeaning::Request),
            (400, "", RefusalMeaning::Request),
            (
                400,
                r#"{"errorCode":"NOT_FOUND","message":"faceAuth_project not found"}"#,
                RefusalMeaning::Denied(Denial::NoSuchProject),
            ),
            (
                400,
                r#"{"errorCode":"invalid_project"}"#,
                RefusalMeaning::Denied(Denial::NoSuchProject),
            ),
            (
                400,
                r#"{"errorCode":"Decryption is Failed. Please check the api-key."}"#,
                RefusalMeaning::Encrypted,
            ),
            (403, r#"{"message":"Forbidden"}"#, RefusalMeaning::Denied(Denial::KeyRefused)),
            (403, address, RefusalMeaning::Denied(Denial::AddressRefused)),
        ] {
            assert_eq!(read(body).meaning(status), meaning, "{status} {body}");
        }
    }
}
