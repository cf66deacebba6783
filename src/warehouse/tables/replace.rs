//! Composes, from the catalogue, the statements that replace the rows of known records.
//!
//! One statement updates changed rows by `ctid`, inserts new ones, deletes surplus ones and records
//! history. Each row is looked up by its key; unchanged rows are neither locked nor written to WAL.
//! The caller holds the locks of the records, so that no other writer changes their rows.

use super::{
    columns::{
        arrived, given_columns, given_such, insert_into, is_large, is_parent, key_parts, looked_up,
        plain_columns, same,
    },
    history,
};
use crate::{
    normalize::catalogue::{Column, Key, Table},
    warehouse::postgres::sql::{CHANGE_NUMBER, list, unnest},
};

/// Composes the statement of a table. It returns the ids of the records with a row that was written
/// or deleted.
///
/// `$1` is the project; the other parameters depend on the key.
///
/// - One row for each record: [`heads`] for each record, then the columns, which are all null if
///   the record has no row.
/// - Many rows for each record: the ids of the records; then the key and the columns of each row;
///   with `ordinal` keys, also the number of rows of each record.
/// - Sets: the key and the columns of each row.
pub(super) fn compose(table: &Table) -> String {
    match table.key {
        Key::Record => compose_one(table),
        Key::Ordinal | Key::Columns(_) => compose_many(table),
        Key::Set => compose_set(table),
    }
}

/// A statement that updates existing rows of a table, and the columns that it sets.
pub(super) struct UpdateStatement {
    pub(super) sql: &'static str,
    pub(super) sets: fn(&Column) -> bool,
}

/// The statements that update existing rows of a table.
pub(super) struct Changes {
    /// Sets all columns.
    pub(super) whole: UpdateStatement,
    /// Leaves large columns unchanged.
    pub(super) small: UpdateStatement,
}

/// Composes the statements that update existing rows of a table. `None` if rows consist only of
/// their key, or if the table contains when its records changed.
///
/// `$1` is the project; the key and the columns to set follow for each row.
pub(super) fn compose_changes(table: &Table) -> Option<Changes> {
    if table.key == Key::Set || is_parent(table) || plain_columns(table).is_empty() {
        return None;
    }
    let all: fn(&Column) -> bool = |_| true;
    let is_small: fn(&Column) -> bool = |column| !is_large(column);
    let small = if plain_columns(table).iter().any(is_small) { is_small } else { all };
    let change = |sets| UpdateStatement { sql: compose_change(table, sets).leak(), sets };
    Some(Changes { whole: change(all), small: change(small) })
}

fn compose_change(table: &Table, sets: fn(&Column) -> bool) -> String {
    let set = plain_columns(table).iter().filter(|column| sets(column));
    format!(
        "update {name} as own set {set}\nfrom {given}\ncross join {stored}\n\
         where own.ctid = stored.place",
        name = table.qualified(),
        set = assign(set, "given"),
        given = side_by_side(2, &given_such(table, sets)),
        stored = looked_up(table, "own.ctid as place", &same(&key_parts(table), "given"), "stored"),
    )
}

/// Leading parameters of a table with one row per record, in order: the record's id, whether it has
/// a row, and whether it changed in another table. If history is recorded, these follow: the lane
/// (null for no history), whether this observation completes the record, and whether the record is
/// or was deleted.
pub(super) fn heads(table: &Table) -> Vec<(&'static str, &'static str)> {
    let mut heads = vec![(table.id_column(), "text"), ("is_there", "boolean")];
    if is_parent(table) {
        heads.push(("is_touched", "boolean"));
    }
    if history::keeps_moves(table) {
        heads.extend([("lane", "text"), ("completes", "boolean"), ("deletion", "boolean")]);
    }
    heads
}

fn compose_one(table: &Table) -> String {
    let mut given = heads(table);
    given.extend(given_columns(table).into_iter().skip(key_parts(table).len()));
    let (before, changed) = history::compose_changes(table).unzip();
    let touched = if is_parent(table) { "given.is_touched or " } else { "" };
    let differs = format!(
        "given.is_there <> (stored.place is not null)\nor given.is_there and ({touched}{})",
        differs(table).unwrap_or_else(|| "false".to_owned()),
    );
    let mut parts = vec![
        differing(table, &side_by_side(2, &given), &before.unwrap_or_default(), &differs),
        update(table, " and differing.is_there"),
        insert(table, " and differing.is_there"),
        format!(
            "gone as (\ndelete from {table} as own using differing\n\
             where own.ctid = differing.place and not differing.is_there\nreturning own.{id})",
            table = table.qualified(),
            id = table.id_column(),
        ),
    ];
    parts.extend(changed.map(|changed| format!("changed as (\n{changed})")));
    told(table, &parts, &["updated", "inserted", "gone"])
}

fn compose_many(table: &Table) -> String {
    let given = given_columns(table);
    let differs = differs(table).map_or_else(String::new, |differs| format!(" or {differs}"));
    let differs = format!("stored.place is null{differs}");
    let mut parts = vec![differing(table, &side_by_side(3, &given), "", &differs)];
    let mut names = Vec::new();
    if !plain_columns(table).is_empty() {
        parts.push(update(table, ""));
        names.push("updated");
    }
    parts.push(insert(table, ""));
    parts.push(format!("gone as (\n{}\nreturning stored.{})", remove(table), table.id_column()));
    names.extend(["inserted", "gone"]);
    told(table, &parts, &names)
}

/// Writes in key order, so that writers cannot deadlock: no lock on a record protects the sets.
fn compose_set(table: &Table) -> String {
    let key = key_parts(table);
    let keys = list(&key, |(name, _)| (*name).to_owned());
    format!(
        "{insert}\nfrom {given}\nleft join {stored} on true\nwhere stored.place is null\n\
         order by {keys}\n\
         on conflict (project, {keys}) do nothing\nreturning null::text",
        insert = insert_into(table, |_, (name, _)| format!("given.{name}")),
        given = unnest("given", 2, &given_columns(table)),
        stored = looked_up(table, "own.ctid as place", &same(&key, "given"), "stored"),
    )
}

/// The given rows that differ from the stored ones, with the `ctid` of the stored row.
fn differing(table: &Table, given: &str, before: &str, differs: &str) -> String {
    let stored =
        looked_up(table, "own.ctid as place, own.*", &same(&key_parts(table), "given"), "stored");
    format!(
        "differing as materialized (\nselect given.*, stored.place{before}\nfrom {given}\n\
         left join {stored} on true\nwhere {differs})"
    )
}

/// A condition that is true if any given column differs from the stored one. `None` if all columns
/// are part of the key. It is a `case` expression so that the planner skips the statistics of each
/// column.
pub(super) fn differs(table: &Table) -> Option<String> {
    let plain = plain_columns(table);
    (!plain.is_empty()).then(|| {
        format!(
            "case when ({}) is distinct from ({}) then true else false end",
            list(plain, |column| format!("stored.{}", column.name)),
            list(plain, |column| arrived(column, &format!("given.{}", column.name))),
        )
    })
}

fn update(table: &Table, condition: &str) -> String {
    let changed = if is_parent(table) {
        format!(", changed_at = argos_sync.clock(), change_number = {CHANGE_NUMBER}")
    } else {
        String::new()
    };
    format!(
        "updated as (\nupdate {name} as own set {set}{changed}\nfrom differing\n\
         where own.ctid = differing.place{condition}\nreturning own.{id})",
        name = table.qualified(),
        set = assign(plain_columns(table), "differing"),
        id = table.id_column(),
    )
}

/// Assigns each of these columns its value in `given`.
fn assign<'a>(columns: impl IntoIterator<Item = &'a Column>, given: &str) -> String {
    list(columns, |column| {
        let value = arrived(column, &format!("{given}.{}", column.name));
        format!("{} = {value}", column.name)
    })
}

fn insert(table: &Table, condition: &str) -> String {
    format!(
        "inserted as (\n{insert}\nfrom differing where differing.place is null{condition}\n\
         returning {id})",
        insert = insert_into(table, |_, (name, _)| format!("differing.{name}")),
        id = table.id_column(),
    )
}

/// Deletes the rows that the records no longer have.
fn remove(table: &Table) -> String {
    format!(
        "delete from {table} as stored using {surplus}\nwhere stored.ctid = surplus.place",
        table = table.qualified(),
        surplus = surplus(table),
    )
}

/// A `from` clause for the rows of the `known` records that are not among the given ones, with
/// their `ctid` as `place`.
pub(super) fn surplus(table: &Table) -> String {
    let of_record = format!("own.{} = known.id", table.id_column());
    let (known, condition) = if table.key == Key::Ordinal {
        let counts = 3 + given_columns(table).len();
        let known = format!("unnest($2::text[], ${counts}::integer[]) as known (id, rows)");
        (known, format!("{of_record} and own.ordinal > known.rows"))
    } else {
        let key = key_parts(table);
        let kept = unnest("kept", 3, &key);
        let condition =
            format!("{of_record} and not exists (select from {kept} where {})", same(&key, "kept"));
        (unnest("known", 2, &[("id", "text")]), condition)
    };
    let rows = looked_up(table, "own.ctid as place", &condition, "surplus");
    format!("{known}\ncross join {rows}")
}

/// The given rows, with parameters numbered from `first`. `unnest` is in the select list, which
/// takes the arrays apart row by row. In `from`, PostgreSQL would first materialize the rows.
pub(super) fn side_by_side(first: usize, columns: &[(&str, &str)]) -> String {
    let values = list(columns.iter().enumerate(), |(index, (name, kind))| {
        format!("unnest(${}::{kind}[]) as {name}", first + index)
    });
    format!("(select {values}) as given")
}

fn told(table: &Table, parts: &[String], names: &[&str]) -> String {
    let ids: Vec<_> =
        names.iter().map(|name| format!("select {} from {name}", table.id_column())).collect();
    format!("with {}\n{}", parts.join(",\n"), ids.join(" union all "))
}
