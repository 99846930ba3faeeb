//! Finds the place of a scenario's text that a message concerns.

use treefall_model::id::Run;
use treefall_model::release::Release;

use super::Whom;
use super::diagnostic::{Problem, Problems};
use super::fields::{Fields, Notes};
use super::read::{parse, plain_lines, read_configs, read_wake};
use super::runs::Generations;
use super::schema::Kind;

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

/// Returns the problems of exits whose runs no release of the expectations ever starts, as a replay showed, with
/// their places.
#[must_use]
pub fn never_started(name: &str, text: &str, runs: &[Run]) -> Option<Problems> {
    let text = &*plain_lines(text);
    let document = parse(text).ok()?;
    let notes = &mut Notes::new();
    let top = Fields::new(Kind::Top, &document, 0..0, notes);
    let (configs, links) = (read_configs(&top, notes)?, crate::outside::read_links(&top, notes));
    let mut generations = Generations::new(&configs);
    let mut found = Notes::new();
    for wake in top.tables("wake", Kind::Wake, notes) {
        for exit in wake.tables("exits", Kind::Exit, notes) {
            let Some((text, span)) = exit.text("run", notes) else { continue };
            if generations.parse(text, span.clone()).is_ok_and(|run| runs.contains(&run)) {
                let title = format!("run {text} never starts");
                found.push(Problem::new(span, title, "no release that the file speaks of starts it"));
            }
        }
        generations.after(&read_wake(&wake, &generations, (configs.len(), &links), notes)?);
    }
    (!found.is_empty()).then(|| Problems::new(name, text, found))
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
