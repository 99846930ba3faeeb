//! Annotations as GitHub's workflows read them from what a step prints: `::error file=..,line=..,title=..::..`.
//!
//! Always: an annotation is one line, whatever is in its texts.

use std::fmt;
use std::path::Path;

use treefall_model::release::Release;

use super::output::Output;
use super::workers::release_of;
use treefall_scenario::{self as scenario, LoadError};
use treefall_subject::target::Target;

/// One place of a file, with what is wrong there.
pub(super) struct Annotation<'a> {
    pub(super) file: &'a Path,
    /// From 1.
    pub(super) line: usize,
    pub(super) title: &'a str,
    /// What the person reads; it may have several lines.
    pub(super) message: &'a str,
}

impl fmt::Display for Annotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, title) = (property(&self.file.display().to_string()), property(self.title));
        write!(f, "::error file={file},line={},title={title}::{}", self.line, data(self.message))
    }
}

/// The text with what would end the line written otherwise.
fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same with what would end a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The line of a scenario's file that says what is expected of a target; the first if none does.
pub(super) fn line_of(file: &Path, target: &Target) -> usize {
    let release = release_of(target).ok().and_then(|release| Release::parse(&release));
    scenario::load_text(file).map_or(1, |text| scenario::line_of_expectation(&text, release))
}

/// Tells what is wrong with a file that is no scenario, each thing at its place.
pub(super) fn tell_problems(file: &Path, output: &mut Output) {
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
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let told = Annotation {
            file: Path::new("a,b:c\n.toml"),
            line: 7,
            title: "100 %: x, y",
            message: "one\r\ntwo: 5 %, three\n",
        };
        let line =
            "::error file=a%2Cb%3Ac%0A.toml,line=7,title=100 %25%3A x%2C y::one%0D%0Atwo: 5 %25, three";
        assert_eq!(told.to_string(), line);
    }
}
