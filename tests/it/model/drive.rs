//! Plays a schedule in a world, and compares the warehouse with the vendor after the last change.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc, time::Duration};

use argos_sync::{
    domain::{Day, Stream},
    simulator::{Addition, Change, Faults, SimulatedProject},
};
use chrono::{DateTime, Days, TimeDelta, Utc};
use futures_util::future::join_all;
use sqlx::AssertSqlSafe;

use super::{
    happenings::Happening,
    replicas::{End, Fate, Replica, TIME_MAX},
    schedule::{Schedule, Step},
    troubles::{Trouble, knows_a_submission, lose_numbers, set_others_behind},
};
use crate::{
    consumers::demand_numbers,
    evidence::Clock,
    truth::{self, Difference},
    world::{FACE_KEY, KEY, Ran, TestWorld},
};

/// Days in which every record is listed once, and gets a detail call once.
const LIST_CYCLE_DAYS: i64 = 4;
const DETAIL_CYCLE_DAYS: i64 = 8;
/// Longer than a lease.
const LEASE: TimeDelta = TimeDelta::minutes(10);
/// Longer than the delay between two detail calls that confirm a deletion.
const CONFIRMATION: TimeDelta = TimeDelta::minutes(61);
/// A pass that misses a record, and two detail calls.
const CONFIRMATIONS: u32 = 3;
/// Time for the retries of a call while the vendor has faults, so that some calls fail.
const RETRY_SECONDS: u32 = 1;
/// Time for the retries of a call afterwards. A busy machine needs more than a second to find out
/// that a page size is too large.
const LAST_RETRY_SECONDS: u32 = 60;
/// Interval between reads of the number of calls.
const LOOK: Duration = Duration::from_millis(1);

const DUE: [&str; 2] = ["run", "--once"];
/// The key of another customer of the same vendor.
const OTHER_KEY: &str = "idcheck-key-of-another-customer";
/// Exit code of a process with a key of another account.
const REFUSED: i32 = 69;

/// A world that plays a schedule.
struct Model {
    schedule: Arc<Schedule>,
    world: TestWorld,
    clock: Clock,
    now: DateTime<Utc>,
    /// How far PostgreSQL's clock is ahead.
    ahead: TimeDelta,
    /// The ids of all records that ever existed, by number.
    submissions: Vec<String>,
    faceauths: Vec<String>,
    /// Records with changes that only the slow cycle of detail calls is certain to show.
    unseen: BTreeSet<String>,
    /// Existing records that lists of their days leave out.
    unlisted: BTreeSet<String>,
    /// The output of the processes, in order.
    said: String,
}

/// Plays the schedule. The error describes the final differences.
pub(super) async fn play(schedule: Schedule) -> Result<(), String> {
    let mut model = Model::new(Arc::new(schedule)).await;
    match model.play().await {
        Ok(()) => {
            model.world.pool.close().await;
            model.world.database.close().await;
            Ok(())
        }
        Err(why) => Err(format!(
            "{why}\n--- at {}\n--- the schedule\n{}--- the processes\n{}",
            model.now, model.schedule, model.said
        )),
    }
}

impl Model {
    async fn new(schedule: Arc<Schedule>) -> Self {
        let project = |key: &str, stream| SimulatedProject {
            key: key.to_owned(),
            stream,
            population: schedule.population.clone(),
        };
        let mut other = project(OTHER_KEY, Stream::Submission);
        other.population.seed ^= 1;
        let projects =
            vec![project(KEY, Stream::Submission), project(FACE_KEY, Stream::Faceauth), other];
        let world = TestWorld::of(projects).await;
        demand_numbers(&world.pool).await;
        for (key, knobs) in [KEY, FACE_KEY].iter().zip(&schedule.knobs) {
            world.vendor.set_knobs(key, knobs.clone()).expect("a project");
        }
        configure(&world, &schedule, RETRY_SECONDS);
        let clock = Clock::replace(&world.pool, "now").await;
        let mut model = Self {
            submissions: world.vendor.submission_ids(KEY).collect(),
            faceauths: world.vendor.faceauth_ids(FACE_KEY).collect(),
            world,
            clock,
            now: schedule.begin,
            ahead: TimeDelta::zero(),
            schedule,
            unseen: BTreeSet::new(),
            unlisted: BTreeSet::new(),
            said: String::new(),
        };
        model.pass(TimeDelta::zero()).await;
        model
    }

    async fn play(&mut self) -> Result<(), String> {
        let schedule = Arc::clone(&self.schedule);
        for (number, step) in schedule.steps.iter().enumerate() {
            self.step(step).await.map_err(|why| format!("in step {number}: {why}"))?;
        }
        self.world.vendor.set_faults(Faults::default());
        self.settle().await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        for happening in &step.before {
            self.happen(happening).await;
        }
        self.world.vendor.set_faults(step.faults.clone());
        let is_swapped = self.begin_trouble(step.trouble).await;
        let ends = self.work(step, is_swapped).await;
        self.set_ahead(TimeDelta::zero()).await;
        for end in &ends {
            self.note(end);
        }
        for End { ran, .. } in ends {
            // Complete, partial, terminated, or killed.
            let is_refused = is_swapped && ran.code() == REFUSED;
            if !is_refused && ![0, 65, 75, -1].contains(&ran.code()) {
                return Err(format!("a process ended with {}", ran.code()));
            }
        }
        self.pass(step.pause).await;
        Ok(())
    }

    /// Returns whether the last process gets another customer's key, which must not happen before
    /// the program can detect it.
    async fn begin_trouble(&mut self, trouble: Option<Trouble>) -> bool {
        match trouble {
            Some(Trouble::SwappedKey) => return knows_a_submission(&self.world).await,
            Some(Trouble::WrongClock(ahead)) => self.set_ahead(ahead).await,
            Some(Trouble::LostNumbers) => lose_numbers(&self.world).await,
            None => {}
        }
        false
    }

    async fn set_ahead(&mut self, ahead: TimeDelta) {
        if self.ahead != ahead {
            self.ahead = ahead;
            set_others_behind(&self.world, ahead).await;
            self.pass(TimeDelta::zero()).await;
        }
    }

    /// Runs the processes of a step while changes happen.
    async fn work(&mut self, step: &Step, is_swapped: bool) -> Vec<End> {
        let days = self.days();
        let arguments: &[&str] =
            if step.is_backfill { &["run", "--backfill", &days] } else { &DUE };
        let one_freezes = matches!(step.replicas[0], Fate::FrozenAfter(_));
        let mut replicas = Vec::new();
        for (number, fate) in step.replicas.iter().enumerate() {
            let has_other_key = is_swapped && number + 1 == step.replicas.len();
            // The other process starts when the first is frozen and its claims have expired.
            if one_freezes
                && let Some(first) = replicas.first_mut()
                && Replica::stands_still(first).await
            {
                self.transactions_have_ended().await;
                self.pass(LEASE).await;
            }
            let key = if has_other_key { OTHER_KEY } else { KEY };
            replicas.push(self.start(arguments, *fate, key).await);
        }
        let mut ending = Box::pin(async {
            if !one_freezes {
                return join_all(replicas.into_iter().map(Replica::end)).await;
            }
            let mut ends = Vec::new();
            // A frozen process continues when the others have ended.
            while let Some(replica) = replicas.pop() {
                ends.push(replica.end().await);
            }
            ends
        });
        let first_call = self.world.vendor.call_count();
        let mut to_happen = step.during.clone().into_iter().peekable();
        let ends = loop {
            tokio::select! {
                ends = &mut ending => break ends,
                () = tokio::time::sleep(LOOK), if to_happen.peek().is_some() => {
                    let calls = self.world.vendor.call_count() - first_call;
                    while let Some((_, happening)) = to_happen.next_if(|(at, _)| *at <= calls) {
                        self.happen(&happening).await;
                    }
                }
            }
        };
        for (_, happening) in to_happen {
            self.happen(&happening).await;
        }
        ends
    }

    /// Waits until the transactions that a frozen process may still complete have ended. Otherwise
    /// it could renew a claim after the clock has moved, and the other process would wait for it.
    /// One that has only begun stays so, and holds nothing.
    async fn transactions_have_ended(&self) {
        let sql = "select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
                and state <> 'idle' and query not ilike 'begin%'";
        let ending = async { while self.world.number(sql).await > 0 {} };
        tokio::time::timeout(TIME_MAX, ending).await.expect("the transactions end");
    }

    async fn start(&self, arguments: &[&str], fate: Fate, key: &str) -> Replica {
        let page_size = self.schedule.page_size[1].to_string();
        let settings =
            [("project.face.page_size", page_size.as_str()), ("project.main.api_key", key)];
        Replica::start(&self.world, &settings, arguments, fate).await
    }

    fn days(&self) -> String {
        format!("{}..{}", since(&self.schedule), self.now.date_naive())
    }

    /// Makes the change at the vendor.
    async fn happen(&mut self, happening: &Happening) {
        let vendor = &self.world.vendor;
        match happening {
            Happening::New { stream, minutes_old, result } => {
                let created_at = self.now - TimeDelta::minutes(*minutes_old);
                let addition = Addition {
                    created_at_ms: Some(created_at.timestamp_millis()),
                    result: *result,
                };
                let (key, ids) = match stream {
                    Stream::Submission => (KEY, &mut self.submissions),
                    Stream::Faceauth => (FACE_KEY, &mut self.faceauths),
                };
                ids.push(vendor.add(key, &addition).expect("a new record"));
            }
            Happening::Changed { stream, number, change } => {
                let (key, ids) = match stream {
                    Stream::Submission => (KEY, &self.submissions),
                    Stream::Faceauth => (FACE_KEY, &self.faceauths),
                };
                let id = &ids[*number];
                truth::remember(&self.world, *stream, id).await;
                if !is_seen_soon(change) {
                    self.unseen.insert(id.clone());
                }
                match change {
                    Change::Unlist | Change::HideDate => _ = self.unlisted.insert(id.clone()),
                    Change::Relist | Change::ShowDate => _ = self.unlisted.remove(id),
                    _ => {}
                }
                vendor.change(key, id, change.clone()).expect("a change");
            }
        }
    }

    /// Advances the clocks of the vendor and of PostgreSQL.
    async fn pass(&mut self, time: TimeDelta) {
        self.now += time;
        self.world.vendor.set_now_ms(self.now.timestamp_millis());
        self.clock.set(self.now + self.ahead).await;
    }

    /// Demands that the warehouse equals the vendor after the cycles of lists and of detail calls.
    async fn settle(&mut self) -> Result<(), String> {
        configure(&self.world, &self.schedule, LAST_RETRY_SECONDS);
        self.round(&[0, 65]).await?;
        // Until failed detail calls are due again.
        self.pass(TimeDelta::hours(7)).await;
        // A record that lists leave out may keep its days unverified in one run.
        let mut doubts = self.unlisted.len();
        for _ in 0..LIST_CYCLE_DAYS {
            let ran = self.round(if doubts > 0 { &[0, 65] } else { &[0] }).await?;
            if ran.code() != 0 {
                if !ran.stderr.contains("a detail call finds a record of these days") {
                    return Err("the world has stopped, and a process ended with 65".to_owned());
                }
                doubts -= 1;
            }
            self.pass(TimeDelta::days(1)).await;
        }
        for _ in 0..CONFIRMATIONS {
            self.round(&[0]).await?;
            self.pass(CONFIRMATION).await;
        }
        let found = self.differences().await;
        let early = found.iter().filter(|found| !found.ids.is_subset(&self.unseen));
        let early: Vec<_> = early.collect();
        if !early.is_empty() {
            return Err(format!(
                "after a cycle of lists the warehouse is not the truth: {early:#?}"
            ));
        }
        // The clock advances by days, so a cycle may start a day late, and a record's turn in it
        // may come a day late.
        for _ in LIST_CYCLE_DAYS..DETAIL_CYCLE_DAYS + 2 {
            self.pass(TimeDelta::days(1)).await;
            self.round(&[0]).await?;
        }
        let found = self.differences().await;
        if !found.is_empty() {
            return Err(format!("the warehouse is not the truth: {found:#?}"));
        }
        self.rest().await
    }

    /// Demands that no work is left, and that reading known records writes no row (I4).
    async fn rest(&mut self) -> Result<(), String> {
        for table in ["claim", "suspect", "deletion_alarm", "quarantine"] {
            let sql = format!("select count(*) from argos_sync.{table}");
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&self.world.pool)
                .await
                .expect("a count");
            if count > 0 {
                return Err(format!("{count} rows are left in argos_sync.{table}"));
            }
        }
        let before = (truth::fingerprint(&self.world.pool).await, self.submissions_at_rest().await);
        self.round(&[0]).await?;
        let after = (truth::fingerprint(&self.world.pool).await, self.submissions_at_rest().await);
        let is_written = |(one, two): &(&(String, _, _), _)| {
            one != two && !one.0.starts_with("argos_sync.") && one.0 != "argos.submission"
        };
        let written: Vec<_> = before.0.iter().zip(&after.0).filter(is_written).collect();
        if before.1 != after.1 {
            return Err("nothing changed, and rows of argos.submission were written".to_owned());
        }
        if !written.is_empty() {
            return Err(format!("nothing changed, and rows were written: {written:#?}"));
        }
        Ok(())
    }

    /// Hash of all rows of submissions. Of an unlisted one, the time of the last detail call is
    /// omitted, because it changes with each pass that misses the record.
    async fn submissions_at_rest(&self) -> Option<String> {
        let sql = "select md5(string_agg((case when unlisted
                then to_jsonb(held) - '{detail_read_at,change_number}'::text[] else to_jsonb(held) end)::text,
                ' ' order by submission_id))
            from argos.submission as held join argos_sync.record on id = submission_id and stream = 'submission'";
        sqlx::query_scalar(sql).fetch_one(&self.world.pool).await.expect("the submissions")
    }

    /// Runs one process that does the due work and may end with these codes.
    async fn round(&mut self, codes: &[i32]) -> Result<Ran, String> {
        let end = self.start(&DUE, Fate::Lives, KEY).await.end().await;
        self.note(&end);
        let code = end.ran.code();
        if !codes.contains(&code) {
            return Err(format!("the world has stopped, and a process ended with {code}"));
        }
        Ok(end.ran)
    }

    fn note(&mut self, end: &End) {
        let End { ran, commits, took } = end;
        let now = self.now;
        let _infallible = writeln!(self.said, "--- {now}, {commits} commits in {took:?}: {ran:?}");
    }

    async fn differences(&self) -> Vec<Difference> {
        let vanished = |key: &'static str, ids: &[String]| {
            let vendor = self.world.vendor.clone();
            let is_gone = move |id: &&String| {
                vendor.submission(key, id).or_else(|| vendor.faceauth(key, id)).is_none()
            };
            ids.iter().filter(is_gone).cloned().collect::<Vec<_>>()
        };
        let vanished = [vanished(KEY, &self.submissions), vanished(FACE_KEY, &self.faceauths)];
        truth::differences_with(&self.world, &vanished.concat()).await
    }
}

/// Whether a cycle of lists is certain to show such a change: in the list item or, if that omits
/// `kyc` or `aml`, by a detail call. Sparse lists may not show the others.
fn is_seen_soon(change: &Change) -> bool {
    match change {
        Change::FlagAml
        | Change::ClearAml
        | Change::Delete
        | Change::DeleteFaceauth { .. }
        | Change::Vanish
        | Change::Return
        | Change::HideDate
        | Change::ShowDate
        | Change::Unlist
        | Change::Relist => true,
        Change::Decide { .. } | Change::Edit(_) | Change::Memo(_) | Change::Detail => false,
    }
}

/// A day before all records.
fn since(schedule: &Schedule) -> Day {
    schedule.population.from - Days::new(1)
}

fn configure(world: &TestWorld, schedule: &Schedule, retry_seconds: u32) {
    let page_size = schedule.page_size[0];
    let client = format!("page_size = {page_size}\nretry_budget_seconds = {retry_seconds}");
    let more = format!(
        "[sync]\nsince = \"{}\"\nwindow_days = {}\ngive_up_after_minutes = 0\n\
         [audit]\ncycle_days = {LIST_CYCLE_DAYS}\ndetail_cycle_days = {DETAIL_CYCLE_DAYS}\n\
         calls_per_day = {}\n\
         [deletion]\nmissing_min = 1000\n",
        since(schedule),
        schedule.window_days,
        schedule.daily_calls,
    );
    world.configure_client(&client, &more);
}
