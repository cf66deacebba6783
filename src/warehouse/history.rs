//! History: what moved, in the rows of `argos.submission_change` and `argos.faceauth_change`.
//!
//! Moves are found by PostgreSQL, which compares the rows that stand in a table with those about to replace them:
//! personal values are compared where they are kept, and only the names of their columns are recorded. The records are
//! locked, so that of two writers the second finds nothing that the first has recorded.

use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, postgres::PgArguments};

use super::{
    WarehouseError,
    held::Held,
    rows::Rows,
    statements::{list, looked_up, sent_type, unnest},
    store::Origin,
    tables::Stored,
};
use crate::{
    domain::{Call, Lane, ProjectName, Stream},
    normalize::{
        DELETED, Row,
        catalogue::{Column, Table, Tracking, Type},
    },
};

/// How a record that is known already is seen anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// The lane that observes it.
    lane: Lane,
    /// It is the record's first single call: where nothing stood before, it completes the record and moves nothing.
    completes: bool,
    /// The record is deleted, or was: that empties or refills its identity fields, and says so itself.
    deletion: bool,
}

impl Sight {
    /// Tells how a record is seen.
    pub(super) fn of(origin: Origin, held: &Held, is_deleted: bool) -> Self {
        Self {
            lane: origin.lane(),
            completes: origin.call() == Call::Detail && held.detail.is_none(),
            deletion: is_deleted || held.deleted_at.is_some(),
        }
    }
}

/// Records the moves of one table's rows; runs before they are written.
pub(super) async fn record(
    connection: &mut PgConnection,
    project: &ProjectName,
    table: &'static Table,
    index: usize,
    statement: &'static str,
    records: &[Stored<'_>],
) -> Result<(), WarehouseError> {
    let seen: Vec<_> = records.iter().filter_map(|record| Some((record, record.sight?))).collect();
    if seen.is_empty() {
        return Ok(());
    }
    let mut arguments = PgArguments::default();
    add_arguments(&mut arguments, project, table, index, &seen)
        .map_err(|_too_large| WarehouseError::Shape { doing: "sending rows to compare" })?;
    // The text comes from the catalogue, which is part of the program; values travel as arguments.
    sqlx::query_with(AssertSqlSafe(statement), arguments)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("recording history"))
}

fn add_arguments(
    arguments: &mut PgArguments,
    project: &ProjectName,
    table: &'static Table,
    index: usize,
    seen: &[(&Stored<'_>, Sight)],
) -> Result<(), sqlx::error::BoxDynError> {
    static NO_ROW: Row<'static> = Row::new();
    arguments.add(project.as_str())?;
    arguments.add(seen.iter().map(|(record, _)| record.id).collect::<Vec<_>>())?;
    arguments.add(seen.iter().map(|(_, sight)| sight.lane.as_str()).collect::<Vec<_>>())?;
    arguments.add(seen.iter().map(|(_, sight)| sight.completes).collect::<Vec<_>>())?;
    let mut rows = Rows::of(table);
    if elements(table).is_some() {
        for (record, _) in seen {
            for row in record.normalized.rows.get(index).into_iter().flatten() {
                rows.add(record.id, 1, row);
            }
        }
        rows.bind_ids(arguments)?;
    } else {
        arguments.add(seen.iter().map(|(_, sight)| sight.deletion).collect::<Vec<_>>())?;
        for (record, _) in seen {
            let row = record.normalized.rows.get(index).and_then(|rows| rows.first());
            rows.add(record.id, 1, row.unwrap_or(&NO_ROW));
        }
    }
    for (position, column) in table.columns.iter().enumerate() {
        if Tracking::of(table, column).is_some() {
            rows.bind_column(arguments, position)?;
        }
    }
    Ok(())
}

/// Makes the statement that records the moves of a table; `None` where no history is kept.
///
/// `$2` to `$4` say of each record its id, its lane and whether this sight completes it.
pub(super) fn compose(table: &Table) -> Option<String> {
    let tracked: Vec<_> = table
        .columns
        .iter()
        .filter_map(|column| Some((column, Tracking::of(table, column)?)))
        .collect();
    match elements(table) {
        Some(column) => Some(compose_elements(table, column)),
        None if tracked.is_empty() => None,
        None => Some(compose_columns(table, &tracked)),
    }
}

fn elements(table: &Table) -> Option<&Column> {
    let named = |column: &&Column| Tracking::of(table, column) == Some(Tracking::Elements);
    table.columns.iter().find(named)
}

fn insert_into(table: &Table) -> String {
    let history = match table.stream {
        Stream::Submission => "argos.submission_change",
        Stream::Faceauth => "argos.faceauth_change",
    };
    let id = table.id_column();
    format!("insert into {history} (project, {id}, field, old_value, new_value, changed_at, lane)")
}

/// Compares the one row of each record column by column. `$5`: whether the record is or was deleted; behind it the columns.
fn compose_columns(table: &Table, tracked: &[(&Column, Tracking)]) -> String {
    let mut given =
        vec![("id", "text"), ("lane", "text"), ("completes", "boolean"), ("deletion", "boolean")];
    given.extend(tracked.iter().map(|(column, _)| (column.name, sent_type(column.kind))));
    format!(
        "{insert}\n\
         select $1, given.id, moved.field, moved.old_value, moved.new_value, argos_sync.clock(), given.lane\n\
         from {rows}\n\
         left join {held} on true\n\
         cross join lateral (values\n{moves}\n) as moved (field, old_value, new_value, was_null, is_move)\n\
         where moved.is_move and not (given.completes and moved.was_null)\n\
         order by given.id, moved.field",
        insert = insert_into(table),
        rows = unnest("given", 2, &given),
        held = looked_up(table, "*", &format!("own.{} = given.id", table.id_column()), "held"),
        moves = list(tracked, |(column, tracking)| compose_move(table, column, *tracking)),
    )
}

/// One column's field, values, whether nothing stood there, and whether it moved.
fn compose_move(table: &Table, column: &Column, tracking: Tracking) -> String {
    let name = column.name;
    let field = tracking.field(table, column);
    let differs = format!("held.{name} is distinct from given.{name}");
    let (values, is_move) = if tracking == Tracking::Name {
        let mut is_move = format!("{differs} and not given.deletion");
        if column.kind == Type::Text {
            // Lists show the label of a deletion before a single call proves it.
            let label = format!("('{DELETED}' in (held.{name}, given.{name})) is not true");
            is_move = format!("{is_move} and {label}");
        }
        ("null, null".to_owned(), is_move)
    } else {
        let shown = |side: &str| as_text(column, &format!("{side}.{name}"));
        (format!("{}, {}", shown("held"), shown("given")), differs)
    };
    format!("('{field}', {values}, held.{name} is null, {is_move})\n")
}

/// A time as text, whatever the session's settings.
pub(super) fn time_as_text(value: &str) -> String {
    format!(r#"to_char({value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
}

/// A value as text, whatever the session's settings.
fn as_text(column: &Column, value: &str) -> String {
    if column.kind == Type::At { time_as_text(value) } else { format!("{value}::text") }
}

/// Compares each record's elements as sets. `$5` and `$6`: one record's id and one element.
fn compose_elements(table: &Table, column: &Column) -> String {
    let known = [("id", "text"), ("lane", "text"), ("completes", "boolean")];
    format!(
        "with known as (select * from {known}),\n\
         given as (select distinct * from {given} where element is not null),\n\
         held as (\n\
         select distinct known.id, stands.{element} as element from known\n\
         cross join {stands} where stands.{element} is not null)\n\
         {insert}\n\
         select $1, known.id, '{field}', held.element, given.element, argos_sync.clock(), known.lane\n\
         from held full join given using (id, element) join known using (id)\n\
         where (held.id is null or given.id is null)\n\
         and not (known.completes and not exists (select from held as any_held where any_held.id = known.id))\n\
         order by known.id, coalesce(held.element, given.element)",
        known = unnest("known", 2, &known),
        given = unnest("given", 5, &[("id", "text"), ("element", sent_type(column.kind))]),
        element = column.name,
        stands = looked_up(table, "*", &format!("own.{} = known.id", table.id_column()), "stands"),
        insert = insert_into(table),
        field = Tracking::Elements.field(table, column),
    )
}
