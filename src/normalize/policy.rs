//! Policies: the sets of settings used to judge records, with one row for each distinct set.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::{
    Cell, Note, Row,
    catalogue::{self, Key},
    hex, note, value,
};
use crate::{domain::Stream, json::Json};

/// The key and the row of a policy; `None` if there is no set.
///
/// `hidden` names a member that is left out of both. Values that cannot be read are noted.
pub(super) fn policy<'a>(
    stream: Stream,
    set: Option<&'a Json<'_>>,
    hidden: Option<&str>,
    notes: &mut Vec<Note>,
) -> Option<(String, Row<'a>)> {
    let set @ Json::Object(_) = set? else { return None };
    let table = catalogue::tables(stream).iter().find(|table| table.key == Key::Set)?;
    let id = policy_id(set, hidden);
    let cells = table.columns.iter().map(|column| {
        let key = column.path.rsplit('.').next().unwrap_or_default();
        match set.get(key) {
            _ if column.path.is_empty() => Cell::Text(Cow::Owned(id.clone())),
            Some(value) => value::read(column.kind, value).unwrap_or_else(|why| {
                note::keep(notes, column.path, why.into(), value.type_name());
                Cell::Null
            }),
            None => Cell::Null,
        }
    });
    let row = cells.collect();
    Some((id, row))
}

/// The first 16 bytes of the SHA-256 of the set in canonical form, in hex.
fn policy_id(set: &Json<'_>, hidden: Option<&str>) -> String {
    let mut canonical = String::with_capacity(1024);
    set.write_without(hidden, &mut canonical);
    hex(Sha256::digest(canonical.as_bytes()).iter().copied().take(16))
}
