//! The settings of one project, checked.

use std::{num::NonZeroU32, time::Duration};

use secrecy::SecretString;

use super::{
    file,
    numbers::{self, seconds},
    words::ProjectKind,
};
use crate::{
    client,
    domain::{ByLane, CallRate, Kind, Pace, ProjectName, RateBounds},
    planner, sync,
    warehouse::{DeletionRules, DetailMode, RawStorage},
};

/// The first value of an adaptive rate, in calls a second.
const CALLS_PER_SECOND_AT_FIRST: f64 = 5.0;

/// Checks the section of a project. Returns one sentence if a value is not valid.
pub(super) fn settings(
    file: &file::File,
    name: &str,
    project: &file::ProjectSection,
    api_key: Option<SecretString>,
    pseudonym_key: Option<SecretString>,
    shares: ByLane<u32>,
) -> Result<sync::ProjectSettings, String> {
    let at = |problem: &dyn std::fmt::Display| format!("`project.{name}`: {problem}");
    let kind = match (project.kind, &project.parent) {
        (ProjectKind::IdCheck, None) => Kind::IdCheck,
        (ProjectKind::IdCheck, Some(_)) => {
            return Err(at(&"`parent` belongs to projects of kind \"faceauth\""));
        }
        (ProjectKind::FaceAuth, None) => {
            return Err(at(
                &"a project of kind \"faceauth\" needs `parent`, the project of its submissions",
            ));
        }
        (ProjectKind::FaceAuth, Some(parent)) => {
            if file.project.get(parent).is_none_or(|parent| parent.kind != ProjectKind::IdCheck) {
                return Err(at(&format!(
                    "`parent`: there is no [project.{parent}] of kind \"idcheck\""
                )));
            }
            Kind::FaceAuth { parent: parent.parse().map_err(|error| at(&error))? }
        }
    };
    let api_key = api_key
        .ok_or_else(|| at(&"`api_key` is missing (or `api_key_file`, or `api_key_credential`)"))?;
    let base_url = project.base_url.parse().map_err(|error| at(&format!("`base_url`: {error}")))?;
    let details = project.details.unwrap_or(file.sync.details);
    let raw = file.raw.storage;
    if raw == RawStorage::None && details == DetailMode::OnChange {
        return Err(at(
            &"`raw.storage = \"none\"` requires `details = \"always\"` or `details = \"never\"`",
        ));
    }
    // Lists of face authentications are complete (contract section 6.4): no detail calls.
    let details = match kind {
        Kind::IdCheck => details,
        Kind::FaceAuth { .. } => DetailMode::Never,
    };
    let mut client = client_settings(&file.client, client::ClientSettings::new(base_url, api_key));
    client.page_size = project.page_size.unwrap_or(client.page_size);
    client.encryption = encryption(project);
    client.check().map_err(|error| at(&error))?;
    let pace = pace(file, name, project)?;
    Ok(sync::ProjectSettings {
        name: name.parse::<ProjectName>().map_err(|error| at(&error))?,
        kind,
        client,
        pace,
        calls_in_flight_max: usize::try_from(file.client.calls_in_flight_max.get()).unwrap_or(1),
        workers: workers(file.sync.workers, pace),
        budget: planner::Budget {
            calls_per_day: project.calls_per_day.unwrap_or(file.budget.calls_per_day),
            shares,
        },
        details,
        deletion: DeletionRules {
            keep: file.deletion.keep,
            missing_share: file.deletion.missing_percent / 100.0,
            missing_min: file.deletion.missing_min,
            confirm: seconds(file.deletion.confirm_minutes.get()) * 60,
        },
        since: file.sync.since,
        raw,
        pseudonym_key,
        volatile_paths: file.sync.volatile_paths.clone(),
    })
}

/// How the calls of a project's key are paced.
fn pace(file: &file::File, name: &str, project: &file::ProjectSection) -> Result<Pace, String> {
    let (key, fixed) = match project.calls_per_second {
        Some(fixed) => (format!("project.{name}.calls_per_second"), Some(fixed)),
        None => ("client.calls_per_second".to_owned(), file.client.calls_per_second),
    };
    let least = numbers::CALLS_PER_SECOND_MIN;
    let Some(fixed) = fixed else {
        let max = file.client.calls_per_second_max;
        if !max.is_finite() || max < least {
            return Err(format!("`client.calls_per_second_max` must be at least {least}"));
        }
        return Ok(Pace::Adaptive(RateBounds { start: CALLS_PER_SECOND_AT_FIRST, max }));
    };
    if !fixed.is_finite() || !(fixed == 0.0 || fixed >= least) {
        return Err(format!("`{key}` must be at least {least}, or 0 for no limit"));
    }
    Ok(Pace::Fixed(CallRate::per_second(fixed)))
}

fn encryption(project: &file::ProjectSection) -> Option<client::Encryption> {
    let text_form = project.encryption?;
    let paging = project.encrypted_paging.unwrap_or(client::EncryptedPaging::Clear);
    Some(client::Encryption { text_form, paging })
}

/// Windows read at a time: as many as there are calls a second, since an answer takes about one,
/// but not more than keep the database busy.
fn workers(given: Option<NonZeroU32>, pace: Pace) -> usize {
    const MOST: u32 = 8;
    let chosen = match pace {
        Pace::Fixed(rate) => rate.calls_a_second().map_or(MOST, |calls| calls.min(MOST)),
        Pace::Adaptive(_) => MOST,
    };
    usize::try_from(given.map_or(chosen, NonZeroU32::get)).unwrap_or(1)
}

fn client_settings(
    file: &file::ClientSection,
    settings: client::ClientSettings,
) -> client::ClientSettings {
    client::ClientSettings {
        connect_timeout: seconds(file.connect_timeout_seconds),
        request_timeout: seconds(file.request_timeout_seconds),
        retry_budget: seconds(file.retry_budget_seconds),
        retry_delay_min: Duration::from_millis(u64::from(file.retry_delay_min_milliseconds)),
        retry_delay_max: seconds(file.retry_delay_max_seconds),
        page_size: file.page_size,
        response_bytes_max: file.response_bytes_max,
        pages_per_window_max: file.pages_per_window_max,
        ..settings
    }
}
