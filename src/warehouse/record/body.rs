//! Bytes of items as they came: let go once rows are made of them, so that the next page has their
//! memory while this one is still written.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use crate::warehouse::postgres::error::WarehouseError;

/// What is kept as long as bytes are: the room that was taken for them.
pub type Room = Arc<dyn Any + Send + Sync>;

/// How long bytes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Until rows were made of them. Who wants to write them once more has to ask for them again.
    UntilReady,
    /// Until they are written.
    UntilWritten,
}

/// An item's bytes. Clones share them.
#[derive(Clone)]
pub struct Body {
    length: usize,
    holding: Holding,
    held: Arc<Mutex<Option<Held>>>,
}

struct Held {
    bytes: Bytes,
    _room: Option<Room>,
}

impl Body {
    /// Bytes that take room.
    pub fn new(bytes: Bytes, room: Room, holding: Holding) -> Self {
        Self::of(bytes, Some(room), holding)
    }

    fn of(bytes: Bytes, room: Option<Room>, holding: Holding) -> Self {
        let length = bytes.len();
        Self { length, holding, held: Arc::new(Mutex::new(Some(Held { bytes, _room: room }))) }
    }

    /// How many bytes came.
    pub(in crate::warehouse) fn len(&self) -> usize {
        self.length
    }

    /// The bytes, unless they were let go.
    pub(in crate::warehouse) fn bytes(&self) -> Result<Bytes, WarehouseError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|held| held.bytes.clone()).ok_or(WarehouseError::PageGone)
    }

    /// Lets go of them, unless they are held until they are written.
    pub(in crate::warehouse) fn let_go(&self) {
        if self.holding == Holding::UntilReady {
            drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::of(bytes, None, Holding::UntilWritten)
    }
}

/// Without the bytes, which are somebody's.
impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Body").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_room_of_a_page_are_given_back_with_the_last_of_its_items() {
        let page = Bytes::from(br#"{"name":"A"}{"name":"B"}"#.to_vec());
        let room: Room = Arc::new("room");
        let bodies = [0..12, 12..24]
            .map(|at| Body::new(page.slice(at), Arc::clone(&room), Holding::UntilReady));
        let seen = Arc::downgrade(&room);
        drop(room);
        for body in &bodies {
            assert!(seen.upgrade().is_some() && !page.is_unique());
            assert_eq!(body.bytes().unwrap().len(), 12);
            body.clone().let_go();
            assert!(matches!(body.bytes(), Err(WarehouseError::PageGone)));
            assert_eq!(body.len(), 12);
        }
        assert!(seen.upgrade().is_none() && page.is_unique());
    }

    #[test]
    fn what_is_held_until_it_is_written_is_not_let_go() {
        let body = Body::new(Bytes::from_static(b"{}"), Arc::new("room"), Holding::UntilWritten);
        body.let_go();
        assert_eq!(body.bytes().unwrap(), "{}");
    }

    #[test]
    fn nobody_is_shown_by_accident() {
        let body = Body::from(Bytes::from_static(br#"{"name":"Erika Mustermann"}"#));
        assert_eq!(format!("{body:?}"), "Body { length: 27, .. }");
    }
}
