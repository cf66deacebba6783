//! The members of a list other than its items: the next-page key in every spelling, errors, and
//! unknown members.

use crate::domain::Stream;
use crate::simulator::knobs::{Knobs, NextPageKey, TimeFormat};
use crate::simulator::render::writer::JsonWriter;

/// Writes the members next to the items; `next`: id and moment of the next-page key.
pub(super) fn beside_items(
    w: &mut JsonWriter,
    knobs: &Knobs,
    stream: Stream,
    next: Option<(String, i64)>,
) {
    if knobs.unknown_members {
        w.key("ScannedCount").number(17_u32);
        w.key("meta").object(|w| w.pair("region", "ap-northeast-2"));
    }
    let Some((id, at_ms)) = next else { return };
    let (own, other) = match stream {
        Stream::Submission => (("id", "created_at"), ("authId", "createTime")),
        Stream::Faceauth => (("authId", "createTime"), ("id", "created_at")),
    };
    let format = match stream {
        Stream::Submission => knobs.time_format,
        Stream::Faceauth => TimeFormat::Iso,
    };
    let (name, members) = match (knobs.next_page_key, stream) {
        (NextPageKey::Documented, Stream::Submission) => ("nextpageKey", own),
        (NextPageKey::Documented, Stream::Faceauth) => ("nextPage_key", own),
        (NextPageKey::Camel, _) => ("nextPageKey", own),
        (NextPageKey::Title, _) => ("NextpageKey", own),
        (NextPageKey::Snake, _) => ("nextPage_key", other),
        (NextPageKey::Unknown, _) => ("nextPageCursor", ("key", "at")),
        (NextPageKey::Unnamed, _) => ("LastEvaluated", ("key", "at")),
        (NextPageKey::Flat, _) => {
            w.pair("nextPageKeyId", &id);
            w.key("nextPageKeyTime").time(format, at_ms);
            return;
        }
        (NextPageKey::Missing, _) => return,
    };
    w.key(name).object(|w| {
        w.pair(members.0, &id);
        w.key(members.1).time(format, at_ms);
    });
}

/// A list that reports an error and has no items.
pub(super) fn error_beside_items(stream: Stream) -> Vec<u8> {
    let mut w = JsonWriter::default();
    let error = |w: &mut JsonWriter| {
        w.pair("errorCode", "processing_error");
        w.pair("message", "Data Processing Error.");
    };
    match stream {
        Stream::Submission => w.object(|w| {
            w.key("Items").array(|_| {});
            error(w);
        }),
        Stream::Faceauth => w.array(|w| {
            w.object(|w| {
                w.key("data").array(|_| {});
                error(w);
            });
        }),
    }
    w.into_bytes()
}
