//! The simulated vendor, as a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use argos_sync::domain::Day;

use crate::{process, recorder::Recorder};

/// The API key of its project.
pub(crate) const KEY: &str = "idcheck-key-of-the-benchmark";

/// The submissions of the vendor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Population {
    /// Determines all values, including ids.
    pub(crate) seed: u64,
    pub(crate) submissions: u32,
    /// First and last day; submissions are spread evenly over them.
    pub(crate) days: (Day, Day),
}

impl Population {
    /// Submissions of one year.
    pub(crate) fn of_year(year: i32, submissions: u32) -> Self {
        let day = |month, day| Day::from_ymd_opt(year, month, day).expect("a day");
        Self { seed: 7, submissions, days: (day(1, 1), day(12, 31)) }
    }

    /// The days in the form of the command line.
    pub(crate) fn days_as_text(&self) -> String {
        format!("{}..{}", self.days.0, self.days.1)
    }
}

/// A running simulator; ends with this value.
#[derive(Debug)]
pub(crate) struct Simulator {
    process: Child,
    /// Its own address, such as `http://127.0.0.1:1234`.
    origin: String,
    recorder: Option<Recorder>,
    pub(crate) population: Population,
}

impl Simulator {
    /// Starts a vendor whose lists show every field and whose answers have this latency.
    pub(crate) fn start(population: Population, latency_ms: u32) -> Self {
        let day_after = population.days.1.succ_opt().expect("a day");
        let mut process = Command::new(env!("CARGO_BIN_EXE_argos-sync"))
            .args(["simulate", "--port", "0", "--full-list-items", "--faceauths", "0"])
            .args(["--key", KEY])
            .args(["--seed", &population.seed.to_string()])
            .args(["--submissions", &population.submissions.to_string()])
            .args(["--from", &population.days.0.to_string(), "--to", &day_after.to_string()])
            .args(["--latency-ms", &latency_ms.to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let stdout = process.stdout.take().expect("its output");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("it says its address");
        let origin = url.trim().trim_end_matches("/v3").to_owned();
        Self { process, origin, recorder: None, population }
    }

    /// Starts the same vendor without latency; its answers are recorded and replayed.
    pub(crate) fn start_recorded(population: Population) -> Self {
        let mut simulator = Self::start(population, 0);
        simulator.recorder = Some(Recorder::start(&simulator.origin));
        simulator
    }

    /// The address of its API, such as `http://127.0.0.1:1234/v3`; that of its recorder if it has
    /// one.
    pub(crate) fn url(&self) -> String {
        let recorder = self.recorder.as_ref().map(|recorder| &recorder.origin);
        format!("{}/v3", recorder.unwrap_or(&self.origin))
    }

    /// CPU seconds that it and its recorder have used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let recorder = self.recorder.as_ref().map(Recorder::cpu_seconds);
        process::cpu_seconds(&self.process.id().to_string()) + recorder.unwrap_or_default()
    }

    /// Gives each of these submissions another state than the given one, which lists show. Replaces
    /// recorded answers.
    pub(crate) async fn decide(&self, submissions: &[(String, Option<String>)]) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}/sim/change", self.origin);
        for (id, state) in submissions {
            let is_approved = state.as_deref() == Some("approved");
            let result = if is_approved { "rejected" } else { "approved" };
            let order = serde_json::json!({
                "project": KEY, "id": id, "change": {"decide": {"result": result}},
            });
            let post = client.post(&url).header("content-type", "application/json");
            let answer = post.body(order.to_string()).send().await;
            let answer = answer.expect("the simulator answers");
            assert!(answer.status().is_success(), "a change was refused: {}", answer.status());
        }
        if let Some(recorder) = &self.recorder {
            recorder.refresh().await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}
