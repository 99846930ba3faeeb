//! Imports logs that real keepalived 2.2.7 wrote in real time, and checks which failures fit them.
//!
//! `logs/crash-2.2.7.log`: three scripts that hang, with a timeout as long as their interval, and a SIGHUP a second;
//! the vrrp process died of SIGSEGV. `logs/clean-2.2.7.log`: two scripts that succeed at once, four reloads, a
//! SIGTERM. `logs/mixed-2.2.7.log`: one script that times out and dies of its SIGTERM, one that changes between
//! success and failure; no crash. Only paths and the kernel's name were changed.
//!
//! `logs/lost-*.log` and `logs/outlives-2.3.4.log` were written for these tests, each in another format. They show a
//! child whose exit coincides with its timeout, as in issue 1364, and a child that outlives its SIGKILL.

use std::path::Path;

use treefall::import::{Bounds, ImportError, Imported, import, load};
use treefall::keepalived_conf::{self, Conf};
use treefall::model::law::Law;
use treefall::model::release::{Defect, Release};
use treefall::subject::Options;
use treefall::subject::replica::run_replica;
use treefall::subject::target::ReplicaName;
use treefall_base::control::Control;

fn log(name: &str) -> String {
    load(&Path::new("tests/logs").join(name)).expect("a log")
}

fn conf(name: &str) -> Conf {
    keepalived_conf::load(&Path::new("tests/logs").join(name)).expect("a configuration")
}

/// Few tries keep the tests fast.
const BOUNDS: Bounds =
    Bounds { window: treefall::model::time::Span::from_secs(10), tries: 1_500, untold: None };

fn imported(text: &str, conf: Option<&Conf>) -> Result<Imported, ImportError> {
    import("x.log", text, conf, None, BOUNDS, Control::none())
}

/// Returns the defects behind the findings.
fn causes(imported: &Imported) -> Vec<Defect> {
    imported.found.iter().flat_map(|found| found.cause.defects().to_vec()).collect()
}

#[test]
fn the_log_of_a_crash_gives_a_scenario_of_2468() {
    let imported = imported(&log("crash-2.2.7.log"), Some(&conf("crash-2.2.7.conf"))).unwrap();
    let first = &imported.found[0];
    assert_eq!(first.signature.law, Law::NoDanglingNode);
    assert_eq!(first.cause.defects(), [Defect::ReloadFreesQueuedTimeout]);
    assert_eq!(first.interleaving.untold, 0, "no assumption is needed");
    assert!(!first.outcome.survived(), "the log shows a death");
    assert!(first.interleaving.trace.wakes().len() <= 12, "{:?}", first.interleaving.trace.wakes());
    let verdict = run_replica(&first.scenario.trace, imported.replica.rules(), Options::VERDICT).verdict;
    assert!(verdict.shows(first.signature));
}

#[test]
fn scripts_that_never_end_do_not_end_in_scenarios() {
    let imported = imported(&log("crash-2.2.7.log"), Some(&conf("crash-2.2.7.conf"))).unwrap();
    assert_eq!(imported.found.len(), 2, "{:?}", imported.found);
    for found in &imported.found {
        let exits: Vec<_> = found.scenario.trace.wakes().iter().flat_map(|wake| wake.exits.clone()).collect();
        assert!(exits.is_empty(), "{}: the log has no line of {exits:?}", found.signature);
    }
}

#[test]
fn a_result_before_a_reload_holds_for_silent_runs_after_it() {
    let (text, conf) = (log("mixed-2.2.7.log"), conf("mixed-2.2.7.conf"));
    // From the last reload on. The earlier state of the script follows from `considered`, or from the success that is
    // logged as a change.
    let end: String = text.lines().skip(43).map(|line| format!("{line}\n")).collect();
    let silent: String =
        end.lines().filter(|line| !line.contains("considered")).map(|line| format!("{line}\n")).collect();
    let replica = Some(ReplicaName::of(Release::parse("2.2.7").unwrap()));
    for part in [end, silent] {
        let imported = import("x.log", &part, Some(&conf), replica.clone(), LONGER, Control::none()).unwrap();
        assert!(imported.unmatched.is_empty(), "{:?}", imported.unmatched);
        let plainest = imported.plainest.expect("an interleaving");
        assert!(plainest.story.contains("`chk_flap` now returning 0"), "{}", plainest.story);
    }
    // Here the log before the window shows it.
    let whole = import(
        "x.log",
        &text,
        Some(&conf),
        None,
        Bounds { window: treefall::model::time::Span::from_secs(60), ..LONGER },
        Control::none(),
    )
    .unwrap();
    assert_eq!((whole.windows, whole.windows_fitting), (3, 3), "{:?}", whole.unmatched);
}

/// Each log of a test with its configuration.
const LOGS: [&str; 6] =
    ["crash-2.2.7", "mixed-2.2.7", "clean-2.2.7", "lost-2.0.18", "lost-2.0.19", "outlives-2.3.4"];

#[test]
fn replaying_a_scenario_shows_its_named_signature() {
    let mut named = Vec::new();
    for name in LOGS {
        let imported = story(name, None).unwrap();
        for found in &imported.found {
            let verdict =
                run_replica(&found.scenario.trace, imported.replica.rules(), Options::VERDICT).verdict;
            let last = verdict.breaks.iter().rfind(|broken| broken.signature.law == found.signature.law);
            assert_eq!(last.map(|broken| broken.signature), Some(found.signature), "{name}: {verdict:?}");
            assert_eq!(verdict.outcome, found.outcome, "{name}");
            named.push(found.signature.to_string());
        }
    }
    // On the whole daemon it is `one-entry-per-child/add-timer/child-timeout`.
    assert!(named.contains(&"one-entry-per-child/dispatched/child-timeout".to_owned()), "{named:?}");
}

#[test]
fn each_defect_gets_exactly_one_judgement() {
    let mut releases = std::collections::BTreeSet::new();
    let few = Bounds { tries: 100, ..LONGER };
    for name in LOGS {
        let (text, conf) = (log(&format!("{name}.log")), conf(&format!("{name}.conf")));
        for release in Release::ALL {
            let replica = Some(ReplicaName::of(*release));
            let Ok(imported) = import("x.log", &text, Some(&conf), replica, few, Control::none()) else {
                continue;
            };
            releases.insert(*release);
            let mut causes = causes(&imported);
            causes.sort();
            causes.dedup();
            let undecided = imported.undecided.clone();
            let lists = [causes, imported.not_seen.clone(), undecided, imported.not_looked_for.clone()];
            let mut all = lists.concat();
            all.sort();
            let expected: Vec<Defect> = release.defects().iter().collect();
            assert_eq!(all, expected, "{name} on {release}: {lists:?}");
        }
    }
    assert!(Release::ALL.iter().all(|release| releases.contains(release)), "{releases:?}");
}

#[test]
fn the_same_log_without_its_configuration_gives_the_same_signature() {
    let imported = imported(&log("crash-2.2.7.log"), None).unwrap();
    assert!(causes(&imported).contains(&Defect::ReloadFreesQueuedTimeout));
    let assumed: Vec<_> =
        imported.scripts.assumed.iter().map(|it| (it.name.as_str(), it.interval.to_string())).collect();
    assert_eq!(assumed.len(), 3);
    assert!(assumed.iter().all(|(_, interval)| interval == "1s"), "{assumed:?}");
}

#[test]
fn a_fixed_release_does_not_explain_the_crash() {
    let replica = Some(ReplicaName::of(Release::parse("2.3.4").unwrap()));
    // 2.3.4 starts no run that it logs as skipped. Still, 2.3.4 could have written the lines of 2.2.7's log.
    match import(
        "x.log",
        &log("crash-2.2.7.log"),
        Some(&conf("crash-2.2.7.conf")),
        replica,
        BOUNDS,
        Control::none(),
    ) {
        Ok(imported) => assert!(imported.found.iter().all(|found| !found.breaks_memory())),
        Err(error) => assert!(matches!(error, ImportError::NotExplained { .. }), "{error}"),
    }
}

#[test]
fn the_log_of_a_clean_run_is_consistent_with_none() {
    let imported = imported(&log("clean-2.2.7.log"), Some(&conf("clean-2.2.7.conf"))).unwrap();
    assert!(imported.found.is_empty(), "{:?}", imported.found);
    assert!(imported.searched.fitting > 0);
    assert!(imported.not_seen.contains(&Defect::ReloadFreesQueuedTimeout));
    // A defect that the search cannot show is not ruled out.
    let not_looked_for =
        [Defect::StaleArgumentAfterReload, Defect::ReloadEatsTermination, Defect::CancelLeavesPidEntry];
    assert_eq!(imported.not_looked_for, not_looked_for);
    assert!(!imported.not_seen.contains(&Defect::ReloadEatsTermination));
    let plainest = imported.plainest.expect("the story itself");
    assert!(plainest.story.contains("Reloading"), "{}", plainest.story);
}

#[test]
fn a_story_of_results_and_timeouts_is_followed() {
    let bounds = Bounds { window: treefall::model::time::Span::from_secs(40), ..BOUNDS };
    let conf = conf("mixed-2.2.7.conf");
    let imported =
        import("x.log", &log("mixed-2.2.7.log"), Some(&conf), None, bounds, Control::none()).unwrap();
    let lines = imported.plainest.as_ref().expect("an interleaving").story.lines().count();
    assert!(lines > 2);
    assert!(imported.found.iter().all(|found| !found.breaks_memory()), "{:?}", causes(&imported));
}

#[test]
fn an_interrupted_search_keeps_its_results() {
    let conf = conf("crash-2.2.7.conf");
    let whole = imported(&log("crash-2.2.7.log"), Some(&conf)).unwrap();
    let asked = std::sync::atomic::AtomicU64::new(0);
    let keep_going = |_| asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2_000;
    let part = import("x.log", &log("crash-2.2.7.log"), Some(&conf), None, BOUNDS, Control::new(&keep_going))
        .unwrap();
    assert!(part.searched.tried < whole.searched.tried && !part.searched.exhausted);
    assert_eq!(part.searched.departures, None, "nothing is ruled out that was not tried");
    let replays = |found: &treefall::import::Reproduction| {
        let verdict = run_replica(&found.scenario.trace, part.replica.rules(), Options::VERDICT).verdict;
        verdict.shows(found.signature)
    };
    assert!(part.found.iter().all(replays));
}

/// Rewrites the console's lines with `line`.
fn rewritten(text: &str, line: impl Fn(&str, &str, &str) -> String) -> String {
    let one = |text: &str| {
        let (stamp, said) = text.split_once(" 2026: ").unwrap_or((text, ""));
        let process =
            if said.starts_with("Starting") || said.starts_with("pid ") || said.starts_with("VRRP child") {
                "Keepalived"
            } else {
                "Keepalived_vrrp"
            };
        line(stamp, process, said)
    };
    text.lines().map(|text| one(text) + "\n").collect()
}

#[test]
fn every_format_of_a_log_gives_the_same_result() {
    let text = log("crash-2.2.7.log");
    let conf = conf("crash-2.2.7.conf");
    let clock = |stamp: &str| stamp.rsplit(' ').next().unwrap_or_default().to_owned();
    let formats = [
        rewritten(&text, |stamp, process, said| format!("{} lb1 {process}[77]: {said}", &stamp[4..])),
        rewritten(&text, |stamp, process, said| {
            format!("2026-11-25T{}+0100 lb1 {process}[77]: {said}", clock(stamp))
        }),
        rewritten(&text, |stamp, process, said| {
            format!("<30>1 2026-11-25T{}Z lb1 {process} 77 - - {said}", clock(stamp))
        }),
    ];
    let expected = imported(&text, Some(&conf)).unwrap();
    for format in formats {
        let imported = imported(&format, Some(&conf)).unwrap();
        let facts = |it: &Imported| {
            it.found.iter().map(|it| (it.signature, it.interleaving.trace.clone())).collect::<Vec<_>>()
        };
        assert_eq!(facts(&imported), facts(&expected), "{}", format.lines().next().unwrap_or_default());
    }
}

/// The shortest story of the report: a start, a reload, a crash, and no line about a script that hangs.
const SHORTEST: &str = "\
Nov 25 10:00:00 lb1 Keepalived[4]: Starting Keepalived v2.3.1 (05/24,2024)
Nov 25 10:00:00 lb1 Keepalived[4]: Starting VRRP child process, pid=5
Nov 25 10:00:02 lb1 Keepalived_vrrp[5]: Reloading
Nov 25 10:00:03 lb1 kernel: keepalived[5]: segfault at 8 ip 00005581 sp 00007ffd error 6 in keepalived[5581]
";
/// Its script.
const CHK: &str = "vrrp_script chk_haproxy {\n script /usr/bin/chk\n interval 3\n timeout 2\n}\n";

#[test]
fn a_silent_first_run_can_explain_a_crash() {
    let conf = keepalived_conf::read(CHK).unwrap();
    let imported = imported(SHORTEST, Some(&conf)).unwrap();
    let first = &imported.found[0];
    assert_eq!((first.signature.law, first.interleaving.untold), (Law::NoDanglingNode, 0));
    assert_eq!(first.interleaving.trace.wakes().len(), 1);
}

#[test]
fn a_crash_can_need_a_silent_hang() {
    let conf = keepalived_conf::read(CHK).unwrap();
    // The first run succeeds; the log shows nothing of the run at 3 s.
    let mut lines: Vec<&str> = SHORTEST.lines().collect();
    lines.insert(2, "Nov 25 10:00:00 lb1 Keepalived_vrrp[5]: VRRP_Script(chk_haproxy) succeeded");
    lines.insert(
        4,
        "Nov 25 10:00:02 lb1 Keepalived_vrrp[5]: VRRP_Script(chk_haproxy) considered successful on reload",
    );
    let text = lines.join("\n").replace("10:00:03", "10:00:06").replace("10:00:02", "10:00:05");
    let imported = imported(&text, Some(&conf)).unwrap();
    let first = &imported.found[0];
    assert_eq!((first.signature.law, first.interleaving.untold), (Law::NoDanglingNode, 1));
    let none = Bounds { untold: Some(0), ..BOUNDS };
    assert!(import("x.log", &text, Some(&conf), None, none, Control::none()).unwrap().found.is_empty());
}

#[test]
fn microsecond_stamps_rule_out_more_than_seconds() {
    let conf = keepalived_conf::read(CHK).unwrap();
    let precise = |reload: &str| {
        SHORTEST.replace("10:00:00 lb1", "10:00:00.000000 lb1").replace("10:00:02 lb1", reload)
    };
    // The timeout is at 2 s, plus up to a second for a start.
    let at_timeout = imported(&precise("10:00:02.100000 lb1"), Some(&conf)).unwrap();
    assert_eq!(at_timeout.found[0].signature.law, Law::NoDanglingNode);
    let before = imported(&precise("10:00:01.500000 lb1"), Some(&conf)).unwrap();
    assert!(before.found.iter().all(|found| !found.breaks_memory()), "{:?}", before.found);
}

#[test]
fn invalid_logs_are_refused_with_place_and_remedy() {
    let error = |text: &str| imported(text, None).unwrap_err().to_string();
    assert!(error("").contains("the log is empty"));
    let error_of_others = error("Nov 25 10:00:00 lb1 nginx[1]: Reloading\nnonsense\n");
    assert!(error_of_others.contains("none of its 2 lines is keepalived's"), "{error_of_others}");
    assert!(error(SHORTEST).contains("--config keepalived.conf"));
    let version = SHORTEST.replace("v2.3.1", "v1.3.5");
    assert!(error(&version).contains("keepalived 1.3.5, which treefall does not know"));
    assert!(
        error("Nov 25 10:00:00 lb1 Keepalived[4]: Starting Keepalived v2.3.1 (x)\n")
            .contains("mentions a start, a reload, a script or a death")
    );
    let other = keepalived_conf::read(CHK).unwrap();
    let error = imported(&log("crash-2.2.7.log"), Some(&other)).unwrap_err().to_string();
    assert!(error.contains("names a script `stuck0`"), "{error}");
    let slow =
        keepalived_conf::read(&CHK.replace("chk_haproxy", "stuck0").replace("interval 3", "interval 30"))
            .unwrap();
    let one: String = log("crash-2.2.7.log")
        .lines()
        .filter(|line| !line.contains("stuck1") && !line.contains("stuck2"))
        .map(|line| format!("{line}\n"))
        .collect();
    let error = imported(&one, Some(&slow)).unwrap_err().to_string();
    assert!(error.contains("none gets past line") && error.contains("stuck0 is already running"), "{error}");
}

#[test]
fn a_binary_file_is_refused_with_its_likely_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, [0x1f, 0x8b, 8, b'\n', 0, 1]).unwrap();
    let error = load(&path).unwrap_err().to_string();
    assert!(error.contains("offset 4 (line 2)") && error.contains("zcat LOG | treefall import -"), "{error}");
    std::fs::write(&path, [0xff, 0xfe, b'x']).unwrap();
    assert!(load(&path).is_ok(), "a letter of another alphabet is no reason to refuse a log");
    assert!(load(folder.path()).unwrap_err().to_string().contains("cannot read"));
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(100 << 20).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("larger than 64 MiB"));
}

/// Bounds that cover these logs completely.
const LONGER: Bounds = Bounds { window: treefall::model::time::Span::from_secs(30), ..BOUNDS };

/// Imports the log with its configuration, on the given release or on the log's.
fn story(name: &str, release: Option<&str>) -> Result<Imported, ImportError> {
    let replica = release.map(|release| ReplicaName::of(Release::parse(release).unwrap()));
    let conf = conf(&format!("{name}.conf"));
    import("x.log", &log(&format!("{name}.log")), Some(&conf), replica, LONGER, Control::none())
}

/// Returns those of the releases whose replica can have written the log.
fn fitting<'r>(name: &str, releases: &[&'r str]) -> Vec<&'r str> {
    releases.iter().copied().filter(|release| story(name, Some(release)).is_ok()).collect()
}

/// The releases in which the treatment of a timed-out child changed.
const RELEASES: [&str; 8] = ["2.0.10", "2.0.18", "2.0.19", "2.0.20", "2.1.5", "2.2.7", "2.3.2", "2.3.4"];

#[test]
fn only_2_0_19_logs_a_lost_child() {
    let imported = story("lost-2.0.19", None).unwrap();
    assert!(causes(&imported).contains(&Defect::TimeoutDropsPidEntryEarly), "{:?}", causes(&imported));
    let lost = imported.found.iter().find(|it| it.signature.law == Law::SignalsOnlyItsChildren);
    let lost = lost.expect("it was signalled behind its end");
    assert_eq!(lost.interleaving.untold, 0, "the log shows it");
    assert_eq!(fitting("lost-2.0.19", &RELEASES), ["2.0.19"]);
    let error = story("lost-2.0.19", Some("2.0.20")).unwrap_err().to_string();
    assert!(error.contains("none gets past line 11 (`Script chk_haproxy child (PID 915) lost`)"), "{error}");
}

#[test]
fn before_2_0_19_a_lost_child_logs_once_a_second() {
    let imported = story("lost-2.0.18", None).unwrap();
    let causes = causes(&imported);
    assert!(causes.contains(&Defect::TimeoutDropsPidEntryEarly), "{causes:?}");
    assert!(imported.found.iter().all(|found| found.interleaving.untold == 0 && !found.breaks_memory()));
    assert_eq!(imported.story.counts.unknown, 0);
    assert_eq!(fitting("lost-2.0.18", &RELEASES), ["2.0.18"]);
}

#[test]
fn outliving_a_kill_is_no_failure_of_the_newest_release() {
    let imported = story("outlives-2.3.4", None).unwrap();
    assert!(imported.found.is_empty(), "{:?}", imported.found);
    assert!(imported.unmatched.is_empty(), "{:?}", imported.unmatched);
    let fits = fitting("outlives-2.3.4", &RELEASES);
    assert!(["2.0.19", "2.0.20", "2.3.4"].iter().all(|release| fits.contains(release)), "{fits:?}");
    // These releases start the runs that they log as skipped.
    assert!(["2.1.5", "2.2.7"].iter().all(|release| !fits.contains(release)), "{fits:?}");
}

/// Splits keepalived's line into time of day, process and message.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let clock = line.split([' ', 'T']).find(|part| part.contains(':'))?;
    let clock = clock.split('+').next()?;
    if let Some((_, said)) = line.split_once(" 2019: ") {
        return Some((clock, "Keepalived_vrrp", said));
    }
    let (before, said) = line.split_once("]: ")?;
    let process = before.rsplit(' ').next()?.split('[').next()?;
    process.starts_with("Keepalived").then_some((clock, process, said))
}

#[test]
fn lost_and_stubborn_children_are_read_in_every_format() {
    for name in ["lost-2.0.19", "lost-2.0.18", "outlives-2.3.4"] {
        let (text, conf) = (log(&format!("{name}.log")), conf(&format!("{name}.conf")));
        let formats: [fn(&str, &str, &str) -> String; 4] = [
            |clock, _, said| format!("Mon Sep 16 {clock} 2019: {said}\n"),
            |clock, process, said| format!("Sep 16 {clock} lb1 {process}[7]: {said}\n"),
            |clock, process, said| format!("2019-09-16T{clock}+0200 lb1 {process}[7]: {said}\n"),
            |clock, process, said| format!("<30>1 2019-09-16T{clock}Z lb1 {process} 7 - - {said}\n"),
        ];
        let facts = |text: &str| {
            let imported = import("x.log", text, Some(&conf), None, LONGER, Control::none()).unwrap();
            imported.found.iter().map(|it| (it.signature, it.interleaving.trace.clone())).collect::<Vec<_>>()
        };
        let expected = facts(&text);
        for format in formats {
            let lines = text.lines().filter_map(parts);
            let again: String = lines.map(|(clock, process, said)| format(clock, process, said)).collect();
            assert_eq!(facts(&again), expected, "{name}: {}", again.lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn a_window_without_a_way_names_the_line_that_fails() {
    let bounds = Bounds { window: treefall::model::time::Span::from_secs(60), ..BOUNDS };
    // No release writes such a line there, so no window with it fits; the window after it does.
    let clean = log("clean-2.2.7.log");
    let place = clean.lines().position(|line| line.contains("Reloading")).unwrap();
    let odd = "Wed Nov 25 22:11:49 2026: VRRP_Script(chk_http) failed (exited with status 9)";
    let lines = clean.lines().take(place).chain([odd]).chain(clean.lines().skip(place));
    let with_odd: String = lines.map(|line| format!("{line}\n")).collect();
    let conf = conf("clean-2.2.7.conf");
    let calm = import("x.log", &clean, Some(&conf), None, bounds, Control::none()).unwrap();
    assert!(calm.unmatched.is_empty() && calm.windows == calm.windows_fitting, "{:?}", calm.unmatched);
    let imported = import("x.log", &with_odd, Some(&conf), None, bounds, Control::none()).unwrap();
    assert_eq!(imported.unmatched.len(), 1, "{:?}", imported.unmatched);
    assert_eq!(imported.unmatched[0].stuck, Some((place + 1, odd[26..].to_owned())));
    assert!(
        imported.unmatched[0].tried > 0 && imported.unmatched[0].begins <= place,
        "{:?}",
        imported.unmatched
    );
}

#[test]
fn a_clock_that_goes_back_restarts_the_search() {
    // By its time stamps, the second half happens two hours earlier.
    let clean = log("clean-2.2.7.log");
    let place = clean.lines().position(|line| line.contains("Reloading")).unwrap();
    let shifted = |(number, line): (usize, &str)| {
        let line = if number < place { line.to_owned() } else { line.replace(" 22:", " 20:") };
        line + "\n"
    };
    let text: String = clean.lines().enumerate().map(shifted).collect();
    let imported = imported(&text, Some(&conf("clean-2.2.7.conf"))).unwrap();
    let set_back = imported.story.set_back.expect("the clock went back");
    assert_eq!((set_back.line, set_back.by / 60_000_000 / 60), (place + 1, 1));
    assert!(imported.window_line > place && imported.unmatched.is_empty(), "{:?}", imported.unmatched);
}

#[test]
fn interleaved_lines_of_two_daemons_are_refused() {
    let second = SHORTEST.replace("lb1", "lb2").replace("[5]", "[8]");
    let mixed: String = SHORTEST.lines().zip(second.lines()).flat_map(|(a, b)| [a, "\n", b, "\n"]).collect();
    let reload = "Nov 25 10:00:04 lb1 Keepalived_vrrp[5]: Reloading\n";
    let conf = keepalived_conf::read(CHK).unwrap();
    let error = imported(&(mixed + reload), Some(&conf)).unwrap_err().to_string();
    assert!(
        error.starts_with("line 9: `lb1 Keepalived_vrrp[5]` writes again after `lb2 Keepalived_vrrp[8]`"),
        "{error}"
    );
    // One process after the other is one daemon.
    let respawned = SHORTEST.to_owned() + &SHORTEST.replace("[5]", "[8]").replace("10:00", "10:01");
    assert_eq!(imported(&respawned, Some(&conf)).unwrap().story.processes, 2);
}
