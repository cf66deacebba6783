//! Items as they were written once, for who measures: a vendor's work is done on the vendor's
//! machine, and not on the one that is measured.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::signed::Signer;
use super::writer::{Address, Writer};

/// Items that nobody changed, whole.
#[derive(Debug)]
pub(in crate::simulator) struct Cache {
    /// By number.
    items: Box<[OnceLock<Item>]>,
    bytes_left: AtomicUsize,
}

#[derive(Debug)]
struct Item {
    id: String,
    text: Box<[u8]>,
    /// Those in the text; they are signed anew for every call.
    addresses: Box<[Address]>,
}

impl Cache {
    /// None of so many items yet, of which so many bytes may be kept.
    pub(in crate::simulator) fn new(count: u32, bytes_max: usize) -> Self {
        let count = if bytes_max == 0 { 0 } else { usize::try_from(count).unwrap_or(0) };
        Self {
            items: (0..count).map(|_| OnceLock::new()).collect(),
            bytes_left: AtomicUsize::new(bytes_max),
        }
    }

    /// Writes an item as it is kept, or with `write`, and keeps it.
    pub(in crate::simulator) fn write(
        &self,
        w: &mut Writer,
        (number, id): (u32, impl FnOnce() -> String),
        call: u64,
        write: impl FnOnce(&mut Writer),
    ) {
        let place = usize::try_from(number).ok().and_then(|number| self.items.get(number));
        match place.map(|place| (place, place.get())) {
            None => write(w),
            Some((_, Some(item))) => {
                let signer = Signer::new(call, &item.id);
                w.signed(&item.text, &item.addresses, |name| signer.sign(name));
            }
            Some((place, None)) => {
                let (text, addresses) = w.watched(write);
                if self.takes(text.len()) {
                    let _first = place.set(Item { id: id(), text: text.into(), addresses });
                }
            }
        }
    }

    fn takes(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{Day, Stream};
    use crate::simulator::api::project::LiveProject;
    use crate::simulator::knobs::{Knobs, TimeFormat};
    use crate::simulator::people::change::Change;
    use crate::simulator::people::population::Population;

    #[test]
    fn what_is_kept_is_what_would_be_written() {
        let from = Day::from_ymd_opt(2024, 1, 1).unwrap();
        let to = from + chrono::Days::new(2);
        let population = Population { seed: 5, submissions: 40, faceauths: 0, from, to };
        let project = || LiveProject::new("key".into(), Stream::Submission, population.clone());
        let [writing, keeping, keeping_some] = [(); 3].map(|()| project());
        keeping.keep_items(1 << 20);
        keeping_some.keep_items(50 << 10);
        let all = [&writing, &keeping, &keeping_some];
        let full = Knobs { full_list_items: true, ..Knobs::default() };
        for project in all {
            project.set_knobs(full.clone());
        }
        let mut call = 0;
        let mut bodies = std::collections::BTreeSet::new();
        let mut demand_same = || {
            for pairs in [vec![], vec![("count", "7")], vec![("request_type", "kyc")]] {
                call += 1;
                let pairs: Vec<_> =
                    pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                let body = |project: &LiveProject| {
                    project.answer("key", Ok(pairs.clone()), call).unwrap().body
                };
                assert_eq!(body(&writing), body(&keeping), "call {call}");
                assert_eq!(body(&writing), body(&keeping_some), "call {call}");
                assert!(bodies.insert(body(&writing)), "addresses are signed anew");
            }
        };
        demand_same();
        demand_same();
        let id = std::sync::Arc::new(project()).shown_ids().nth(3).unwrap();
        for project in all {
            project.change(&id, Change::Memo("seen".into())).unwrap();
        }
        demand_same();
        let dashed = Knobs { time_format: TimeFormat::Dashed, ..full };
        for project in all {
            project.set_knobs(dashed.clone());
        }
        demand_same();
        demand_same();
    }
}
