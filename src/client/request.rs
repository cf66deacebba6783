//! The parameters of the two list endpoints (contract sections 3.1 and 6.1).

use super::memory::AnswerReservation;
use crate::domain::{Cursor, Day, Stream, Window};

/// One call, without the parts that change between attempts.
pub(super) enum Request<'a> {
    /// One page of a list.
    Page {
        /// The list.
        listing: Listing<'a>,
        /// The cursor of the page; `None` for the first one.
        cursor: Option<&'a Cursor>,
        /// Most items to request, if less than a page.
        count_max: Option<u32>,
    },
    /// The record with this id.
    Detail {
        /// `submission_id` or `auth_id`.
        id: &'a str,
        /// The memory reserved for the answer; `None` means no limit.
        reservation: Option<&'a dyn AnswerReservation>,
    },
}

/// The records that a pass lists.
#[derive(Clone, Copy)]
pub(super) enum Listing<'a> {
    /// Records created on these days.
    Window(Window),
    /// Only the AML data of records created on these days.
    Aml(Window),
    /// All records, without a date filter.
    Everything,
    /// The records of one person.
    Found(Find<'a>),
}

/// The search term for the submissions of one person.
#[derive(Clone, Copy)]
pub enum Find<'a> {
    /// The customer's own id of the person.
    Userid(&'a str),
    /// The applicant's e-mail address.
    Email(&'a str),
}

impl std::fmt::Debug for Find<'_> {
    /// Shows only the kind, because the value names a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Userid(_) => "Userid(‹…›)",
            Self::Email(_) => "Email(‹…›)",
        })
    }
}

/// The format of a window's days; the vendor's pages disagree (contract U4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateStyle {
    /// `2025-01-31`
    #[default]
    Dashed,
    /// `20250131`
    Compact,
}

impl DateStyle {
    /// The other style.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Dashed => Self::Compact,
            Self::Compact => Self::Dashed,
        }
    }

    fn write(self, day: Day) -> String {
        match self {
            Self::Dashed => day.format("%Y-%m-%d").to_string(),
            Self::Compact => day.format("%Y%m%d").to_string(),
        }
    }
}

/// The vendor's parameter names, which differ between the two endpoints (contract section 7).
struct ParameterNames {
    id: &'static str,
    from: &'static str,
    to: &'static str,
    cursor_id: &'static str,
    cursor_date: &'static str,
}

const SUBMISSION: ParameterNames = ParameterNames {
    id: "submission_id",
    from: "start_date",
    to: "end_date",
    cursor_id: "nextpage_id",
    cursor_date: "nextpage_date",
};

const FACEAUTH: ParameterNames = ParameterNames {
    id: "authId",
    from: "startDate",
    to: "endDate",
    cursor_id: "nextKey_id",
    cursor_date: "nextKey_date",
};

/// The last part of the endpoint's path.
pub(super) fn endpoint(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "submission",
        Stream::Faceauth => "faceauth",
    }
}

impl<'a> Request<'a> {
    /// The query as pairs, not yet percent-encoded. Nothing is left to the vendor's defaults.
    pub(super) fn parameters(
        &self,
        stream: Stream,
        page_size: u32,
        dates: DateStyle,
    ) -> Vec<(&'static str, String)> {
        let names = match stream {
            Stream::Submission => SUBMISSION,
            Stream::Faceauth => FACEAUTH,
        };
        let (listing, cursor) = match self {
            Self::Detail { id, .. } => return vec![(names.id, (*id).to_owned())],
            Self::Page { listing, cursor, count_max: _ } => (listing, cursor),
        };
        let mut parameters = match listing {
            Listing::Window(asked) | Listing::Aml(asked) => {
                vec![(names.from, dates.write(asked.from())), (names.to, dates.write(asked.to()))]
            }
            Listing::Everything => Vec::new(),
            Listing::Found(Find::Userid(userid)) => vec![("userid", (*userid).to_owned())],
            Listing::Found(Find::Email(email)) => vec![("email", (*email).to_owned())],
        };
        if let Listing::Aml(_) = listing {
            parameters.push(("request_type", "aml".to_owned()));
        }
        parameters.push(("count", self.count(page_size).to_string()));
        if let Some(cursor) = cursor {
            parameters.push((names.cursor_id, cursor.id.clone()));
            parameters.push((names.cursor_date, cursor.date.clone()));
        }
        parameters
    }

    /// The number of items to request if a page may have `page_size`.
    pub(super) fn count(&self, page_size: u32) -> u32 {
        self.count_max().map_or(page_size, |count_max| count_max.min(page_size))
    }

    /// Its own limit of items; `None` for a whole page.
    pub(super) fn count_max(&self) -> Option<u32> {
        match self {
            Self::Page { count_max, .. } => *count_max,
            Self::Detail { .. } => None,
        }
    }

    /// The memory reserved for the answer.
    pub(super) fn reservation(&self) -> Option<&'a dyn AnswerReservation> {
        match *self {
            Self::Page { .. } => None,
            Self::Detail { reservation, .. } => reservation,
        }
    }

    /// The requested record.
    pub(super) fn id(&self) -> Option<&'a str> {
        match *self {
            Self::Page { .. } => None,
            Self::Detail { id, .. } => Some(id),
        }
    }

    /// Whether the request contains days.
    pub(super) fn is_dated(&self) -> bool {
        matches!(self, Self::Page { listing: Listing::Window(_) | Listing::Aml(_), .. })
    }

    /// Whether a smaller page could help.
    pub(super) fn is_page(&self) -> bool {
        matches!(self, Self::Page { .. })
    }

    /// The values that name a record or a person, which no error may repeat.
    pub(super) fn names_somebody(&self) -> Vec<&'a str> {
        match *self {
            Self::Detail { id, .. } => vec![id],
            Self::Page { listing, cursor, count_max: _ } => {
                let mut values: Vec<_> =
                    cursor.map(|cursor| cursor.id.as_str()).into_iter().collect();
                match listing {
                    Listing::Found(Find::Userid(value) | Find::Email(value)) => values.push(value),
                    Listing::Window(_) | Listing::Aml(_) | Listing::Everything => {}
                }
                values
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(stream: Stream, request: &Request<'_>, dates: DateStyle) -> String {
        let pairs = request.parameters(stream, 200, dates);
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn each_endpoint_is_asked_in_its_own_words() {
        let day = |day| Day::from_ymd_opt(2025, 1, day).unwrap();
        let listing = Listing::Window(Window::new(day(1), day(9)).unwrap());
        let cursor = Cursor { id: "x".into(), date: "d".into() };
        let page = Request::Page { listing, cursor: Some(&cursor), count_max: None };
        assert_eq!(
            query(Stream::Submission, &page, DateStyle::Dashed),
            "start_date=2025-01-01&end_date=2025-01-09&count=200&nextpage_id=x&nextpage_date=d"
        );
        let listing = Listing::Aml(Window::new(day(1), day(9)).unwrap());
        let aml = Request::Page { listing, cursor: None, count_max: None };
        assert_eq!(
            query(Stream::Submission, &aml, DateStyle::Dashed),
            "start_date=2025-01-01&end_date=2025-01-09&request_type=aml&count=200"
        );
        assert_eq!(
            query(Stream::Faceauth, &page, DateStyle::Compact),
            "startDate=20250101&endDate=20250109&count=200&nextKey_id=x&nextKey_date=d"
        );
        for (count_max, count) in
            [(None, "count=200"), (Some(7), "count=7"), (Some(900), "count=200")]
        {
            let all = Request::Page { listing: Listing::Everything, cursor: None, count_max };
            assert_eq!(query(Stream::Faceauth, &all, DateStyle::Dashed), count);
        }
        let detail = Request::Detail { id: "x", reservation: None };
        assert_eq!(query(Stream::Submission, &detail, DateStyle::Dashed), "submission_id=x");
        assert_eq!(query(Stream::Faceauth, &detail, DateStyle::Dashed), "authId=x");
    }
}
