//! Secrets in files are read again after they were refused.

use std::{fs, time::Duration};

use sqlx::{Connection as _, PgConnection};

use crate::{
    evidence::{ended_within, terminate},
    world::{KEY, TestWorld},
};

const SOON: Duration = Duration::from_secs(30);
const ALL_ARE_THERE: &str = "select count(*) = 40 from argos.submission";

#[tokio::test]
async fn the_daemon_goes_on_with_a_key_that_replaced_a_refused_one() {
    let world = TestWorld::new(40, 10).await;
    let file = world.dir.path().join("main.key");
    fs::write(&file, "an-old-key").expect("a file");
    let path = file.display().to_string();
    let settings = [("project.main.api_key_file", path.as_str()), ("sync.since", "2025-01-01")];
    let mut program = world.start_with(&settings, &["run"]);
    assert!(world.until_calls(&mut program, 0, 1).await, "it runs");
    fs::write(&file, format!("{KEY}\n")).expect("a file");
    world.until(ALL_ARE_THERE).await;
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("a refused secret has changed"), "{ran:?}");
    assert!(!ran.stderr.contains("an-old-key") && !ran.stderr.contains(KEY), "{ran:?}");
}

#[tokio::test]
async fn the_daemon_goes_on_with_a_password_that_replaced_a_refused_one() {
    let world = TestWorld::new(40, 10).await;
    let role = format!("{}_rotated", world.database.name);
    world
        .execute(&format!(
            "create role {role} login password 'first'; grant argos_sync to {role};
             alter role {role} set role argos_sync"
        ))
        .await;
    let (_, host) = world.database.url.rsplit_once('@').expect("a user");
    let url = |password: &str| format!("postgres://{role}:{password}@{host}");
    let file = world.dir.path().join("url");
    fs::write(&file, url("first")).expect("a file");
    let path = file.display().to_string();
    let settings = [
        ("database.url_file", path.as_str()),
        ("sync.since", "2025-01-01"),
        ("sync.schedules", "* * * * * *"),
    ];
    let program = world.start_with(&settings, &["run"]);
    world.until(ALL_ARE_THERE).await;
    world.execute(&format!("alter role {role} password 'second'")).await;
    let mut connection = PgConnection::connect(&url("second")).await.expect("the new password");
    let terminate_others = "set role none; select pg_terminate_backend(pid) from pg_stat_activity
        where usename = session_user and pid <> pg_backend_pid()";
    sqlx::raw_sql(terminate_others).execute(&mut connection).await.expect(terminate_others);
    connection.close().await.expect("the connection closes");
    fs::write(&file, url("second")).expect("a file");
    world.vendor.add(KEY, &argos_sync::simulator::Addition::default()).expect("a submission");
    world.until("select count(*) = 41 from argos.submission").await;
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("a refused secret has changed"), "{ran:?}");
    assert!(!ran.stderr.contains("first@") && !ran.stderr.contains("second@"), "{ran:?}");
    world.execute(&format!("drop role {role}")).await;
}
