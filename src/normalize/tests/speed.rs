//! How fast items go through; run by hand with `--ignored --nocapture`.

use std::time::Instant;

use super::{context, full_size, volatile};
use crate::{
    domain::{ReadNumber, Stream},
    json,
    normalize::{glance, merge, normalize},
};

#[test]
#[ignore = "measures, asserts nothing"]
fn throughput() {
    const ITEMS: u32 = 20_000;
    let value: serde_json::Value = serde_json::from_slice(&full_size()).unwrap();
    let bytes = value.to_string().into_bytes();
    let volatile = volatile(Stream::Submission);
    let context = context();
    let started = Instant::now();
    for _ in 0..ITEMS {
        std::hint::black_box(glance(Stream::Submission, &volatile, &bytes)).unwrap();
    }
    let glancing = started.elapsed();
    let started = Instant::now();
    for _ in 0..ITEMS {
        let text = json::text(&bytes);
        let item = json::parse(&text).unwrap();
        let merged = merge(None, Some((item.value, ReadNumber(1)))).unwrap();
        std::hint::black_box(normalize(Stream::Submission, &context, &merged, false));
    }
    let normalizing = started.elapsed();
    println!(
        "{} bytes: glance {:?}, parse and normalize {:?} an item",
        bytes.len(),
        glancing / ITEMS,
        normalizing / ITEMS
    );
}
