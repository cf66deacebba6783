//! The findings of `check`: one line each, printed at once or, as JSON, together at the end.

use serde::Serialize;

use super::{
    exit::{ExitStatus, Failed},
    print,
};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// It may be intended.
    Warn,
    /// The API behaves differently than at the last check. Ends the command with 1, once.
    Changed,
    /// It prevents work, or makes it wrong.
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
    /// What was checked, such as `database` or `project main`.
    subject: String,
    /// Empty where the subject being well is all there is to report.
    message: String,
    /// The next step.
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

/// How findings are printed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Each as soon as it is known.
    Text,
    /// All as one JSON object.
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

    /// Prints what is not printed yet; returns how the command ends.
    pub(super) fn finish(&self) -> Result<ExitStatus, Failed> {
        let is_well = self.lines.iter().all(|line| line.level.is_well());
        if matches!(self.form, Form::Json) {
            print::document(&serde_json::json!({ "ok": is_well, "findings": self.lines }))?;
        }
        Ok(if is_well { ExitStatus::Done } else { ExitStatus::Wrong })
    }
}
