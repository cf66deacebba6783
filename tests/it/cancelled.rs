//! A transaction may be cancelled at any time, as by a timeout or at the end of the program.

use std::{future::poll_fn, pin::pin, task::Poll};

use crate::order::Room;

/// More polls than the longest of the transactions below takes.
const POLLS_MAX: usize = 60;

/// Polls a future at most this often, and then drops it. Returns whether it ended.
async fn cancelled_after<T>(polls_max: usize, future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == polls_max {
            return Poll::Ready(false);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            // At the limit, it must not wait until something wakes the future.
            Poll::Pending if polls == polls_max => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A statement that joined an abandoned transaction would be lost when its connection is closed.
#[tokio::test]
async fn after_a_cancelled_transaction_no_statement_joins_it() {
    let room = Room::new().await;
    let mut has_ended = false;
    for polls in 1..POLLS_MAX {
        has_ended = cancelled_after(polls, room.warehouse.note_clock()).await;
        // On all connections of the pool, in turn.
        for number in 0..4 {
            let reason = format!("reason {polls}.{number}");
            room.warehouse.block(&room.scope.project, &reason).await.expect("blocked");
            let stored: String =
                sqlx::query_scalar("select blocked_reason from argos_sync.project")
                    .fetch_one(&room.pool)
                    .await
                    .expect("a project");
            assert_eq!(stored, reason, "after {polls} polls");
        }
    }
    assert!(has_ended, "{POLLS_MAX} polls are too few");
}
