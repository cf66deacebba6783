//! The flat reader reads the same key from an item as the tree.

use super::{fixtures, volatile};
use crate::{
    domain::Stream,
    json,
    normalize::{ItemKey, Refusal, created_at, read_key, record_id},
};

/// The key, read from the tree.
fn by_tree(stream: Stream, bytes: &[u8]) -> Result<ItemKey, Refusal> {
    let text = json::text(bytes);
    let item = json::parse(&text).map_err(Refusal::Unreadable)?.value;
    Ok(ItemKey {
        id: record_id(stream, &item)?.to_owned(),
        digest: json::digest(&item, &volatile(stream)),
        created_at: created_at(stream, &item),
    })
}

fn compare(stream: Stream, bytes: &[u8]) {
    assert_eq!(read_key(stream, &volatile(stream), bytes), by_tree(stream, bytes));
}

#[test]
fn the_flat_reader_reads_the_key_that_the_tree_has() {
    for stream in Stream::ALL {
        for (_, bytes) in fixtures(stream) {
            // Also as the other kind of project, so that the id is missing.
            for stream in Stream::ALL {
                compare(stream, &bytes);
            }
        }
    }
}

#[test]
fn an_unusable_id_is_refused() {
    let long = format!(r#"{{"submission_id":"{}"}}"#, "x".repeat(256));
    for (item, refusal) in [
        (r#"{"submission_id":""}"#, Refusal::NoId),
        (r#"{"submission_id":null}"#, Refusal::NoId),
        (r#"{"submission_id":["x"]}"#, Refusal::NoId),
        (r#"{"auth_id":"x"}"#, Refusal::NoId),
        (r#"{"submission_id":"x","submission_id":{}}"#, Refusal::NoId),
        (r#"{"submission_id":"x\ud800"}"#, Refusal::DamagedId),
        (&long, Refusal::LongId),
        (r#"["submission_id"]"#, Refusal::NoObject),
    ] {
        let seen = read_key(Stream::Submission, &volatile(Stream::Submission), item.as_bytes());
        assert_eq!(seen, Err(refusal), "{item}");
        compare(Stream::Submission, item.as_bytes());
    }
    compare(Stream::Submission, br#"{"submission_id":17.50,"created_at":" 2024-01-01T00:00:00Z"}"#);
    compare(Stream::Submission, br#"{"submission\u005fid":"\u0041"}"#);
}
