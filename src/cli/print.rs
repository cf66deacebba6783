//! All output of the program: data to stdout, messages and log lines to stderr. Progress bars are
//! suspended during each write.

use std::{
    io::{self, ErrorKind, IsTerminal as _, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use chrono::SecondsFormat;
use indicatif::MultiProgress;
use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

use super::exit::{ExitStatus, Failed};
use crate::sync::host_time;

/// The first failure to write to stdout.
static LOST: OnceLock<ErrorKind> = OnceLock::new();

/// Whether messages are printed as JSON.
static TALKS_IN_JSON: AtomicBool = AtomicBool::new(false);

/// Writes data to stdout. A closed pipe is not an error; other failures are stored for [`lost`].
pub(super) fn stdout(text: &str) {
    write(text.as_bytes());
}

/// Prints JSON unchanged, and ends the line. On a terminal, control characters are escaped: the
/// vendor's data may contain them.
pub(super) fn json(bytes: &[u8]) {
    if io::stdout().is_terminal() {
        write(escaped(&String::from_utf8_lossy(bytes)).as_bytes());
    } else {
        write(bytes);
    }
    write(b"\n");
}

/// Prints a value as indented JSON.
pub(super) fn document(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| {
        Failed::new(ExitStatus::Fault, format!("cannot be printed as JSON: {error}"))
    })?;
    json(&text);
    Ok(())
}

/// Escapes control characters and characters that change the direction of text.
fn escaped(json: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        let is_direction = matches!(
            char,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        match char {
            '\n' | '\t' => text.push(char),
            // These characters have four hexadecimal digits and occur only in JSON strings.
            char if char.is_control() || is_direction => {
                let _infallible = write!(text, "\\u{:04x}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text
}

fn write(bytes: &[u8]) {
    bars().suspend(|| {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush())
            && error.kind() != ErrorKind::BrokenPipe
        {
            let _first = LOST.set(error.kind());
        }
    });
}

/// Returns the first failure to write to stdout, except a closed pipe.
pub(super) fn lost() -> Option<ErrorKind> {
    LOST.get().copied()
}

/// Prints messages as JSON from now on, like the log lines around them.
pub(super) fn talk_in_json() {
    TALKS_IN_JSON.store(true, Relaxed);
}

/// Prints a message to stderr.
pub(super) fn stderr(line: &str) {
    line_for_people("INFO", line);
}

/// Prints the reason of a failure to stderr.
pub(super) fn failure(why: &str) {
    line_for_people("ERROR", &format!("argos-sync: {why}"));
}

fn line_for_people(level: &str, line: &str) {
    let line = if TALKS_IN_JSON.load(Relaxed) { json_line(level, line) } else { line.to_owned() };
    bars().suspend(|| {
        let _reader_gone = writeln!(io::stderr().lock(), "{line}");
    });
}

/// Returns a message in the format of a JSON log line.
fn json_line(level: &str, line: &str) -> String {
    let timestamp = host_time().to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::json!({ "timestamp": timestamp, "level": level, "message": line }).to_string()
}

/// Returns the progress bars of this process.
pub(super) fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// Whether stderr is a terminal and `NO_COLOR` is not set.
pub(super) fn is_watched() -> bool {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !is_plain
}

/// Writes log lines to stderr.
#[derive(Debug, Clone, Copy)]
pub(super) struct StderrWriter;

impl MakeWriter<'_> for StderrWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self::Writer {
        Self
    }
}

impl Write for StderrWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A failure to write the log must not end the command, and cannot be reported anywhere
        // else.
        let _lost = bars().suspend(|| io::stderr().lock().write_all(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats rows as a table with these column titles. Texts are aligned left, numbers right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let title = head.get(column).map_or(0, |title| title.chars().count());
        cells.max().unwrap_or(0).max(title)
    };
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some()
            && cells
                .all(|cell| cell.chars().all(|char| char.is_ascii_digit() || ".,%".contains(char)))
    };
    let line = |cells: &[&str]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head);
    for row in rows {
        text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_has_no_character_that_controls_it() {
        for (json, shown) in [
            (r#"{"name":"Åsa 홍"}"#, r#"{"name":"Åsa 홍"}"#),
            ("[\"\u{7f}\u{9b}31m\"]", r#"["\u007f\u009b31m"]"#),
            ("\u{1b}]0;title\u{7}\n", "\\u001b]0;title\\u0007\n"),
            ("\"\u{202e}\"", r#""\u202e""#),
        ] {
            assert_eq!(escaped(json), shown);
        }
    }
}
