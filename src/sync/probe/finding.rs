//! Findings in words, and contradictions between them.

use std::fmt;

/// A question that the vendor's pages leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The style of the filter's days: `dashed` or `compact` (contract U4).
    DateStyle,
    /// The order of creation dates in a list: `ascending`, `descending` or `none` (U1).
    Order,
    /// Records of the filter's last day: `included` or `excluded` (U3).
    EndDay,
    /// The zone in which the filter's days begin: `utc` or `+09:00` (U3).
    FilterZone,
    /// Most items of a page: a number, or `at least` and a number (U10).
    PageLimit,
    /// Items of lists compared with those of detail calls: `sparse` or `complete` (contract section
    /// 3.4).
    Lists,
    /// Whether lists with `request_type=aml` show `aml` of records whose other list items omit it:
    /// `complete` or `sparse` (contract section 3.1).
    AmlLists,
    /// The encoding of ciphertexts: `base64` or `hex`; `none` if the project uses none (U21).
    Encryption,
}

impl Fact {
    /// The words used in tables and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DateStyle => "date style",
            Self::Order => "order of lists",
            Self::EndDay => "end day",
            Self::FilterZone => "filter zone",
            Self::PageLimit => "page limit",
            Self::Lists => "lists",
            Self::AmlLists => "lists by request_type=aml",
            Self::Encryption => "encryption",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding that could not be derived.
pub(super) const UNKNOWN: &str = "unknown";

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The question.
    pub fact: Fact,
    /// The answer.
    pub words: String,
    /// The earlier answer, if the vendor now behaves differently.
    pub before: Option<String>,
}

/// What a finding adds to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// More is known; the earlier finding was not wrong.
    More,
    /// The earlier finding is no longer true.
    Contradiction,
}

impl Finding {
    pub(super) fn new(fact: Fact, words: impl Into<String>) -> Self {
        Self { fact, words: words.into(), before: None }
    }

    /// Compares the finding with an earlier one, if there is one.
    pub(super) fn news(&self, before: Option<&str>) -> News {
        let now = self.words.as_str();
        match (self.fact, before) {
            (_, Some(before)) if before == now || now == UNKNOWN => News::Nothing,
            (_, None | Some(UNKNOWN)) => News::More,
            (Fact::PageLimit, Some(before)) => PageLimit::read(now).news(PageLimit::read(before)),
            (_, Some(_)) => News::Contradiction,
        }
    }
}

/// The page limit in words: the number of items received, or a lower limit.
pub(super) fn page_limit(asked: u32, came: usize, is_last: bool) -> String {
    let came = u32::try_from(came).unwrap_or(u32::MAX);
    match (came, is_last) {
        // The page contains all records: their number grows and does not show the limit. An empty
        // page does not show it either.
        (_, true) | (0, false) => UNKNOWN.to_owned(),
        (came, false) if came < asked => came.to_string(),
        (_, false) => format!("at least {asked}"),
    }
}

/// A page limit, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct PageLimit {
    items: u32,
    is_exact: bool,
}

impl PageLimit {
    fn read(words: &str) -> Self {
        let number = words.strip_prefix("at least ");
        let items = number.unwrap_or(words).parse().unwrap_or_default();
        Self { items, is_exact: number.is_none() }
    }

    /// A smaller configured page size shows less, and contradicts nothing.
    fn news(self, before: Self) -> News {
        match (before.is_exact, self.is_exact) {
            (true, true) => News::Contradiction,
            (true, false) if self.items > before.items => News::Contradiction,
            (false, true) if self.items < before.items => News::Contradiction,
            (false, false) if self.items > before.items => News::More,
            (false, true) => News::More,
            (_, false) => News::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(fact: Fact, before: &str, now: &str) -> News {
        Finding::new(fact, now).news(Some(before))
    }

    #[test]
    fn what_is_unknown_contradicts_nothing() {
        assert_eq!(Finding::new(Fact::Order, UNKNOWN).news(None), News::More);
        assert_eq!(news(Fact::Order, UNKNOWN, "none"), News::More);
        assert_eq!(news(Fact::Order, "none", UNKNOWN), News::Nothing);
        assert_eq!(news(Fact::Order, "none", "none"), News::Nothing);
        assert_eq!(news(Fact::Order, "none", "ascending"), News::Contradiction);
    }

    #[test]
    fn a_page_limit_is_contradicted_by_numbers_alone() {
        for (before, now, expected) in [
            ("500", "500", News::Nothing),
            ("500", "400", News::Contradiction),
            ("500", "at least 200", News::Nothing),
            ("500", "at least 500", News::Nothing),
            ("500", "at least 2000", News::Contradiction),
            ("at least 500", "at least 200", News::Nothing),
            ("at least 500", "at least 2000", News::More),
            ("at least 500", "800", News::More),
            ("at least 500", "499", News::Contradiction),
            ("500", UNKNOWN, News::Nothing),
            (UNKNOWN, "at least 500", News::More),
        ] {
            assert_eq!(news(Fact::PageLimit, before, now), expected, "{before} {now}");
        }
    }

    #[test]
    fn a_limit_shows_only_where_a_page_was_not_the_last() {
        assert_eq!(page_limit(500, 500, false), "at least 500");
        assert_eq!(page_limit(500, 100, false), "100");
        assert_eq!(page_limit(500, 100, true), UNKNOWN);
        assert_eq!(page_limit(500, 0, false), UNKNOWN);
    }
}
