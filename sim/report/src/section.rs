//! The sections of a report, as values: each form (text, page, issue) renders the same ones.
//!
//! A new section is a function in its file of `explain`, and one row of [`DETAILS`](crate::document).

use treefall_model::event::Record;
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use crate::explain::cause_step::CauseStep;
use crate::explain::run_log::RunLog;
use crate::explain::suspects::Suspects;

/// One section of a report.
#[derive(Debug)]
pub(crate) struct Section<'r> {
    /// Anchor on the page.
    pub(crate) id: &'static str,
    /// Its link in the page's navigation; empty: none.
    pub(crate) nav: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// Its content, in order.
    pub(crate) blocks: Vec<Content<'r>>,
}

impl<'r> Section<'r> {
    /// A section of these blocks.
    pub(crate) fn new(
        id: &'static str,
        nav: &'static str,
        title: impl Into<String>,
        blocks: Vec<Content<'r>>,
    ) -> Self {
        Self { id, nav, title: title.into(), blocks }
    }
}

/// A part of a section.
#[derive(Debug)]
pub(crate) enum Content<'r> {
    /// Names with their values.
    Facts(Vec<Fact>),
    /// A heading inside the section.
    Heading(String),
    /// A sentence.
    Sentence(Tone, String),
    /// Causes and effects, in order.
    Chain(&'r [CauseStep]),
    /// Rows and columns.
    Table(Table),
    /// What happened, in order of time.
    Timeline(Timeline<'r>),
    /// Trees and lists step by step; on a page only.
    Stepper(Stepper<'r>),
    /// A table behind its summary; on a page only.
    Folded(String, Table),
    /// A file behind its name; on a page only.
    File(&'static str, &'r str),
}

impl Content<'_> {
    /// Whether a text leaves it out.
    pub(crate) const fn is_for_pages(&self) -> bool {
        matches!(self, Self::Stepper(_) | Self::Folded(..) | Self::File(..))
    }
}

/// How a reader should take a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    Plain,
    /// An aside.
    Quiet,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// Its class in a page's style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Quiet => "quiet",
            Self::Good => "good",
            Self::Warning => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A name with its value.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    /// One item a line; what is between backquotes is code.
    pub(crate) lines: Vec<String>,
    pub(crate) form: FactForm,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FactForm {
    Lines,
    /// Paragraphs that a person wrote.
    Story,
    /// A command that can be typed.
    Command,
    /// Functions, innermost first.
    Frames,
}

impl Fact {
    /// A value of one line.
    pub(crate) fn line(name: &'static str, line: impl Into<String>) -> Self {
        Self::lines(name, vec![line.into()])
    }

    /// A value of these lines.
    pub(crate) const fn lines(name: &'static str, lines: Vec<String>) -> Self {
        Self { name, lines, form: FactForm::Lines }
    }

    /// A command that can be typed.
    pub(crate) fn command(name: &'static str, command: &str) -> Self {
        Self { name, lines: vec![command.to_owned()], form: FactForm::Command }
    }
}

/// Rows and columns.
#[derive(Default, Debug)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// With one more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Row {
        self.rows.push(Row { cells: cells.into_iter().collect(), mark: Mark::None });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }
}

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
    pub(crate) mark: Mark,
}

/// Why a row stands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    None,
    /// It is the trace as it is.
    AsItIs,
    /// Its sides differ.
    Differs,
}

impl Mark {
    /// Its class in a page's style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::None => "",
            Self::AsItIs => "as-it-is",
            Self::Differs => "differs",
        }
    }

    /// The sign before the row in a text.
    pub(crate) const fn sign(self) -> char {
        match self {
            Self::None => ' ',
            Self::AsItIs => '>',
            Self::Differs => '!',
        }
    }
}

/// A cell of a table.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) tone: Tone,
    pub(crate) lines: Vec<String>,
}

impl Cell {
    /// A text of this tone.
    pub(crate) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, lines: vec![text.into()] }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// The events of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline<'r> {
    pub(crate) trace: &'r Trace,
    pub(crate) history: &'r [Record],
    pub(crate) verdict: &'r Verdict,
    /// Number of records when the law broke; `None`: none broke.
    pub(crate) broke_at: Option<usize>,
    /// The chain that ends in the violation.
    pub(crate) because: &'r [CauseStep],
    /// The run that the chain's steps belong to.
    pub(crate) run_log: Option<&'r RunLog>,
}

/// A run to be stepped through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stepper<'r> {
    pub(crate) run_log: &'r RunLog,
    pub(crate) suspects: &'r Suspects,
    /// The stage in which the law broke; `None`: none broke.
    pub(crate) broke_in: Option<usize>,
    /// The trees and lists are those of a replica that stands for the target.
    pub(crate) borrowed: bool,
}
