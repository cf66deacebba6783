//! Every fixture against its snapshot: one sample for each shape on the vendor's pages, and one oddity a file.

use super::{Seen, fixtures, rows};
use crate::domain::{Call, Stream};

fn compare(stream: Stream) {
    for (name, bytes) in fixtures(stream) {
        let call = if name.contains("-list-") { Call::List } else { Call::Detail };
        let text = rows(stream, &[(call, 1, &bytes)]).map_err(|refusal| refusal.to_string());
        insta::assert_snapshot!(name, text.unwrap_or_else(|refusal| format!("refused: {refusal}")));
    }
}

#[test]
fn submissions_become_these_rows() {
    compare(Stream::Submission);
}

#[test]
fn face_authentications_become_these_rows() {
    compare(Stream::Faceauth);
}

#[test]
fn a_deletion_that_a_detail_told_outlives_a_newer_list_item_that_brings_nobody_back() {
    let deleted = br#"{"submission_id":"a","data":{"name":"Deleted Submission"}}"#;
    let known = br#"{"submission_id":"a","data":{"name":"Ada","documentNumber":"1"}}"#;
    let list = br#"{"submission_id":"a","data":{"name":"Deleted Submission"},"kyc":{}}"#;
    let sparse = br#"{"submission_id":"a","kyc":{"result":"approved"}}"#;
    let marked =
        |seen: &[Seen<'_>]| rows(Stream::Submission, seen).unwrap().contains("deletion Some");
    assert!(marked(&[(Call::Detail, 1, deleted)]));
    assert!(marked(&[(Call::Detail, 1, deleted), (Call::List, 2, list)]));
    assert!(marked(&[(Call::Detail, 1, deleted), (Call::List, 2, sparse)]));
    assert!(!marked(&[(Call::List, 2, list)]), "a list item alone is no proof");
    assert!(!marked(&[(Call::Detail, 1, known), (Call::List, 2, list)]), "nor with a live detail");
    assert!(!marked(&[(Call::Detail, 1, deleted), (Call::List, 2, known)]), "it has come back");
}
