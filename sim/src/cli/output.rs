//! Where text goes: people's text and JSON never mix on standard output.
//!
//! With `--json`, standard output bears one object a line and people's text goes to standard error. Progress is
//! shown only to a person: on a terminal, without `--quiet` and `--json`; with `--verbose` to a log too, as lines. A
//! reader that closes the pipe ends the command quietly, as SIGPIPE would; what a closed terminal does not take is lost;
//! any other failure to write is said and is a failure of the harness.

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

/// From one line of progress to the next, where no terminal is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a shell tells of a command that SIGPIPE ended.
const CLOSED_PIPE: i32 = 128 + 13;

/// The three streams of one command.
pub(super) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    progress: Option<ProgressBar>,
    /// Since the command began.
    watch: Stopwatch,
    /// When progress was last told as a line.
    told: Option<Duration>,
    /// Warnings that were given.
    warned: BTreeSet<String>,
    /// Of which part of a larger work progress is told, with what parts it from the rest.
    part: String,
    /// The summary of the command, as JSON.
    summary: Option<String>,
    /// The errors that were told, a line or more each.
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
            told: None,
            warned: BTreeSet::new(),
            part: String::new(),
            summary: None,
            errors: Vec::new(),
        }
    }

    /// For machines, when what a person wants was not understood.
    pub(super) fn of_machines() -> Self {
        Self::new(&Common { json: true, quiet: true, verbose: false, jobs: None })
    }

    /// Whether results go out as JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// A result for people.
    pub(super) fn line(&mut self, text: impl Display) {
        self.clear();
        if self.json { write_err(&text.to_string()) } else { write_out(&text.to_string()) }
    }

    /// A heading for people.
    pub(super) fn heading(&mut self, text: impl Display) {
        self.line(format_args!("{STRONG}{text}{STRONG:#}"));
    }

    /// A result for machines, with `--json` alone.
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

    /// What the command comes to: the summary in its last object. A later one takes the place of an earlier one.
    pub(super) fn conclude(&mut self, summary: &(impl Serialize + JsonSchema)) {
        match serde_json::to_string(summary) {
            Ok(summary) => self.summary = Some(summary),
            Err(error) => self.error(&format!("a summary cannot be written as JSON: {error}")),
        }
    }

    /// Writes the last object, with `--json` alone. `of_targets`: the command's summary is an array.
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
        // The summary keeps the order of its fields.
        write_out(&format!("{{\"summary\":{summary},\"status\":{status},\"error\":{}}}", json!(error)));
    }

    /// An error for the last object, which people were told already.
    pub(super) fn remember(&mut self, text: &str) {
        self.errors.push(anstream::adapter::strip_str(text).to_string().trim_end().to_owned());
    }

    /// Advice, left out with `--quiet`.
    pub(super) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.clear();
            write_err(&text.to_string());
        }
    }

    /// What goes on, with `--verbose` alone.
    pub(super) fn detail(&mut self, text: impl Display) {
        if self.verbose {
            self.clear();
            write_err(&format!("[{:.1} s] {text}", self.watch.elapsed().as_secs_f64()));
        }
    }

    /// What changes what the results mean, and is told with `--quiet` too; the same only once.
    pub(super) fn warning(&mut self, text: String) {
        if !self.warned.contains(&text) {
            self.clear();
            write_err(&format!("{WARNING}warning{WARNING:#}: {text}"));
            self.warned.insert(text);
        }
    }

    /// An error.
    pub(super) fn error(&mut self, text: &str) {
        self.remember(text);
        self.clear();
        write_err(&format!("{ERROR}error{ERROR:#}: {text}"));
    }

    /// An error that says by itself that it is one, and where.
    pub(super) fn diagnostic(&mut self, text: &str) {
        self.remember(text);
        self.clear();
        write_err(text.trim_end());
    }

    /// Of which part of a larger work progress is told from now on; of none, if it is empty.
    pub(super) fn part(&mut self, text: impl Display) {
        self.part = text.to_string();
        if !self.part.is_empty() {
            self.part.push_str("; ");
        }
    }

    /// Shows how far a long work is, if a person watches.
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

    /// The same as a line of a log, now and then.
    fn progress_line(&mut self, text: impl Display) {
        let now = self.watch.elapsed();
        if self.told.is_none_or(|told| now >= told + TOLD_EVERY) {
            self.told = Some(now);
            self.detail(text);
        }
    }

    /// The long work is done.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
    }
}

/// EIO: the terminal was closed.
const TERMINAL_CLOSED: i32 = 5;

/// Whether standard output was a terminal when this was first asked. A closed terminal is none any more.
fn began_on_a_terminal() -> bool {
    static TERMINAL: OnceLock<bool> = OnceLock::new();
    *TERMINAL.get_or_init(|| std::io::stdout().is_terminal())
}

fn write_out(text: &str) {
    match writeln!(anstream::stdout(), "{text}") {
        Ok(()) => (),
        // The command ends as after Ctrl-C, or goes on if SIGHUP is ignored: what it keeps on disk is kept.
        Err(error) if error.raw_os_error() == Some(TERMINAL_CLOSED) && began_on_a_terminal() => (),
        Err(error) => std::process::exit(i32::from(not_written(&error) as u8)),
    }
}

/// Says why standard output takes nothing. Where its reader closed it, the process ends quietly.
pub(super) fn not_written(error: &std::io::Error) -> Status {
    // Whoever read this is gone: there is nobody left to tell.
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(CLOSED_PIPE);
    }
    write_err(&format!("{ERROR}error{ERROR:#}: cannot write to standard output: {error}"));
    Status::Harness
}

fn write_err(text: &str) {
    // Without a standard error there is nowhere to say so.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// `1 run`, `2 runs`.
pub(super) fn count(number: impl Into<u64>, one: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}
