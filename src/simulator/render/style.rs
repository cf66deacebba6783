//! How an item is written: its part and its call.

use super::writer::JsonWriter;
use crate::simulator::knobs::{HiddenFields, Knobs};

/// The requested part of an item (`request_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Part {
    All,
    Kyc,
    Aml,
    Data,
    Others,
}

/// How to write an item.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Style<'a> {
    pub(in crate::simulator) knobs: &'a Knobs,
    pub(in crate::simulator) part: Part,
    /// Whether to write everything that detail calls show, instead of what lists show.
    pub(in crate::simulator) full: bool,
    /// The call number, which changes the signatures of image addresses.
    pub(in crate::simulator) call: u64,
}

impl Style<'_> {
    /// Writes a member that a projection may hide.
    pub(super) fn hidable(
        self,
        w: &mut JsonWriter,
        key: &str,
        hidden: bool,
        value: impl FnOnce(&mut JsonWriter),
    ) {
        if !hidden {
            value(w.key(key));
        } else if self.knobs.hidden_fields == HiddenFields::Null {
            w.key(key).null();
        }
    }
}
