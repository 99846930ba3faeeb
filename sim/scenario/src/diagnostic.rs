//! Reports the problems of a scenario file: each one underlines the text that it concerns, states what was expected
//! and, if one can be guessed, suggests a remedy.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use treefall_base::nearest::nearest;

/// Most problems of one file that are shown.
const SHOWN_MAX: usize = 10;
/// Longest part of one line that is shown, in bytes.
const LINE_MAX: usize = 160;

/// A problem of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The bytes of the file that it concerns.
    pub span: Range<usize>,
    /// The problem, in a sentence.
    pub title: String,
    /// What was expected, shown beside the underlined text.
    pub label: String,
    /// The remedy.
    pub help: Option<String>,
}

impl Problem {
    /// Returns a problem without a remedy.
    pub(super) fn new(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { span, title: title.into(), label: label.into(), help: None }
    }

    /// Adds a remedy.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds this remedy, unless it has one.
    pub(super) fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// Suggests the one of `known` that is nearest to `name`, if one is near.
    pub(super) fn nearest<'k>(self, name: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        self.meant(nearest(name, known))
    }

    /// Suggests what was meant, if that is known.
    pub(super) fn meant(self, meant: Option<impl fmt::Display>) -> Self {
        match meant {
            Some(meant) => self.help(format!("did you mean `{meant}`?")),
            None => self,
        }
    }
}

/// All problems of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// Name of the file.
    name: String,
    text: String,
    problems: Vec<Problem>,
}

impl Problems {
    /// Collects the problems of the file `name` with this `text`, and sorts them by place.
    pub(super) fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Self { name: name.to_owned(), text: text.to_owned(), problems }
    }

    /// Returns the problems in the order of their places; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the line and the column (in characters) at which a problem begins, both from 1.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        let start = floor(&self.text, problem.span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Formats all problems, in colour if `styled`.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let shown = self.problems.iter().take(SHOWN_MAX);
        let mut texts: Vec<String> = shown.map(|problem| self.render_one(problem, &renderer)).collect();
        if let Some(more @ 1..) = self.problems.len().checked_sub(SHOWN_MAX) {
            texts.push(format!("... and {more} more in {}", self.name));
        }
        texts.join("\n\n")
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let (line, column) = self.place(problem);
        let (excerpt, span) = excerpt(&self.text, problem.span.clone());
        // The column within the shown part of a long line would be wrong, so the place is added to the name.
        let name = if excerpt.cut { format!("{}:{line}:{column}", self.name) } else { self.name.clone() };
        let annotation = AnnotationKind::Primary.span(span).label(problem.label.as_str());
        let snippet =
            Snippet::source(excerpt.text).line_start(line).path(name.as_str()).annotation(annotation);
        let group: Group<'_> = Level::ERROR.primary_title(problem.title.as_str()).element(snippet);
        let help = problem.help.as_ref().map(|help| Level::HELP.message(help.as_str()));
        renderer.render(&[group.elements(help)])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

struct Excerpt<'t> {
    text: &'t str,
    cut: bool,
}

/// Returns the first line of `span`, cut when it is very long, and the span within it.
fn excerpt(text: &str, span: Range<usize>) -> (Excerpt<'_>, Range<usize>) {
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let from = floor(text, line_start.max(start.saturating_sub(LINE_MAX / 2)));
    let to = floor(text, line_end.min(start + LINE_MAX));
    let end = floor(text, span.end).clamp(start, to);
    let cut = from > line_start || to < line_end;
    (Excerpt { text: &text[from..to], cut }, start - from..end - from)
}

/// Returns the last character boundary that is not after `place`.
pub(super) fn floor(text: &str, place: usize) -> usize {
    let place = place.min(text.len());
    (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_underlines_its_text_and_offers_the_nearest() {
        let problem = Problem::new(8..15, "a script has no key `timeuot`", "not known here")
            .nearest("timeuot", ["interval", "timeout"]);
        let problems = Problems::new("a.toml", "x = 1\n\n timeuot = 3\n", vec![problem]);
        let expected = "\
error: a script has no key `timeuot`
 --> a.toml:3:2
  |
3 |  timeuot = 3
  |  ^^^^^^^ not known here
  |
  = help: did you mean `timeout`?";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn a_very_long_line_is_cut_and_keeps_its_place() {
        let text = format!("{}ä{}", "é".repeat(100_000), "ö".repeat(100_000));
        let problem = Problem::new(200_000..200_002, "here", "an umlaut");
        let shown = Problems::new("long.toml", &text, vec![problem]).to_string();
        assert!(shown.contains("long.toml:1:100001"), "{shown}");
        assert!(shown.len() < 2_000);
    }

    #[test]
    fn a_span_beyond_the_text_or_inside_a_character_is_shown_all_the_same() {
        for span in [5..9, 100..200, 1..1, 0..0, 2..2] {
            let problem = Problem::new(span, "odd", "");
            assert!(Problems::new("odd.toml", "aäb\n", vec![problem]).to_string().contains("odd.toml"));
        }
    }
}
