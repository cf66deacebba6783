//! The findings of `check`: printed at once as one line each, or together at the end as JSON.

use serde::Serialize;

use super::{
    exit::{ExitStatus, Failed},
    print,
};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// A problem that may be intended.
    Warn,
    /// The API behaves differently from the last check. The command exits with 1 once.
    Changed,
    /// A problem that prevents work or makes its results wrong.
    Wrong,
}

impl Level {
    fn is_well(self) -> bool {
        match self {
            Self::Ok | Self::Warn => true,
            Self::Changed | Self::Wrong => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn | Self::Changed => "warn",
            Self::Wrong => "wrong",
        }
    }
}

#[derive(Debug, Serialize)]
struct ChecklistLine {
    level: Level,
    /// The checked part, such as `database` or `project main`.
    subject: String,
    /// The description of the finding; empty if there is nothing to add to `ok`.
    message: String,
    /// The next step for the operator.
    advice: Option<String>,
}

impl ChecklistLine {
    fn text(&self) -> String {
        let Self { level, subject, message, advice } = self;
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        let advice = advice.as_ref().map(|advice| format!("       {advice}\n")).unwrap_or_default();
        format!("{:<5}  {subject}{message}\n{advice}", level.word())
    }
}

/// The output format.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Lines of text, each printed as soon as its finding is known.
    Text,
    /// One JSON object with all findings, printed at the end.
    Json,
}

/// The findings so far.
pub(super) struct Checklist {
    form: Form,
    lines: Vec<ChecklistLine>,
}

impl Checklist {
    pub(super) fn new(form: Form) -> Self {
        Self { form, lines: Vec::new() }
    }

    pub(super) fn ok(&mut self, subject: &str, message: &str) {
        self.add(Level::Ok, subject, message, "");
    }

    pub(super) fn warn(&mut self, subject: &str, message: &str, advice: &str) {
        self.add(Level::Warn, subject, message, advice);
    }

    pub(super) fn changed(&mut self, subject: &str, message: &str, advice: &str) {
        self.add(Level::Changed, subject, message, advice);
    }

    pub(super) fn wrong(&mut self, subject: &str, message: &str, advice: &str) {
        self.add(Level::Wrong, subject, message, advice);
    }

    fn add(&mut self, level: Level, subject: &str, message: &str, advice: &str) {
        let line = ChecklistLine {
            level,
            subject: subject.to_owned(),
            message: message.to_owned(),
            advice: (!advice.is_empty()).then(|| advice.to_owned()),
        };
        if matches!(self.form, Form::Text) {
            print::stdout(&line.text());
        }
        self.lines.push(line);
    }

    /// Prints the JSON object if that is the format. Returns `Wrong` if any finding has the level
    /// `Changed` or `Wrong`.
    pub(super) fn finish(&self) -> Result<ExitStatus, Failed> {
        let is_well = self.lines.iter().all(|line| line.level.is_well());
        if matches!(self.form, Form::Json) {
            print::document(&serde_json::json!({ "ok": is_well, "findings": self.lines }))?;
        }
        Ok(if is_well { ExitStatus::Done } else { ExitStatus::Wrong })
    }
}
