//! Secure Data Transmission: the warehouse is the same with it, a mismatch stops the project, and
//! no log contains the key.

use argos_sync::simulator::{CiphertextForm, Knobs, ModeMismatch, PagingPlace, UnknownId};
use serde_json::Value;

use crate::{
    truth::assert_equal,
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld},
};

const BACKFILL: [&str; 5] = ["--log", "trace", "run", "--backfill", ALL_DAYS];

/// SHA-256 of the keys, in hexadecimal digits and in base64; `printf %s KEY | sha256sum`.
const KEY_HASHES: [&str; 4] = [
    "f597b1029accd372e69860990716a4ed430f2b3a0ca8f2b5bb7bc9168dbf1a02",
    "9ZexAprM03LmmGCZBxak7UMPKzoMqPK1u3vJFo2/GgI=",
    "df06b51a3fcc07efd01a8009a34b66fa71b5aa97fda9e35788695a3baa4ac126",
    "3wa1Gj/MB+/QGoAJo0tm+nG1qpf9qeNXiGlaO6pKwSY=",
];

/// A vendor with these knobs for the project `main`.
async fn world_with(knobs: Knobs) -> TestWorld {
    let world = TestWorld::new(60, 30).await;
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    world
}

/// Runs with the given settings of project `main` and pages of 20.
async fn run(world: &TestWorld, encryption: &str, paging: &str, arguments: &[&str]) -> Ran {
    let settings = [
        ("client.page_size", "20"),
        ("project.main.encryption", encryption),
        ("project.main.encrypted_paging", paging),
    ];
    world.run_with(&settings, arguments).await
}

/// Demands that output and operators' tables contain no key, no hash of a key and no personal data.
async fn nothing_secret_shows(world: &TestWorld, ran: &Ran) {
    let operators = world.all_that_operators_see().await;
    let mut secrets = vec![KEY.to_owned(), FACE_KEY.to_owned(), "@mail.example".to_owned()];
    secrets.extend(KEY_HASHES.map(str::to_owned));
    for id in world.vendor.submission_ids(KEY) {
        let item = world.vendor.submission(KEY, &id).expect("a record");
        let item: Value = serde_json::from_slice(&item).expect("JSON");
        let texts = [&item["userid"], &item["data"]["full_name"], &item["data"]["documentNumber"]];
        secrets.extend(texts.iter().filter_map(|text| text.as_str()).map(str::to_owned));
    }
    assert!(secrets.len() > 50, "{}", secrets.len());
    for text in [&ran.stdout, &ran.stderr, &operators] {
        for secret in &secrets {
            let found = text.to_lowercase().contains(&secret.to_lowercase());
            assert!(!found, "`{secret}` shows: {text}");
        }
    }
}

/// Demands that the warehouse equals the vendor if both use the same forms.
async fn equal_with(encryption: CiphertextForm, paging: PagingPlace) {
    let text_form = match encryption {
        CiphertextForm::None => "none",
        CiphertextForm::Base64 => "base64",
        CiphertextForm::Hex => "hex",
    };
    let place = match paging {
        PagingPlace::Clear => "clear",
        PagingPlace::Inside => "inside",
        PagingPlace::Both => "both",
    };
    let knobs = Knobs { encryption, encrypted_paging: paging, ..Knobs::default() };
    let world = world_with(knobs).await;
    let ran = run(&world, text_form, place, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_equal(&world).await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    nothing_secret_shows(&world, &ran).await;
}

/// One test for each combination of forms.
macro_rules! equal_with {
    ($($claim:ident: $encryption:ident, $paging:ident;)*) => {
        $(#[tokio::test]
        async fn $claim() {
            equal_with(CiphertextForm::$encryption, PagingPlace::$paging).await;
        })*
    };
}

equal_with! {
    base64_with_paging_in_the_clear_is_read: Base64, Clear;
    base64_with_paging_inside_is_read: Base64, Inside;
    base64_with_paging_in_both_is_read: Base64, Both;
    hex_with_paging_in_the_clear_is_read: Hex, Clear;
    hex_with_paging_inside_is_read: Hex, Inside;
    hex_with_paging_in_both_is_read: Hex, Both;
}

#[tokio::test]
async fn paging_in_both_places_suits_a_vendor_that_looks_at_one() {
    for encrypted_paging in [PagingPlace::Clear, PagingPlace::Inside] {
        let encryption = CiphertextForm::Base64;
        let world = world_with(Knobs { encryption, encrypted_paging, ..Knobs::default() }).await;
        let ran = run(&world, "base64", "both", &BACKFILL).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_equal(&world).await;
    }
}

#[tokio::test]
async fn paging_that_the_vendor_does_not_see_covers_no_day() {
    let encrypted_paging = PagingPlace::Inside;
    let knobs = Knobs {
        encryption: CiphertextForm::Base64,
        encrypted_paging,
        default_count: 20,
        ..Knobs::default()
    };
    let world = world_with(knobs).await;
    let ran = run(&world, "base64", "clear", &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let covered = "select count(*) from argos_sync.coverage where project = 'main'";
    assert_eq!(world.number(covered).await, 0);
}

#[tokio::test]
async fn refusals_are_understood_in_the_clear_and_encrypted() {
    for encrypted_errors in [false, true] {
        let encryption = CiphertextForm::Hex;
        // The date style is detected by the refusal of dashed dates.
        let date_format = argos_sync::simulator::DateFormat::Compact;
        let unknown_id = UnknownId::BadRequest;
        let knobs =
            Knobs { encryption, encrypted_errors, date_format, unknown_id, ..Knobs::default() };
        let world = world_with(knobs).await;
        let ran = run(&world, "hex", "clear", &BACKFILL).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_equal(&world).await;
        let fetch = ["--log", "trace", "fetch", "submission", "--id", "nobody"];
        let ran = run(&world, "hex", "clear", &fetch).await;
        assert_eq!(ran.code(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn one_person_is_found_by_email_inside_and_by_user_id_in_the_clear() {
    let world = world_with(Knobs { encryption: CiphertextForm::Base64, ..Knobs::default() }).await;
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    let item = world.vendor.submission(KEY, &id).expect("a record");
    let item: Value = serde_json::from_slice(&item).expect("JSON");
    for (option, member) in [("--email", "email"), ("--userid", "userid")] {
        let value = item[member].as_str().expect("a text");
        let fetch = ["--log", "trace", "fetch", "submission", option, value];
        let ran = run(&world, "base64", "clear", &fetch).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        nothing_secret_shows(&world, &ran).await;
    }
    assert!(world.number("select count(*) from argos.submission").await < 30);
}

#[tokio::test]
async fn encrypted_face_authentications_are_read() {
    let world = TestWorld::new(60, 30).await;
    let knobs = Knobs { encryption: CiphertextForm::Hex, ..Knobs::default() };
    world.vendor.set_knobs(FACE_KEY, knobs).expect("a project");
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 69, "{ran:?}");
    assert!(ran.stderr.contains("`encryption`"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 0);
    let ran = world.run_with(&[("project.face.encryption", "base64")], &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_equal(&world).await;
    nothing_secret_shows(&world, &ran).await;
}

/// Demands that a mismatch ends with 69 and these words, stores nothing and reveals nothing.
async fn stopped(knobs: Knobs, encryption: &str, words: &[&str]) {
    let world = world_with(knobs.clone()).await;
    let ran = run(&world, encryption, "clear", &BACKFILL).await;
    let case = format!("{knobs:?} against {encryption}: {ran:?}");
    assert_eq!(ran.code(), 69, "{case}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}`: {case}");
    }
    for sql in [
        "select count(*) from argos.submission",
        "select count(*) from argos_raw.submission",
        "select count(*) from argos_sync.quarantine",
        "select count(*) from argos_sync.coverage where project = 'main'",
        "select count(*) from argos_sync.record where project = 'main'",
    ] {
        assert_eq!(world.number(sql).await, 0, "{sql}: {case}");
    }
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 30, "{case}");
    nothing_secret_shows(&world, &ran).await;
    let check = run(&world, encryption, "clear", &["check"]).await;
    assert_eq!(check.code(), 1, "{check:?}");
    assert!(check.stdout.contains("`encryption`") || check.stderr.contains("`encryption`"));
}

#[tokio::test]
async fn a_project_configured_plain_that_encrypts_is_stopped() {
    let on = Knobs { encryption: CiphertextForm::Base64, ..Knobs::default() };
    stopped(on.clone(), "none", &["requires encrypted requests", "`encryption`"]).await;
    let overlooking = Knobs { mode_mismatch: ModeMismatch::Overlooked, ..on.clone() };
    stopped(overlooking, "none", &["encrypts its responses", "`encryption`"]).await;
    let encrypted_errors = Knobs { encrypted_errors: true, ..on };
    stopped(encrypted_errors, "none", &["encrypts its responses", "`encryption`"]).await;
}

#[tokio::test]
async fn a_project_configured_encrypted_that_does_not_is_stopped() {
    let off = Knobs::default();
    stopped(off.clone(), "base64", &["cannot decrypt the request", "`encryption`"]).await;
    let overlooking = Knobs { mode_mismatch: ModeMismatch::Overlooked, ..off };
    stopped(overlooking, "hex", &["the vendor's responses are plain", "`encryption`"]).await;
    let hex = Knobs { encryption: CiphertextForm::Hex, ..Knobs::default() };
    stopped(hex, "base64", &["cannot decrypt the request", "`encryption`"]).await;
}
