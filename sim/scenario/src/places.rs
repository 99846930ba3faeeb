//! Finds the place of a scenario's text that a message concerns.

use treefall_model::release::Release;

use super::Whom;
use super::read::{parse, plain_lines};

/// Returns the line, from 1, of the expectation for a release, or for the replica without defects (`None`); the first
/// line if there is none.
#[must_use]
pub fn line_of_expectation(text: &str, release: Option<Release>) -> usize {
    let text = &*plain_lines(text);
    let place = parse(text).ok().and_then(|document| {
        let rows = document.get("expect")?.get_ref().as_table()?;
        let speaks_of = |key: &str| {
            Whom::parse(key).is_ok_and(|whom| release.map_or(whom == Whom::Mended, |it| whom.includes(it)))
        };
        rows.iter().find(|(key, _)| speaks_of(key.get_ref().as_ref())).map(|(key, _)| key.span().start)
    });
    text[..place.unwrap_or(0)].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_that_of_the_row_that_speaks_of_the_release() {
        let text =
            "format = 1\r\ntitle = \"x\"\n[expect]\n\"2.2.5..=2.3.1\" = \"clean\"\nmended = \"clean\"\n";
        let line = |release: &str| line_of_expectation(text, Release::parse(release));
        assert_eq!([line("2.2.7"), line("2.3.2"), line_of_expectation(text, None)], [4, 1, 5]);
        assert_eq!(line_of_expectation("no = scenario", None), 1);
    }
}
