//! Databases that cannot hold a warehouse are refused before anything is written to them.

use std::net::Ipv4Addr;

use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    database,
    world::{ALL_DAYS, TestWorld},
};

/// Demands that every command refuses the database at this address, and that it stays empty.
async fn refused(world: &TestWorld, pool: &PgPool, url: &str, named: &str, advice: &str) {
    let settings = [("database.url", url)];
    for arguments in [&["migrate"][..], &["run", "--backfill", ALL_DAYS], &["deletions", "list"]] {
        let ran = world.run_with(&settings, arguments).await;
        assert_eq!(ran.code(), 78, "{arguments:?} {ran:?}");
        assert!(ran.stderr.contains(named) && ran.stderr.contains(advice), "{ran:?}");
    }
    let check = world.run_with(&settings, &["check"]).await;
    assert_eq!(check.code(), 1, "{check:?}");
    assert!(check.stdout.contains(&format!("wrong  database: {named}")), "{check:?}");
    assert!(check.stdout.contains(advice), "{check:?}");
    let schemas: i64 =
        sqlx::query_scalar("select count(*) from pg_namespace where nspname like 'argos%'")
            .fetch_one(pool)
            .await
            .expect("a count");
    assert_eq!(schemas, 0, "nothing was written");
}

#[tokio::test]
async fn a_database_that_is_not_utf_8_is_refused_by_name_and_stays_empty() {
    let world = TestWorld::new(5, 5).await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let other = database::encoded(encoding).await;
        let pool = other.pool().await;
        let named = format!("the database has the encoding {encoding}");
        let advice = "`create database NAME encoding 'UTF8' template template0` \
                      and use it in `database.url`";
        refused(&world, &pool, &other.url, &named, advice).await;
        pool.close().await;
        other.close().await;
    }
}

/// Starts a proxy to the server of this address that reports another `server_version_num`. Returns
/// the address of the same database through the proxy.
async fn with_version(pool: &PgPool, url: &str, version: i32) -> String {
    let own: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int4")
        .fetch_one(pool)
        .await
        .expect("a version");
    // A number in a row: its length and its bytes.
    let field = |version: i32| [&4_i32.to_be_bytes()[..], &version.to_be_bytes()].concat();
    let (from, to) = (field(own), field(version));
    let options: PgConnectOptions = url.parse().expect("an address");
    let server = (options.get_host().to_owned(), options.get_port());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, from, to) = (server.clone(), from.clone(), to.clone());
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await.expect("the server");
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move {
                    let _closed = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                let mut buffer = vec![0; 1 << 16];
                while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                    let bytes = &mut buffer[..length];
                    for at in 0..(length + 1).saturating_sub(from.len()) {
                        if bytes[at..].starts_with(&from) {
                            bytes[at..at + to.len()].copy_from_slice(&to);
                        }
                    }
                    if to_client.write_all(bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url.replace(&format!(":{}/", options.get_port()), &format!(":{port}/"))
}

#[tokio::test]
async fn a_server_before_14_is_refused_by_its_version_before_the_first_migration() {
    let world = TestWorld::new(5, 5).await;
    let empty = database::encoded("UTF8").await;
    let pool = empty.pool().await;
    let url = with_version(&pool, &empty.url, 130_011).await;
    let named = "PostgreSQL 13.11 is too old: the oldest supported version is 14";
    refused(&world, &pool, &url, named, "upgrade the server").await;
    let url = with_version(&pool, &empty.url, 140_000).await;
    let ran = world.run_with(&[("database.url", &url)], &["migrate"]).await;
    assert_eq!(ran.code(), 0, "the same server as 14: {ran:?}");
    pool.close().await;
    empty.close().await;
}
