//! The adaptive rate of a key, against vendors with limits.

use argos_sync::simulator::{Knobs, TrafficLimits};

use crate::{
    truth::assert_equal,
    world::{ALL_DAYS, KEY, TestWorld},
};

const BACKFILL: [&str; 5] = ["run", "--backfill", ALL_DAYS, "--project", "main"];

impl TestWorld {
    /// Lets the rate adapt, which the configuration of tests fixes otherwise.
    fn adapt(&self, calls_per_second_max: &str) {
        self.configure_client(&format!("calls_per_second_max = {calls_per_second_max}"), "");
        let text = std::fs::read_to_string(self.config()).expect("the configuration");
        self.configure_whole(&text.replace("calls_per_second = 5000\n", ""));
    }

    fn limit(&self, traffic: TrafficLimits) {
        // Long enough that a busy machine does not double it.
        let knobs = Knobs { latency_ms: 300, traffic, ..Knobs::default() };
        self.vendor.set_knobs(KEY, knobs).expect("a project");
    }

    async fn rate(&self) -> (f64, String) {
        let sql = "select calls_per_second, cause from argos_sync.key_rate";
        sqlx::query_as(sql).fetch_one(&self.pool).await.expect("a rate")
    }
}

#[tokio::test]
async fn the_rate_grows_while_the_vendor_answers_and_a_restart_keeps_it() {
    let world = TestWorld::new(150, 0).await;
    world.adapt("40");
    world.limit(TrafficLimits::default());
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let (grown, cause) = world.rate().await;
    assert!(grown > 10.0, "{grown} after 150 calls");
    assert_eq!(cause, "healthy");
    let status = world.run(&["status"]).await;
    let line = status.stdout.lines().find(|line| line.contains("calls a second since"));
    assert!(line.is_some_and(|line| line.ends_with("the vendor answers in time")), "{status:?}");
    // The next process starts with it.
    let ran =
        world.run(&["run", "--backfill", "2025-01-01..2025-01-02", "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(world.rate().await.0 >= grown, "{grown}");
}

#[tokio::test]
async fn a_process_with_a_fixed_rate_leaves_the_adaptive_rate_of_its_key_alone() {
    let world = TestWorld::new(30, 0).await;
    world.adapt("40");
    world.limit(TrafficLimits::default());
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let adaptive = world.rate().await;
    let fixed = [("client.calls_per_second", "1000")];
    let ran = world.run_with(&fixed, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.rate().await, adaptive);
    let status = world.run_with(&fixed, &["status"]).await;
    assert!(!status.stdout.contains("calls a second since"), "{status:?}");
}

#[tokio::test]
async fn a_vendor_that_refuses_calls_is_read_below_its_limit() {
    let world = TestWorld::new(400, 0).await;
    world.adapt("200");
    world.limit(TrafficLimits { calls_per_second: 20, ..TrafficLimits::default() });
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let refused = world.vendor.refused_count(KEY);
    let calls = world.vendor.call_count();
    assert!((1..calls / 10).contains(&refused), "{refused} of {calls} calls were refused");
    let (rate, _) = world.rate().await;
    assert!((5.0..30.0).contains(&rate), "{rate}");
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("calls a second since"), "{status:?}");
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_pause_that_the_vendor_asks_for_holds_for_every_process_and_after_a_restart() {
    let world = TestWorld::new(40, 0).await;
    world.adapt("200");
    world.limit(TrafficLimits {
        calls_per_second: 1,
        retry_after_seconds: Some(600),
        ..TrafficLimits::default()
    });
    let settings = [("sync.give_up_after_minutes", "0")];
    let ran = world.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    // Nothing is refused any more, but the pause has not ended.
    world.limit(TrafficLimits::default());
    let before = world.vendor.call_count();
    let ran = world.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the vendor asked for a pause; next calls at"), "{ran:?}");
    assert_eq!(world.vendor.call_count(), before);
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("main: no calls before"), "{status:?}");
    world.execute("update argos_sync.key_rate set paused_until = argos_sync.clock()").await;
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}
