//! Large answers of detail calls: their memory, and one that is held back.

use std::{
    fs,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};

use crate::{evidence::ended_within, world::TestWorld};

/// Number of records, and bytes of each in a detail call.
const RECORDS: u32 = 40;
const BYTES: usize = 4 << 20;

/// A vendor with one day of records, which holds back the answer about one of them.
struct Vendor {
    url: String,
    /// Number of answered detail calls.
    answered: Arc<AtomicU32>,
    is_answered: Arc<Notify>,
    /// A permit releases the answer that is held back.
    last: Arc<Semaphore>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (answered, is_answered) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let last = Arc::new(Semaphore::new(0));
        let all = (Arc::clone(&answered), Arc::clone(&is_answered), Arc::clone(&last));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (answered, is_answered, last) = all.clone();
                tokio::spawn(async move {
                    let mut client = BufReader::new(client);
                    while let Some(id) = asked_for(&mut client).await {
                        if id.as_deref() == Some("r0") {
                            drop(last.acquire().await);
                        }
                        answer(&mut client, id.as_deref()).await;
                        answered.fetch_add(u32::from(id.is_some()), Relaxed);
                        is_answered.notify_one();
                    }
                });
            }
        });
        Self { url, answered, is_answered, last }
    }

    /// Waits until all detail calls but one are answered.
    async fn all_but_one(&self) {
        while self.answered.load(Relaxed) < RECORDS - 1 {
            self.is_answered.notified().await;
        }
    }
}

/// Reads a request; returns the id of a detail call, `Some(None)` for a list, or `None` if the
/// client has closed the connection.
async fn asked_for(client: &mut BufReader<TcpStream>) -> Option<Option<String>> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if client.read_line(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let id = path.split(['?', '&']).find_map(|part| part.strip_prefix("submission_id="));
    Some(id.map(str::to_owned))
}

async fn answer(client: &mut BufReader<TcpStream>, id: Option<&str>) {
    let item = |id: &str, more: &str| {
        format!(r#"{{"submission_id":"{id}","created_at":"2025-03-01T10:00:00.000Z"{more}}}"#)
    };
    let items: Vec<_> = match id {
        Some(id) => vec![item(id, &format!(r#","ocr_data":{{"more":"{}"}}"#, "x".repeat(BYTES)))],
        None => (0..RECORDS).map(|number| item(&format!("r{number}"), "")).collect(),
    };
    let body = format!(r#"{{"Items":[{}],"Count":{}}}"#, items.join(","), items.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let client = client.get_mut();
    let _gone = client.write_all(head.as_bytes()).await;
    let _gone = client.write_all(body.as_bytes()).await;
}

#[tokio::test]
async fn large_answers_take_turns_in_memory_and_wait_for_none_that_does_not_come() {
    let world = TestWorld::new(0, 0).await;
    let vendor = Vendor::start().await;
    let settings = [("project.main.base_url", vendor.url.as_str())];
    let days = ["run", "--backfill", "2025-03-01..2025-03-01", "--project", "main"];
    let program = world.start_with(&settings, &days);
    let process = program.id().expect("it runs");
    vendor.all_but_one().await;
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    vendor.last.add_permits(1);
    let ran = ended_within(Duration::from_mins(5), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let details = "select count(*) from argos.submission where detail_read_at is not null";
    assert_eq!(world.number(details).await, i64::from(RECORDS));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.split_whitespace().next().expect("kB").parse().expect("a number");
    // All answers together are 160 MiB.
    assert!(peak < 120 * 1024, "{peak} kB");
}
