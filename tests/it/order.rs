//! Any order of the same observations gives the same row (I5, I6), at the level of the library.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argos_sync::{
    domain::{Cursor, CycleDetector, Day, Kind, Lane, ListScope, ReadNumber, Stream, Window},
    json::Paths,
    normalize::{Context, catalogue},
    warehouse::{
        Claim, DeletionRules, DetailAnswer, DetailMode, Keep, Observation, PageToStore, Pass,
        Priority, RawStorage, RunId, Scope, Tally, Warehouse, WarehouseError, WarehouseRemedy,
        WarehouseSettings,
    },
};
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    database::{self, Database},
    truth::fingerprint,
};

/// A warehouse with one project that only the test writes to.
pub(crate) struct Room {
    _database: Database,
    pub(crate) pool: PgPool,
    pub(crate) warehouse: Warehouse,
    pub(crate) scope: Arc<Scope>,
    pub(crate) run: RunId,
}

/// A pass under a claim.
pub(crate) struct Walk {
    claim: Claim,
    pass: Pass,
    pub(crate) page: u32,
}

pub(crate) fn window(from: u32, to: u32) -> Window {
    let day = |day| Day::from_ymd_opt(2025, 1, day).expect("a day");
    Window::new(day(from), day(to)).expect("a window")
}

/// The library's warehouse at this address.
pub(crate) fn warehouse(url: &str) -> Warehouse {
    Warehouse::new(&WarehouseSettings {
        url: url.into(),
        connections_max: 4,
        connect_timeout: Duration::from_secs(30),
        statement_cache: 100,
    })
    .expect("a warehouse")
}

/// The submissions of the project `main`.
pub(crate) fn scope(deletion: DeletionRules) -> Arc<Scope> {
    Arc::new(Scope {
        project: "main".parse().expect("a name"),
        stream: Stream::Submission,
        context: Context::default(),
        volatile: Paths::new(catalogue::volatile_paths(Stream::Submission).iter().copied()),
        raw: RawStorage::Zstd,
        details: DetailMode::OnChange,
        deletion,
        since: None,
    })
}

impl Room {
    pub(crate) async fn new() -> Self {
        // In emptied columns, different orders would look the same.
        Self::keeping(Keep::Everything).await
    }

    /// A warehouse with this `deletion.keep`.
    pub(crate) async fn keeping(keep: Keep) -> Self {
        let database = database::fresh().await;
        let pool = database.pool().await;
        let warehouse = warehouse(&database.url);
        let scope = scope(DeletionRules { keep, ..DeletionRules::default() });
        warehouse.register(&scope.project, &Kind::IdCheck).await.expect("registered");
        let run = warehouse.begin_run("test", "test").await.expect("a run");
        Self { _database: database, pool, warehouse, scope, run }
    }

    /// Number of due detail calls.
    async fn left(&self) -> i64 {
        let left = self.warehouse.details_left(&self.scope, None, Duration::ZERO).await;
        left.expect("a count").count()
    }

    pub(crate) async fn walk(&self, window: Window, holder: &str) -> Walk {
        let claim = self
            .warehouse
            .claim(&self.scope.project, Stream::Submission, ListScope::Window(window), holder)
            .await;
        let claim = claim.expect("an answer").claimed().expect("the claim");
        let pass = self.warehouse.open_pass(&claim, Lane::Recent, None).await.expect("a pass");
        Walk { claim, pass, page: 0 }
    }

    pub(crate) fn observe(&self, read: i64, body: String) -> Observation {
        Observation::of(&self.scope, ReadNumber(read), body.into_bytes().into())
    }

    pub(crate) async fn page(
        &self,
        walk: &Walk,
        page: u32,
        items: Vec<Observation>,
    ) -> Result<Tally, WarehouseError> {
        let cursor = Cursor { id: format!("c{page}"), date: "d".to_owned() };
        let next = Some((cursor, CycleDetector::default()));
        let page = PageToStore::new(page, ReadNumber(0), items, next);
        let stored = self
            .warehouse
            .commit_page(&self.scope, &walk.claim, &walk.pass, self.run, &page, None)
            .await;
        stored.map(|stored| stored.tally)
    }

    pub(crate) async fn next_page(&self, walk: &mut Walk, items: Vec<Observation>) -> Tally {
        walk.page += 1;
        self.page(walk, walk.page, items).await.expect("the page is stored")
    }

    pub(crate) async fn fetched(&self, items: &[Observation]) -> Tally {
        let stored = self.warehouse.commit_fetched(&self.scope, self.run, items).await;
        stored.expect("the items are stored")
    }

    /// Each record's rows in all tables, without values that depend on the clock.
    async fn rows(&self) -> BTreeMap<String, String> {
        let mut rows: BTreeMap<String, String> = BTreeMap::new();
        let parts = [
            (
                "argos.submission",
                "to_jsonb(t) - '{submission_id,first_seen_at,changed_at,change_number,deleted_at,detail_read_at}'::text[]
                || jsonb_build_object('deleted', deleted_at is not null)",
            ),
            ("argos_pii.submission_identity", "to_jsonb(t) - 'submission_id'"),
            ("argos.kyc_attempt", "to_jsonb(t) - 'submission_id'"),
            ("argos_pii.kyc_attempt_verification", "to_jsonb(t) - 'submission_id'"),
            ("argos.kyc_reject_reason", "to_jsonb(t) - 'submission_id'"),
            ("argos.aml_match", "to_jsonb(t) - 'submission_id'"),
            ("argos.submission_duplicate", "to_jsonb(t) - 'submission_id'"),
            ("argos_pii.additional_answer", "to_jsonb(t) - 'submission_id'"),
            ("argos.bank_verification", "to_jsonb(t) - 'submission_id'"),
            ("argos_raw.submission", "to_jsonb(t) - 'submission_id'"),
            (
                "argos_sync.record",
                "to_jsonb(t) - '{id,list_digest,detail_digest,deleted_at,changed_at,first_read,detail_next_at}'::text[]",
            ),
        ];
        for (table, row) in parts {
            let id = if table == "argos_sync.record" { "id" } else { "submission_id" };
            let sql = format!(
                "select {id}::text, jsonb_agg({row} order by {row})::text from {table} as t group by 1"
            );
            let found: Vec<(String, String)> =
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&self.pool).await.expect("rows");
            for (id, text) in found {
                let all = rows.entry(id).or_default();
                *all = format!("{all}\n{table} {text}");
            }
        }
        rows
    }
}

/// One of the five observations of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    List(usize),
    Detail(usize),
}

const ALL: [Seen; 5] =
    [Seen::List(0), Seen::List(1), Seen::List(2), Seen::Detail(0), Seen::Detail(1)];

/// The members after the id; none contains it, so that records can be compared.
fn members(seen: Seen) -> &'static str {
    match seen {
        Seen::List(0) => {
            r#""created_at":"2025-01-05T10:00:00Z","email":"a@b.example","kyc":{"result":"pending","attempts":[{"attemptCnt":1,"livenessScore":5}]},"aml":{"matches":[{"resource_id":"x","score":1},{"resource_id":"y","score":2}]}"#
        }
        Seen::List(1) => {
            r#""email":"c@d.example","kyc":{"result":"rejected","commentCode":["other"],"comment":["why"],"attempts":[{"attemptCnt":1},{"attemptCnt":2,"livenessScore":7}]},"memo":null"#
        }
        Seen::List(_) => {
            r#""created_at":"2025-01-05T10:00:00Z","kyc":{"result":"approved","attempts":[{"attemptCnt":2,"livenessScore":9}]},"aml":{"matches":[{"resource_id":"y","score":3}]},"additional_list":[{"answer":"q"}]"#
        }
        Seen::Detail(0) => {
            r#""created_at":"2025-01-05T10:00:00Z","email":"a@b.example","kyc":{"result":"pending","attempts":[{"attemptCnt":1,"ocrResult":"success"},{"attemptCnt":2,"retryCode":["g"]}]},"aml":{"matches":[{"resource_id":"y","risk_level":"HIGH"}]},"memo":{"text":"m"},"duplicated_users":["p","q"],"bank_verification":{"result":"fail"}"#
        }
        Seen::Detail(_) => {
            r#""created_at":"2025-01-05T10:00:00Z","email":"e@f.example","kyc":{"result":"approved","attempts":[{"attemptCnt":1,"ocrResult":"fail","verification":{"userName":"n"}}]},"duplicated_users":["q"],"additional_list":[{"answer":"r","inputValue":"s"}]"#
        }
    }
}

fn permutations<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = all.split_first() else { return vec![Vec::new()] };
    let shorter = permutations(rest);
    let with_first = |shorter: &Vec<T>, at: usize| {
        let mut longer = shorter.clone();
        longer.insert(at, *first);
        longer
    };
    let longer = shorter.iter().flat_map(|one| (0..=one.len()).map(move |at| (one, at)));
    longer.map(|(one, at)| with_first(one, at)).collect()
}

/// Every order of requests, in every order of arrival. 120 times 120 records would be too many, so
/// lists and details are requested in their own order, mixed in all ten ways.
#[tokio::test]
async fn any_order_of_arriving_gives_the_row_that_the_order_of_asking_says() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let asked: Vec<Vec<Seen>> = permutations(&ALL)
        .into_iter()
        .filter(|order| {
            let lists: Vec<_> = order.iter().filter(|seen| matches!(seen, Seen::List(_))).collect();
            let details: Vec<_> =
                order.iter().filter(|seen| matches!(seen, Seen::Detail(_))).collect();
            lists.is_sorted() && details.is_sorted()
        })
        .collect();
    assert_eq!(asked.len(), 10);
    let arrivals = permutations(&ALL);
    for step in 0..ALL.len() {
        let (mut lists, mut details) = (Vec::new(), Vec::new());
        for (mix, asked) in asked.iter().enumerate() {
            for (order, arrival) in arrivals.iter().enumerate() {
                let seen = arrival[step];
                let read = asked.iter().position(|other| *other == seen).expect("asked") + 1;
                let body = format!(r#"{{"submission_id":"{mix}-{order:03}",{}}}"#, members(seen));
                let observation = room.observe(i64::try_from(read).expect("small"), body);
                match seen {
                    Seen::List(_) => lists.push(observation),
                    Seen::Detail(_) => details.push(observation),
                }
            }
        }
        // Alternating, so that neither kind always comes first within a step.
        if step % 2 == 0 {
            room.next_page(&mut walk, lists).await;
            room.fetched(&details).await;
        } else {
            room.fetched(&details).await;
            room.next_page(&mut walk, lists).await;
        }
    }
    let rows = room.rows().await;
    assert_eq!(rows.len(), 1200);
    for (mix, asked) in asked.iter().enumerate() {
        let mut outcomes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (order, _) in arrivals.iter().enumerate() {
            // Bodies contain the id, so the raw rows differ; the digest of the rest must not.
            let row = without_raw(&rows[&format!("{mix}-{order:03}")]);
            outcomes.entry(row).or_default().push(order);
        }
        let shown: Vec<_> = outcomes
            .iter()
            .map(|(row, orders)| {
                format!("{} times, first {:?}:{row}", orders.len(), arrivals[orders[0]])
            })
            .collect();
        assert_eq!(outcomes.len(), 1, "asked {asked:?}: {}", shown.join("\n"));
    }
}

fn without_raw(row: &str) -> String {
    row.lines().filter(|line| !line.starts_with("argos_raw")).collect::<Vec<_>>().join("\n")
}

fn plain(id: &str, result: &str) -> String {
    format!(
        r#"{{"submission_id":"{id}","created_at":"2025-01-09T12:00:00Z","email":"a@b.example","kyc":{{"result":"{result}","attempts":[{{"attemptCnt":1}}]}},"project_options":{{"policy_ageLimit":18}}}}"#
    )
}

/// Retries deadlocks and similar errors, as the program does.
pub(crate) async fn insist<T>(
    mut transaction: impl AsyncFnMut() -> Result<T, WarehouseError>,
) -> T {
    for _ in 0..20 {
        match transaction().await {
            Ok(value) => return value,
            Err(error) if error.remedy() == WarehouseRemedy::Retry => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never succeeds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writers_of_the_same_new_records_leave_one_row_each_and_counters_that_add_up() {
    let room = Room::new().await;
    // Both lists show day 9: it is the last day of the first window, and the second list includes
    // one day more.
    let mut one = room.walk(window(1, 10), "one").await;
    let mut other = room.walk(window(10, 20), "other").await;
    for round in 0..10_i64 {
        let items = |read: i64, result: &str| -> Vec<Observation> {
            let id = |n: i64| format!("{round}-{:04}", if read % 2 == 0 { n } else { 699 - n });
            (0..700).map(|n| room.observe(round * 10 + read, plain(&id(n), result))).collect()
        };
        (one.page, other.page) = (one.page + 1, other.page + 1);
        let (room, one, other) = (&room, &one, &other);
        let (a, b, c) = tokio::join!(
            insist(async || room.page(one, one.page, items(1, "pending")).await),
            insist(async || room.page(other, other.page, items(2, "pending")).await),
            insist(async || room
                .warehouse
                .commit_fetched(&room.scope, room.run, &items(3, "approved"))
                .await),
        );
        let mut all = a;
        all += b;
        all += c;
        assert_eq!((all.received, all.inserted, all.quarantined), (2100, 700, 0));
        assert_eq!(all.received, all.inserted + all.updated + all.unchanged + all.duplicate);
    }
    let counts: Vec<(String, i64, i64)> = sqlx::query_as(
        "select 's', count(*), count(*) filter (where kyc_result = 'approved') from argos.submission
         union all select 'a', count(*), count(*) from argos.kyc_attempt
         union all select 'r', count(*), count(*) filter (where detail_read % 10 = 3) from argos_sync.record
         order by 1",
    )
    .fetch_all(&room.pool)
    .await
    .expect("counts");
    let whole = |name: &str| (name.to_owned(), 7000, 7000);
    assert_eq!(counts, [whole("a"), whole("r"), whole("s")], "the detail was asked last, and wins");
    let tally = room.warehouse.run_tally(room.run, &room.scope).await.expect("a tally");
    assert_eq!((tally.received, tally.inserted), (21_000, 7000));
}

#[tokio::test]
async fn a_fenced_writer_leaves_no_trace() {
    let room = Room::new().await;
    let mut late = room.walk(window(1, 10), "late").await;
    room.next_page(&mut late, vec![room.observe(1, plain("a", "pending"))]).await;
    room.warehouse.free("late").await.expect("freed");
    let mut taken = room.walk(window(1, 10), "taken").await;
    assert_eq!(taken.pass.pass_id, late.pass.pass_id, "the pass goes on");
    taken.page = late.page;
    let before = fingerprint(&room.pool).await;
    let items =
        vec![room.observe(9, plain("a", "approved")), room.observe(9, plain("b", "approved"))];
    let refused = room.page(&late, late.page + 1, items).await;
    assert!(matches!(refused, Err(WarehouseError::FenceLost)), "{refused:?}");
    assert_eq!(fingerprint(&room.pool).await, before);
    let tally = room.warehouse.run_tally(room.run, &room.scope).await.expect("a tally");
    assert_eq!(tally.received, 1);
    room.next_page(&mut taken, vec![room.observe(10, plain("b", "approved"))]).await;
}

#[tokio::test]
async fn a_detail_call_whose_record_was_seen_anew_leaves_no_trace_and_stays_due() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    room.next_page(&mut walk, vec![room.observe(1, plain("a", "pending"))]).await;
    let due = room
        .warehouse
        .claim_details(&room.scope, "worker", Priority::Cycle, 10)
        .await
        .expect("due");
    let answers: Vec<_> = due
        .into_iter()
        .map(|due| (due, DetailAnswer::Found(room.observe(2, plain("a", "rejected")))))
        .collect();
    assert_eq!(answers.len(), 1);
    room.next_page(&mut walk, vec![room.observe(3, plain("a", "approved"))]).await;
    let before = fingerprint(&room.pool).await;
    let tally =
        room.warehouse.commit_details(&room.scope, room.run, &answers, true).await.expect("done");
    assert_eq!(tally, Tally::default());
    assert_eq!(fingerprint(&room.pool).await, before);
    assert_eq!(room.left().await, 1);
}

#[tokio::test]
async fn replaying_a_page_changes_nothing() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let items =
        || vec![room.observe(1, plain("a", "pending")), room.observe(1, plain("b", "pending"))];
    room.next_page(&mut walk, items()).await;
    let before = fingerprint(&room.pool).await;
    let later = vec![room.observe(7, plain("a", "approved"))];
    for (page, items) in [(1, items()), (1, later), (3, items())] {
        let refused = room.page(&walk, page, items).await;
        assert!(matches!(refused, Err(WarehouseError::CheckpointMoved { .. })), "{refused:?}");
    }
    assert_eq!(fingerprint(&room.pool).await, before);
    let tally = room.warehouse.run_tally(room.run, &room.scope).await.expect("a tally");
    assert_eq!(tally.received, 2);
}

#[tokio::test]
async fn a_known_record_from_outside_the_claimed_window_is_left_to_its_own() {
    let room = Room::new().await;
    let mut own = room.walk(window(1, 10), "one").await;
    room.next_page(&mut own, vec![room.observe(1, plain("a", "pending"))]).await;
    let mut other = room.walk(window(10, 20), "other").await;
    let before = fingerprint(&room.pool).await;
    let tally = room.next_page(&mut other, vec![room.observe(5, plain("a", "approved"))]).await;
    assert_eq!((tally.duplicate, tally.updated), (1, 0));
    assert_eq!(fingerprint(&room.pool).await, before);
    let tally = room.next_page(&mut other, vec![room.observe(6, plain("b", "approved"))]).await;
    assert_eq!(tally.inserted, 1, "an unknown one is stored");
}

#[tokio::test]
async fn a_lasting_disagreement_of_list_and_detail_call_settles() {
    let room = Room::new().await;
    let item = |score: &str| {
        format!(
            r#"{{"submission_id":"one","created_at":"2025-01-05T10:00:00Z","argos_score":{score}}}"#
        )
    };
    let mut walk = room.walk(window(1, 9), "test").await;
    room.next_page(&mut walk, vec![room.observe(1, item("1"))]).await;
    let due = room
        .warehouse
        .claim_details(&room.scope, "test", Priority::Cycle, 10)
        .await
        .expect("what is due");
    let answer = DetailAnswer::Found(room.observe(2, item("2")));
    let answers: Vec<_> = due.into_iter().zip([answer]).collect();
    room.warehouse.commit_details(&room.scope, room.run, &answers, true).await.expect("stored");

    // The list was requested last, so it wins once more; after that, nothing changes.
    let again = room.next_page(&mut walk, vec![room.observe(3, item("1"))]).await;
    assert_eq!((again.updated, again.unchanged), (1, 0));
    let score: f64 = sqlx::query_scalar("select argos_score from argos.submission")
        .fetch_one(&room.pool)
        .await
        .expect("a score");
    assert!((score - 1.0).abs() < f64::EPSILON, "{score}");
    let settled = fingerprint(&room.pool).await;
    for read in 4..7 {
        let again = room.next_page(&mut walk, vec![room.observe(read, item("1"))]).await;
        assert_eq!((again.updated, again.unchanged), (0, 1));
        assert_eq!(room.left().await, 0);
    }
    assert_eq!(fingerprint(&room.pool).await, settled);
}

#[tokio::test]
async fn no_more_detail_calls_are_claimed_than_asked_for() {
    let room = Room::new().await;
    let item = |number: i32| {
        format!(r#"{{"submission_id":"s{number:03}","created_at":"2025-01-05T10:00:00Z"}}"#)
    };
    let items = (0..300).map(|number| room.observe(1, item(number))).collect();
    let mut walk = room.walk(window(1, 9), "test").await;
    room.next_page(&mut walk, items).await;
    for _ in 0..3 {
        let claimed = room.warehouse.claim_details(&room.scope, "test", Priority::Cycle, 100).await;
        assert_eq!(claimed.expect("what is due").len(), 100);
    }
}
