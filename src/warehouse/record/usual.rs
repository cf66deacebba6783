//! Finds records that lists do not show completely: their list items omit the object `kyc` or
//! `aml`. This is recorded only when a record is written anyway, so an unchanged item costs
//! nothing.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::merge::MergedItem;
use crate::{
    domain::{Call, Stream},
    json,
    normalize::{Normalized, Objects},
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        raw::{bodies::RawItems, codec::Inflater},
        scope::Scope,
        tx::Tx,
    },
};

/// Priority of approved and screened records, which are read first.
pub(in crate::warehouse) const SCREENED: i16 = 0;
/// Priority of all other records.
pub(in crate::warehouse) const OTHER: i16 = 1;

/// The objects that details of a project usually contain, by the state of the submission, with the
/// counts that new details add.
#[derive(Default)]
pub(in crate::warehouse) struct Usual {
    known: BTreeMap<String, Objects>,
    seen: BTreeMap<String, DetailSample>,
}

/// The number of details in one state, and how many of them contain each object.
#[derive(Default)]
struct DetailSample {
    details: i64,
    with_kyc: i64,
    with_aml: i64,
}

impl Usual {
    /// Reads which objects are usual.
    pub(in crate::warehouse) async fn read(
        connection: &mut PgConnection,
        scope: &Scope,
    ) -> Result<Self, WarehouseError> {
        let rows = sqlx::query!(
            r#"select kyc_result, with_kyc * 2 > details as "kyc!", with_aml * 2 > details as "aml!"
               from argos_sync.detail_objects where project = $1"#,
            scope.project.as_str(),
        )
        .fetch_all(connection)
        .await
        .doing("reading the usual fields of details")?;
        let objects =
            rows.into_iter().map(|row| (row.kyc_result, Objects { kyc: row.kyc, aml: row.aml }));
        Ok(Self { known: objects.collect(), seen: BTreeMap::new() })
    }

    /// The detail-call priority of a merged record. `None` if lists show both objects or the detail
    /// is unknown.
    pub(in crate::warehouse) fn priority(
        &mut self,
        stream: Stream,
        merged: &MergedItem<'_>,
        normalized: &Normalized<'_>,
    ) -> Option<i16> {
        let objects = merged.objects.filter(|_| stream == Stream::Submission)?;
        self.priority_of(objects, Objects::of(&merged.item.value).aml, normalized)
    }

    /// The detail-call priority for the objects of a list item and a detail.
    pub(in crate::warehouse) fn priority_of(
        &mut self,
        (list, detail): (Objects, Objects),
        is_screened: bool,
        normalized: &Normalized<'_>,
    ) -> Option<i16> {
        if normalized.is_marked {
            return None;
        }
        let state = normalized.state(Stream::Submission).unwrap_or_default();
        let usual = self.known.get(state).copied().unwrap_or_default();
        let seen = self.seen.entry(state.to_owned()).or_default();
        seen.details += 1;
        seen.with_kyc += i64::from(detail.kyc);
        seen.with_aml += i64::from(detail.aml);
        let is_first = state == "approved" && is_screened;
        list.lacks(detail.or(usual)).then_some(if is_first { SCREENED } else { OTHER })
    }

    /// Stores the counts. Should run late in its transaction, because other writers of the project
    /// wait for these rows.
    pub(in crate::warehouse) async fn count(self, tx: &mut Tx<'_>) -> Result<(), WarehouseError> {
        let scope = tx.scope;
        if self.seen.is_empty() {
            return Ok(());
        }
        let states: Vec<&str> = self.seen.keys().map(String::as_str).collect();
        let of =
            |count: fn(&DetailSample) -> i64| self.seen.values().map(count).collect::<Vec<_>>();
        sqlx::query!(
            "insert into argos_sync.detail_objects as stored
                (project, kyc_result, details, with_kyc, with_aml)
             select $1, given.*
             from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
                as given (kyc_result, details, with_kyc, with_aml)
             order by given.kyc_result
             on conflict (project, kyc_result) do update
             set details = stored.details + excluded.details,
                with_kyc = stored.with_kyc + excluded.with_kyc,
                with_aml = stored.with_aml + excluded.with_aml",
            scope.project.as_str(),
            &states as &[&str],
            &of(|seen| seen.details),
            &of(|seen| seen.with_kyc),
            &of(|seen| seen.with_aml),
        )
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("counting the fields of details")
    }
}

/// The objects in the stored items of a record. `None` if an item is missing or unreadable.
pub(in crate::warehouse) fn objects_of(
    kept: &RawItems,
    inflater: &mut Inflater,
) -> Option<(Objects, Objects)> {
    let mut objects = |call| {
        let body = kept.body(call, inflater).ok()??;
        let item = json::text(&body);
        Some(Objects::of(&json::parse(&item).ok()?.value))
    };
    Some((objects(Call::List)?, objects(Call::Detail)?))
}
