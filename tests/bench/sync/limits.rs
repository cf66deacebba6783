//! The limits of the machine, measured with the same items but without the program.

use std::{fs::File, hint::black_box, io::Read as _, io::Write as _, time::Instant};

use argos_sync::{
    domain::Stream,
    json::{self, Paths},
    normalize::{self, catalogue},
};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    server::{Database, IS_DATA, Server},
    simulator::{KEY, Simulator},
};

/// Items per page, the program's default.
pub(crate) const PAGE_SIZE: usize = 2000;

/// The program's compression level.
const LEVEL: i32 = 1;

/// Bytes sent to the server at a time.
const SEND_BYTES: usize = 1 << 20;

/// The speed of one client with one thread.
#[derive(Debug, Default)]
pub(crate) struct ClientLimit {
    /// Fetching and discarding all pages.
    pub(crate) drain_seconds: f64,
    /// Parsing each item and computing its digest.
    pub(crate) parse_seconds: f64,
    /// Compressing each item.
    pub(crate) compress_seconds: f64,
    pub(crate) items: u32,
    /// Size of all items as received.
    pub(crate) bytes: usize,
}

impl ClientLimit {
    /// Parsing, digest and compression.
    pub(crate) fn seconds(&self) -> f64 {
        self.parse_seconds + self.compress_seconds
    }

    /// Reads all items of the simulator. Each kind of work is timed separately, page by page.
    pub(crate) async fn measure(simulator: &Simulator) -> Self {
        let client = reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client");
        let volatile = Paths::new(catalogue::volatile_paths(Stream::Submission).iter().copied());
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("a compressor");
        let mut limit = Self::default();
        let mut cursor = None;
        let mut body = Vec::new();
        loop {
            let started = Instant::now();
            fetch(&client, simulator, cursor.as_ref(), &mut body).await;
            limit.drain_seconds += started.elapsed().as_secs_f64();
            let (items, next) = take_apart(&body);
            let started = Instant::now();
            for item in &items {
                let key = normalize::read_key(Stream::Submission, &volatile, item);
                black_box(key.expect("an item with an id"));
            }
            limit.parse_seconds += started.elapsed().as_secs_f64();
            let started = Instant::now();
            for item in &items {
                black_box(compressor.compress(item).expect("a compressed item"));
            }
            limit.compress_seconds += started.elapsed().as_secs_f64();
            limit.items += u32::try_from(items.len()).expect("a page");
            limit.bytes += items.iter().map(|item| item.len()).sum::<usize>();
            if next.is_none() {
                return limit;
            }
            cursor = next;
        }
    }
}

/// Fetches one page. Offers compression, which the simulator must not use.
async fn fetch(
    client: &reqwest::Client,
    simulator: &Simulator,
    cursor: Option<&(String, String)>,
    body: &mut Vec<u8>,
) {
    let (from, to) = simulator.population.days;
    let mut parameters = vec![
        ("count", PAGE_SIZE.to_string()),
        ("start_date", from.to_string()),
        ("end_date", to.to_string()),
    ];
    if let Some((id, created_at)) = cursor {
        parameters.push(("nextpage_id", id.clone()));
        parameters.push(("nextpage_date", created_at.clone()));
    }
    let request = client.get(format!("{}/submission", simulator.url())).query(&parameters);
    let request = request.header("x-api-key", KEY).header("accept-encoding", "gzip");
    let mut answer = request.send().await.expect("the simulator answers");
    assert!(answer.status().is_success(), "the simulator refused: {}", answer.status());
    assert!(!answer.headers().contains_key("content-encoding"), "the simulator compresses");
    body.clear();
    while let Some(chunk) = answer.chunk().await.expect("the rest of the answer") {
        body.extend_from_slice(&chunk);
    }
}

/// The items of a page, and the next cursor.
fn take_apart(body: &[u8]) -> (Vec<&[u8]>, Option<(String, String)>) {
    let members = json::members(body, "Items", &json::unread).expect("a page");
    let member = |wanted: &str| members.iter().find(|cut| cut.key == wanted);
    let elements = member("Items").and_then(|cut| cut.elements.as_ref()).expect("items");
    let items = elements.iter().filter_map(|element| body.get(element.range.clone())).collect();
    let next = member("nextpageKey").map(|key| {
        let key = body.get(key.range.clone()).expect("a cursor");
        let key: serde_json::Value = serde_json::from_slice(key).expect("a cursor");
        let text = |name| key.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        text("id").zip(text("created_at")).expect("a cursor's parts")
    });
    (items, next)
}

/// The speed of one backend of the server.
#[derive(Debug)]
pub(crate) struct ServerLimit {
    pub(crate) seconds: f64,
    pub(crate) wal_bytes: f64,
}

impl ServerLimit {
    /// Copies all rows of a warehouse into empty tables with all their indexes.
    pub(crate) async fn measure(server: &mut Server, filled: &Database) -> Self {
        let mut source = filled.connect().await;
        let tables = tables(&mut source).await;
        let mut files = Vec::new();
        for (table, columns, key) in &tables {
            let select = format!("select {columns} from {table} order by {key}");
            files.push(export(&mut source, &select).await);
        }
        source.close().await.expect("the connection closes");
        let empty = server.fresh().await;
        let mut connection = empty.connect().await;
        server.checkpoint().await;
        let wal_before = server.wal_bytes().await;
        let started = Instant::now();
        sqlx::raw_sql("begin").execute(&mut connection).await.expect("begin");
        for ((table, columns, _), file) in tables.iter().zip(&mut files) {
            import(&mut connection, &format!("{table} ({columns})"), file).await;
        }
        sqlx::raw_sql("commit").execute(&mut connection).await.expect("commit");
        let seconds = started.elapsed().as_secs_f64();
        let wal_bytes = (server.wal_bytes().await - wal_before) as f64;
        connection.close().await.expect("the connection closes");
        server.drop(empty).await;
        Self { seconds, wal_bytes }
    }
}

/// The data tables, each with its columns and the columns of its key.
async fn tables(connection: &mut PgConnection) -> Vec<(String, String, String)> {
    let tables: Vec<(String, String, String)> = sqlx::query_as(AssertSqlSafe(format!(
        "select format('%I.%I', nspname, relname),
            (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''),
            (select string_agg(quote_ident(attname), ', ' order by place)
                from unnest(indkey::smallint[]) with ordinality as part (number, place)
                join pg_attribute on attrelid = pg_class.oid and attnum = number)
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        join pg_index on indrelid = pg_class.oid and indisprimary
        where relkind = 'r' and {IS_DATA}
        order by 1"
    )))
    .fetch_all(&mut *connection)
    .await
    .expect("the data tables");
    assert!(tables.len() > 10, "data tables are missing: {tables:?}");
    tables
}

async fn export(connection: &mut PgConnection, select: &str) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    let copy = format!("copy ({select}) to stdout (format binary)");
    let mut chunks = connection.copy_out_raw(&copy).await.expect("a table's rows");
    let mut buffer = std::io::BufWriter::with_capacity(SEND_BYTES, &mut file);
    while let Some(chunk) = chunks.try_next().await.expect("more of a table's rows") {
        buffer.write_all(&chunk).expect("they are kept");
    }
    buffer.flush().expect("they are kept");
    drop(buffer);
    std::io::Seek::rewind(&mut file).expect("the file's beginning");
    file
}

async fn import(connection: &mut PgConnection, table: &str, file: &mut File) {
    let copy = format!("copy {table} from stdin (format binary)");
    let mut sink = connection.copy_in_raw(&copy).await.expect("an empty table");
    let mut buffer = vec![0; SEND_BYTES];
    loop {
        let length = file.read(&mut buffer).expect("kept rows");
        match buffer.get(..length) {
            None | Some([]) => break,
            Some(chunk) => sink.send(chunk).await.map(|_| ()).expect("the server takes them"),
        }
    }
    sink.finish().await.expect("the table is filled");
}
