//! Secure Data Transmission: requests, answers, and mismatches that stop a project.

use super::*;
use crate::client::{
    encryption::tests::answer,
    scripted::{ok, status},
};

const EMAIL: &str = "ada.lovelace@example.com";
/// The start of the SHA-256 of [`KEY`].
const KEY_HASH: &str = "4ee8f853";

fn encrypting(server: &Scripted, text_form: TextForm) -> ClientSettings {
    let encryption = Encryption { text_form, paging: EncryptedPaging::Clear };
    ClientSettings { encryption: Some(encryption), ..settings(server) }
}

async fn encrypted(script: impl IntoIterator<Item = Step>) -> (Scripted, Client) {
    let server = Scripted::start(script).await;
    let settings = encrypting(&server, TextForm::Base64);
    (server, client_with(settings, domain::Stream::Submission))
}

fn refused(body: &str) -> Step {
    status("400 Bad Request", "", body)
}

#[track_caller]
fn assert_stops(error: &ClientError, expected: EncryptionError) {
    assert_eq!(*error, ClientError::Encryption(expected));
    assert_eq!(error.remedy(), CallRemedy::BlockProject);
    assert!(error.advice().contains('`'), "{}", error.advice());
}

#[tokio::test]
async fn encrypted_pages_are_walked() {
    let script = [ok(&answer(KEY, &page(2, Some("a")))), ok(&answer(KEY, &page(1, None)))];
    let (server, client) = encrypted(script).await;
    let pages = walk(&client).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [2, 1]);
    for query in server.asked() {
        assert!(query.contains("count=2000") && query.contains("data="), "{query}");
        assert!(!query.contains("start_date") && !query.contains("2025-01-01"), "{query}");
    }
}

#[tokio::test]
async fn refusals_are_read_in_the_clear_and_encrypted() {
    let refusal = r#"{"errorCode":"invalid_format","message":"invalid format: start_date"}"#;
    for body in [refusal, &answer(KEY, refusal)] {
        let (server, client) = encrypted([refused(body), ok(&answer(KEY, &page(1, None)))]).await;
        walk(&client).await.unwrap();
        assert_eq!(server.asked().len(), 2, "the other date style is tried");
    }
    let unknown = r#"{"message":"not Exist Submission ID","statusCode":400}"#;
    let (_server, client) = encrypted([refused(&answer(KEY, unknown))]).await;
    assert!(client.detail("x").await.unwrap().item.is_none());
    // If the status is sufficient, encryption does not matter.
    let script = [
        status("503 Service Unavailable", "", &answer("another key", "{}")),
        ok(&answer(KEY, &page(1, None))),
    ];
    let (_server, client) = encrypted(script).await;
    assert_eq!(walk(&client).await.unwrap().len(), 1);
    let (_server, client) =
        encrypted([status("403 Forbidden", "", &answer("another key", "{}"))]).await;
    let error = walk_error(&client).await;
    assert!(matches!(error, ClientError::Denied { .. }), "{error}");
}

#[tokio::test]
async fn ciphertexts_without_configuration_stop_the_project() {
    let decryption = r#"{"errorCode":"Decryption is Failed. Please check the api-key."}"#;
    for (step, error) in [
        (ok(&answer(KEY, &page(1, None))), EncryptionError::AnswerEncrypted),
        (refused(&answer(KEY, decryption)), EncryptionError::AnswerEncrypted),
        (refused(decryption), EncryptionError::RequestPlain),
    ] {
        let (server, client) = submissions([step]).await;
        assert_stops(&walk_error(&client).await, error);
        assert_eq!(server.asked().len(), 1, "asking again would not help");
    }
}

#[tokio::test]
async fn a_project_that_does_not_encrypt_as_configured_is_stopped() {
    let no_json = answer(KEY, "<html>");
    let twice = answer(KEY, &answer(KEY, &page(1, None)));
    for (step, error) in [
        (ok(&page(1, None)), EncryptionError::AnswerPlain),
        (ok(&page(0, None)), EncryptionError::AnswerPlain),
        (
            refused(r#"{"errorCode":"Decryption is Failed. Please check the api-key."}"#),
            EncryptionError::RequestNotUnderstood,
        ),
        (
            refused(r#"{"errorCode":"invalid_parameter","message":"invalid parameter: data"}"#),
            EncryptionError::RequestNotUnderstood,
        ),
        (ok(&no_json), Undecipherable::NotJson.into()),
        (ok(r#"{"isEncrypted":true,"Items":[]}"#), Undecipherable::NoText.into()),
        (ok(r#"{"data":"a b","isEncrypted":true}"#), Undecipherable::TextForm.into()),
        (refused(r#"{"data":"abcd"}"#), Undecipherable::Length.into()),
    ] {
        let (server, client) = encrypted([step]).await;
        assert_stops(&walk_error(&client).await, error);
        assert_eq!(server.asked().len(), 1, "asking again would not help");
    }
    for plain in [page(1, None), page(2, Some("a")), "{}".to_owned()] {
        let (_server, client) = encrypted([ok(&plain)]).await;
        assert_stops(&client.detail("x").await.unwrap_err(), EncryptionError::AnswerPlain);
    }
    for key in ["another key", "a third key"] {
        let body = answer(key, &page(1, None));
        for step in [ok(&body), refused(&body)] {
            let (_server, client) = encrypted([step]).await;
            let error = walk_error(&client).await;
            let ClientError::Encryption(error) = error else { panic!("{error}") };
            assert!(matches!(error, EncryptionError::Undecipherable(_)), "{error}");
        }
    }
    let server = Scripted::start([ok(&twice)]).await;
    let settings =
        ClientSettings { retry_budget: Duration::ZERO, ..encrypting(&server, TextForm::Base64) };
    assert!(walk(&client_with(settings, domain::Stream::Submission)).await.is_err());
}

#[tokio::test]
async fn damage_in_the_clear_may_still_pass() {
    let whole = answer(KEY, &page(1, None));
    let cut = whole.get(..whole.len() - 1).unwrap();
    let script = [
        ok("<html>"),
        ok(cut),
        ok(r#"{"message":"busy"}"#),
        ok(&answer(KEY, r#"{"message":"busy"}"#)),
        ok(&whole),
    ];
    let (server, client) = encrypted(script).await;
    assert_eq!(walk(&client).await.unwrap().len(), 1);
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn face_authentications_are_asked_in_the_clear_and_read_either_way() {
    let list = r#"[{"data":[{"auth_id":"1"}]}]"#;
    for body in [list, &answer(KEY, list)] {
        let server = Scripted::start([ok(body)]).await;
        let settings = encrypting(&server, TextForm::Hex);
        let client = client_with(settings, domain::Stream::Faceauth);
        assert_eq!(walk(&client).await.unwrap()[0].items, [r#"{"auth_id":"1"}"#]);
        let query = &server.asked()[0];
        assert!(query.contains("startDate=2025-01-01") && !query.contains("data="), "{query}");
    }
    let server = Scripted::start([ok(r#"[{"data":"AAqi"}]"#)]).await;
    let client = client_with(encrypting(&server, TextForm::Hex), domain::Stream::Faceauth);
    assert_stops(&walk_error(&client).await, Undecipherable::UnknownPlace.into());
}

#[tokio::test]
async fn no_error_repeats_a_ciphertext_or_what_was_in_it() {
    let (server, client) = encrypted([ok(&answer(KEY, &page(1, None)))]).await;
    found(&client, Find::Email(EMAIL)).await.unwrap();
    let query = server.asked()[0].clone();
    let (_, data) = query.split_once("data=").unwrap();
    let plain = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let echo = format!(r#"{{"message":"no {EMAIL} in {plain} or {data}"}}"#);
    for body in [refused(&echo), refused(&answer(KEY, &echo))] {
        let server = Scripted::start([body]).await;
        let settings = encrypting(&server, TextForm::Base64);
        let client = client_with(settings.clone(), domain::Stream::Submission);
        let error = found(&client, Find::Email(EMAIL)).await.unwrap_err();
        let shown = format!("{error} {error:?} {client:?} {settings:?}").to_lowercase();
        for hidden in [EMAIL, KEY, KEY_HASH, &data.to_lowercase(), &plain.to_lowercase()] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}

#[tokio::test]
async fn what_stands_in_the_clear_beside_a_ciphertext_is_read_too() {
    let beside = |items, members: &str| {
        answer(KEY, &page(items, None)).replacen('{', &format!("{{{members},"), 1)
    };
    let key = r#""nextPageKey":{"id":"a","created_at":"d"}"#;
    let script = [ok(&beside(2, key)), ok(&answer(KEY, &page(1, None)))];
    let (server, client) = encrypted(script).await;
    assert_eq!(walk(&client).await.unwrap().len(), 2);
    assert!(server.asked()[1].contains("nextpage_id=a&nextpage_date=d"));

    let token = beside(2, r#""nextToken":"abc""#);
    let (_server, client) = encrypted([ok(&token), ok(&token)]).await;
    assert!(matches!(walk_error(&client).await, ClientError::EndUnknown(_)));

    let busy = beside(0, r#""errorCode":"busy""#);
    let (server, client) = encrypted([ok(&busy), ok(&answer(KEY, &page(1, None)))]).await;
    assert_eq!(walk(&client).await.unwrap().len(), 1);
    assert_eq!(server.asked().len(), 2, "an error beside a ciphertext is asked again");
}
