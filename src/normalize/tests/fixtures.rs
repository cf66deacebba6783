//! Compares every fixture with its snapshot: one sample for each shape on the vendor's pages, and
//! one oddity per file.

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
fn a_marked_item_is_told_by_no_other_and_tells_nothing_of_a_live_record() {
    let marked = br#"{"submission_id":"a","data":{"name":"Deleted Submission"}}"#;
    let known = br#"{"submission_id":"a","data":{"name":"Ada","documentNumber":"1"}}"#;
    let sparse = br#"{"submission_id":"a","kyc":{"result":"approved"}}"#;
    let rows = |seen: &[Seen<'_>]| rows(Stream::Submission, seen).unwrap();
    let alone = rows(&[(Call::Detail, 1, marked)]);
    assert!(alone.contains("marked true") && !alone.contains("argos_pii"), "{alone}");
    for live in [&known[..], sparse] {
        let alone = rows(&[(Call::Detail, 1, live)]);
        assert!(alone.contains("marked false"), "{alone}");
        assert_eq!(rows(&[(Call::Detail, 1, live), (Call::List, 2, marked)]), alone);
        assert_eq!(rows(&[(Call::List, 1, live), (Call::Detail, 2, marked)]), alone);
    }
}
