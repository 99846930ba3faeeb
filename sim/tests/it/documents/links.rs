//! Checks the links between the documents, the index of the guides, and each guide's statement of its audience.

use std::fs;
use std::path::{Path, PathBuf};

use super::top;
use crate::walk;

/// Most lines of the README.
const README_LINES_MAX: usize = 150;
const GUIDES: &str = "sim/guide";
const INDEX: &str = "sim/guide/README.md";

/// Returns the files that a document links to or shows, as written, without links to the web or to the same page.
fn linked(text: &str) -> Vec<&str> {
    let opened = ["](", "src=\"", "href=\""];
    let mut places: Vec<usize> = Vec::new();
    for open in opened {
        places.extend(text.match_indices(open).map(|(place, _)| place + open.len()));
    }
    let target = |place: usize| text[place..].split([')', '"', '#']).next().unwrap_or_default();
    let elsewhere = |target: &&str| target.is_empty() || target.contains("://");
    places.into_iter().map(target).filter(|it| !elsewhere(it)).collect()
}

/// Returns the broken links of a document, each with the document.
fn broken(file: &Path, text: &str) -> Vec<String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let gone = linked(text).into_iter().filter(|target| !top().join(folder).join(target).exists());
    gone.map(|target| format!("{}: {target}", file.display())).collect()
}

fn documents() -> Vec<(PathBuf, String)> {
    let files = walk::files(&top(), "md").into_iter();
    files
        .map(|file| {
            let text = fs::read_to_string(top().join(&file)).expect("a document");
            (file, text)
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let documents = documents();
    let broken: Vec<String> = documents.iter().flat_map(|(file, text)| broken(file, text)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let links: usize = documents.iter().map(|(_, text)| linked(text).len()).sum();
    assert!(links >= 50, "{links} links: the reader misses some");
}

#[test]
fn a_broken_link_is_named_with_its_document() {
    let text =
        "[a](gone.md#part) ![b](../../README.md) <img src=\"no.png\"> [c](#here) [d](https://example.org/x)";
    let wrong = broken(Path::new(INDEX), text);
    assert_eq!(wrong, [format!("{INDEX}: gone.md"), format!("{INDEX}: no.png")]);
}

#[test]
fn the_index_has_every_guide_and_each_names_its_audience() {
    let index = fs::read_to_string(top().join(INDEX)).expect("the index");
    let linked: Vec<PathBuf> =
        linked(&index).iter().filter_map(|it| top().join(GUIDES).join(it).canonicalize().ok()).collect();
    let mut guides = 0;
    for (file, text) in documents() {
        let is_guide = file.starts_with(GUIDES) && file != Path::new(INDEX);
        let path = top().join(&file).canonicalize().expect("a document");
        assert!(!is_guide || linked.contains(&path), "{INDEX} does not have {}", file.display());
        if file.starts_with(GUIDES) || linked.contains(&path) {
            guides += 1;
            let first = text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default();
            assert!(first.starts_with("For "), "{}: `{first}` does not name its audience", file.display());
        }
    }
    assert!(guides >= 10, "{guides} guides");
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(top().join("README.md")).expect("the README").lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines");
}
