//! Writes annotations that GitHub's workflows read from the output: `::error file=..,line=..,title=..::..`.
//!
//! Invariant: an annotation is one line, whatever its texts contain.

use std::fmt;
use std::path::Path;

use treefall_model::release::Release;

use super::output::Output;
use super::workers::release_of;
use treefall_scenario::{self as scenario, LoadError};
use treefall_subject::target::Target;

/// An error at one place of a file.
pub(super) struct Annotation<'a> {
    pub(super) file: &'a Path,
    /// Line, from 1.
    pub(super) line: usize,
    pub(super) title: &'a str,
    /// Message for the reader; it may have several lines.
    pub(super) message: &'a str,
}

impl fmt::Display for Annotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, title) = (property(&self.file.display().to_string()), property(self.title));
        write!(f, "::error file={file},line={},title={title}::{}", self.line, data(self.message))
    }
}

/// Escapes the characters that would end the line.
fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Also escapes the characters that would end a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Returns the line of the scenario file with the expectation of the target, else the first line.
pub(super) fn line_of(file: &Path, target: &Target) -> usize {
    let release = release_of(target).ok().and_then(|release| Release::parse(&release));
    scenario::load_text(file).map_or(1, |text| scenario::line_of_expectation(&text, release))
}

/// Prints each problem of an invalid scenario file at its place.
pub(super) fn print_problems(file: &Path, output: &mut Output) {
    let Err(LoadError::Invalid(problems)) = scenario::load(file) else { return };
    for problem in problems.problems() {
        let (line, _) = problems.place(problem);
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\n{help}"));
        let message = format!("{}{help}", problem.label);
        output.line(Annotation { file, line, title: &problem.title, message: &message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_for_any_text() {
        let annotation = Annotation {
            file: Path::new("a,b:c\n.toml"),
            line: 7,
            title: "100 %: x, y",
            message: "one\r\ntwo: 5 %, three\n",
        };
        let line =
            "::error file=a%2Cb%3Ac%0A.toml,line=7,title=100 %25%3A x%2C y::one%0D%0Atwo: 5 %25, three";
        assert_eq!(annotation.to_string(), line);
    }
}
