//! Tests explanations: the cause on every affected release, the table of ties, windows, parts and the chain of
//! causes.

use std::path::Path;

use crate::findings::explanation_of;
use treefall::cause::{Cause, cause};
use treefall::explain::{End, Explanation, Fate, Role};
use treefall::hunt::Failure;
use treefall::masking::{Visibility, visibility_of};
use treefall::model::event::SubjectKind;
use treefall::model::release::{Defect, Release, Rules};
use treefall::model::trace::Trace;
use treefall::model::verdict::{Verdict, Violation};
use treefall::report::{self, Report};
use treefall::scenario;
use treefall::subject::replica::run_replica;
use treefall::subject::target::{ReplicaName, Target, parse};
use treefall::subject::{Options, Ran, Subject, SubjectError, build};
use treefall::triage::{Finding, triage_as_found};

fn scenarios() -> Vec<(String, Trace)> {
    let mut files = Vec::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for family in std::fs::read_dir(top).expect("the scenarios").map(|entry| entry.expect("an entry").path())
    {
        if !family.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(family).expect("a folder") {
            files.push(file.expect("a file").path());
        }
    }
    files.sort();
    // Those with interfaces are a daemon's.
    files.retain(|file| !file.to_string_lossy().contains("/interface-delays/"));
    let load = |file: &std::path::PathBuf| {
        let family =
            file.parent().and_then(Path::file_name).expect("a family").to_string_lossy().into_owned();
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        (format!("{family}/{name}"), scenario::load(file).expect("a scenario").trace)
    };
    files.iter().map(load).collect()
}

fn trace(name: &str) -> Trace {
    scenarios().into_iter().find(|(known, _)| known == name).expect("it is there").1
}

fn target(name: &str) -> Target {
    parse(name, &[]).expect("a target").remove(0)
}

fn find(trace: Trace, verdict: Verdict, pick: impl Fn(&&Violation) -> bool) -> Failure {
    let broken = verdict.breaks.iter().rfind(pick).expect("a violation").clone();
    Failure::new(0, trace, broken, verdict)
}

fn text(finding: &Finding, origin: &str, explanation: &Explanation) -> String {
    let replay = "treefall replay minimal.toml";
    report::finding(&Report {
        finding,
        explanation,
        origin,
        replay,
        scenario: "",
        as_it_is: true,
        story: None,
    })
}

/// Explains the last violation of the scenario on the replica, without shrinking.
fn explained(name: &str, on: &str) -> (Finding, Explanation) {
    explained_as(trace(name), on, |_| true)
}

/// Explains the last matching violation of the trace on the replica, without shrinking.
fn explained_as(trace: Trace, on: &str, pick: impl Fn(&&Violation) -> bool) -> (Finding, Explanation) {
    let target = target(on);
    let mut subject = build(&target).expect("a replica");
    let verdict = subject.run_one(&trace, Options::VERDICT).expect("a run").verdict;
    let failure = find(trace, verdict, pick);
    let finding = triage_as_found(subject.as_mut(), &|| build(&target), &failure).expect("a finding");
    let explanation = explanation_of(&finding, subject.as_mut());
    (finding, explanation)
}

/// Each known defect on each release that has it is the cause of a violation of some scenario there; or of a trace on
/// a replica in which the defects that mask it are fixed; or it has no effect there.
#[test]
fn the_ablation_names_every_known_defect_on_every_release_that_has_it() {
    let scenarios = scenarios();
    let (mut named, mut masked, mut latent) = (0, 0, 0);
    for group in Release::with_defects_of_their_own() {
        let mut hidden: Vec<(Release, Defect)> = Vec::new();
        for release in group.releases() {
            let rules = Rules::of(release);
            let causes: Vec<Cause> = scenarios
                .iter()
                .flat_map(|(_, trace)| {
                    let verdict = run_replica(trace, rules, Options::VERDICT).verdict;
                    let of = |broken: &Violation| cause(SubjectKind::Replica, trace, broken.signature, rules);
                    verdict.breaks.iter().map(of).collect::<Vec<_>>()
                })
                .collect();
            assert!(causes.iter().all(|cause| matches!(cause, Cause::Known(_))), "{release}: {causes:?}");
            let causes: Vec<Defect> = causes.iter().flat_map(|cause| cause.defects()).copied().collect();
            assert!(causes.iter().all(|it| group.defects.has(*it)), "{release} is blamed for another's");
            for defect in group.defects.iter() {
                if causes.contains(&defect) { named += 1 } else { hidden.push((release, defect)) }
            }
        }
        hidden.sort_by_key(|(release, defect)| (*defect, *release));
        for pairs in hidden.chunk_by(|a, b| a.1 == b.1) {
            let (first, defect) = pairs[0];
            match visibility_of(defect, Rules::of(first), 1) {
                Visibility::Shown(failure) => {
                    for (release, defect) in pairs {
                        let rules = Rules::of(*release);
                        let text = cause(SubjectKind::Replica, &failure.trace, failure.signature(), rules);
                        assert!(text.defects().contains(defect), "{defect} on {release}: {text:?}");
                        named += 1;
                    }
                }
                Visibility::MaskedBy(_) => masked += pairs.len(),
                Visibility::LatentWithout(_) => latent += pairs.len(),
                Visibility::NotSeen => panic!("{defect} was not met on {first}"),
            }
        }
    }
    println!("{named} named on their releases, {masked} masked there, {latent} latent there");
    let pairs: usize = Release::ALL.iter().map(|release| release.defects().len()).sum();
    assert_eq!(named + masked + latent, pairs);
    assert!(named * 10 > pairs * 7, "{named} of {pairs}");
}

/// A program that reports the mended release but has a defect, which the tables of releases cannot show.
struct Mutant(Defect);

impl Subject for Mutant {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Engine
    }
    fn name(&self) -> String {
        "engine:mutant".to_owned()
    }
    fn rules(&self) -> Rules {
        Rules::mended()
    }
    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        let rules = Rules::mended().with(self.0);
        Ok(traces.iter().map(|trace| run_replica(trace, rules, options)).collect())
    }
}

#[test]
fn a_mutant_is_explained_by_the_defect_that_it_resembles() {
    for (defect, name) in [
        (Defect::ExitErasesTwice, "exit-erases-twice/timer-first"),
        (Defect::ReloadFreesQueuedTimeout, "queued-timeout-and-reload/timer-first"),
        (Defect::SkippedRunStillStarts, "overlapping-runs/skipped-run-starts"),
    ] {
        let fresh = || Ok::<Box<dyn Subject>, SubjectError>(Box::new(Mutant(defect)));
        let mut mutant = Mutant(defect);
        let verdict = mutant.run_one(&trace(name), Options::VERDICT).expect("a run").verdict;
        let failure = find(trace(name), verdict, |_| true);
        let finding = triage_as_found(&mut mutant, &fresh, &failure).expect("a finding");
        assert_eq!(finding.cause.leading(), Some(defect), "{:?}", finding.cause);
        assert!(matches!(finding.cause, Cause::AsIf(_)), "{:?}", finding.cause);
        let explanation = explanation_of(&finding, &mut mutant);
        let text = text(&finding, name, &explanation);
        assert!(text.contains(&format!("as if the release had {defect}")), "{text}");
        let difference = explanation.difference.expect("it does otherwise than a mended replica");
        assert!(difference.pairs.iter().any(|pair| pair.differs), "{defect}");
        assert!(explanation.minimality.trials.iter().any(|trial| trial.shown.is_some()), "{defect}");
    }
}

/// Returns the results of the orders in a table: first those of the trace's own events, then those with another exit.
fn fates(explanation: &Explanation) -> Vec<(String, bool)> {
    let rows = explanation.ties.first().expect("something ties").rows.iter();
    rows.map(|row| (row.order.clone(), row.shown.as_ref().expect("asked").fails())).collect()
}

#[test]
fn issue_2468_needs_a_queued_timeout_before_the_reload() {
    let (_, explanation) = explained("queued-timeout-and-reload/timer-first", "replica:2.3.1");
    let fates = fates(&explanation);
    let fails = |order: &str| fates.iter().find(|(known, _)| known == order).expect(order).1;
    assert!(fails("the timer and SIGHUP in one wake, timer first"));
    assert!(!fails("the timer and SIGHUP in one wake, signals first"));
    assert!(!fails("the timer; then SIGHUP"));
    let with_exit = "the timer, SIGHUP and the exit of chk_haproxy#1 in one wake, timer first";
    let row = explanation.ties[0].rows.iter().find(|row| row.order == with_exit).expect("it is asked");
    assert_eq!(row.shown.as_ref().map(|shown| shown.fate), Some(Fate::Clean));
    // The exit prevents the failure only if it is reaped before the reload runs.
    let failing: Vec<_> = fates.iter().filter(|(_, fails)| *fails).map(|(order, _)| order.as_str()).collect();
    assert_eq!(
        failing,
        [
            "the timer and SIGHUP in one wake, timer first",
            "the timer and SIGHUP in one wake, timer first; then the exit of chk_haproxy#1"
        ]
    );
}

#[test]
fn issue_2548_needs_an_exit_after_its_queued_timeout() {
    let (_, explanation) = explained("exit-erases-twice/timer-first", "replica:2.3.2");
    assert_eq!(
        fates(&explanation),
        [
            ("the timer and the exit of chk_d#1 in one wake, timer first".to_owned(), true),
            ("the timer and the exit of chk_d#1 in one wake, signals first".to_owned(), false),
            ("the timer; then the exit of chk_d#1".to_owned(), false),
        ]
    );
}

#[test]
fn issue_2468_has_a_signal_window_of_one_instant() {
    let (_, explanation) = explained("queued-timeout-and-reload/timer-first", "replica:2.3.1");
    let words = |time: &str| {
        let window = explanation.windows.windows.iter().find(|window| window.time == time);
        window.map(|window| window.in_words()).expect(time)
    };
    assert_eq!(words("SIGHUP by itself"), "within [2.000000, 2.000000] s, timer first");
    assert!(
        words("the return of the loop in wake 1").starts_with("within [2.000000, 3602.000000 or more] s")
    );
    assert!(words("timeout of chk_haproxy").ends_with("3.000000] s"), "{}", words("timeout of chk_haproxy"));
}

#[test]
fn each_signal_window_names_its_own_wake() {
    let (_, explanation) = explained("children-after-reload/reloads-closer-than-a-second", "replica:2.3.4");
    let times: Vec<&str> = explanation.windows.windows.iter().map(|window| window.time.as_str()).collect();
    assert!(times.contains(&"SIGHUP of wake 1 by itself"), "{times:?}");
    assert!(times.contains(&"SIGHUP of wake 2 by itself"), "{times:?}");
    let mut once = times.clone();
    once.dedup();
    assert_eq!(once, times);
}

#[test]
fn windows_fail_at_their_ends_and_not_beyond() {
    // For a time that a script owns, the trace can be built here too.
    for (name, on) in
        [("queued-timeout-and-reload/timer-first", "2.3.1"), ("exit-erases-twice/timer-first", "2.3.2")]
    {
        let (finding, explanation) = explained(name, &format!("replica:{on}"));
        let rules = ReplicaName::of(Release::parse(on).expect("a release")).rules();
        let mut asked = 0;
        for window in &explanation.windows.windows {
            let Some(script) = window.time.strip_prefix("timeout of ") else { continue };
            let fails = |micros: u64| {
                let (mut setup, wakes) = finding.trace.clone().into_parts();
                let scripts = &mut setup.configs[0].scripts;
                let script = scripts.iter_mut().find(|it| it.name.as_str() == script).expect("it is there");
                script.timeout = treefall::model::time::Span::from_micros(micros);
                let trace = Trace::new(setup, wakes).expect("a trace");
                let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
                verdict.shows(finding.signature())
            };
            let micros = |seconds: &str| seconds.replace('.', "").parse::<u64>().expect("microseconds");
            let (from, to) = (micros(&window.from), micros(&window.to));
            assert!(fails(from) && fails(to), "{name}: {window:?}");
            assert!(window.above != End::Closed || !fails(to + 1), "{name}: {window:?}");
            assert!(window.below != End::Closed || !fails(from - 1), "{name}: {window:?}");
            asked += 1;
        }
        assert!(asked > 0, "{name}");
    }
}

#[test]
fn needless_parts_of_a_trace_are_named() {
    let (_, explanation) = explained("queued-timeout-and-reload/timer-first", "replica:2.3.1");
    let removed = explanation.minimality.trials.iter().filter(|trial| trial.change == "removed");
    let fates: Vec<_> = removed.map(|trial| trial.shown.as_ref().expect("asked").fails()).collect();
    assert!(fates.len() >= 3 && fates.iter().all(|fails| !fails), "{fates:?}");
    assert_eq!(explanation.minimality.needless(), None);
    // Of two scripts that time out, only one is needed.
    let (_, explanation) = explained("children-after-reload/nobody-signals-it", "replica:2.3.4");
    let patient = explanation.minimality.trials.iter().find(|trial| trial.part == "script chk_patient");
    assert!(patient.expect("it is tried").shown.as_ref().expect("asked").fails());
    let text = explanation.minimality.needless().expect("it is not minimal");
    assert!(text.starts_with("not minimal: ") && text.contains("script chk_patient"), "{text}");
}

#[test]
fn issue_2468_chain_has_link_free_and_use() {
    let (_, explanation) = explained("queued-timeout-and-reload/timer-first", "replica:2.3.1");
    let role = |role| {
        let link = explanation.because.iter().find(|link| link.role == role).expect("the chain has it");
        (link.at.as_str(), link.function.as_deref().unwrap_or_default())
    };
    assert_eq!(role(Role::Linked), ("0.000000", "thread_add_child"));
    assert_eq!(role(Role::Moved), ("2.000000", "thread_timerfd_handler"));
    assert_eq!(role(Role::Freed), ("2.000000", "thread_cleanup_master"));
    assert_eq!(role(Role::Used), ("2.000000", "thread_add_child"));
    assert_eq!(role(Role::Ended).0, "2.000000");
    let places = explanation.because.windows(2).all(|pair| pair[0].step <= pair[1].step);
    assert!(places, "the chain goes forward: {:?}", explanation.because);
}

#[test]
fn a_forgotten_childs_chain_follows_its_entry() {
    let (_, explanation) = explained("children-after-reload/nobody-signals-it", "replica:2.3.4");
    let links: Vec<_> = explanation.because.iter().map(|link| (link.role, link.text.as_str())).collect();
    let linked = links.iter().find(|(role, _)| *role == Role::Linked).expect("it was linked");
    assert!(linked.1.starts_with("the entry of chk_quick#1"), "{links:?}");
    let left =
        links.iter().any(|(role, text)| *role == Role::Moved && text.ends_with("no tree or list has it"));
    assert!(left, "{links:?}");
}

/// Returns role, time and text of each link.
fn links(name: &str, on: &str) -> Vec<(Role, String, String)> {
    let (_, explanation) = explained(name, on);
    explanation.because.into_iter().map(|link| (link.role, link.at, link.text)).collect()
}

#[test]
fn close_reloads_chain_has_each_postponed_deadline() {
    let links = links("children-after-reload/reloads-closer-than-a-second", "replica:2.3.4");
    let due: Vec<&str> =
        links.iter().filter(|(role, ..)| *role == Role::Due).map(|(.., text)| text.as_str()).collect();
    assert!(due[1].contains("put off, from 1.600000 to 2.200000"), "{due:?}");
    assert!(links.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{links:?}");
    assert_eq!(links.last().map(|(role, ..)| *role), Some(Role::Broke));
}

#[test]
fn a_shutdown_chain_has_the_unserved_entry() {
    let links = links("shutdown/stubborn-child", "replica:2.3.4");
    let has_both =
        links.iter().any(|(.., text)| text.contains("CHILD is empty") && text.contains("never served"));
    assert!(has_both, "{links:?}");
}

#[test]
fn issue_2548_chain_has_the_timeout_and_two_erases() {
    let links = links("exit-erases-twice/timer-first", "replica:2.3.2");
    let place = |words: &str| links.iter().position(|(.., text)| text.contains(words)).expect(words);
    let queued = place("chk_d#1's entry is due: it leaves CHILD for READY");
    let (once, twice) = (place("its timeout still on READY"), place("A SECOND TIME"));
    assert!(queued < once && once < twice, "{links:?}");
}

#[test]
fn equal_failures_with_other_causes_are_distinguished() {
    let (_, explanation) = explained("children-after-reload/reloads-closer-than-a-second", "replica:2.3.4");
    let releases = &explanation.releases;
    assert_eq!(releases.bad(), format!("2.2.5 to {}", Release::NEWEST));
    assert_eq!(releases.first_bad.as_deref(), Some("2.2.5"));
    assert_eq!(releases.bad_otherwise(), "2.0.8 to 2.2.4 (ReloadForgetsChildren)");
    let (_, explanation) = explained("children-after-reload/reloads-closer-than-a-second", "replica:2.2.4");
    let releases = &explanation.releases;
    assert_eq!(
        (releases.bad().as_str(), releases.first_without.as_deref()),
        ("2.0.8 to 2.2.4", Some("2.2.5"))
    );
    assert!(releases.fails_otherwise());
}

/// Reads a trace from a scenario file.
fn written(text: &str) -> Trace {
    scenario::read("trace.toml", &format!("format = 1\ntitle = \"t\"\n{text}")).expect("a scenario").trace
}

/// A child that ignores SIGTERM: reloads postpone its kill, and the last one meets its queued timeout.
const TWO_AT_ONCE: &str = r#"
script = [{ name = "s0", interval = "200ms", timeout = "1s", on-term = "ignores" }]
wake = [
    { after = "next-timer", signals = ["HUP"] },
    { after = "next-timer" },
    { after = "next-timer" },
    { after = "next-timer", signals = ["HUP"] },
    { after = "next-timer" },
    { after = "next-timer", signals = ["HUP"] },
]
"#;

#[test]
fn two_defects_as_one_cause_are_named_on_every_release() {
    let kills = |broken: &&Violation| broken.signature.law.name() == "kill-follows-term";
    let (finding, explanation) = explained_as(written(TWO_AT_ONCE), "replica:2.3.4", kills);
    let both = [Defect::ReloadSkipsQueuedTimeout, Defect::ReloadRestartsGrace];
    assert_eq!(finding.cause, Cause::Together(both));
    let rules = Rules::of(Release::NEWEST);
    for (mended, fails) in [
        (rules.without(both[0]), true),
        (rules.without(both[1]), true),
        (rules.without(both[0]).without(both[1]), false),
    ] {
        let verdict = run_replica(&finding.trace, mended, Options::VERDICT).verdict;
        assert_eq!(verdict.shows(finding.signature()), fails);
    }
    let text = text(&finding, "a trace", &explanation);
    assert!(!text.contains("NOT KNOWN"), "{text}");
    assert!(text.contains("FAILS, by ReloadSkipsQueuedTimeout and ReloadRestartsGrace together"), "{text}");
    // If one defect is enough, it is the cause by itself.
    assert_eq!(explanation.releases.bad(), format!("2.2.5 to {}", Release::NEWEST));
    assert_eq!(explanation.releases.first_good, None);
}

/// Blocks of other entries are used through stale links, long before the violation.
const STALE_LINKS: &str = r#"
script = [
    { name = "s0", timeout = "400ms" },
    { name = "s1", timeout = "2s", dies-after = "1s" },
    { name = "s2", timeout = "2s" },
    { name = "s3", timeout = "2s" },
]
wake = [
    { after = "next-timer", signals = ["HUP"] },
    { after = "next-timer", signals = ["HUP"], exits = [{ run = "s0@1#1", status = 0 }, { run = "s2@1#1", status = 0 }] },
    { after = "+1s" },
]
"#;

#[test]
fn a_chain_ignores_earlier_uses_of_stale_links() {
    let pick = |broken: &&Violation| broken.signature.to_string() == "one-entry-per-child/blocked/read";
    let (_, explanation) = explained_as(written(STALE_LINKS), "replica:2.3.2", pick);
    let chain = &explanation.because;
    assert!(chain.is_sorted_by_key(|link| link.step), "{chain:?}");
    assert!(chain.iter().all(|link| !link.text.contains("another entry")), "{chain:?}");
}

#[test]
fn every_violation_of_every_scenario_has_an_explanation() {
    let mut explained = 0;
    for (name, trace) in scenarios() {
        for on in Release::with_defects_of_their_own().map(|group| group.last) {
            let target = target(&format!("replica:{on}"));
            let mut subject = build(&target).expect("a replica");
            let verdict = subject.run_one(&trace, Options::VERDICT).expect("a run").verdict;
            for broken in &verdict.breaks {
                let failure = find(trace.clone(), verdict.clone(), |it| it.signature == broken.signature);
                let finding =
                    triage_as_found(subject.as_mut(), &|| build(&target), &failure).expect("a finding");
                let mut report = || {
                    let explanation = explanation_of(&finding, subject.as_mut());
                    let what = format!("{name} on {on}: {}", broken.signature);
                    assert!(explanation.because.iter().any(|link| link.role == Role::Broke), "{what}");
                    assert!(explanation.because.len() > 1, "{what}: nothing leads to it");
                    let seconds: Vec<f64> =
                        explanation.because.iter().filter_map(|link| link.at.parse().ok()).collect();
                    let steps: Vec<usize> = explanation.because.iter().map(|link| link.step).collect();
                    assert!(steps.is_sorted(), "{what}: {:?}", explanation.because);
                    assert!(seconds.is_sorted(), "{what}: {:?}", explanation.because);
                    assert!(explanation.difference.is_some(), "{what}: no difference");
                    assert!(explanation.releases.first_bad.is_some(), "{what}");
                    text(&finding, &name, &explanation)
                };
                let once = report();
                assert_eq!(once, report(), "{name} on {on}");
                explained += 1;
            }
        }
    }
    assert!(explained > 50, "{explained}");
}
