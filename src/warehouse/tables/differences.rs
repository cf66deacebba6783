//! Composes statements that compare the expected rows of records with the stored rows and rewrite
//! the differences.
//!
//! They are composed from the catalogue and take the same parameters as the statements that replace
//! rows.

use super::{
    columns::{given_columns, insert_into, key_parts, looked_up, plain_columns, same},
    replace::{differs, heads, side_by_side, surplus},
};
use crate::{
    normalize::catalogue::{Key, Table},
    warehouse::postgres::sql::{list, unnest},
};

/// Composes the statement that returns the ids of records whose stored rows are changed, missing or
/// surplus. For a table of sets it returns the keys of the sets that are changed or missing.
pub(super) fn compose(table: &Table) -> String {
    let differs = differs(table).unwrap_or_else(|| "false".to_owned());
    let key = key_parts(table);
    let stored = looked_up(table, "own.ctid as place, own.*", &same(&key, "given"), "stored");
    match table.key {
        Key::Record => {
            let mut given = heads(table);
            given.extend(given_columns(table).into_iter().skip(key.len()));
            format!(
                "select given.{id} from {given}\nleft join {stored} on true\n\
                 where given.is_there <> (stored.place is not null) or given.is_there
                     and {differs}",
                id = table.id_column(),
                given = side_by_side(2, &given),
            )
        }
        Key::Ordinal | Key::Columns(_) => format!(
            "select given.{id} from {given}\nleft join {stored} on true\n\
             where stored.place is null or {differs}\nunion all\nselect known.id from {surplus}",
            id = table.id_column(),
            given = side_by_side(3, &given_columns(table)),
            surplus = surplus(table),
        ),
        Key::Set => format!(
            "select given.{key} from {given}\nleft join {stored} on true\n\
             where stored.place is null or {differs}",
            key = list(&key, |(name, _)| (*name).to_owned()),
            given = unnest("given", 2, &given_columns(table)),
        ),
    }
}

/// Composes the statement that rewrites changed or missing sets and returns their keys. `None` for
/// other tables, which are replaced record by record.
///
/// Sets are written in key order, like in all writers.
pub(super) fn compose_rewrite(table: &Table) -> Option<&'static str> {
    if table.key != Key::Set {
        return None;
    }
    let key = key_parts(table);
    let keys = list(&key, |(name, _)| (*name).to_owned());
    let differs = differs(table).unwrap_or_else(|| "false".to_owned());
    let sql = format!(
        "{insert}\nfrom {given}\nleft join {stored} on true\n\
         where stored.place is null or {differs}\norder by given.{keys}\n\
         on conflict (project, {keys}) do update set {set}\nreturning {keys}",
        insert = insert_into(table, |_, (name, _)| format!("given.{name}")),
        given = unnest("given", 2, &given_columns(table)),
        stored = looked_up(table, "own.ctid as place, own.*", &same(&key, "given"), "stored"),
        set = list(plain_columns(table), |column| format!("{0} = excluded.{0}", column.name)),
    );
    Some(sql.leak())
}
