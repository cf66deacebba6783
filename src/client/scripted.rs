//! A server for tests that answers real connections from a list of canned answers and records the
//! requests.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does with one connection after it has read the request.
pub(super) enum Step {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Never answers.
    Hang,
}

/// A server on this machine; stops when dropped.
pub(super) struct Scripted {
    /// Its address, with the path `/v3`.
    pub(super) base_url: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Starts a server that performs these steps, one for each request, and then refuses.
    pub(super) async fn start(script: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v3/", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut script: VecDeque<_> = script.into_iter().collect();
        let kept = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut hanging = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let head = read_head(&mut connection).await;
                kept.lock().unwrap().push(head);
                match script.pop_front().unwrap_or_else(|| status("499 Script Over", "", "")) {
                    Step::Send(bytes) => {
                        // A client that has read enough closes the connection early.
                        let _ = connection.write_all(&bytes).await;
                        let _ = connection.shutdown().await;
                    }
                    Step::Hang => hanging.push(connection),
                }
            }
        });
        Self { base_url, heads, task }
    }

    /// The requested paths and queries, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }

    /// The whole head of the first request, with header names in lower case.
    pub(super) fn first_head(&self) -> String {
        self.heads.lock().unwrap()[0].clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Status 200 with a JSON body.
pub(super) fn ok(body: &str) -> Step {
    status("200 OK", "", body)
}

/// A status with additional headers (each ending in CRLF) and a body.
pub(super) fn status(status: &str, headers: &str, body: &str) -> Step {
    answer(status, headers, body.as_bytes())
}

/// The same as [`status`], with a body of bytes.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Step {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    Step::Send([head.as_bytes(), body].concat())
}

async fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_closed) => break,
        }
    }
    String::from_utf8(head).unwrap()
}
