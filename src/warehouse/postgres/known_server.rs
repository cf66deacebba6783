//! The server's identity as this process recorded it (I6). A restore or failover may set its
//! sequences back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ReadNumber;

#[derive(Debug, Clone, Default)]
struct ServerState {
    /// The server's identity; empty if the server does not report it, `None` before the first
    /// check.
    identity: Option<String>,
    /// Observations with numbers up to this one may be older than their number suggests. They are
    /// not stored.
    floor: i64,
    /// The highest number drawn by this process.
    drawn: i64,
}

impl ServerState {
    /// Whether observations with these read numbers may be stored on the server with this identity.
    /// `lowest` is the lowest of the numbers.
    fn accepts(&self, identity: &str, lowest: ReadNumber) -> bool {
        self.identity.as_deref().is_none_or(|known| known == identity && lowest.0 > self.floor)
    }

    /// Records the server's identity. Raises the floor if the identity changed or a sequence was
    /// behind: the numbers drawn so far are then invalid.
    fn adopt(&mut self, identity: String, floor: i64, was_behind: bool) {
        let has_changed = self.identity.as_ref().is_some_and(|known| *known != identity);
        if was_behind || has_changed {
            self.floor = floor;
        }
        self.identity = Some(identity);
    }
}

/// The server's identity as this process recorded it; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::warehouse) struct KnownServer(Arc<Mutex<ServerState>>);

impl KnownServer {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The highest number drawn by this process.
    pub(in crate::warehouse) fn drawn(&self) -> i64 {
        self.state().drawn
    }

    /// Whether observations with these read numbers may be stored on the server with this identity.
    /// `lowest` is the lowest of the numbers.
    pub(in crate::warehouse) fn accepts(&self, identity: &str, lowest: ReadNumber) -> bool {
        self.state().accepts(identity, lowest)
    }

    /// Records the server's identity and, if it changed or a sequence was behind, the new floor.
    pub(in crate::warehouse) fn adopt(&self, identity: String, floor: i64, was_behind: bool) {
        self.state().adopt(identity, floor, was_behind);
    }

    /// Records a number that this process has drawn.
    pub(super) fn note_drawn(&self, number: i64) {
        let mut state = self.state();
        state.drawn = state.drawn.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(identity: &str, floor: i64) -> ServerState {
        ServerState { identity: Some(identity.to_owned()), floor, drawn: 0 }
    }

    #[test]
    fn what_was_asked_of_another_server_or_before_a_change_is_refused() {
        for (state, identity, read, accepted) in [
            (ServerState::default(), "one/1", 0, true),
            (known("one/1", 0), "one/1", 1, true),
            (known("one/1", 0), "one/2", 1, false),
            (known("one/1", 0), "two/1", 1, false),
            (known("one/2", 100), "one/2", 100, false),
            (known("one/2", 100), "one/2", 101, true),
        ] {
            assert_eq!(state.accepts(identity, ReadNumber(read)), accepted, "{state:?} {identity}");
        }
    }

    #[test]
    fn only_a_change_makes_the_numbers_drawn_so_far_worthless() {
        for (mut state, identity, was_behind, floor) in [
            (ServerState::default(), "one/1", false, 0),
            (ServerState::default(), "one/1", true, 90),
            (known("one/1", 0), "one/1", false, 0),
            (known("one/1", 0), "one/1", true, 90),
            (known("one/1", 0), "one/2", false, 90),
        ] {
            state.adopt(identity.to_owned(), 90, was_behind);
            assert_eq!((state.identity.as_deref(), state.floor), (Some(identity), floor));
        }
    }
}
