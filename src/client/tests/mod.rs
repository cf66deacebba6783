//! Tests of the whole module, over real connections to a scripted server.

mod encryption;
mod faults;
mod privacy;
mod single;
mod walks;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture};

use super::{
    scripted::{Scripted, Step},
    *,
};
use crate::domain::{Day, GrantedRate};

const KEY: &str = "sekret-key-0123456789";

/// Admits and counts all attempts.
#[derive(Default)]
struct Open(AtomicI64);

impl CallLimiter for Open {
    fn acquire<'a>(
        &'a self,
        _is_paused: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>> {
        Box::pin(async { Ok(Some(admission(self.0.fetch_add(1, Ordering::SeqCst) + 1))) })
    }
}

/// An admission with this read number.
fn admission(number: i64) -> Admission {
    let granted = GrantedRate { at: DateTime::UNIX_EPOCH, rate: 5.0, cuts: 0 };
    Admission { read: ReadNumber(number), granted }
}

fn settings(server: &Scripted) -> ClientSettings {
    ClientSettings {
        retry_delay_min: Duration::from_millis(1),
        retry_delay_max: Duration::from_millis(5),
        retry_budget: Duration::from_secs(10),
        ..ClientSettings::new(server.base_url.parse().unwrap(), KEY.into())
    }
}

fn client_with(settings: ClientSettings, stream: domain::Stream) -> Client {
    Client::new(settings, stream, Arc::new(Open::default()), Arc::new(|_| None)).unwrap()
}

async fn submissions(script: impl IntoIterator<Item = Step>) -> (Scripted, Client) {
    let server = Scripted::start(script).await;
    let client = client_with(settings(&server), domain::Stream::Submission);
    (server, client)
}

impl PartialEq<&str> for Item {
    fn eq(&self, body: &&str) -> bool {
        self.body == *body
    }
}

fn asked_window() -> Window {
    let day = |day| Day::from_ymd_opt(2025, 1, day).unwrap();
    Window::new(day(1), day(9)).unwrap()
}

async fn walk(client: &Client) -> Result<Vec<Page>, ClientError> {
    client.pages(asked_window(), None).try_collect().await
}

async fn found(client: &Client, by: Find<'_>) -> Result<Vec<Page>, ClientError> {
    client.find(by)?.try_collect().await
}

async fn walk_error(client: &Client) -> ClientError {
    walk(client).await.unwrap_err()
}

/// The number of pages before the error, and the error.
async fn walk_until_error(client: &Client) -> (usize, ClientError) {
    let mut pages = std::pin::pin!(client.pages(asked_window(), None));
    let mut count = 0;
    loop {
        match pages.next().await.unwrap() {
            Ok(_) => count += 1,
            Err(error) => {
                assert!(pages.next().await.is_none(), "an error ends the walk");
                return (count, error);
            }
        }
    }
}

/// A page of submissions with this number of items, and the cursor if there is one.
fn page(items: usize, cursor: Option<&str>) -> String {
    let items = vec![r#"{"a":1}"#; items].join(",");
    let next = cursor.map(|id| {
        format!(r#","nextpageKey":{{"id":"{id}","created_at":"2025-01-02T03:04:05+00:00"}}"#)
    });
    format!(r#"{{"Items":[{items}]{}}}"#, next.unwrap_or_default())
}

fn counts(server: &Scripted) -> Vec<u32> {
    let count = |query: String| {
        let (_, rest) = query.split_once("count=").unwrap();
        rest.split('&').next().unwrap().parse().unwrap()
    };
    server.asked().into_iter().map(count).collect()
}
