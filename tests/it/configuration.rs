//! The configuration: missing, wrong and unknown keys are named, but never a secret's value.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use tokio::process::Command;

use crate::world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld};

/// Writes this whole configuration and runs `status`.
async fn status_of(world: &TestWorld, text: &str) -> Ran {
    world.configure_whole(text);
    world.run(&["status"]).await
}

/// A complete project.
const PROJECT: &str = "[project.main]\nkind = \"idcheck\"\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\n";

#[tokio::test]
async fn what_is_wrong_is_named_and_ends_with_78() {
    let world = TestWorld::new(0, 0).await;
    let url = "postgres://nobody:sekret@localhost:1/nothing";
    for (text, named) in [
        ("[project.main]\nkind = \"idcheck\"\napi_key = \"sekret\"\n", "base_url"),
        ("[project.main]\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\n", "kind"),
        ("[project.main]\nkind = \"idcheck\"\nbase_url = \"https://api.example/v3\"\n", "api_key"),
        (
            "[project.face]\nkind = \"faceauth\"\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\n",
            "parent",
        ),
        ("[project.main]\nkind = \"sekret\"\n", "kind"),
        (
            "[project.main]\nkind = \"idcheck\"\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\n\
             [project.second]\nkind = \"idcheck\"\nbase_url = \"https://other.example/v3\"\napi_key = \"sekret\"\n",
            "`project.second`: `api_key` is the same as that of `project.main`",
        ),
        (
            "[project.Main]\nkind = \"idcheck\"\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\n",
            "project.Main",
        ),
        (
            "[project.main]\nkind = \"idcheck\"\nbase_url = \"https://api.example/v3\"\napi_key = \"sekret\"\nencryption = \"sekret\"\n",
            "project.main.encryption",
        ),
        ("[project.main]\nencrypted_paging = \"sekret\"\n", "project.main.encrypted_paging"),
        ("[database]\nur = \"sekret\"\n", "ur"),
        ("databse = \"sekret\"\n", "databse"),
        ("[database]\nconnections_max = \"sekret\"\n", "database.connections_max"),
        ("[database]\nconnections_max = 0\n", "database.connections_max"),
        ("[client]\npage_size = 2001\n", ""),
        ("[client]\npage_size = -1\n", "client.page_size"),
        ("[client]\ncalls_per_second = -1\n", "client.calls_per_second"),
        ("[budget]\ncalls_per_day = \"sekret\"\n", "budget.calls_per_day"),
        (
            "[budget.shares]\naudit = 11\n",
            "`budget.shares` must sum to at most 100 percent, not 101",
        ),
        ("[sync]\nsince = \"sekret\"\n", "sync.since"),
        ("[sync]\ndetails = \"sekret\"\n", "sync.details"),
        ("[deletion]\nkeep = \"sekret\"\n", "deletion.keep"),
        ("[deletion]\nkeep_personal = true\n", "keep_personal"),
        ("[raw]\nstorage = \"none\"\n", "raw.storage"),
        ("[log]\nfilter = \"a=b=c\"\n", "log.filter"),
        ("[database]\nurl = \"sekret\"\n", "database.url"),
        ("[database]\nurl = \"postgres://u:sekret@/warehouse\"\n", "postgres://USER"),
        ("[database]\nurl_file = \"/nowhere/url\"\n", "database.url"),
        ("[database]\nurl_credential = \"../url\"\n", "database.url_credential"),
        ("[client]\ncalls_per_second = 0.001\n", "`client.calls_per_second` must be at least 0.01"),
        ("[client]\ncalls_per_second = nan\n", "client.calls_per_second"),
        ("[budget]\ncalls_per_day = 0.4\n", "`budget.calls_per_day` must be a whole number"),
        (
            "[client]\ncalls_in_flight_max = true\n",
            "`client.calls_in_flight_max` must be a whole number",
        ),
        ("[database\n", "is not valid TOML: see line 1, column 10"),
        (
            "[project.main]\nkind = \"idcheck\"\napi_key = \"sekret\n",
            "is not valid TOML: see line 3, column",
        ),
        ("[database]\nurl = postgres://u:sekret@db/w\n", "is not valid TOML: see line 2, column"),
        ("[database]\nurl = \"a\"\nurl = \"sekret\"\n", "is not valid TOML: see line 3, column"),
    ] {
        let with_project =
            if text.contains("[project.") { text.to_owned() } else { format!("{text}{PROJECT}") };
        let with_database = if text.contains("[database") || text.contains("databse") {
            with_project
        } else {
            format!("{with_project}[database]\nurl = \"{url}\"\n")
        };
        let ran = status_of(&world, &with_database).await;
        assert_eq!(ran.code(), 78, "{text}: {ran:?}");
        assert!(ran.stderr.contains(named), "{text}: {ran:?}");
        assert!(!ran.stderr.contains("sekret"), "{text}: {ran:?}");
        assert_eq!(ran.stdout, "", "{text}: {ran:?}");
    }
}

#[tokio::test]
async fn the_environment_overrides_and_is_checked_like_the_file() {
    let world = TestWorld::new(20, 0).await;
    for (key, value, named) in [
        ("sync.sinse", "2025-01-01", "sinse"),
        ("sync.since", "sekret", "sync.since"),
        ("client.page_size", "sekret", "client.page_size"),
        ("client.page_size", "0.4", "`client.page_size` must be a whole number"),
        ("budget.calls_per_day", "on", "`budget.calls_per_day` must be a whole number"),
        ("project.main.kind", "sekret", "project.main.kind"),
        ("project.main.api_key_file", "/nowhere/key", "project.main.api_key"),
    ] {
        let ran = world.run_with(&[(key, value)], &["status"]).await;
        assert_eq!(ran.code(), 78, "{key}: {ran:?}");
        assert!(ran.stderr.contains(named), "{key}: {ran:?}");
        assert!(!ran.stderr.contains("sekret"), "{key}: {ran:?}");
    }
    // Semicolons separate the elements of a list.
    let ran = world.run_with(&[("sync.volatile_paths", "data.cf1; data.cf2")], &["status"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    // A variable replaces the other forms of a secret.
    let config = world.dir.path().join("argos-sync.toml");
    let text = fs::read_to_string(&config).expect("the configuration");
    let in_a_file = format!("api_key = \"{KEY}\"");
    world.configure_whole(&text.replace(&in_a_file, "api_key_file = \"/nowhere/key\""));
    let ran = world.run_with(&[("project.main.api_key", KEY)], &["status"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.run(&["status"]).await.code(), 78);
    world.configure_whole(&text);
    // A secret that consists of digits stays text.
    world.vendor.set_accepted_keys(KEY, vec!["0012".to_owned()]).expect("a project");
    let settings = [("project.main.api_key", "0012")];
    let backfill = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let ran = world.run_with(&settings, &backfill).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_named() {
    let world = TestWorld::new(0, 0).await;
    fs::remove_file(world.dir.path().join("argos-sync.toml")).expect("removed");
    let ran = world.run(&["status"]).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("argos-sync.toml"), "{ran:?}");
    fs::create_dir(world.dir.path().join("argos-sync.toml")).expect("a directory");
    let ran = world.run(&["status"]).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("argos-sync.toml"), "{ran:?}");
}

#[tokio::test]
async fn every_problem_is_named_at_once() {
    let world = TestWorld::new(0, 0).await;
    let ran = status_of(
        &world,
        "[database]\nurl_file = \"/nowhere/url\"\n[project.a]\nkind = \"idcheck\"\nbase_url = \"https://x.example/v3\"\n\
         [project.b]\nkind = \"faceauth\"\nparent = \"c\"\nbase_url = \"https://x.example/v3\"\napi_key = \"k\"\n",
    )
    .await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    for named in ["database.url", "project.a", "project.b"] {
        assert!(ran.stderr.contains(named), "{named}: {ran:?}");
    }
}

#[tokio::test]
async fn secrets_come_from_files_and_credentials() {
    let world = TestWorld::new(20, 10).await;
    let path = |name: &str| world.dir.path().join(name);
    fs::write(path("url"), format!("{}\n", world.database.url)).expect("written");
    fs::write(path("main.key"), format!("{KEY}\r\n")).expect("written");
    fs::create_dir(path("credentials")).expect("a directory");
    fs::write(path("credentials/face"), FACE_KEY).expect("written");
    fs::write(path("credentials/pseudonyms"), "sekret").expect("written");
    world.configure_whole(&format!(
        "[database]\nurl_file = {:?}\n[privacy]\npseudonym_key_credential = \"pseudonyms\"\n\
         [client]\ncalls_per_second = 5000\n\
         [project.main]\nkind = \"idcheck\"\nbase_url = \"{url}\"\napi_key_file = {:?}\n\
         [project.face]\nkind = \"faceauth\"\nparent = \"main\"\nbase_url = \"{url}\"\napi_key_credential = \"face\"\n",
        path("url"),
        path("main.key"),
        url = world.url,
    ));
    let backfill = ["run", "--backfill", ALL_DAYS];
    let ran = world.run(&backfill).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("$CREDENTIALS_DIRECTORY"), "{ran:?}");
    let mut command = world.command(&backfill);
    let output = command.env("CREDENTIALS_DIRECTORY", path("credentials")).output().await;
    let ran = Ran::of(output.expect("the program runs"));
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(
        world
            .number("select count(*) from argos.submission where email_pseudonym is not null")
            .await,
        20
    );
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 10);

    fs::write(path("main.key"), "\n").expect("written");
    let mut command = world.command(&backfill);
    let output = command.env("CREDENTIALS_DIRECTORY", path("credentials")).output().await;
    let ran = Ran::of(output.expect("the program runs"));
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(
        ran.stderr.contains("`project.main.api_key`") && ran.stderr.contains("is empty"),
        "{ran:?}"
    );
}

/// The keys of `config/default.toml`, by section.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in argos_sync::config::keys() {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
        sections.entry(section.to_owned()).or_default().insert(name.to_owned());
    }
    sections
}

#[tokio::test]
async fn every_key_is_documented_and_every_documented_key_is_known() {
    let world = TestWorld::new(0, 0).await;
    let documented = documented();
    assert_eq!(documented.len(), 13, "{documented:?}");
    for (section, keys) in &documented {
        let text = match section.as_str() {
            "" => "nonsense_key = 1\n".to_owned(),
            "project.main" => format!("{PROJECT}nonsense_key = 1\n"),
            section => format!("[{section}]\nnonsense_key = 1\n"),
        };
        let ran = status_of(&world, &text).await;
        assert_eq!(ran.code(), 78, "{ran:?}");
        // unknown field: .. `nonsense_key`, expected one of `a`, `b`
        let (_, expected) = ran.stderr.split_once("expected ").unwrap_or_else(|| panic!("{ran:?}"));
        let expected = expected.lines().next().unwrap_or_default();
        let known: BTreeSet<_> =
            expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let mut keys = keys.clone();
        if section.is_empty() {
            let sections = documented.keys().filter(|section| !section.is_empty());
            keys.extend(
                sections.map(|section| section.split('.').next().unwrap_or_default().to_owned()),
            );
        } else {
            let inside = documented.keys().filter_map(|other| other.strip_prefix(section.as_str()));
            keys.extend(inside.filter_map(|rest| rest.strip_prefix('.')).map(str::to_owned));
        }
        assert_eq!(known, keys, "[{section}]");
    }
}

/// Runs the program in this directory, without `--config` and without variables that name a file.
async fn run_in(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos-sync"));
    command.args(arguments).current_dir(dir).env_remove("ARGOS_SYNC_CONFIG");
    command.envs(variables.iter().copied());
    Ran::of(command.output().await.expect("the program runs"))
}

#[tokio::test]
async fn the_configuration_is_found_and_named_or_the_message_says_where_to_put_it() {
    if Path::new("/etc/argos-sync/argos-sync.toml").exists() {
        println!("skipped: this machine has a configuration");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let none = run_in(dir.path(), &["status"], &[]).await;
    assert_eq!(none.code(), 78, "{none:?}");
    for place in [
        "--config",
        "ARGOS_SYNC_CONFIG",
        "./argos-sync.toml",
        "/etc/argos-sync/argos-sync.toml",
        "config default",
    ] {
        assert!(none.stderr.contains(place), "{none:?}");
    }
    let url = "postgres://u:sekret@127.0.0.1:9/db";
    let by_environment =
        run_in(dir.path(), &["status"], &[("ARGOS_SYNC__DATABASE__URL", url)]).await;
    assert_eq!(by_environment.code(), 75, "it needs no file: {by_environment:?}");
    let here = dir.path().join("argos-sync.toml");
    fs::write(&here, format!("[database]\nurl = \"{url}\"\n")).expect("a file");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o600)).expect("a mode");
    let found = run_in(dir.path(), &["status"], &[]).await;
    assert_eq!(found.code(), 75, "{found:?}");
    assert!(found.stderr.contains("configuration file=argos-sync.toml"), "{found:?}");
    let other = dir.path().join("other.toml");
    fs::rename(&here, &other).expect("renamed");
    let other = other.display().to_string();
    let named = run_in(dir.path(), &["status"], &[("ARGOS_SYNC_CONFIG", &other)]).await;
    assert_eq!(named.code(), 75, "{named:?}");
    assert!(named.stderr.contains(&other), "{named:?}");
    fs::write(&here, "").expect("a file");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o666)).expect("a mode");
    let planted = run_in(dir.path(), &["status"], &[]).await;
    assert_eq!(planted.code(), 78, "{planted:?}");
    assert!(planted.stderr.contains("others may write to it"), "{planted:?}");
}

#[tokio::test]
async fn the_configuration_in_use_is_shown_without_secrets_and_the_defaults_can_be_used() {
    let world = TestWorld::new(0, 0).await;
    let more =
        [("sync.window_days", "7"), ("privacy.pseudonym_key", "0123456789abcdef0123456789abcdef")];
    let shown = world.run_with(&more, &["config", "show"]).await;
    assert_eq!(shown.code(), 0, "{shown:?}");
    for line in [
        "sync.window_days = \"7\"",
        "project.main.api_key = \"<hidden>\"",
        "privacy.pseudonym_key = \"<hidden>\"",
        "audit.cycle_days = ",
    ] {
        assert!(shown.stdout.contains(line), "{line}: {shown:?}");
    }
    let (_, password) = world.database.url.split_once("://").expect("an address");
    let (user, _) = password.rsplit_once('@').unwrap_or(("", ""));
    let password = user.split_once(':').map_or("none", |(_, password)| password);
    for secret in [KEY, FACE_KEY, password, "0123456789abcdef"] {
        assert!(!shown.stdout.contains(secret), "{shown:?}");
    }
    // A misspelled key may be that of a secret.
    for key in ["project.main.apikey", "projects.main.api_kye", "api", "databse.url", "sync.key.a"]
    {
        let misspelled = world.run_with(&[(key, "sekret")], &["config", "show"]).await;
        assert_eq!(misspelled.code(), 78, "{key}: {misspelled:?}");
        assert!(misspelled.stdout.contains(&format!("{key} = \"<hidden>\"")), "{misspelled:?}");
        assert!(!misspelled.stderr.contains("sekret"), "{misspelled:?}");
    }
    let wrong = world.run_with(&[("sync.window_days", "0")], &["config", "show"]).await;
    assert_eq!(wrong.code(), 78, "{wrong:?}");
    assert!(wrong.stdout.contains("sync.window_days"), "{wrong:?}");
    let defaults = world.run(&["config", "default"]).await;
    assert_eq!(defaults.stdout, include_str!("../../config/default.toml"));
}
