//! Errors of Secure Data Transmission. All of them are configuration errors, so a retry never
//! helps.

/// The project and its configuration disagree about encryption (contract U23) or about the key.
///
/// An answer with such an error is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// Configured without encryption, but the answer is encrypted.
    #[error(
        "the vendor encrypts its responses (Secure Data Transmission), but this project is \
         configured without encryption"
    )]
    AnswerEncrypted,
    /// The vendor reports failed decryption of a request that was sent in the clear.
    #[error(
        "the vendor requires encrypted requests (Secure Data Transmission), but this project sends \
         plain ones"
    )]
    RequestPlain,
    /// Configured with encryption, but the answer is in the clear.
    #[error("this project is configured with encryption, but the vendor's responses are plain")]
    AnswerPlain,
    /// The vendor cannot decrypt the request.
    #[error("the vendor cannot decrypt the request")]
    RequestNotUnderstood,
    /// The answer cannot be decrypted.
    #[error("the response cannot be decrypted: {0}")]
    Undecipherable(#[from] Undecipherable),
    /// The cipher failed.
    #[error("the request could not be encrypted")]
    NotEncrypted,
}

/// The step of decryption that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecipherable {
    /// There is no ciphertext.
    #[error("its `data` is not a string")]
    NoText,
    /// A ciphertext where the contract names none.
    #[error("it has a ciphertext in an unknown place")]
    UnknownPlace,
    /// Neither hexadecimal nor base64.
    #[error("it is neither base64 nor hexadecimal")]
    TextForm,
    /// Not a whole number of cipher blocks.
    #[error("its length is not a multiple of the block size")]
    Length,
    /// The padding of the last block is not valid.
    #[error("its padding is invalid")]
    Padding,
    /// The decrypted text is not JSON, so the vendor did not send it.
    #[error("the plaintext is not valid JSON")]
    NotJson,
}

impl EncryptionError {
    /// What the operator should check, in one sentence.
    pub(in crate::client) fn advice(self) -> &'static str {
        match self {
            Self::AnswerEncrypted => {
                "set `encryption` of this project to \"base64\" (or \"hex\"), or turn Secure Data \
                 Transmission off in the vendor's dashboard"
            }
            Self::RequestPlain => {
                "set `encryption` of this project to \"base64\" (or \"hex\"); requests for face \
                 authentications are always plain, so turn Secure Data Transmission off for them \
                 in the vendor's dashboard"
            }
            Self::AnswerPlain => {
                "set `encryption` of this project to \"none\", or turn Secure Data Transmission on \
                 in the vendor's dashboard"
            }
            Self::RequestNotUnderstood => {
                "set `encryption` of this project to the other of \"base64\" and \"hex\", or to \
                 \"none\" if Secure Data Transmission is off in the vendor's dashboard; check that \
                 `api_key` is the project's current key"
            }
            Self::Undecipherable(_) => {
                "check that `api_key` is the project's current key, because it also decrypts the \
                 responses; if it is, the vendor uses an unknown form of encryption: report it"
            }
            Self::NotEncrypted => "report a bug: the program's cryptographic library failed",
        }
    }
}
