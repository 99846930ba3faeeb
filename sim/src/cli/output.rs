//! Writes text for people and JSON for machines; standard output never mixes them.
//!
//! With `--json`, standard output has one object a line and text for people goes to standard error. Progress is shown
//! only on a terminal without `--quiet` and `--json`, or as log lines with `--verbose`. If the reader closes the
//! pipe, the command ends quietly, as with SIGPIPE; output to a closed terminal is lost; any other failed write is an
//! error of the harness.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Status;
use super::args::Common;
use super::interrupt::Stopwatch;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const STRONG: Style = Style::new().bold();

/// Time between two progress lines without a terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Exit status that a shell reports after SIGPIPE.
const CLOSED_PIPE: i32 = 128 + 13;

/// Output streams of one command.
pub(super) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    progress: Option<ProgressBar>,
    /// Time since the command began.
    watch: Stopwatch,
    /// Time of the last progress line.
    shown_at: Option<Duration>,
    /// Warnings already printed.
    warned: BTreeSet<String>,
    /// Current part of a longer work, as a prefix of the progress.
    part: String,
    /// Summary of the command, as JSON.
    summary: Option<String>,
    /// Errors already printed.
    errors: Vec<String>,
}

impl Output {
    pub(super) fn new(common: &Common) -> Self {
        began_on_a_terminal();
        Self {
            json: common.json,
            quiet: common.quiet,
            verbose: common.verbose,
            progress: None,
            watch: Stopwatch::start(),
            shown_at: None,
            warned: BTreeSet::new(),
            part: String::new(),
            summary: None,
            errors: Vec::new(),
        }
    }

    /// Creates an output for `--json` when the arguments did not parse.
    pub(super) fn json_only() -> Self {
        Self::new(&Common { json: true, quiet: true, verbose: false, jobs: None })
    }

    /// Reports whether results are printed as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result for people.
    pub(super) fn line(&mut self, text: impl Display) {
        self.clear();
        if self.json { write_err(&text.to_string()) } else { write_out(&text.to_string()) }
    }

    /// Prints a heading for people.
    pub(super) fn heading(&mut self, text: impl Display) {
        self.line(format_args!("{STRONG}{text}{STRONG:#}"));
    }

    /// Prints a result for machines, with `--json` only.
    pub(super) fn object(&mut self, value: &(impl Serialize + JsonSchema)) {
        if !self.json {
            return;
        }
        self.clear();
        match serde_json::to_string(value) {
            Ok(line) => write_out(&line),
            Err(error) => self.error(&format!("a result cannot be written as JSON: {error}")),
        }
    }

    /// Sets the summary of the last object. A later call replaces it.
    pub(super) fn conclude(&mut self, summary: &(impl Serialize + JsonSchema)) {
        match serde_json::to_string(summary) {
            Ok(summary) => self.summary = Some(summary),
            Err(error) => self.error(&format!("a summary cannot be written as JSON: {error}")),
        }
    }

    /// Writes the last object, with `--json` only. `of_targets`: the command's summary is an array.
    pub(super) fn end(&mut self, status: Status, of_targets: bool) {
        if !self.json {
            return;
        }
        self.clear();
        let status = status as u8;
        let error = (!self.errors.is_empty()).then(|| self.errors.join("\n"));
        let nothing = || match of_targets {
            true => "[]".to_owned(),
            false => json!({ "error": error.as_deref().unwrap_or_default(), "status": status }).to_string(),
        };
        let summary = self.summary.take().unwrap_or_else(nothing);
        // Assembled by hand, because the summary must keep the order of its fields.
        write_out(&format!("{{\"summary\":{summary},\"status\":{status},\"error\":{}}}", json!(error)));
    }

    /// Records an error for the last object that people have already seen.
    pub(super) fn remember(&mut self, text: &str) {
        self.errors.push(anstream::adapter::strip_str(text).to_string().trim_end().to_owned());
    }

    /// Prints advice, unless `--quiet` is given.
    pub(super) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.clear();
            write_err(&text.to_string());
        }
    }

    /// Prints a step of the work, with `--verbose` only.
    pub(super) fn detail(&mut self, text: impl Display) {
        if self.verbose {
            self.clear();
            write_err(&format!("[{:.1} s] {text}", self.watch.elapsed().as_secs_f64()));
        }
    }

    /// Prints a warning once, also with `--quiet`: it affects the meaning of the results.
    pub(super) fn warning(&mut self, text: String) {
        if !self.warned.contains(&text) {
            self.clear();
            write_err(&format!("{WARNING}warning{WARNING:#}: {text}"));
            self.warned.insert(text);
        }
    }

    /// Prints an error.
    pub(super) fn error(&mut self, text: &str) {
        self.remember(text);
        self.clear();
        write_err(&format!("{ERROR}error{ERROR:#}: {text}"));
    }

    /// Prints an error whose text is already a whole diagnostic.
    pub(super) fn diagnostic(&mut self, text: &str) {
        self.remember(text);
        self.clear();
        write_err(text.trim_end());
    }

    /// Sets the current part of a longer work for the progress; empty: none.
    pub(super) fn part(&mut self, text: impl Display) {
        self.part = text.to_string();
        if !self.part.is_empty() {
            self.part.push_str("; ");
        }
    }

    /// Shows progress, if a person watches.
    pub(super) fn progress(&mut self, text: impl Display) {
        let text = format!("{}{text}", self.part);
        let watched = !self.json && std::io::stderr().is_terminal();
        if self.verbose && !watched {
            return self.progress_line(text);
        }
        if self.quiet || !watched {
            return;
        }
        let bar = self.progress.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(text);
    }

    /// Writes progress as a log line, at most once in `PROGRESS_EVERY`.
    fn progress_line(&mut self, text: impl Display) {
        let now = self.watch.elapsed();
        if self.shown_at.is_none_or(|shown_at| now >= shown_at + PROGRESS_EVERY) {
            self.shown_at = Some(now);
            self.detail(text);
        }
    }

    /// Ends the progress display.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
    }
}

/// EIO: the terminal was closed.
const TERMINAL_CLOSED: i32 = 5;

/// Reports whether standard output was a terminal at the first call. A closed terminal no longer is one.
fn began_on_a_terminal() -> bool {
    static TERMINAL: OnceLock<bool> = OnceLock::new();
    *TERMINAL.get_or_init(|| std::io::stdout().is_terminal())
}

fn write_out(text: &str) {
    match writeln!(anstream::stdout(), "{text}") {
        Ok(()) => (),
        // The command ends as after Ctrl-C, or continues if SIGHUP is ignored. Files are kept.
        Err(error) if error.raw_os_error() == Some(TERMINAL_CLOSED) && began_on_a_terminal() => (),
        Err(error) => std::process::exit(i32::from(not_written(&error) as u8)),
    }
}

/// Handles a failed write to standard output. If the reader closed it, the process ends quietly.
pub(super) fn not_written(error: &std::io::Error) -> Status {
    // The reader is gone, so no message is needed.
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(CLOSED_PIPE);
    }
    write_err(&format!("{ERROR}error{ERROR:#}: cannot write to standard output: {error}"));
    Status::Harness
}

fn write_err(text: &str) {
    // If standard error fails, no other place is left to report it.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// `1 run`, `2 runs`.
pub(super) fn count(number: impl Into<u64>, one: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}
