//! Measures the steps of reading one item: cut a page into items, read the key, and for a changed
//! item parse, normalize and compress it.
//!
//! `cargo bench --bench decode` prints the time per item (per page for `page/`) of each step, over
//! 200 full-size submissions of the simulator. `reference/` processes the same bytes with other
//! libraries, for comparison. Nothing is asserted.

#![expect(clippy::expect_used, reason = "a program of measurements")]

mod typed;

use std::{hint::black_box, time::Duration};

use argos_sync::{
    domain::{Day, ReadNumber, Stream},
    json::{self, Paths},
    normalize::{self, Context, catalogue},
    simulator::{Population, SimulatedProject, Simulation},
};
use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};

const ITEMS: u32 = 200;
const PROJECT: &str = "decode";

/// Submissions in full, as detail calls show them.
fn items() -> Vec<Vec<u8>> {
    let day = |day| Day::from_ymd_opt(2024, 1, day).expect("a day");
    let population =
        Population { seed: 1, submissions: ITEMS, faceauths: 0, from: day(1), to: day(3) };
    let project = SimulatedProject { key: PROJECT.into(), stream: Stream::Submission, population };
    let world = Simulation::new(vec![project]);
    let item = |id: String| world.submission(PROJECT, &id).expect("a submission it listed");
    world.submission_ids(PROJECT).map(item).collect()
}

/// Measures one item per iteration, a different one each time.
fn each(bencher: &mut Bencher<'_>, items: &[Vec<u8>], mut step: impl FnMut(&[u8])) {
    let mut turn = items.iter().cycle();
    bencher.iter(|| step(turn.next().map(Vec::as_slice).unwrap_or_default()));
}

fn page(criterion: &mut Criterion) {
    let items = items();
    let page = [&br#"{"Items":["#[..], &items.join(&b','), b"]}"].concat();
    let mut group = criterion.benchmark_group("page");
    group.throughput(Throughput::Elements(u64::from(ITEMS)));
    group.bench_function("cut into items", |bencher| {
        bencher.iter(|| {
            let members =
                json::members(black_box(&page), "Items", &json::unread).expect("an object");
            members.first().and_then(|cut| cut.elements.as_ref()).expect("an array").len()
        });
    });
    group.finish();
}

fn item(criterion: &mut Criterion) {
    let items = items();
    let volatile = Paths::new(catalogue::volatile_paths(Stream::Submission).iter().copied());
    let context = Context { pseudonym_key: Some("not a secret".to_owned().into()), parent: None };
    let bytes: usize = items.iter().map(Vec::len).sum();
    let mean = u64::try_from(bytes / items.len()).unwrap_or(u64::MAX);

    let mut group = criterion.benchmark_group("item");
    group.throughput(Throughput::Bytes(mean));
    group.bench_function("key", |bencher| {
        each(bencher, &items, |item| {
            let key = normalize::read_key(Stream::Submission, &volatile, black_box(item));
            black_box(key).expect("an item");
        });
    });
    group.bench_function("parse", |bencher| {
        each(bencher, &items, |item| {
            let text = json::text(black_box(item));
            black_box(json::parse(&text)).expect("an item");
        });
    });
    group.bench_function("digest of a tree", |bencher| {
        let texts: Vec<_> = items.iter().map(|item| json::text(item)).collect();
        let trees: Vec<_> = texts.iter().filter_map(|text| json::parse(text).ok()).collect();
        let mut turn = trees.iter().cycle();
        bencher.iter(|| turn.next().map(|tree| json::digest(&tree.value, &volatile)));
    });
    group.bench_function("normalize a merged tree", |bencher| {
        let texts: Vec<_> = items.iter().map(|item| json::text(item)).collect();
        let merged = |text| {
            let item = json::parse(text).ok()?.value;
            normalize::merge(Stream::Submission, None, Some((item, ReadNumber(1))))
        };
        let trees: Vec<_> = texts.iter().filter_map(|text| merged(text)).collect();
        let mut turn = trees.iter().cycle();
        bencher.iter(|| {
            let tree = turn.next()?;
            let normalized = normalize::normalize(Stream::Submission, &context, tree, false);
            Some(black_box(normalized).rows.len())
        });
    });
    group.bench_function("zstd level 1", |bencher| {
        let mut compressor = zstd::bulk::Compressor::new(1).expect("a compressor");
        each(bencher, &items, |item| {
            black_box(compressor.compress(black_box(item))).expect("a frame");
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("reference");
    group.throughput(Throughput::Bytes(mean));
    group.bench_function("serde_json, Value", |bencher| {
        each(bencher, &items, |item| {
            let value = serde_json::from_slice::<serde_json::Value>(black_box(item));
            black_box(value).expect("an item");
        });
    });
    group.bench_function("serde_json, typed and borrowing", |bencher| {
        each(bencher, &items, |item| {
            let typed = serde_json::from_slice::<typed::Submission<'_>>(black_box(item));
            black_box(typed).expect("an item");
        });
    });
    group.bench_function("serde_json, grammar only", |bencher| {
        each(bencher, &items, |item| {
            let nothing = serde_json::from_slice::<serde::de::IgnoredAny>(black_box(item));
            black_box(nothing).expect("an item");
        });
    });
    group.bench_function("SHA-256 of the item's bytes", |bencher| {
        use sha2::Digest as _;
        each(bencher, &items, |item| {
            black_box(sha2::Sha256::digest(black_box(item)));
        });
    });
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group!(name = steps; config = settings(); targets = page, item);
criterion_main!(steps);
