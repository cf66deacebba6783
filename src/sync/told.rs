//! Remembers which problems were logged, so that each is logged again only when it changes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The problems of a project that were logged.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Problems>);

/// Each problem's text by its topic.
#[derive(Debug, Default)]
struct Problems {
    of_last_round: HashMap<String, String>,
    of_this_round: HashMap<String, String>,
}

impl Told {
    /// Whether this text is new for its topic since the beginning of the last round.
    pub(super) fn is_news(&self, topic: &str, text: &str) -> bool {
        let mut problems = self.problems();
        let before = problems.of_this_round.insert(topic.to_owned(), text.to_owned());
        let before = before.or_else(|| problems.of_last_round.get(topic).cloned());
        before.as_deref() != Some(text)
    }

    /// Forgets the problems that this round did not have any more.
    pub(super) fn end_round(&self) {
        let mut problems = self.problems();
        problems.of_last_round = std::mem::take(&mut problems.of_this_round);
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs a problem of a project at this level if it is new, and at `debug` otherwise.
macro_rules! tell {
    ($level:ident, $project:expr, $topic:expr, $text:expr; $($line:tt)+) => {
        if $project.told.is_news($topic, &$text.to_string()) {
            tracing::$level!($($line)+);
        } else {
            tracing::debug!($($line)+);
        }
    };
}

pub(super) use tell;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_news_once_until_it_changes_or_a_round_without_it_ends() {
        let told = Told::default();
        assert!(told.is_news("key", "refused"));
        assert!(!told.is_news("key", "refused"));
        assert!(told.is_news("window", "refused"), "another topic");
        told.end_round();
        assert!(!told.is_news("key", "refused"), "as in the last round");
        assert!(told.is_news("key", "forbidden"));
        told.end_round();
        told.end_round();
        assert!(told.is_news("key", "forbidden"), "a round passed without it");
    }
}
