//! Decides whether a page without a next-page key is the last one of its list.
//!
//! The key has several spellings (contract Q4), may get another one, and is absent from flat lists.
//! With an unknown spelling, a list would end with its first page, and its days would count as
//! read. Two observations raise doubt: an unknown member that looks like a next-page key, and a
//! full page of a project whose lists have never shown a key. One call for fewer items resolves the
//! doubt. If its answer has a key, lists with further pages have one.

use std::fmt;

use super::envelope::Envelope;

/// Why a page may not be the last one of its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The answer has unknown members that look like a next-page key; their names.
    Members(Vec<String>),
    /// The page is full, and no list of the project has shown a next-page key yet.
    FullPage {
        /// Items of the page.
        items: usize,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(names) => {
                let names = names.join("`, `");
                write!(
                    f,
                    "the response has no known next-page key, but an unknown member `{names}`"
                )
            }
            Self::FullPage { items } => write!(
                f,
                "a full page of {items} items has no next-page key, and no list of this project \
                 has ever had one"
            ),
        }
    }
}

/// Whether a page without a next-page key may not be the last one.
///
/// `count`: items requested; `marks_end`: a list of this project has shown a next-page key before.
pub(super) fn doubt(envelope: &Envelope, count: u32, marks_end: bool) -> Option<Doubt> {
    let suspects = envelope.unknown.iter().filter(|member| member.may_be_cursor);
    let names: Vec<_> = suspects.map(|member| member.name.clone()).collect();
    let items = envelope.items.len();
    let is_full = items > 0 && items >= usize::try_from(count).unwrap_or(usize::MAX);
    if !names.is_empty() {
        Some(Doubt::Members(names))
    } else if is_full && !marks_end {
        Some(Doubt::FullPage { items })
    } else {
        None
    }
}

/// The call that resolves a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The same page with half of its items.
    Half {
        /// Number of items, at least one.
        count: u32,
    },
    /// One item of the list without a filter, because the page has too few items to be halved.
    Any,
}

impl Check {
    /// The call for a page of this number of items.
    pub(super) fn of(items: usize) -> Self {
        match u32::try_from(items / 2).unwrap_or(u32::MAX) {
            0 => Self::Any,
            count => Self::Half { count },
        }
    }

    /// Whether its answer shows that the page was the last one.
    ///
    /// Another list shows this only together with the members in doubt, which are then not a
    /// next-page key.
    pub(super) fn resolves(self, doubt: &Doubt, answer: &Envelope) -> bool {
        let has_member = |name: &String| answer.unknown.iter().any(|member| member.name == *name);
        answer.next.is_some()
            && match (self, doubt) {
                (Self::Half { .. }, _) | (Self::Any, Doubt::FullPage { .. }) => true,
                (Self::Any, Doubt::Members(names)) => names.iter().all(has_member),
            }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{client::envelope::UnknownMember, domain::Cursor};

    fn envelope(items: usize, members: &[(&str, bool)], has_next: bool) -> Envelope {
        let unknown = members.iter().map(|(name, may_be_cursor)| UnknownMember {
            name: (*name).to_owned(),
            json_type: "string",
            may_be_cursor: *may_be_cursor,
        });
        Envelope {
            items: vec![Bytes::from_static(b"{}").into(); items],
            next: has_next.then(|| Cursor { id: "x".into(), date: "d".into() }),
            unknown: unknown.collect(),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_full_page_is_in_doubt_until_a_key_was_seen_and_a_suspicious_member_always_is() {
        let full = Some(Doubt::FullPage { items: 100 });
        let member = Some(Doubt::Members(vec!["nextToken".to_owned()]));
        for (items, members, marks_end, expected) in [
            (100, &[][..], false, full.clone()),
            (100, &[("Count", false)], false, full),
            (100, &[], true, None),
            (99, &[("Count", false)], false, None),
            (0, &[], false, None),
            (3, &[("nextToken", true)], false, member.clone()),
            (100, &[("nextToken", true), ("Count", false)], true, member.clone()),
            (0, &[("nextToken", true)], true, member),
        ] {
            let found = doubt(&envelope(items, members, false), 100, marks_end);
            assert_eq!(found, expected, "{items} {members:?} {marks_end}");
        }
    }

    #[test]
    fn half_of_the_items_are_asked_for_and_at_least_one() {
        for (items, check) in [
            (2000, Check::Half { count: 1000 }),
            (3, Check::Half { count: 1 }),
            (1, Check::Any),
            (0, Check::Any),
        ] {
            assert_eq!(Check::of(items), check, "{items}");
        }
    }

    #[test]
    fn only_a_known_key_resolves_a_doubt() {
        let half = Check::Half { count: 1 };
        let full = Doubt::FullPage { items: 2 };
        let member = Doubt::Members(vec!["pages".to_owned()]);
        let pages = [("pages", true)];
        for (check, doubt, answer, expected) in [
            (half, &full, envelope(1, &[], true), true),
            (half, &full, envelope(1, &[], false), false),
            (half, &member, envelope(1, &[], true), true),
            (half, &member, envelope(1, &pages, false), false),
            (Check::Any, &full, envelope(1, &[], true), true),
            (Check::Any, &member, envelope(1, &[], true), false),
            (Check::Any, &member, envelope(1, &pages, true), true),
            (Check::Any, &member, envelope(1, &pages, false), false),
        ] {
            assert_eq!(check.resolves(doubt, &answer), expected, "{check:?} {doubt} {answer:?}");
        }
    }
}
