//! Tests `treefall check`: a planted change is found, a fix is reported, and a program equals itself.

use std::path::Path;
use std::process::{Command, Output};

use crate::programs_built::{EXPORTED, build, faulty};
use treefall::generator::Source;
use treefall::regression::{
    Better, CheckFailure, CheckFinding, CheckObserver, CheckResults, CheckSearch, Key, Lane, Side, Sides,
    report, triage,
};
use treefall::report::PipelineError;
use treefall::subject::target::{Target, parse};
use treefall_base::control::Control;
use treefall_model::law::Law;
use treefall_model::release::Defect;

struct NotKept;

impl CheckObserver for NotKept {
    fn seen(&mut self, _: &Lane, _: &CheckFailure) -> Result<(), PipelineError> {
        Ok(())
    }
}

fn target(name: &str) -> Target {
    parse(name, &[]).expect("a target").remove(0)
}

fn search(new: &str, old: &str, traces: u64) -> CheckSearch {
    let sides = Sides::of(target(new), target(old)).expect("both are replicas");
    let lane = Lane::start(&sides).expect("replicas start");
    let mut search = CheckSearch::new(lane, false, Source::swarm(1));
    search.play_known(&mut NotKept).expect("replicas run");
    search.play_drawn(traces, &mut NotKept).expect("replicas run");
    search
}

fn tally(new: &str, old: &str, traces: u64) -> CheckResults {
    search(new, old, traces).tally().clone()
}

fn first_finding(new: &str, old: &str) -> CheckFinding {
    let mut search = search(new, old, 200);
    let closeness = search.closeness();
    let seen = search.tally().worse.values().next().expect("it is worse").clone();
    triage(search.lane(), closeness, &seen, Control::none()).expect("replicas run")
}

#[test]
fn a_program_beside_itself_is_the_same() {
    for name in ["replica:2.0.10", "replica:2.2.4", "replica:2.3.1", "replica:2.3.2", "replica:2.4.3"] {
        let tally = tally(name, name, 300);
        assert!(tally.worse.is_empty() && tally.better.is_empty(), "{name}");
        assert_eq!((tally.unlike, tally.traces), (0, 300), "{name}");
        assert!(tally.scenarios > 20, "{name}");
    }
}

/// Every defect that affects the newest release is found when it is planted, and its fix is reported.
#[test]
fn a_planted_defect_is_worse_and_its_fix_is_better() {
    for defect in [
        Defect::TimeoutLeavesPidEntry,
        Defect::TimeoutDropsPidEntryEarly,
        Defect::SkippedRunStillStarts,
        Defect::ReloadForgetsChildren,
        Defect::ReloadFreesQueuedTimeout,
        Defect::StaleArgumentAfterReload,
        Defect::ExitErasesTwice,
    ] {
        let planted = format!("replica:2.4.3+{defect}");
        let worse = tally(&planted, "replica:2.4.3", 300);
        assert!(!worse.worse.is_empty(), "{defect}");
        let better = tally("replica:2.4.3", &planted, 300);
        assert!(better.worse.is_empty(), "{defect}: {:?}", better.worse.keys());
        assert!(better.better.contains_key(&Better::Mends(defect)), "{defect}: {:?}", better.better);
    }
}

#[test]
fn fixing_a_defect_of_the_newest_release_is_only_better() {
    for defect in Defect::ALL.into_iter().filter(|defect| defect.row().mended_in.is_none()) {
        let mended = format!("replica:2.4.3-{defect}");
        let tally = tally(&mended, "replica:2.4.3", 300);
        assert!(tally.worse.is_empty(), "{defect}: {:?}", tally.worse.keys());
        if tally.unlike > 0 {
            assert_eq!(tally.better.keys().collect::<Vec<_>>(), [&Better::Mends(defect)]);
        }
    }
}

#[test]
fn a_finding_is_small_confirmed_and_names_the_known_defect() {
    let finding = first_finding("replica:2.4.3+ReloadFreesQueuedTimeout", "replica:2.4.3");
    assert!(finding.confirmed && finding.minimal);
    assert_eq!(finding.trace.wakes().len(), 1);
    assert_eq!(finding.equivalent_defect, Some(Defect::ReloadFreesQueuedTimeout));
    let text = report(&finding);
    for part in ["issue 2468", "mended by 7e04261d", "confirmed in fresh processes"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

/// Two searches of the same traces give the same findings for any chunk size.
#[test]
fn findings_do_not_depend_on_the_chunks() {
    let (new, old) = ("replica:2.4.3+SkippedRunStillStarts", "replica:2.4.3");
    let whole = tally(new, old, 30);
    let sides = Sides::of(target(new), target(old)).expect("both are replicas");
    let mut search = CheckSearch::new(Lane::start(&sides).expect("they start"), false, Source::swarm(1));
    search.play_known(&mut NotKept).expect("replicas run");
    for _ in 0..10 {
        search.play_drawn(3, &mut NotKept).expect("replicas run");
    }
    let parts = search.tally();
    let seen = |tally: &CheckResults| -> Vec<(Key, u64, usize)> {
        tally.worse.values().map(|seen| (seen.key, seen.times, seen.trace.wakes().len())).collect()
    };
    assert_eq!(seen(parts), seen(&whole));
}

fn treefall(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.args(["check"]).args(arguments).args(["--quiet", "--out"]).arg(folder);
    command.output().expect("treefall can be run")
}

/// Returns exit status and text.
fn checked(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = treefall(arguments, folder.path());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_answer_is_the_first_word_and_the_exit_status() {
    let newest = "replica:2.4.3";
    let mended = "replica:2.4.3-ReloadEatsTermination";
    let table: [(&[&str], i32, &str); 6] = [
        (&[newest, "--against", newest], 0, "same"),
        (&[newest], 0, "same"),
        (&[mended, "--against", newest], 0, "better: fixes ReloadEatsTermination"),
        (&[newest, "--against", mended], 1, "worse: "),
        (
            &["replica:2.3.1"],
            1,
            "affected by issue 2468 (ReloadFreesQueuedTimeout), fixed in 2.3.3 (2.3.2 fixes this crash but introduces 2548)",
        ),
        (&["replica:2.3.1", "--against", "replica:2.3.1"], 0, "same"),
    ];
    for (arguments, status, first) in table {
        let (seen, text) = checked(&[arguments, &["--traces", "150"]].concat());
        assert_eq!(seen, Some(status), "{arguments:?}: {text}");
        assert!(text.starts_with(first), "{arguments:?}: {text}");
        assert!(text.contains("not tested: the parent, checker"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_bisection_gets_125_without_a_clear_answer() {
    for arguments in [&["/no/such/keepalived", "--bisect"][..], &["/etc/passwd", "--bisect"]] {
        assert_eq!(checked(arguments).0, Some(125), "{arguments:?}");
        assert_eq!(checked(&arguments[..1]).0, Some(2), "{arguments:?}");
    }
    let planted =
        ["replica:2.4.3+ExitErasesTwice", "--against", "replica:2.4.3", "--bisect", "--traces", "100"];
    assert_eq!(checked(&planted).0, Some(1));
}

/// A finding is on disk as found and as shrunk, and its printed command replays it.
#[test]
fn a_finding_is_replayed_by_its_printed_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let planted = ["replica:2.4.3+ExitErasesTwice", "--against", "replica:2.4.3", "--traces", "100"];
    let output = treefall(&planted, folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let again = text.lines().find_map(|line| line.trim().strip_prefix("again: treefall check "));
    let words: Vec<String> = shlex::split(again.expect("a command")).expect("words");
    let file = Path::new(words.last().expect("a file"));
    assert!(file.is_file() && file.with_file_name("found.toml").is_file(), "{file:?}");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, text) = checked(&words);
    assert_eq!(status, Some(1), "{text}");
}

/// Our own program: correct beside itself, and beside a faulty one.
#[test]
fn a_program_that_misbehaves_is_worse_with_its_trace() {
    let (sound, faulty) = (build(&[EXPORTED]), faulty("FORK"));
    let [sound, faulty] = [&sound, &faulty].map(|built| format!("engine:{}", built.path.display()));
    let (status, text) = checked(&[&sound, "--against", &sound, "--traces", "60"]);
    assert_eq!(status, Some(0), "{text}");
    let (status, text) = checked(&[&faulty, "--against", &sound, "--traces", "60"]);
    assert_eq!(status, Some(1), "{text}");
    for part in [
        "expected-actions breaks: the program called fork",
        "called by: thread_add_child < ",
        "smallest trace: 0 wakes",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn both_sides_of_a_finding_are_kept() {
    let finding = first_finding("replica:2.4.3+SkippedRunStillStarts", "replica:2.4.3");
    let (Side::Ran(new), Side::Ran(old)) = (&finding.new, &finding.old) else { panic!("replicas run") };
    let law = finding.signature().map(|signature| signature.law);
    let alone = |law: Law| new.verdict.breaks_law(law) && !old.verdict.breaks_law(law);
    assert!(law.is_none_or(alone) || finding.difference.is_some());
}
