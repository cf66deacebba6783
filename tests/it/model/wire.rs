//! A proxy between a process and PostgreSQL that stops at a chosen commit: fail points without code
//! for them in the program.
//!
//! It parses just enough of PostgreSQL's protocol (version 3) to recognize commits: `COMMIT`, and
//! the end of a writing statement outside transactions. Nothing passes a stopped wire, so the
//! process has no more effect, as if it had been killed there.

use std::{
    collections::HashMap,
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// Where a wire stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StopAt {
    /// The number of the commit, from 1, over all connections.
    pub(super) commit: u64,
    /// Whether PostgreSQL gets the commit; the process gets no answer either way.
    pub(super) committed: bool,
    /// Whether transactions of other connections still complete, so that no other process waits for
    /// their locks.
    pub(super) others_end: bool,
}

/// A wire to the database of a world, for one process. Cut when it is dropped.
#[derive(Debug)]
pub(super) struct Wire {
    /// Its address, for the process.
    pub(super) url: String,
    shared: Arc<Shared>,
    carrying: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    stop_at: Option<StopAt>,
    commits: AtomicU64,
    is_stopped: watch::Sender<bool>,
}

/// Longer than PostgreSQL's answer to one statement that commits.
const ANSWER_BYTES: usize = 1 << 20;
/// PostgreSQL's status outside transactions.
const IDLE: u8 = b'I';

impl Wire {
    /// A wire to the database at this address.
    pub(super) async fn to(url: &str, stop_at: Option<StopAt>) -> Self {
        let (scheme, rest) = url.split_once("://").expect("an address");
        let (user, rest) = rest.rsplit_once('@').expect("a user");
        let (server, name) = rest.split_once('/').expect("a database");
        let (server, name) = (server.to_owned(), name.split('?').next().unwrap_or_default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            stop_at,
            commits: AtomicU64::new(0),
            is_stopped: watch::Sender::new(false),
        });
        let of_all = Arc::clone(&shared);
        let carrying = tokio::spawn(async move {
            // Aborting this task aborts its connections.
            let mut carried = JoinSet::new();
            loop {
                let (from, _) = listener.accept().await.expect("a connection");
                let (server, shared) = (server.clone(), Arc::clone(&of_all));
                carried.spawn(async move {
                    if let Ok(to) = TcpStream::connect(&server).await {
                        carry(from, to, &shared).await;
                    }
                });
            }
        })
        .abort_handle();
        Self {
            url: format!("{scheme}://{user}@{address}/{name}?sslmode=disable"),
            shared,
            carrying,
        }
    }

    /// Number of commits so far.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Waits until it has stopped.
    pub(super) async fn stopped(&self) {
        let mut is_stopped = self.shared.is_stopped.subscribe();
        is_stopped.wait_for(|is_stopped| *is_stopped).await.expect("the wire is there");
    }

    /// Lets all messages pass again.
    pub(super) fn go_on(&self) {
        self.shared.is_stopped.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

/// One connection.
struct Line<'a> {
    shared: &'a Shared,
    /// The transaction status that PostgreSQL last reported.
    transaction: AtomicU8,
    /// Whether the next answer stops the wire.
    stops_with_answer: AtomicBool,
}

async fn carry(from: TcpStream, to: TcpStream, shared: &Shared) {
    let both = from.set_nodelay(true).and(to.set_nodelay(true));
    both.expect("sockets take options");
    let line = Line {
        shared,
        transaction: AtomicU8::new(IDLE),
        stops_with_answer: AtomicBool::new(false),
    };
    let ((from, back), (answers, to)) = (from.into_split(), to.into_split());
    // The end of either direction closes both.
    tokio::select! {
        _closed = line.ask(from, to) => {}
        _closed = line.answer(answers, back) => {}
    }
}

/// A message of the protocol: its kind and its body.
type Message = (u8, Vec<u8>);

async fn read(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Message> {
    let kind = from.read_u8().await?;
    Ok((kind, body(from).await?))
}

async fn body(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(from.read_u32().await?).expect("at least 32 bits");
    let mut body = vec![0; length.saturating_sub(4)];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn write(to: &mut BufWriter<OwnedWriteHalf>, body: &[u8]) -> io::Result<()> {
    to.write_u32(u32::try_from(body.len() + 4).expect("a message")).await?;
    to.write_all(body).await
}

/// The text up to the first zero byte, and the rest.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    (text, bytes.get(end + 1..).unwrap_or_default())
}

impl Line<'_> {
    /// Forwards the messages of the process.
    async fn ask(&self, from: OwnedReadHalf, to: OwnedWriteHalf) -> io::Result<()> {
        let mut from = BufReader::new(from);
        let mut to = BufWriter::new(to);
        // The first message has no kind.
        let startup = body(&mut from).await?;
        write(&mut to, &startup).await?;
        to.flush().await?;
        let mut statements = Statements::default();
        loop {
            let (kind, body) = read(&mut from).await?;
            let is_idle = self.transaction.load(Ordering::Relaxed) == IDLE;
            if statements.commits(kind, &body, is_idle) {
                self.commit().await;
            }
            self.pass().await;
            to.write_u8(kind).await?;
            write(&mut to, &body).await?;
            if from.buffer().is_empty() {
                to.flush().await?;
            }
        }
    }

    /// Forwards the messages of PostgreSQL.
    async fn answer(&self, from: OwnedReadHalf, to: OwnedWriteHalf) -> io::Result<()> {
        let mut from = BufReader::new(from);
        let mut to = BufWriter::with_capacity(ANSWER_BYTES, to);
        loop {
            let (kind, body) = read(&mut from).await?;
            let is_ready = kind == b'Z';
            if is_ready {
                let transaction = body.first().copied().unwrap_or(IDLE);
                self.transaction.store(transaction, Ordering::Relaxed);
                if self.stops_with_answer.swap(false, Ordering::Relaxed) {
                    self.shared.is_stopped.send_replace(true);
                }
            }
            self.pass().await;
            to.write_u8(kind).await?;
            write(&mut to, &body).await?;
            // A commit is done once PostgreSQL is ready again, not when its answer begins.
            if from.buffer().is_empty() && !self.stops_with_answer.load(Ordering::Relaxed) {
                to.flush().await?;
            }
        }
    }

    /// Counts a commit that is about to be sent, and stops before or after it.
    async fn commit(&self) {
        let number = self.shared.commits.fetch_add(1, Ordering::Relaxed) + 1;
        let here = self.shared.stop_at.filter(|stop| stop.commit == number);
        match here.map(|stop| stop.committed) {
            None => {}
            Some(false) => {
                self.shared.is_stopped.send_replace(true);
            }
            Some(true) => {
                // No message of this or any other connection may come between.
                self.pass().await;
                self.stops_with_answer.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Waits while the wire is stopped.
    async fn pass(&self) {
        let others_end = self.shared.stop_at.is_some_and(|stop| stop.others_end);
        if others_end && self.transaction.load(Ordering::Relaxed) != IDLE {
            return;
        }
        let mut is_stopped = self.shared.is_stopped.subscribe();
        is_stopped.wait_for(|is_stopped| !*is_stopped).await.expect("the wire is there");
    }
}

/// The prepared statements of a connection, to recognize messages that commit.
#[derive(Default)]
struct Statements {
    /// Whether a statement writes, by the statement's name.
    writes: HashMap<String, bool>,
    /// Whether a writing statement was bound since the last `Sync`.
    has_written: bool,
}

impl Statements {
    /// Whether this message makes PostgreSQL commit something.
    fn commits(&mut self, kind: u8, body: &[u8], is_idle: bool) -> bool {
        match kind {
            b'P' => {
                let (name, rest) = text(body);
                let (sql, _) = text(rest);
                self.writes.insert(name, !sql.trim_start().starts_with("select"));
            }
            b'B' => {
                let (_portal, rest) = text(body);
                let (name, _) = text(rest);
                self.has_written |= self.writes.get(&name).copied().unwrap_or(true);
            }
            b'S' => return std::mem::take(&mut self.has_written) && is_idle,
            b'Q' => return text(body).0.trim_end_matches(';').eq_ignore_ascii_case("commit"),
            _ => {}
        }
        false
    }
}

#[test]
fn commits_are_told_from_all_else() {
    let mut statements = Statements::default();
    let mut commits = |kind, body: &[u8], is_idle| statements.commits(kind, body, is_idle);
    assert!(!commits(b'Q', b"BEGIN\0", true));
    assert!(commits(b'Q', b"COMMIT\0", false));
    assert!(!commits(b'P', b"s1\0select 1\0\0\0", true));
    assert!(!commits(b'P', b"s2\0update x set y = 1\0\0\0", true));
    assert!(!commits(b'B', b"\0s1\0", true));
    assert!(!commits(b'S', b"", true), "it only reads");
    assert!(!commits(b'B', b"\0s2\0", true));
    assert!(!commits(b'S', b"", false), "the transaction goes on");
    assert!(!commits(b'B', b"\0s2\0", true));
    assert!(commits(b'S', b"", true));
    assert!(!commits(b'S', b"", true), "nothing was done since");
}
