//! A server in front of the simulator that records its answers and replays them.
//!
//! The simulator would otherwise write every item again for every run, on the cores that are
//! measured. A replay costs one copy into the socket, and its CPU seconds are counted as the
//! simulator's.
//!
//! A replay equals a new answer as far as `load` is concerned:
//!
//! - Its requests depend on nothing but the data: the days are those of a past year, the page size
//!   is constant, and a cursor is the id and time of the last item.
//! - Its data change only in [`Simulator::decide`], which refreshes the recording. Ids, times and
//!   therefore cursors stay the same.
//! - Addresses of images have a new signature in every answer, but not in a replay. Digests omit
//!   these paths, so a run compares the same either way.
//! - The vendor's clock is current: the server writes a `Date` of its own.
//! - `load` uses neither encryption, whose answers differ from call to call, nor latency, faults or
//!   limits, which a replay omits.
//!
//! The other parts call the simulator directly: `workers` and `details` measure its latency,
//! `memory` has too many items to hold, and `present` reads most of its items once.
//!
//! [`Simulator::decide`]: crate::simulator::Simulator::decide

use std::{
    collections::HashMap,
    net,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    routing::get,
    serve::ListenerExt as _,
};
use tokio::{net::TcpListener, runtime, sync::oneshot};

use crate::process;

const API_KEY: &str = "x-api-key";

/// Maximum bytes of recorded bodies; answers beyond this are not recorded. 100,000 submissions take
/// 1.3 GB: each is an item of a page that the program requests, and of one that the client limit
/// requests.
const BYTES_MAX: usize = 2 << 30;

/// The inputs of an answer: path and query, and the API key.
type Request = (String, Option<HeaderValue>);

/// Clones share the body.
type Answer = (StatusCode, HeaderMap, Bytes);

/// The recorded answers.
#[derive(Debug)]
struct Recording {
    /// The simulator's address.
    simulator: String,
    answers: Mutex<HashMap<Request, Answer>>,
}

/// A running server; stops with this value.
///
/// It has a thread of its own, because the benchmark's thread blocks while it waits for the
/// program.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Its address, such as `http://127.0.0.1:1234`.
    pub(crate) origin: String,
    recording: Arc<Recording>,
    /// The directory of its thread in `/proc`.
    thread: String,
    _stop: oneshot::Sender<()>,
}

impl Recorder {
    /// Starts a server without recorded answers for the simulator at this address, which has the
    /// form of `origin`.
    pub(crate) fn start(simulator: &str) -> Self {
        let recording = Recording { simulator: simulator.to_owned(), answers: Mutex::default() };
        let recording = Arc::new(recording);
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let client = client();
        let router = Router::new()
            .route("/{*path}", get(answer))
            .with_state((Arc::clone(&recording), client));
        thread::spawn(move || {
            started.send(process::this_thread()).expect("the caller waits");
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, router, stopped));
        });
        let thread = start.recv().expect("the thread starts");
        Self { origin: format!("http://{address}"), recording, thread, _stop: stop }
    }

    /// Repeats all recorded requests and replaces their answers.
    pub(crate) async fn refresh(&self) {
        let client = client();
        let requests: Vec<_> = self.recording.answers().keys().cloned().collect();
        for request in requests {
            let answer = self.recording.request(&client, &request).await;
            self.recording.answers().insert(request, answer);
        }
    }

    /// CPU seconds its thread has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(&self.thread)
    }
}

async fn serve(listener: net::TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    // The end of an answer must not wait for the acknowledgement of its beginning.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("no delay"));
    let stopped = async { stopped.await.unwrap_or_default() };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    served.expect("the server runs until it is stopped");
}

async fn answer(
    State((recording, client)): State<(Arc<Recording>, reqwest::Client)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let request = (uri.to_string(), headers.get(API_KEY).cloned());
    let recorded = recording.answers().get(&request).cloned();
    if let Some(answer) = recorded {
        return answer;
    }
    let answer = recording.request(&client, &request).await;
    let mut answers = recording.answers();
    let bytes: usize = answers.values().map(|(_, _, body)| body.len()).sum();
    if bytes + answer.2.len() <= BYTES_MAX {
        answers.insert(request, answer.clone());
    }
    answer
}

impl Recording {
    fn answers(&self) -> MutexGuard<'_, HashMap<Request, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "the simulator's answers are as large as asked")]
    async fn request(&self, client: &reqwest::Client, (path, api_key): &Request) -> Answer {
        let mut call = client.get(format!("{}{path}", self.simulator));
        if let Some(key) = api_key {
            call = call.header(API_KEY, key);
        }
        let mut answer = call.send().await.expect("the simulator answers");
        let (status, mut headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        headers.remove(header::DATE);
        (status, headers, answer.bytes().await.expect("the rest of the answer"))
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client")
}
