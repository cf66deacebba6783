//! Values that are one of a few words.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    client::{EncryptedPaging, TextForm},
    warehouse::{DetailMode, Keep, RawStorage},
};

/// Whether a run or `fetch` may migrate the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// They migrate it.
    Auto,
    /// They fail until `argos-sync migrate` has been run.
    Check,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProjectKind {
    IdCheck,
    FaceAuth,
}

/// A type whose values are written as words.
pub(super) trait Word: Copy + 'static {
    /// Every word with its value.
    const WORDS: &'static [(&'static str, Self)];
}

/// Reads a word.
pub(super) fn word<'de, D: Deserializer<'de>, T: Word>(from: D) -> Result<T, D::Error> {
    of(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// Reads the word of a key that has no default.
pub(super) fn optional_word<'de, D: Deserializer<'de>, T: Word>(
    from: D,
) -> Result<Option<T>, D::Error> {
    word(from).map(Some)
}

/// Finds the value of a word. The error does not repeat an unknown word, which may be a misplaced
/// secret.
pub(super) fn of<T: Word>(text: &str) -> Result<T, String> {
    let found = T::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("must be {}", words.join(" or "))
    })
}

impl Word for Keep {
    const WORDS: &'static [(&'static str, Self)] =
        &[("facts", Self::Facts), ("everything", Self::Everything), ("nothing", Self::Nothing)];
}

impl Word for DetailMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("on_change", Self::OnChange), ("always", Self::Always), ("never", Self::Never)];
}

impl Word for RawStorage {
    const WORDS: &'static [(&'static str, Self)] = &[("zstd", Self::Zstd), ("none", Self::None)];
}

impl Word for Migrate {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("check", Self::Check)];
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Word for ProjectKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("idcheck", Self::IdCheck), ("faceauth", Self::FaceAuth)];
}

/// The encoding of encrypted parameters; `None` if the project does not encrypt.
impl Word for Option<TextForm> {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", None), ("base64", Some(TextForm::Base64)), ("hex", Some(TextForm::Hex))];
}

impl Word for EncryptedPaging {
    const WORDS: &'static [(&'static str, Self)] =
        &[("clear", Self::Clear), ("inside", Self::Inside), ("both", Self::Both)];
}
