//! Projects that were removed from the configuration or renamed in it: reported, deleted, renamed,
//! without leftovers.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    consumers::demand_numbers,
    truth::fingerprint,
    world::{ALL_DAYS, FACE_KEY, KEY, TestWorld},
};

/// Tables without a column `project`: rows that belong to no project.
const OF_NO_PROJECT: [&str; 7] = [
    "argos_sync.change_line",
    "argos_sync.clock_mark",
    "argos_sync.key_budget",
    "argos_sync.key_rate",
    "argos_sync.key_secret",
    "argos_sync.migration",
    "argos_sync.run",
];

/// Configures these projects: name, kind with more keys, API key.
fn configure(world: &TestWorld, projects: &[(&str, &str, &str)]) {
    let mut text = format!(
        "[database]\nurl = \"{}\"\n[client]\ncalls_per_second = 5000\n",
        world.database.url
    );
    for (name, kind, key) in projects {
        let url = &world.url;
        let _infallible = writeln!(
            text,
            "[project.{name}]\nkind = {kind}\nbase_url = \"{url}\"\napi_key = \"{key}\""
        );
    }
    world.configure_whole(&text);
}

/// The number of values in all text columns that equal this text, by table and column.
async fn mentions(world: &TestWorld, text: &str) -> BTreeMap<String, i64> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select format('%I.%I', table_schema, table_name), format('%I', column_name)
         from information_schema.columns
         join information_schema.tables using (table_schema, table_name)
         where table_schema like 'argos%' and table_type = 'BASE TABLE' and data_type = 'text'",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the columns");
    let mut found = BTreeMap::new();
    for (table, column) in columns {
        let sql = format!("select count(*) from {table} where {column} = $1");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(text)
            .fetch_one(&world.pool)
            .await
            .expect("a count");
        if count > 0 {
            found.insert(format!("{table}.{column}"), count);
        }
    }
    found
}

#[tokio::test]
async fn every_table_names_its_project_or_belongs_to_none() {
    let world = TestWorld::new(0, 0).await;
    let others: Vec<String> = sqlx::query_scalar(
        "select nspname || '.' || relname from pg_class as relation
         join pg_namespace as namespace on namespace.oid = relnamespace
         where nspname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync')
            and relkind in ('r', 'p')
            and not exists (
                select from pg_attribute where attrelid = relation.oid and attname = 'project')
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the tables");
    assert_eq!(others, OF_NO_PROJECT);
}

#[tokio::test]
async fn a_project_that_is_not_configured_is_named_by_check_and_status() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    let configured = async || -> BTreeMap<String, bool> {
        let status = world.run(&["status", "--json"]).await;
        assert_eq!(status.code(), 0, "{status:?}");
        let json: Value = serde_json::from_str(&status.stdout).expect("JSON");
        let projects = json["projects"].as_array().expect("projects").iter();
        let one = |project: &Value| {
            let name = project["project"].as_str().expect("a name").to_owned();
            (name, project["configured"].as_bool().expect("whether it is configured"))
        };
        projects.map(one).collect()
    };
    let both = |face| BTreeMap::from([("face".to_owned(), face), ("main".to_owned(), true)]);
    assert_eq!(configured().await, both(true));
    for command in ["check", "status"] {
        let ran = world.run(&[command]).await;
        assert!(!ran.stdout.contains("not in this configuration"), "{ran:?}");
    }
    configure(&world, &[("main", "\"idcheck\"", KEY)]);
    assert_eq!(configured().await, both(false));
    let status = world.run(&["status"]).await;
    assert!(
        status.stdout.contains("face is not in this configuration; its last run ended at"),
        "{status:?}"
    );
    // Another configuration may keep it current, so this alone is not an error.
    assert_eq!(status.code(), 0, "{status:?}");
    let check = world.run(&["check"]).await;
    assert_eq!(check.code(), 0, "{check:?}");
    assert!(
        check
            .stdout
            .contains("warn   project face: in the warehouse, but not in this configuration"),
        "{check:?}"
    );
    assert!(check.stdout.contains("argos-sync project"), "{check:?}");
    assert!(!check.stdout.contains("warn   project main"), "{check:?}");
}

#[tokio::test]
async fn forgetting_a_project_leaves_no_row_of_it_and_every_row_of_the_others() {
    let world = TestWorld::new(40, 20).await;
    world.backfill().await;
    let ran = world.run(&["project", "forget", "main", "--yes"]).await;
    assert_eq!(ran.code(), 2, "{ran:?}");
    assert!(ran.stderr.contains("remove the section [project.main] first"), "{ran:?}");

    configure(&world, &[("other", "\"idcheck\"", KEY)]);
    let ran = world.run(&["project", "forget", "nobody", "--yes"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("no rows of project `nobody`"), "{ran:?}");

    let before = fingerprint(&world.pool).await;
    let ran = world.run(&["project", "forget", "face"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("argos.faceauth             "), "{ran:?}");
    assert!(ran.stdout.contains("nothing was deleted; repeat with --yes"), "{ran:?}");
    assert_eq!(fingerprint(&world.pool).await, before);

    let of_main = mentions(&world, "main").await;
    let ran = world.run(&["project", "forget", "face", "--yes"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(mentions(&world, "face").await, BTreeMap::new());
    // Rows that referred to it were deleted with the other project.
    let mut rest = of_main;
    rest.retain(|name, _| !name.ends_with(".kyc_project") && !name.ends_with(".parent"));
    assert_eq!(mentions(&world, "main").await, rest);
    assert_eq!(world.number("select count(*) from argos.submission").await, 40);

    let ran = world.run(&["project", "forget", "main", "--yes"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(mentions(&world, "main").await, BTreeMap::new());
    assert_eq!(world.number("select count(*) from argos_sync.record").await, 0);
}

#[tokio::test]
async fn renaming_a_project_moves_every_row_and_the_next_run_finds_nothing_new() {
    let world = TestWorld::new(40, 20).await;
    world.backfill().await;
    let main = mentions(&world, "main").await;
    assert!(main.contains_key("argos.faceauth.kyc_project"), "{main:?}");
    assert!(main.contains_key("argos_sync.project.parent"), "{main:?}");
    demand_numbers(&world.pool).await;
    configure(
        &world,
        &[
            ("another", "\"idcheck\"", KEY),
            ("face", "\"faceauth\"\nparent = \"another\"", FACE_KEY),
        ],
    );
    // `check` with the new configuration leaves findings and calls under the new name.
    let check = world.run(&["check"]).await;
    assert!(check.stdout.contains("warn   project main"), "{check:?}");
    assert!(mentions(&world, "another").await.contains_key("argos_sync.api_finding.project"));
    let face = mentions(&world, "face").await;
    let watermark = world.number("select argos.change_watermark()").await;

    let ran = world.run(&["project", "rename", "main", "another"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stderr, "", "{ran:?}");
    assert!(ran.stdout.contains("project `main` is now `another`"), "{ran:?}");
    assert_eq!(mentions(&world, "main").await, BTreeMap::new());
    assert_eq!(mentions(&world, "another").await, main);
    assert_eq!(mentions(&world, "face").await, face);
    // Consumers of changes see the rows under their new key.
    for (sql, seen) in [
        ("select count(*) from argos.submission where change_number >= $1", 40),
        (
            "select count(*) from argos.faceauth
             where change_number >= $1 and kyc_project = 'another'",
            20,
        ),
    ] {
        let rows: i64 =
            sqlx::query_scalar(sql).bind(watermark).fetch_one(&world.pool).await.expect(sql);
        assert_eq!(rows, seen, "{sql}");
    }

    let settled = fingerprint(&world.pool).await;
    world.backfill().await;
    assert_eq!(fingerprint(&world.pool).await, settled, "the next read finds nothing to write");
}

#[tokio::test]
async fn a_project_is_renamed_only_where_that_mixes_nothing() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    let before = fingerprint(&world.pool).await;
    let refused = async |names: [&str; 2], code: i32, word: &str| {
        let ran = world.run(&["project", "rename", names[0], names[1]]).await;
        assert_eq!(ran.code(), code, "{ran:?}");
        assert!(ran.stderr.contains(word), "{ran:?}");
        assert_eq!(fingerprint(&world.pool).await, before);
    };
    refused(["nobody", "somebody"], 1, "no rows of project `nobody`").await;
    refused(["main", "face"], 2, "of different kinds").await;
    // The configured kind of the new name counts, even before its first run.
    configure(
        &world,
        &[("other", "\"idcheck\"", KEY), ("new", "\"faceauth\"\nparent = \"other\"", FACE_KEY)],
    );
    refused(["main", "new"], 2, "of different kinds").await;

    configure(&world, &[("other", "\"idcheck\"", KEY)]);
    let ran = world.run(&["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let ran = world.run(&["project", "rename", "main", "other"]).await;
    assert_eq!(ran.code(), 2, "{ran:?}");
    let advice = "remove the section [project.other] from the configuration";
    assert!(ran.stderr.contains("already has records"), "{ran:?}");
    assert!(ran.stderr.contains(advice), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 40);

    // Another process is reading it.
    sqlx::raw_sql(
        "insert into argos_sync.claim
            (project, stream, window_from, window_to, fence, holder, expires_at)
         values ('main', 'submission', '2025-01-01', '2025-01-02', 1, 'elsewhere',
            argos_sync.clock() + interval '5 minutes')",
    )
    .execute(&world.pool)
    .await
    .expect("a claim");
    for arguments in
        [&["project", "rename", "main", "new"][..], &["project", "forget", "main", "--yes"]]
    {
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 75, "{ran:?}");
        assert!(ran.stderr.contains("a process is reading project `main`"), "{ran:?}");
    }
    sqlx::raw_sql("update argos_sync.claim set expires_at = argos_sync.clock()")
        .execute(&world.pool)
        .await
        .expect("it has ended");
    let ran = world.run(&["project", "rename", "main", "new"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let advice = "rename the section [project.main] to [project.new] before the next run, \
                  and `parent` where it names it\n";
    assert!(ran.stderr.contains(advice), "{ran:?}");
}
