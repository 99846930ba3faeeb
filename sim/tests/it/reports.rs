//! Snapshots of the texts for people: the report of every scenario, reports of three shrunk failures, diagnostics of
//! invalid files, and the checked-in example.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::findings::{explanation_of, findings};
use treefall::hunt::Failure;
use treefall::model::observe::Options;
use treefall::model::release::Release;
use treefall::report::{self, Report};
use treefall::scenario;
use treefall::subject::build;
use treefall::subject::target::{Target, parse};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Replaces the newest release by a placeholder, so that a new one changes no snapshot.
pub(crate) fn newest_hidden(text: &str) -> String {
    text.replace(&Release::NEWEST.to_string(), NEWEST)
}

/// Placeholder of the newest release.
const NEWEST: &str = "[NEWEST]";

/// Reports the last violation of the scenario on `target`, after triage.
fn report_of(file: &str, target: &str) -> String {
    newest_hidden(&rendered(file, target, report::finding))
}

/// Reports it in the given format.
fn rendered<T>(file: &str, target: &str, form: impl Fn(&Report<'_>) -> T) -> T {
    let target: Target = parse(target, &[]).expect("a target").remove(0);
    let scenario = scenario::load(&top().join("scenarios").join(file)).expect("a scenario");
    let mut workers = [build(&target).expect("a replica")];
    let verdict = workers[0].run_one(&scenario.trace, Options::VERDICT).expect("a run").verdict;
    let broken = verdict.breaks.last().expect("a violation").clone();
    let failure = Failure::new(0, scenario.trace, broken, verdict);
    let finding = findings(&mut workers, &|| build(&target), &[failure], 1).remove(0);
    let explanation = explanation_of(&finding, workers[0].as_mut());
    let scenario = scenario::write(&scenario::Scenario::new(file, finding.trace.clone()));
    form(&Report {
        finding: &finding,
        explanation: &explanation,
        origin: file,
        replay: "treefall replay minimal.toml",
        scenario: &scenario,
        as_it_is: false,
        story: None,
    })
}

#[test]
fn the_report_of_issue_2468() {
    insta::assert_snapshot!(report_of("queued-timeout-and-reload/timer-first.toml", "replica:2.3.1"));
}

#[test]
fn the_report_of_issue_2548() {
    insta::assert_snapshot!(report_of("exit-erases-twice/timer-first.toml", "replica:2.3.2"));
}

#[test]
fn the_report_of_the_unsignalled_child() {
    insta::assert_snapshot!(report_of("children-after-reload/nobody-signals-it.toml", "replica:2.3.4"));
}

#[test]
fn a_report_on_a_narrow_terminal_keeps_all_words() {
    /// Returns the words, without the separators of tables.
    fn words(text: &str) -> BTreeSet<&str> {
        text.split_whitespace().map(|word| word.trim_end_matches(':')).collect()
    }
    rendered("exit-erases-twice/timer-first.toml", "replica:2.3.2", |report| {
        let whole = report::finding(report);
        assert!(whole.lines().any(|line| line.chars().count() > 118));
        for columns in [40, 60, 80, 89, 90, 100, 118] {
            let text = report::finding_within(report, columns);
            let (there, wanted) = (words(&text), words(&whole));
            assert!(wanted.is_subset(&there), "{columns}: {:?}\n{text}", wanted.difference(&there));
            let columns = usize::from(columns);
            let long = text.lines().find(|line| {
                let last = line.trim_end_matches(" \\").split_whitespace().next_back();
                let helpless = last.is_some_and(|word| word.len() > columns / 2 - 4);
                line.chars().count() > columns && !helpless
            });
            assert!(long.is_none(), "{columns}: {long:?}\n{text}");
        }
        let sides = |columns| report::finding_within(report, columns).contains("  replica:2.3.2\n");
        assert!(sides(90) && !sides(89), "two runs side by side need a wide terminal");
    });
}

/// The report of a file without further arguments, also of a run that violates no law.
#[test]
fn the_report_of_every_scenario() {
    let mut files: Vec<String> = files(&top().join("scenarios")).into_iter().map(|(name, _)| name).collect();
    // Those with interfaces are a daemon's.
    files.retain(|name| name.ends_with(".toml") && !name.starts_with("interface-delays/"));
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
        let output = command.args(["report", &format!("scenarios/{file}")]).current_dir(top()).output();
        let output = output.expect("run");
        assert_eq!(output.status.code(), Some(0), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let name = file.replace('/', "_").replace(".toml", "");
        insta::with_settings!({
            snapshot_path => "snapshots/scenarios", prepend_module_to_snapshot => false, omit_expression => true
        }, {
            insta::assert_snapshot!(name, newest_hidden(&String::from_utf8_lossy(&output.stdout)));
        });
    }
}

#[test]
fn about_matches_the_expectation_of_its_release() {
    for (name, text) in
        files(&top().join("scenarios")).into_iter().filter(|(name, _)| name.ends_with(".toml"))
    {
        let scenario = scenario::read(&name, &text).expect("a scenario");
        let Some(about) = scenario.about else { continue };
        let expected =
            scenario.expect.of(about.release).unwrap_or_else(|| panic!("{name}: of {}", about.release));
        let fails = |law| expected.failures().iter().any(|failure| failure.law() == law);
        assert!(about.law.is_none_or(fails), "{name}");
        // Of several laws, the file names one.
        assert!(about.law.is_some() || expected.failures().len() <= 1, "{name}");
    }
}

#[test]
fn the_diagnostics_of_wrong_files() {
    let good =
        fs::read_to_string(top().join("scenarios/queued-timeout-and-reload/timer-first.toml")).expect("text");
    let edits = [
        ("timeout  = ", "timeout = ", "timeuot = "),
        ("unquoted", "\"3s\"", "3s"),
        ("unit", "\"3s\"", "\"3 sec\""),
        ("unit, shorter", "\"3s\"", "\"3m\""),
        ("unit of a wake", "\"next-timer\"", "\"+5mss\""),
        ("unit of a wake, and no sign", "\"next-timer\"", "\"5mss\""),
        ("law", "\"no-dangling-node\"", "\"no-dangling-nod\""),
        ("law and another word", "\"no-dangling-node\"", "[\"no-dangling-node\", \"clean\"]"),
        ("release", "2.3.2..", "2.3.22.."),
        ("last release", "..=2.3.1", "..=2.3.11"),
        ("neither release nor mended", "\"2.3.2..\"", "mendd"),
        ("format", "format = 1", "format = 99"),
        ("signal", "[\"HUP\"]", "[\"HUPP\"]"),
        ("signal, two letters changed places", "[\"HUP\"]", "[\"HPU\"]"),
        (
            "signal of an exit",
            "signals = ",
            "exits = [{ run = \"chk_haproxy#1\", signal = \"KIL\" }]\nsignals = ",
        ),
        ("about a release", "story = ", "about = \"2.3.44\"\nstory = "),
        ("about a law", "story = ", "about = { release = \"2.3.4\", law = \"no-child-forgoten\" }\nstory = "),
        ("about nothing", "story = ", "about = { law = \"no-child-forgotten\", relaese = 2 }\nstory = "),
    ];
    let rendered = edits.map(|(_, from, to)| {
        assert!(good.contains(from), "{from}");
        scenario::read("wrong.toml", &good.replacen(from, to, 1)).expect_err("it is wrong").render(false)
    });
    insta::assert_snapshot!(newest_hidden(&rendered.join("\n\n")));
}

/// Compares `reports/example` with the output of the command.
#[test]
fn the_checked_in_example_is_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let hunt = ["hunt", "--target", "replica:2.2.7", "--out", "reports/example", "--quiet"];
    let status =
        Command::new(env!("CARGO_BIN_EXE_treefall")).args(hunt).current_dir(&folder).output().expect("run");
    assert_eq!(status.status.code(), Some(1), "it finds something");
    let made = files(&folder.path().join("reports/example"));
    let kept = files(&top().join("reports/example"));
    // The example stays valid when later releases appear.
    let newest_then = newest_in(&kept);
    let hidden = |files: Vec<(String, String)>, newest: &str| -> Vec<(String, String)> {
        files.into_iter().map(|(name, text)| (name, text.replace(newest, NEWEST))).collect()
    };
    let (made, kept) = (hidden(made, &Release::NEWEST.to_string()), hidden(kept, &newest_then));
    assert!(made.iter().any(|(name, _)| name.contains("no-dangling-node")), "the crash of 2468 is in it");
    // A whole page is too long for a message, so only the file is named.
    let others = made
        .iter()
        .filter(|file| !kept.contains(file))
        .chain(kept.iter().filter(|file| !made.contains(file)));
    let others: BTreeSet<&str> = others.map(|(name, _)| name.as_str()).collect();
    assert!(
        others.is_empty(),
        "{others:?}: remove reports/example and run `cargo run -- {}`",
        hunt.join(" ")
    );
}

/// Returns the release that was the newest when these reports were made.
fn newest_in(files: &[(String, String)]) -> String {
    let report = files.iter().find(|(name, _)| name.ends_with("report.json")).expect("a report for machines");
    let report: serde_json::Value = serde_json::from_str(&report.1).expect("JSON");
    let spans = report["releases"]["spans"].as_array().expect("all releases");
    spans.last().and_then(|span| span["last"].as_str()).expect("a release").to_owned()
}

/// Returns all files of the folder, at any depth, by name, with their contents.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below it").display().to_string();
            files.push((name, fs::read_to_string(&path).expect("text")));
        }
    }
    files.sort();
    files
}
