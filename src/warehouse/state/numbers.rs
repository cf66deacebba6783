//! The server whose sequences order observations (I6): a restore or a failover may set them back.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgConnection;

use crate::{
    domain::ReadNumber,
    warehouse::postgres::{error::WarehouseError, pool::Warehouse},
};

/// The server as this process knows it.
#[derive(Debug, Clone, Default)]
pub(in crate::warehouse) struct KnownServer(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    /// Empty where the server does not tell it; `None` before the first look.
    identity: Option<String>,
    /// Observations up to this number may be older than they look: they are not stored.
    floor: i64,
    /// The highest number that this process has drawn.
    drawn: i64,
}

impl State {
    /// Whether observations of these numbers may be stored on a server with that identity.
    fn accepts(&self, identity: &str, lowest: ReadNumber) -> bool {
        self.identity.as_deref().is_none_or(|known| known == identity && lowest.0 > self.floor)
    }

    /// Takes up what the server said of itself, and whether the numbers drawn so far became worthless by it.
    fn adopt(&mut self, identity: String, floor: i64, was_behind: bool) {
        let has_changed = self.identity.as_ref().is_some_and(|known| *known != identity);
        if was_behind || has_changed {
            self.floor = floor;
        }
        self.identity = Some(identity);
    }
}

/// The numbers of the observations that a transaction stores.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Drawn {
    lowest: Option<ReadNumber>,
    pub(super) highest: Option<ReadNumber>,
    /// The highest fencing number that it writes under; 0: it writes under none.
    pub(super) fence: i64,
}

impl Drawn {
    pub(in crate::warehouse) fn of(
        reads: impl Iterator<Item = ReadNumber> + Clone,
        fence: i64,
    ) -> Self {
        Self { lowest: reads.clone().min(), highest: reads.max(), fence }
    }
}

impl KnownServer {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that this process has drawn a number.
    pub(in crate::warehouse) fn note_drawn(&self, number: i64) {
        let mut state = self.state();
        state.drawn = state.drawn.max(number);
    }
}

impl Warehouse {
    /// Raises the sequences that are behind the committed numbers, and remembers which server this is. Returns whether any
    /// was behind.
    ///
    /// Called before the first number of a run is drawn, and after [`WarehouseError::ServerChanged`].
    pub async fn adopt_server(&self) -> Result<bool, WarehouseError> {
        let drawn = self.server.state().drawn;
        let row = sqlx::query!(
            r#"select argos_sync.database_identity() as "identity!", floor as "floor!", was_behind as "was_behind!"
               from argos_sync.raise_sequences($1)"#,
            drawn,
        )
        .fetch_one(&self.pool)
        .await
        .map_err(WarehouseError::database("comparing sequences with the numbers in use"))?;
        self.server.state().adopt(row.identity, row.floor, row.was_behind);
        Ok(row.was_behind)
    }

    /// Refuses observations that were drawn before the server changed; in the transaction that would store them.
    pub(in crate::warehouse) async fn check_numbers(
        &self,
        connection: &mut PgConnection,
        drawn: &Drawn,
    ) -> Result<(), WarehouseError> {
        let Some(lowest) = drawn.lowest else { return Ok(()) };
        let identity =
            sqlx::query_scalar!(r#"select argos_sync.database_identity() as "identity!""#)
                .fetch_one(connection)
                .await
                .map_err(WarehouseError::database("asking which server this is"))?;
        if self.server.state().accepts(&identity, lowest) {
            Ok(())
        } else {
            Err(WarehouseError::ServerChanged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(identity: &str, floor: i64) -> State {
        State { identity: Some(identity.to_owned()), floor, drawn: 0 }
    }

    #[test]
    fn what_was_asked_of_another_server_or_before_a_change_is_refused() {
        for (state, identity, read, accepted) in [
            (State::default(), "one/1", 0, true),
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
            (State::default(), "one/1", false, 0),
            (State::default(), "one/1", true, 90),
            (known("one/1", 0), "one/1", false, 0),
            (known("one/1", 0), "one/1", true, 90),
            (known("one/1", 0), "one/2", false, 90),
        ] {
            state.adopt(identity.to_owned(), 90, was_behind);
            assert_eq!((state.identity.as_deref(), state.floor), (Some(identity), floor));
        }
    }
}
