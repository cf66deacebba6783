//! The project's promises, and whether this measurement keeps them.

use std::fmt::Write as _;

/// One promise with its measured figure.
#[derive(Debug)]
pub(crate) struct Promise {
    text: String,
    measured: String,
    is_kept: bool,
}

impl Promise {
    /// A figure that must not be above its limit.
    pub(crate) fn at_most(
        text: impl Into<String>,
        limit: f64,
        value: f64,
        measured: String,
    ) -> Self {
        Self { text: text.into(), measured, is_kept: value <= limit }
    }

    /// A figure that must not be below its limit.
    pub(crate) fn at_least(
        text: impl Into<String>,
        limit: f64,
        value: f64,
        measured: String,
    ) -> Self {
        Self { text: text.into(), measured, is_kept: value >= limit }
    }
}

/// One line for each promise.
pub(crate) fn list(promises: &[Promise]) -> String {
    let mut text = String::from("promises (of medians):\n");
    for Promise { text: promise, measured, is_kept } in promises {
        let word = if *is_kept { "kept  " } else { "broken" };
        let _infallible = writeln!(text, "  {word}  {measured:>14}  {promise}");
    }
    text
}
