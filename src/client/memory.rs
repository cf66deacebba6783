//! Memory for the answer of a detail call, reserved before the call is made.

use std::{any::Any, sync::Arc};

use futures_util::future::BoxFuture;

/// Permission for an answer larger than its reservation. Released when the last clone is dropped.
pub type LargeAnswerPermit = Arc<dyn Any + Send + Sync>;

/// Memory reserved for an answer of unknown size.
pub trait AnswerReservation: Send + Sync {
    /// The size of the largest answer that fits, in bytes.
    fn bytes(&self) -> usize;

    /// Waits until the answer may be larger than that.
    fn grow(&self) -> BoxFuture<'_, LargeAnswerPermit>;
}
