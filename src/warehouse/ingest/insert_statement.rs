//! The statement that inserts new records with all their rows.

use std::sync::LazyLock;

use sqlx::{Arguments as _, AssertSqlSafe};

use super::prepare::Ready;
use crate::{
    domain::{Call, Stream},
    normalize::{self, catalogue},
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        raw::bodies::{self, Bodies},
        record::stored,
        tables::{
            batch::ColumnBatch,
            columns::{add_rows, given_columns},
            statements,
            write::arguments,
        },
        tx::Tx,
    },
};

/// Inserts new records with all their data; fails if any row exists. Takes the rows and bodies out
/// of `ready`.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    call: Call,
    ready: &mut Ready,
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let (rows, bodies) =
        (std::mem::take(&mut ready.rows), std::mem::replace(&mut ready.bodies, Bodies::new()));
    let arguments = arguments(&scope.project, |arguments| {
        // Reserves everything at once: growing would copy the whole buffer.
        let rows_size = rows.iter().map(ColumnBatch::size_hint).sum::<usize>();
        arguments.reserve(0, stored::size_hint(&ready.records) + bodies.size_hint() + rows_size);
        arguments.add(scope.stream.as_str())?;
        arguments.add(normalize::VERSION)?;
        stored::bind_new(arguments, &ready.records)?;
        bodies.bind(arguments)?;
        rows.into_iter().try_for_each(|rows| rows.bind(arguments))
    })?;
    sqlx::query_with(AssertSqlSafe(statement(scope.stream, call)), arguments)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("writing new records")
}

/// The statement that inserts new records in id order with all their data, or fails if any row
/// exists. `$1` to `$3` are the project, the stream and the normalizer version. Arrays follow: the
/// columns of `argos_sync.record`, then ids and raw bodies, then keys and columns of each table.
fn statement(stream: Stream, call: Call) -> &'static str {
    static ALL: LazyLock<[[&str; 2]; 2]> = LazyLock::new(|| {
        [Stream::Submission, Stream::Faceauth].map(|stream| {
            [Call::List, Call::Detail].map(|call| &*compose_insert(stream, call).leak())
        })
    });
    let [submission, faceauth] = &*ALL;
    let [list, detail] = match stream {
        Stream::Submission => submission,
        Stream::Faceauth => faceauth,
    };
    match call {
        Call::List => list,
        Call::Detail => detail,
    }
}

/// All statements, for the test that lets PostgreSQL check them against the migrated schema.
#[doc(hidden)]
pub fn all_statements() -> impl Iterator<Item = &'static str> {
    let inserts = Stream::ALL
        .into_iter()
        .flat_map(|stream| [Call::List, Call::Detail].map(|call| statement(stream, call)));
    inserts.chain(statements::all())
}

/// Composes the statement. Rows of `argos_sync.record` come first: a writer that has inserted them
/// never waits for a writer that has not, so no deadlock is possible.
fn compose_insert(stream: Stream, call: Call) -> String {
    let call = match call {
        Call::List => "list",
        Call::Detail => "detail",
    };
    let mut parts = vec![
        format!(
            "record as (\n\
             insert into argos_sync.record (project, stream, normalizer_version, id, \
             {call}_digest, {call}_read, first_read,\n\
             window_day, undated, unsettled)\n\
             select $1, $2, $3, unnest($4::text[]), unnest($5::bytea[]), unnest($6::bigint[]), \
             unnest($6::bigint[]),\n\
             unnest($7::date[]), unnest($8::boolean[]), unnest($9::boolean[])\n\
             returning id)"
        ),
        format!(
            "raw as (\n\
             insert into {table} (project, {id}, {call}_body)\n\
             select $1, unnest($10::text[]), unnest($11::bytea[]))",
            table = bodies::table(stream),
            id = catalogue::id_column(stream),
        ),
    ];
    let mut first = 12;
    for table in catalogue::tables(stream) {
        parts.push(format!("{} as (\n{})", table.name, add_rows(table, first)));
        first += given_columns(table).len();
    }
    format!("with {}\nselect count(*) from record", parts.join(",\n"))
}
