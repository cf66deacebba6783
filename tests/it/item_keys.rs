//! The flat reader reads the same key from a simulated item as the tree.

use argos_sync::{
    domain::{Day, ItemKey, Stream},
    json::{self, Paths},
    normalize::{catalogue, created_at, read_key, read_key_prefix, record_id},
    simulator::{Population, SimulatedProject, Simulation},
};

fn compare(stream: Stream, bytes: &[u8]) {
    let volatile = Paths::new(catalogue::volatile_paths(stream).iter().copied());
    let text = json::text(bytes);
    let item = json::parse(&text).expect("an item").value;
    let by_tree = ItemKey {
        id: record_id(stream, &item).expect("an id").to_owned(),
        digest: json::digest(&item, &volatile),
        created_at: created_at(stream, &item),
    };
    assert_eq!(read_key(stream, &volatile, bytes).as_ref(), Ok(&by_tree));
    let begun = format!("{text},{text}");
    assert_eq!(read_key_prefix(stream, &volatile, &begun), Some((by_tree, text.len())));
}

#[test]
fn the_flat_reader_reads_the_key_that_the_tree_has() {
    let day = |day| Day::from_ymd_opt(2024, 1, day).expect("a day");
    let population =
        Population { seed: 3, submissions: 300, faceauths: 300, from: day(1), to: day(3) };
    let world = Simulation::new(Vec::from(Stream::ALL.map(|stream| SimulatedProject {
        key: stream.as_str().to_owned(),
        stream,
        population: population.clone(),
    })));
    let mut seen = 0;
    for id in world.submission_ids("submission") {
        compare(Stream::Submission, &world.submission("submission", &id).expect("an item"));
        seen += 1;
    }
    for id in world.faceauth_ids("faceauth") {
        compare(Stream::Faceauth, &world.faceauth("faceauth", &id).expect("an item"));
        seen += 1;
    }
    assert_eq!(seen, 600);
}
