//! The whole simulated vendor: projects by key, faults, and call counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;

use super::api::project::LiveProject;
use super::faults::Faults;
use super::knobs::Knobs;
use super::people::change::{Addition, Change, ChangeError};
use super::people::population::Population;
use crate::domain::Stream;

/// A project of the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedProject {
    /// The API key; it also names the project in every call of [`Simulation`].
    pub key: String,
    /// Submissions for an ID Check project, face authentications for an add-on project.
    pub stream: Stream,
    /// Its records.
    pub population: Population,
}

/// The state of the simulated vendor. Clones share it.
#[derive(Debug, Clone)]
pub struct Simulation(Arc<SimulatorState>);

#[derive(Debug)]
struct SimulatorState {
    projects: Vec<Arc<LiveProject>>,
    faults: RwLock<Faults>,
    calls: [AtomicU64; CallKind::ALL.len()],
    call: AtomicU64,
}

/// The kind of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// `GET /submission`, list.
    SubmissionList,
    /// `GET /submission`, list with one part of each item.
    SubmissionParts,
    /// `GET /submission` by id.
    SubmissionSingle,
    /// `GET /submission` by user or e-mail address.
    SubmissionsOfPerson,
    /// `GET /submission/applicant`
    Applicant,
    /// `GET /faceauth`, many.
    FaceauthList,
    /// `GET /faceauth` by id.
    FaceauthSingle,
    /// Any other call.
    Other,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::SubmissionList,
        Self::SubmissionParts,
        Self::SubmissionSingle,
        Self::SubmissionsOfPerson,
        Self::Applicant,
        Self::FaceauthList,
        Self::FaceauthSingle,
        Self::Other,
    ];
}

impl Simulation {
    /// A simulation of these projects. If several have the same key, the first one is used.
    pub fn new(projects: Vec<SimulatedProject>) -> Self {
        let live = |SimulatedProject { key, stream, population }| {
            Arc::new(LiveProject::new(key, stream, population))
        };
        Self(Arc::new(SimulatorState {
            projects: projects.into_iter().map(live).collect(),
            faults: RwLock::default(),
            calls: Default::default(),
            call: AtomicU64::new(0),
        }))
    }

    /// The knobs of a project; `None` if the project does not exist.
    pub fn knobs(&self, project_key: &str) -> Option<Knobs> {
        Some(self.project(project_key)?.knobs().as_ref().clone())
    }

    /// Sets the knobs of a project, effective from the next call.
    pub fn set_knobs(&self, project_key: &str, knobs: Knobs) -> Result<(), ChangeError> {
        self.known(project_key)?.set_knobs(knobs);
        Ok(())
    }

    /// Sets the knobs of every project.
    pub fn set_all_knobs(&self, knobs: &Knobs) {
        self.0.projects.iter().for_each(|project| project.set_knobs(knobs.clone()));
    }

    /// Replaces the keys of a project: from the next call on only these open it.
    ///
    /// The project keeps its initial name, which is its first key (U30).
    pub fn set_accepted_keys(
        &self,
        project_key: &str,
        keys: Vec<String>,
    ) -> Result<(), ChangeError> {
        self.known(project_key)?.set_accepted_keys(keys);
        Ok(())
    }

    /// The faults of all projects.
    pub fn faults(&self) -> Faults {
        self.0.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the faults of all projects, effective from the next call.
    pub fn set_faults(&self, faults: Faults) {
        *self.0.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Sets the vendor's time in milliseconds since 1970. It does not advance until it is set
    /// again.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.0.projects.iter().for_each(|project| project.set_now_ms(now_ms));
    }

    /// The number of HTTP calls to the vendor's API, whatever their result.
    pub fn call_count(&self) -> u64 {
        self.0.call.load(Ordering::Relaxed)
    }

    /// The number of calls with a key that were refused because of its limit.
    pub fn refused_count(&self, key: &str) -> u64 {
        self.project(key).map_or(0, |project| project.traffic.refused())
    }

    /// The number of calls of each kind.
    pub fn calls_by_kind(&self) -> BTreeMap<CallKind, u64> {
        let counts = self.0.calls.iter().map(|count| count.load(Ordering::Relaxed));
        CallKind::ALL.into_iter().zip(counts).collect()
    }

    /// Adds a record to a project and returns its id.
    pub fn add(&self, project_key: &str, addition: &Addition) -> Result<String, ChangeError> {
        Ok(self.known(project_key)?.add(addition))
    }

    /// Changes a record.
    pub fn change(&self, project_key: &str, id: &str, change: Change) -> Result<(), ChangeError> {
        self.known(project_key)?.change(id, change)
    }

    /// Serves exactly these bytes instead of an item, in lists and detail calls. They need not be
    /// valid.
    pub fn override_item(
        &self,
        project_key: &str,
        id: &str,
        raw: Vec<u8>,
    ) -> Result<(), ChangeError> {
        self.known(project_key)?.override_item(id, raw)
    }

    /// The ids of a project's visible submissions: generated ones oldest first, then added ones.
    ///
    /// Like [`Simulation::faceauth_ids`], empty for an unknown project and for one of another kind.
    pub fn submission_ids(&self, project_key: &str) -> impl Iterator<Item = String> + use<> {
        self.ids(project_key, Stream::Submission)
    }

    /// The ids of a project's visible face authentications.
    pub fn faceauth_ids(&self, project_key: &str) -> impl Iterator<Item = String> + use<> {
        self.ids(project_key, Stream::Faceauth)
    }

    /// A submission as detail calls return it, with constant signatures of image addresses.
    pub fn submission(&self, project_key: &str, id: &str) -> Option<Vec<u8>> {
        self.of_stream(project_key, Stream::Submission)?.item(id)
    }

    /// A face authentication as detail calls return it.
    pub fn faceauth(&self, project_key: &str, id: &str) -> Option<Vec<u8>> {
        self.of_stream(project_key, Stream::Faceauth)?.item(id)
    }

    fn ids(&self, project_key: &str, stream: Stream) -> impl Iterator<Item = String> + use<> {
        self.of_stream(project_key, stream).cloned().into_iter().flat_map(LiveProject::shown_ids)
    }

    fn of_stream(&self, project_key: &str, stream: Stream) -> Option<&Arc<LiveProject>> {
        self.project(project_key).filter(|project| project.stream == stream)
    }

    fn known(&self, project_key: &str) -> Result<&Arc<LiveProject>, ChangeError> {
        self.project(project_key).ok_or(ChangeError::UnknownProject)
    }

    pub(super) fn project(&self, key: &str) -> Option<&Arc<LiveProject>> {
        self.0.projects.iter().find(|project| project.key == key)
    }

    /// The project that a caller's key opens.
    pub(super) fn opened_by(&self, key: &str) -> Option<&Arc<LiveProject>> {
        self.0.projects.iter().find(|project| project.opens_with(key))
    }

    pub(super) fn projects(&self) -> &[Arc<LiveProject>] {
        &self.0.projects
    }

    /// Counts a call and returns its number, from 1.
    pub(super) fn count_call(&self, kind: CallKind) -> u64 {
        for (known, count) in CallKind::ALL.into_iter().zip(&self.0.calls) {
            if known == kind {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.0.call.fetch_add(1, Ordering::Relaxed) + 1
    }
}
