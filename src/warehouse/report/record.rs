//! The state and history of one record, without any of its values.

use chrono::{DateTime, Utc};

use crate::{
    domain::Day,
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Scope,
    },
};

/// The state of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one record, shown one by one"
)]
pub struct RecordStatus {
    /// The day whose windows contain it.
    pub window_day: Day,
    /// Its creation date is missing or unreadable.
    pub undated: bool,
    /// Windows of its day do not list it.
    pub unlisted: bool,
    /// Its state is expected to change.
    pub unsettled: bool,
    /// Its list item and its detail item disagree.
    pub sources_differ: bool,
    /// The last list item was set aside: it is older than the record by the vendor's own times.
    pub doubted: bool,
    /// Its list item lacks parts that detail calls contain.
    pub sparse: bool,
    /// When the next detail call because of an incomplete list item is scheduled.
    pub detail_next_at: Option<DateTime<Utc>>,
    /// A list has contained it.
    pub has_list: bool,
    /// A detail call has returned it.
    pub has_detail: bool,
    /// When it was last observed to change.
    pub changed_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// It counts as deleted because it was no longer found.
    pub deleted_by_absence: bool,
    /// When its day was last read completely.
    pub as_of: Option<DateTime<Utc>>,
    /// When a pass missed it.
    pub missed_at: Option<DateTime<Utc>>,
    /// When a detail call first did not find it.
    pub absent_at: Option<DateTime<Utc>>,
    /// When an item first had the vendor's deletion mark.
    pub marked_at: Option<DateTime<Utc>>,
    /// When a detail call first showed the mark.
    pub mark_found_at: Option<DateTime<Utc>>,
    /// When its next detail call is due.
    pub detail_due_at: Option<DateTime<Utc>>,
    /// Number of failures of that call so far.
    pub detail_failures: Option<i32>,
}

/// An event in the history of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// A description without personal data.
    pub description: String,
}

/// Maximum number of events shown of each kind.
const EVENTS_MAX: i64 = 20;

impl Warehouse {
    /// Reads the state of a record; `None` if it is not known.
    pub async fn record_status(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<RecordStatus>, WarehouseError> {
        sqlx::query_as!(
            RecordStatus,
            r#"select window_day, undated, unlisted, unsettled, sources_differ, deleted_by_absence,
                changed_at, deleted_at, doubted_read is not null as "doubted!",
                sparse is not null as "sparse!", detail_next_at,
                list_read is not null as "has_list!", detail_read is not null as "has_detail!",
                covered.as_of as "as_of?", suspect.missed_at, suspect.absent_at, suspect.marked_at,
                suspect.mark_found_at, due.due_at as "detail_due_at?",
                due.failures as "detail_failures?"
               from argos_sync.record
               left join argos_sync.coverage as covered on covered.project = record.project
                    and covered.stream = record.stream and covered.day = record.window_day
               left join argos_sync.suspect on suspect.project = record.project
                    and suspect.stream = record.stream and suspect.id = record.id
               left join argos_sync.detail_due as due on due.project = record.project
                    and due.stream = record.stream and due.id = record.id
               where record.project = $1 and record.stream = $2 and record.id = $3"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            id,
        )
        .fetch_optional(&self.pool)
        .await
        .doing("reading the status of a record")
    }

    /// Returns the passes over a record's day, its detail calls, changes and repairs, oldest first.
    pub async fn events(
        &self,
        scope: &Scope,
        id: &str,
        day: Day,
    ) -> Result<Vec<RecordEvent>, WarehouseError> {
        sqlx::query_as!(
            RecordEvent,
            r#"select at as "at!", description as "description!" from (
                (select coalesce(ended_at, advanced_at) as at,
                    format('%s pass %s of %s..%s: %s, pages %s, items %s%s',
                        lane, pass_id, window_from, window_to - 1, replace(state, '_', ' '),
                        page, received,
                        case when last_error is not null then ', last error: ' || last_error
                            else '' end) as description
                 from argos_sync.pass
                 where project = $1 and stream = $2 and window_from <= $4 and $4 < window_to
                 order by pass_id desc limit $5)
                union all
                (select called_at, 'detail call: ' || answer from argos_sync.detail_call
                 where project = $1 and stream = $2 and id = $3
                 order by called_at desc limit $5)
                union all
                (select changed_at,
                    format('%s changed from %s to %s (lane %s)', field,
                        coalesce(old_value, 'nothing'), coalesce(new_value, 'nothing'), lane)
                 from argos.submission_change
                 where $2 = 'submission' and project = $1 and submission_id = $3
                    and field not like 'identity.%'
                 order by change_id desc limit $5)
                union all
                (select changed_at, field || ' changed'
                 from argos.submission_change
                 where $2 = 'submission' and project = $1 and submission_id = $3
                    and field like 'identity.%'
                 order by change_id desc limit $5)
                union all
                (select changed_at,
                    format('%s changed from %s to %s (lane %s)', field,
                        coalesce(old_value, 'nothing'), coalesce(new_value, 'nothing'), lane)
                 from argos.faceauth_change
                 where $2 = 'faceauth' and project = $1 and auth_id = $3
                 order by change_id desc limit $5)
                union all
                (select noted_at, format('%s at %s (%s)', found, path, json_type)
                 from argos_sync.repair
                 where project = $1 and stream = $2 and id = $3
                 order by noted_at desc limit $5)
             ) as happened order by 1, 2"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            id,
            day,
            EVENTS_MAX,
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the events of a record")
    }
}
