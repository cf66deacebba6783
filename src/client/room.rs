//! Memory for the answer of a single call, taken before the call is made.

use std::{any::Any, sync::Arc};

use futures_util::future::BoxFuture;

/// Held as long as the answer is. Dropping it gives the memory back.
pub type Held = Arc<dyn Any + Send + Sync>;

/// Memory taken for an answer whose size is not known yet.
pub trait Room: Send + Sync {
    /// The size of the largest answer that fits, in bytes.
    fn bytes(&self) -> usize;

    /// Waits until an answer may be larger than that.
    fn larger(&self) -> BoxFuture<'_, Held>;
}
