//! One project of the vendor: its records, its knobs, and its answers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;

use super::answer::Answer;
use super::encryption::{self, Pairs};
use super::envelope::{beside_items, error_beside_items};
use super::list::{ListCall, ListPage, page};
use super::request::{Parameters, invalid_format, missing, names};
use crate::domain::Stream;
use crate::simulator::clock;
use crate::simulator::knobs::{FaceauthShape, Forbid, Knobs, UnknownId};
use crate::simulator::people::change::{Addition, Change, ChangeError};
use crate::simulator::people::ids::Ids;
use crate::simulator::people::overlay::{Overlay, Records, place};
use crate::simulator::people::population::{Population, Timeline};
use crate::simulator::people::submission::{Submission, applicant_ids, email_ids, user_ids};
use crate::simulator::render::faceauth::faceauth;
use crate::simulator::render::style::{Part, Style};
use crate::simulator::render::submission::submission;
use crate::simulator::render::writer::JsonWriter;
use crate::simulator::traffic::Traffic;

/// The call number in signed addresses of items that no call requested.
const NO_CALL: u64 = 0;
/// No time was set.
const CLOCK: i64 = i64::MIN;

/// A running simulated project.
#[derive(Debug)]
pub(in crate::simulator) struct LiveProject {
    /// Names the project, whatever keys open it.
    pub(in crate::simulator) key: String,
    /// The keys that currently open it.
    accepted: RwLock<Vec<String>>,
    pub(in crate::simulator) stream: Stream,
    population: Population,
    timeline: Timeline,
    ids: Ids,
    knobs: RwLock<Arc<Knobs>>,
    overlay: RwLock<Overlay>,
    /// The calls of late.
    pub(in crate::simulator) traffic: Traffic,
    /// The number of list pages answered.
    pages: AtomicU64,
    /// The current time in milliseconds since 1970; [`CLOCK`] for the time of this machine.
    now_ms: AtomicI64,
}

impl LiveProject {
    pub(in crate::simulator) fn new(key: String, stream: Stream, population: Population) -> Self {
        let (timeline, ids) = (population.timeline(stream), population.ids(stream));
        Self {
            accepted: RwLock::new(vec![key.clone()]),
            key,
            stream,
            population,
            timeline,
            ids,
            knobs: RwLock::default(),
            overlay: RwLock::default(),
            traffic: Traffic::default(),
            pages: AtomicU64::new(0),
            now_ms: AtomicI64::new(CLOCK),
        }
    }

    pub(in crate::simulator) fn knobs(&self) -> Arc<Knobs> {
        Arc::clone(&self.knobs.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::simulator) fn set_knobs(&self, knobs: Knobs) {
        *self.knobs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(knobs);
    }

    pub(in crate::simulator) fn opens_with(&self, key: &str) -> bool {
        let accepted = self.accepted.read().unwrap_or_else(PoisonError::into_inner);
        accepted.iter().any(|known| known == key)
    }

    pub(in crate::simulator) fn set_accepted_keys(&self, keys: Vec<String>) {
        *self.accepted.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(in crate::simulator) fn set_now_ms(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    fn now_ms(&self) -> i64 {
        match self.now_ms.load(Ordering::Relaxed) {
            CLOCK => clock::now_ms(),
            set => set,
        }
    }

    fn with_records<T>(&self, read: impl FnOnce(Records<'_>) -> T) -> T {
        let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
        read(Records { timeline: self.timeline, overlay: &overlay, as_of_ms: None })
    }

    /// Adds a record and returns its id.
    pub(in crate::simulator) fn add(&self, addition: &Addition) -> String {
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        self.ids.id(overlay.add(addition, self.now_ms()))
    }

    /// Changes a record.
    pub(in crate::simulator) fn change(&self, id: &str, change: Change) -> Result<(), ChangeError> {
        if change.stream().is_some_and(|stream| stream != self.stream) {
            return Err(ChangeError::WrongStream);
        }
        let number = self.existing(id)?;
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.now_ms();
        overlay.alter_at(number, now_ms).apply(change, now_ms);
        Ok(())
    }

    /// Serves these bytes instead of the item from now on.
    pub(in crate::simulator) fn override_item(
        &self,
        id: &str,
        raw: Vec<u8>,
    ) -> Result<(), ChangeError> {
        let number = self.existing(id)?;
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        overlay.alter_at(number, self.now_ms()).raw = Some(raw);
        Ok(())
    }

    fn existing(&self, id: &str) -> Result<u32, ChangeError> {
        let number = self.ids.number(id);
        let exists = |number: &u32| self.with_records(|all| all.created_at_ms(*number)).is_some();
        number.filter(exists).ok_or(ChangeError::UnknownRecord)
    }

    /// The ids of all visible records: generated ones oldest first, then added ones.
    pub(in crate::simulator) fn shown_ids(self: Arc<Self>) -> impl Iterator<Item = String> {
        let added = self.with_records(|records| records.overlay.added_numbers());
        (0..self.timeline.count).chain(added).filter_map(move |number| {
            let is_shown = self.with_records(|records| records.is_shown(number));
            is_shown.then(|| self.ids.id(number))
        })
    }

    /// The whole item as a detail call returns it.
    pub(in crate::simulator) fn item(&self, id: &str) -> Option<Vec<u8>> {
        let number = self.ids.number(id)?;
        let knobs = self.knobs();
        self.with_records(|records| {
            let mut w = JsonWriter::with_capacity(8192);
            let style = Style { knobs: &knobs, part: Part::All, full: true, call: NO_CALL };
            records.is_shown(number).then(|| self.write(&mut w, style, records, number))?;
            Some(w.into_bytes())
        })
    }

    fn write(&self, w: &mut JsonWriter, style: Style<'_>, records: Records<'_>, number: u32) {
        match self.stream {
            Stream::Submission => {
                let item = Submission::new(&self.population, records, style.knobs, number);
                submission(w, style, &self.population, &item);
            }
            Stream::Faceauth => faceauth(w, &self.population, records, style.knobs, number),
        }
    }

    /// Answers a list or detail call made with this key; its parameters may have been unreadable.
    pub(in crate::simulator) fn answer(
        &self,
        key: &str,
        pairs: Result<Pairs, Answer>,
        call: u64,
    ) -> Result<Answer, Answer> {
        let knobs = self.knobs();
        refuse_forbidden(&knobs)?;
        let answer = pairs.and_then(|pairs| self.plain_answer(&knobs, pairs, call));
        encryption::sealed(&knobs, key, answer)
    }

    fn plain_answer(&self, knobs: &Knobs, pairs: Pairs, call: u64) -> Result<Answer, Answer> {
        let parameters = Parameters::new(pairs, knobs, self.stream)?;
        let part = part(parameters.get("request_type"), knobs)?;
        let style = Style { knobs, part, full: knobs.full_list_items, call };
        self.with_records(|records| match parameters.get(names(self.stream).id) {
            Some(id) => self.single(records, Style { full: true, ..style }, id),
            None => self.list(records, style, &parameters),
        })
    }

    fn single(&self, records: Records<'_>, style: Style<'_>, id: &str) -> Result<Answer, Answer> {
        let known = self.ids.number(id).filter(|number| records.is_shown(*number));
        if known.is_none() && style.knobs.unknown_id == UnknownId::BadRequest {
            return Err(Answer::refused(style.knobs, "NOT_FOUND", "not Exist Submission ID"));
        }
        let other = |number: u32| Some(number + 1).filter(|other| records.is_shown(*other));
        let known = if style.knobs.singles_are_of_others { known.and_then(other) } else { known };
        let page = ListPage { rows: known.into_iter().collect(), next: None };
        let flat = style.knobs.faceauth_shape != FaceauthShape::Wrapped;
        Ok(Answer::ok(self.wrapped(records, style, &page, flat)))
    }

    fn list(
        &self,
        records: Records<'_>,
        style: Style<'_>,
        parameters: &Parameters,
    ) -> Result<Answer, Answer> {
        let knobs = style.knobs;
        let call = ListCall {
            window: parameters.window(knobs, self.stream)?,
            cursor: parameters.cursor(knobs, self.stream, self.ids, records)?,
            count: parameters.count(knobs, self.stream)?,
            among: self.among(records, knobs, parameters),
        };
        let turn = self.pages.fetch_add(1, Ordering::Relaxed);
        let every = u64::from(knobs.error_beside_items_every);
        if every > 0 && turn % every == every - 1 {
            return Ok(Answer::ok(error_beside_items(self.stream)));
        }
        let page = page(records, knobs, &call, turn);
        let limit = usize::try_from(knobs.too_large_above).unwrap_or(usize::MAX);
        if limit > 0 && page.rows.len() > limit {
            let status = StatusCode::from_u16(knobs.too_large_status);
            return Err(Answer::gateway_fault(status.unwrap_or(StatusCode::PAYLOAD_TOO_LARGE)));
        }
        let flat = knobs.faceauth_shape == FaceauthShape::Flat;
        let lag_ms = i64::from(knobs.list_lag_ms);
        let as_of_ms = (lag_ms > 0).then(|| self.now_ms() - lag_ms);
        let records = Records { as_of_ms, ..records };
        let status = StatusCode::from_u16(knobs.list_status).unwrap_or(StatusCode::OK);
        Ok(Answer { status, ..Answer::ok(self.wrapped(records, style, &page, flat)) })
    }

    /// The records of the requested user or e-mail address.
    fn among(
        &self,
        records: Records<'_>,
        knobs: &Knobs,
        parameters: &Parameters,
    ) -> Option<Vec<u32>> {
        let (userid, email) = (parameters.get("userid"), parameters.get("email"));
        if userid.is_none() && email.is_none() {
            return None;
        }
        let seed = self.population.seed;
        let of_user = userid.and_then(|text| text.strip_prefix("user-"));
        let of_email = email.and_then(|text| text.strip_suffix("@mail.example"));
        let persons = [
            of_user.and_then(|id| user_ids(seed).number(id)),
            of_email.and_then(|id| email_ids(seed).number(id)),
        ];
        Some(self.showing(records, persons.into_iter().flatten(), |number| {
            let item = Submission::new(&self.population, records, knobs, number);
            // A deleted submission has neither of them any more.
            !item.is_deleted
                && userid.is_none_or(|userid| item.userid().as_deref() == Some(userid))
                && email.is_none_or(|email| item.email() == email)
        }))
    }

    /// The records that may show one of these persons, including edited ones, and pass the test.
    fn showing(
        &self,
        records: Records<'_>,
        persons: impl Iterator<Item = u32>,
        passes: impl Fn(u32) -> bool,
    ) -> Vec<u32> {
        let generated = persons
            .flat_map(|person| self.population.may_show(person).chain(std::iter::once(person)));
        let mut numbers: Vec<_> = generated.chain(records.overlay.edited()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|number| records.is_shown(*number) && passes(*number));
        numbers
    }

    /// Answers the call for the submissions of one applicant (contract section 4).
    pub(in crate::simulator) fn applicant(&self, pairs: Pairs) -> Result<Answer, Answer> {
        let knobs = self.knobs();
        refuse_forbidden(&knobs)?;
        let parameters = Parameters::among(pairs, &knobs, &["applicant_id"])?;
        let id = parameters.get("applicant_id").ok_or_else(|| missing(&knobs, "applicant_id"))?;
        let person = applicant_ids(self.population.seed).number(id);
        self.with_records(|records| {
            let item = |number| Submission::new(&self.population, records, &knobs, number);
            let passes = |number| item(number).applicant_id().as_deref() == Some(id);
            let mut w = JsonWriter::default();
            w.array(|w| {
                for number in self.showing(records, person.into_iter(), passes) {
                    w.object(|w| crate::simulator::render::submission::applicant(w, &item(number)));
                }
            });
            Ok(Answer::ok(w.into_bytes()))
        })
    }

    /// The body with the items and their wrapping.
    fn wrapped(
        &self,
        records: Records<'_>,
        style: Style<'_>,
        page: &ListPage,
        flat: bool,
    ) -> Vec<u8> {
        let size = if style.full { 6500 } else { 3000 };
        let mut w = JsonWriter::with_capacity(page.rows.len() * size + 512);
        let items = |w: &mut JsonWriter| {
            w.array(|w| page.rows.iter().for_each(|number| self.write(w, style, records, *number)));
        };
        let next = page
            .next
            .and_then(|next| Some((self.ids.id(next), records.created_at_ms(place(next).0)?)));
        match self.stream {
            Stream::Submission => w.object(|w| {
                items(w.key("Items"));
                beside_items(w, style.knobs, self.stream, next);
            }),
            Stream::Faceauth if flat => items(&mut w),
            Stream::Faceauth => w.array(|w| {
                w.object(|w| {
                    w.pair("faceAuth_projectId", &Ids::new(self.population.seed, 21).id(0));
                    items(w.key("data"));
                    beside_items(w, style.knobs, self.stream, next);
                });
            }),
        }
        w.into_bytes()
    }
}

fn refuse_forbidden(knobs: &Knobs) -> Result<(), Answer> {
    match knobs.forbid {
        Forbid::None => Ok(()),
        Forbid::Forbidden => Err(Answer::forbidden()),
        Forbid::ExplicitDeny => Err(Answer::gateway(
            StatusCode::FORBIDDEN,
            "User is not authorized to access this resource with an explicit deny",
        )),
    }
}

fn part(asked: Option<&str>, knobs: &Knobs) -> Result<Part, Answer> {
    match asked {
        None => Ok(Part::All),
        Some("kyc") => Ok(Part::Kyc),
        Some("aml") => Ok(Part::Aml),
        Some("data") => Ok(Part::Data),
        Some("others") => Ok(Part::Others),
        Some(_) => Err(invalid_format(knobs, "request_type")),
    }
}
