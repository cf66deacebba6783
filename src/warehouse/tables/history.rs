//! History: changes, recorded in `argos.submission_change` and `argos.faceauth_change`.
//!
//! PostgreSQL finds the changes by comparing the stored rows with the new ones. Personal values are
//! thus compared where they are stored, and only their column names are recorded. PostgreSQL
//! compares only if the stored raw items cannot prove that nothing changed. The records are locked,
//! so that the second of two writers finds nothing that the first has recorded.

use super::{
    batch::ColumnBatch,
    columns::{looked_up, sent_type},
    record_rows::{ChangeContext, RecordRows},
};
use crate::{
    domain::{Lane, ProjectName, Stream},
    normalize::catalogue::{self, Column, Table, Tracking, Type},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            sql::{CHANGE_NUMBER, list, unnest},
        },
        tx::Tx,
    },
};

use sqlx::{
    Arguments as _, AssertSqlSafe, PgConnection, error::BoxDynError, postgres::PgArguments,
};

/// Records the elements that were added to or removed from a table of set elements. Must run before
/// its rows are written.
pub(super) async fn record_elements(
    connection: &mut PgConnection,
    project: &ProjectName,
    table: &'static Table,
    statement: &'static str,
    records: &[&RecordRows<'_>],
) -> Result<(), WarehouseError> {
    let seen: Vec<_> =
        records.iter().filter_map(|record| Some((*record, record.change_context?))).collect();
    if seen.is_empty() {
        return Ok(());
    }
    let mut arguments = PgArguments::default();
    add_arguments(&mut arguments, project, table, &seen)
        .map_err(|_too_large| WarehouseError::Shape { doing: "sending rows to compare" })?;
    // The text is composed from the catalogue, which is part of the program. Values are parameters.
    sqlx::query_with(AssertSqlSafe(statement), arguments)
        .execute(connection)
        .await
        .map(drop)
        .doing("recording history")
}

fn add_arguments(
    arguments: &mut PgArguments,
    project: &ProjectName,
    table: &'static Table,
    seen: &[(&RecordRows<'_>, ChangeContext)],
) -> Result<(), BoxDynError> {
    arguments.add(project.as_str())?;
    arguments.add(seen.iter().map(|(record, _)| record.id.as_str()).collect::<Vec<_>>())?;
    arguments.add(
        seen.iter().map(|(_, change_context)| change_context.lane.as_str()).collect::<Vec<_>>(),
    )?;
    arguments
        .add(seen.iter().map(|(_, change_context)| change_context.completes).collect::<Vec<_>>())?;
    let mut rows = ColumnBatch::of(table);
    for (record, _) in seen {
        for row in record.normalized.rows.get(table.index).into_iter().flatten() {
            rows.add(&record.id, 1, row);
        }
    }
    rows.bind_ids(arguments)?;
    for (position, column) in table.columns.iter().enumerate() {
        if Tracking::of(table, column).is_some() {
            rows.bind_column(arguments, position)?;
        }
    }
    Ok(())
}

/// Binds the change context of each record, for the statement of a table whose history is recorded.
pub(super) fn bind_sights(
    arguments: &mut PgArguments,
    records: &[&RecordRows<'_>],
) -> Result<(), BoxDynError> {
    let sights: Vec<Option<ChangeContext>> =
        records.iter().map(|record| record.change_context).collect();
    let is = |flag: fn(&ChangeContext) -> bool| {
        sights.iter().map(move |change_context| change_context.as_ref().is_some_and(flag))
    };
    arguments.add(
        sights
            .iter()
            .map(|change_context| change_context.map(|it| it.lane.as_str()))
            .collect::<Vec<_>>(),
    )?;
    arguments.add(is(|change_context| change_context.completes).collect::<Vec<_>>())?;
    arguments.add(is(|change_context| change_context.deletion).collect::<Vec<_>>())
}

/// Records deletions, one row for each record.
pub(in crate::warehouse) async fn tell_deletions(
    tx: &mut Tx<'_>,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let sql = format!(
        "insert into {history} (project, {id}, field, new_value, changed_at, lane, change_number)
         select $1, given.id, 'deleted_at', {time}, $3, $4, {CHANGE_NUMBER}
         from unnest($2::text[]) as given (id) order by given.id",
        history = history(scope.stream),
        id = catalogue::id_column(scope.stream),
        time = time_as_text("$3"),
    );
    // The text is composed from the catalogue, which is part of the program. Values are parameters.
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .bind(now)
        .bind(Lane::Detail.as_str())
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("recording deletions")
}

/// Composes statements that remove the history of deleted records that is not kept. They clear the
/// values of columns that are not kept, or, with `takes_all`, delete all rows except those of
/// deletions. `$1` and `$2` are the project and the ids.
pub(in crate::warehouse) fn compose_forget(
    stream: Stream,
    is_kept: impl Fn(&Table, &Column) -> bool,
    takes_all: bool,
) -> Vec<String> {
    let (history, id) = (history(stream), catalogue::id_column(stream));
    let place = |condition: &str| {
        format!(
            "from unnest($2::text[]) as given (id)
             cross join lateral (
                select ctid as place from {history}
                where project = $1 and {id} = given.id and {condition} offset 0
             ) as found"
        )
    };
    if takes_all {
        let rows = place("field <> 'deleted_at'");
        return vec![format!(
            "delete from {history} as stored using (select place {rows}) as found \
             where stored.ctid = found.place"
        )];
    }
    let tables = catalogue::tables(stream).iter();
    let forgotten = tables.flat_map(|table| {
        tracked(table)
            .filter(|(column, tracking)| *tracking != Tracking::Name && !is_kept(table, column))
            .map(|(column, tracking)| tracking.field(table, column))
    });
    let statement = |field: String| {
        let rows = place(&format!("field = '{field}'"));
        format!(
            "update {history} as stored
             set old_value = null, new_value = null, change_number = {CHANGE_NUMBER}
             from (select place {rows}) as found where stored.ctid = found.place"
        )
    };
    forgotten.map(statement).collect()
}

/// Whether changes of this table's columns are recorded.
pub(super) fn keeps_moves(table: &Table) -> bool {
    elements(table).is_none() && tracked(table).next().is_some()
}

fn tracked(table: &Table) -> impl Iterator<Item = (&Column, Tracking)> {
    table.columns.iter().filter_map(|column| Some((column, Tracking::of(table, column)?)))
}

fn elements(table: &Table) -> Option<&Column> {
    let named = |column: &&Column| Tracking::of(table, column) == Some(Tracking::Elements);
    table.columns.iter().find(named)
}

fn history(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "argos.submission_change",
        Stream::Faceauth => "argos.faceauth_change",
    }
}

fn insert_into(table: &Table) -> String {
    let history = history(table.stream);
    let id = table.id_column();
    format!(
        "insert into {history}\n\
         (project, {id}, field, old_value, new_value, changed_at, lane, change_number)"
    )
}

/// Composes the recording of a table's column changes. Returns the old values to select and the
/// part of the statement that records the changes. `None` if no history of the table is recorded.
pub(super) fn compose_changes(table: &Table) -> Option<(String, String)> {
    keeps_moves(table).then(|| {
        let before =
            tracked(table).map(|(column, _)| format!(", stored.{0} as held_{0}", column.name));
        let changes =
            list(tracked(table), |(column, tracking)| compose_change(table, column, tracking));
        // Most rows differ only in columns without history. One comparison of all columns excludes
        // them before each column is compared.
        let stored = list(tracked(table), |(column, _)| format!("held_{}", column.name));
        let given = list(tracked(table), |(column, _)| column.name.to_owned());
        let changed = format!(
            "{insert}\n\
             select $1, differing.{id}, changed.field, changed.old_value, changed.new_value,\n\
             argos_sync.clock(), differing.lane, {CHANGE_NUMBER}\n\
             from (select * from differing where lane is not null\n\
             and case when ({stored}) is distinct from ({given}) then true \
             else false end) as differing\n\
             cross join lateral (values\n{changes}\n) as changed (field, old_value, new_value, \
             was_null, is_change)\n\
             where changed.is_change and not (differing.completes and changed.was_null)\n\
             order by differing.{id}, changed.field",
            insert = insert_into(table),
            id = table.id_column(),
        );
        (before.collect(), changed)
    })
}

/// One column's field name, old and new values, whether the old value was null, and whether it
/// changed.
fn compose_change(table: &Table, column: &Column, tracking: Tracking) -> String {
    let (stored, given) = (format!("held_{}", column.name), column.name);
    let field = tracking.field(table, column);
    let differs = format!("{stored} is distinct from {given}");
    let (values, is_change) = if tracking == Tracking::Name {
        ("null, null".to_owned(), format!("{differs} and not deletion"))
    } else {
        (format!("{}, {}", as_text(column, &stored), as_text(column, given)), differs)
    };
    format!("('{field}', {values}, {stored} is null, {is_change})\n")
}

/// A time as text, independent of the session's settings.
fn time_as_text(value: &str) -> String {
    format!(r#"to_char({value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
}

/// A value as text, independent of the session's settings.
fn as_text(column: &Column, value: &str) -> String {
    if column.kind == Type::Timestamp { time_as_text(value) } else { format!("{value}::text") }
}

/// Composes the statement that compares each record's elements as sets. `None` if no history of
/// elements is recorded.
///
/// Parameters: `$2` to `$4` are the id and lane of each record, and whether this item completes it.
/// `$5` and `$6` are the record id and the value of each element.
pub(super) fn compose_elements(table: &Table) -> Option<String> {
    let column = elements(table)?;
    let known = [("id", "text"), ("lane", "text"), ("completes", "boolean")];
    Some(format!(
        "with known as (select * from {known}),\n\
         given as (select distinct * from {given} where element is not null),\n\
         stored as (\n\
         select distinct known.id, stands.{element} as element from known\n\
         cross join {stands} where stands.{element} is not null)\n\
         {insert}\n\
         select $1, known.id, '{field}', stored.element, given.element, argos_sync.clock(), \
         known.lane,\n\
         {CHANGE_NUMBER}\n\
         from stored full join given using (id, element) join known using (id)\n\
         where (stored.id is null or given.id is null)\n\
         and not (known.completes and not exists (select from stored as any_held \
         where any_held.id = known.id))\n\
         order by known.id, coalesce(stored.element, given.element)",
        known = unnest("known", 2, &known),
        given = unnest("given", 5, &[("id", "text"), ("element", sent_type(column.kind))]),
        element = column.name,
        stands = looked_up(table, "*", &format!("own.{} = known.id", table.id_column()), "stands"),
        insert = insert_into(table),
        field = Tracking::Elements.field(table, column),
    ))
}
