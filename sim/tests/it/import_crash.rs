//! Imports logs with a crash, a hang or a gap that their lines do not explain: they rule nothing out.

use std::process::Command;

use treefall::import::signs::SignKind;
use treefall::import::{Bounds, ImportError, Imported, import};
use treefall::keepalived_conf;
use treefall::model::law::Law;
use treefall::model::release::Defect;
use treefall_base::control::Control;

const CONF: &str = "vrrp_script chk_haproxy {\n script /usr/bin/chk\n interval 3\n timeout 2\n}\n";
/// A start and a success, without any violation.
const CALM: &str = "\
Nov 25 10:00:00 lb1 Keepalived[4]: Starting Keepalived v2.3.1 (05/24,2024)
Nov 25 10:00:00 lb1 Keepalived[4]: Starting Healthcheck child process, pid=6
Nov 25 10:00:00 lb1 Keepalived[4]: Starting VRRP child process, pid=5
Nov 25 10:00:00 lb1 Keepalived_vrrp[5]: VRRP_Script(chk_haproxy) succeeded
Nov 25 10:00:01 lb1 Keepalived_vrrp[5]: (one) Entering BACKUP STATE
";
/// A story that explains a crash of 2.3.1.
const CRASH: &str = "\
Nov 25 11:00:00 lb1 Keepalived[4]: Starting VRRP child process, pid=7
Nov 25 11:00:02 lb1 Keepalived_vrrp[7]: Reloading
Nov 25 11:00:03 lb1 Keepalived[4]: pid 7 exited due to segmentation fault (SIGSEGV).
";

fn imported(text: &str) -> Result<Imported, ImportError> {
    let conf = keepalived_conf::read(CONF).unwrap();
    import("x.log", text, Some(&conf), None, Bounds { tries: 1_500, ..Bounds::default() }, Control::none())
}

#[test]
fn an_uneventful_log_rules_out_what_its_lines_cannot_show() {
    let calm = imported(CALM).unwrap();
    assert!(calm.found.is_empty() && calm.unexplained.is_empty() && calm.undecided.is_empty());
    assert!(calm.not_seen.contains(&Defect::ReloadFreesQueuedTimeout), "{:?}", calm.not_seen);
}

/// Endings of an uneventful log, each with what it shows and whether another process ended.
const ENDS: [(&str, SignKind, bool); 16] = [
    (
        "Nov 25 10:30:00 lb1 Keepalived[4]: pid 5 exited due to segmentation fault (SIGSEGV).",
        SignKind::Crash,
        false,
    ),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: pid 5 exited due to signal 6 (Aborted)", SignKind::Crash, false),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: VRRP child process(5) died: Respawning", SignKind::Crash, false),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: pid 5 exited due to signal 9 (Killed)", SignKind::Kill, false),
    ("Nov 25 10:00:02 lb1 kernel: keepalived[5]: segfault at 8 ip 0 sp 0 error 6", SignKind::Crash, false),
    (
        "Nov 25 10:00:02 lb1 Keepalived[4]: pid 6 exited due to segmentation fault (SIGSEGV).",
        SignKind::Crash,
        true,
    ),
    (
        "Nov 25 10:00:02 lb1 Keepalived[4]: Healthcheck child process(6) died: Respawning",
        SignKind::Crash,
        true,
    ),
    (
        "Nov 25 10:00:02 lb1 Keepalived[4]: pid 99 exited due to segmentation fault (SIGSEGV).",
        SignKind::Crash,
        true,
    ),
    ("[52141.304000] keepalived[5]: segfault at 8 ip 0 sp 0 error 6", SignKind::Crash, false),
    ("pid 5 exited due to segmentation fault (SIGSEGV).", SignKind::Crash, false),
    (
        "Nov 25 10:00:02 lb1 systemd-coredump[9]: Process 5 (keepalived) of user 0 dumped core.",
        SignKind::Crash,
        false,
    ),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: Stopping", SignKind::Hang, false),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: Process [5] didn't respond to SIGTERM", SignKind::Hang, false),
    ("Nov 25 10:00:02 lb1 Keepalived[4]: Starting VRRP child process, pid=9", SignKind::Vanished, true),
    (
        "Nov 25 10:00:02 lb1 systemd-journald[1]: Suppressed 12 messages from keepalived.service",
        SignKind::Gap,
        false,
    ),
    (
        "Nov 25 10:00:02 lb1 rsyslogd: imuxsock lost 17 messages from pid 5 due to rate-limiting",
        SignKind::Gap,
        false,
    ),
];

#[test]
fn an_unexplained_crash_hang_or_gap_rules_nothing_out() {
    for (end, kind, of_another) in ENDS {
        let imported = imported(&format!("{CALM}{end}\n")).unwrap_or_else(|error| panic!("{end}: {error}"));
        let shown: Vec<_> = imported.unexplained.iter().map(|sign| (sign.kind, sign.of_another)).collect();
        assert_eq!(shown, [(kind, of_another)], "{end}");
        assert!(imported.not_seen.is_empty(), "{end}: {:?}", imported.not_seen);
        assert!(imported.undecided.contains(&Defect::ReloadFreesQueuedTimeout), "{end}");
    }
}

#[test]
fn a_process_that_logged_its_stop_did_not_hang() {
    let stopped = "\
Nov 25 10:00:02 lb1 Keepalived[4]: Stopping
Nov 25 10:00:03 lb1 Keepalived_vrrp[5]: Stopped - used (self/children) 0.1/0.1 user time, 0.1/0.1 system time
Nov 25 10:00:03 lb1 Keepalived[4]: Stopped Keepalived v2.3.1 (05/24,2024)
";
    let calm = imported(&format!("{CALM}{stopped}")).unwrap();
    assert!(calm.unexplained.is_empty() && !calm.not_seen.is_empty(), "{:?}", calm.unexplained);
    // The parent's message alone does not show that the vrrp process ended.
    let lines = stopped.lines().filter(|line| !line.contains("vrrp[5]"));
    let alone: String = lines.map(|line| format!("{line}\n")).collect();
    let imported = imported(&format!("{CALM}{alone}")).unwrap();
    assert_eq!(imported.unexplained.first().map(|sign| sign.kind), Some(SignKind::Hang));
}

#[test]
fn a_crash_during_shutdown_is_a_crash() {
    let end = "\
Nov 25 10:00:02 lb1 Keepalived[4]: Stopping
Nov 25 10:00:03 lb1 Keepalived_vrrp[5]: Stopped
Nov 25 10:00:03 lb1 Keepalived[4]: pid 5 exited due to segmentation fault (SIGSEGV).
";
    let imported = imported(&format!("{CALM}{end}")).unwrap();
    assert_eq!(imported.unexplained.first().map(|sign| sign.kind), Some(SignKind::Crash));
    assert!(imported.not_seen.is_empty());
}

#[test]
fn of_two_crashes_the_unexplained_one_is_reported() {
    let first = "Nov 25 10:00:05 lb1 Keepalived[4]: pid 5 exited due to segmentation fault (SIGSEGV).\n";
    let imported = imported(&format!("{CALM}{first}{CRASH}")).unwrap();
    assert_eq!(imported.found[0].signature.law, Law::NoDanglingNode, "the last one is explained");
    let shown: Vec<_> = imported.unexplained.iter().map(|sign| (sign.line, sign.of_another)).collect();
    assert_eq!(shown, [(6, true)]);
    assert!(imported.not_seen.is_empty(), "{:?}", imported.not_seen);
}

#[test]
fn a_log_from_the_fatal_reload_on_explains_nothing() {
    let version = "Nov 25 11:00:03 lb1 Keepalived[4]:   Source version 2.3.1\n";
    let lines: Vec<&str> = CRASH.lines().collect();
    for from in 1..lines.len() {
        let part: String = lines[from..].iter().map(|line| format!("{line}\n")).collect();
        let imported = imported(&(part.clone() + version)).unwrap();
        assert!(imported.found.is_empty(), "{part}: {:?}", imported.found);
        assert_eq!(imported.unexplained.first().map(|sign| sign.kind), Some(SignKind::Crash), "{part}");
        assert!(imported.not_seen.is_empty(), "{part}");
    }
}

#[test]
fn a_log_with_the_newest_line_first_is_read_backwards() {
    let text = format!("{CALM}Nov 25 10:59:59 lb1 Keepalived_vrrp[5]: Stopped\n{CRASH}");
    let turned: String = text.lines().rev().map(|line| format!("{line}\n")).collect();
    let (plain, turned) = (imported(&text).unwrap(), imported(&turned).unwrap());
    assert!(turned.story.newest_first && !plain.story.newest_first);
    let findings = |it: &Imported| {
        it.found.iter().map(|it| (it.signature, it.interleaving.trace.clone())).collect::<Vec<_>>()
    };
    assert!(!plain.found.is_empty());
    assert_eq!(findings(&turned), findings(&plain));
}

#[test]
fn the_release_is_that_of_the_process_that_died() {
    let later = "\
Nov 25 12:00:00 lb1 Keepalived[4]: Starting Keepalived v2.3.4 (11/24,2024)
Nov 25 12:00:00 lb1 Keepalived[4]: Starting VRRP child process, pid=8
Nov 25 12:00:00 lb1 Keepalived_vrrp[8]: VRRP_Script(chk_haproxy) succeeded
";
    let stopped = "Nov 25 10:59:59 lb1 Keepalived_vrrp[5]: Stopped\n";
    let imported = imported(&format!("{CALM}{stopped}{CRASH}{later}")).unwrap();
    assert_eq!(imported.replica.to_string(), "replica:2.3.1");
    assert!(imported.found[0].breaks_memory());
}

#[test]
fn an_error_about_a_log_of_a_crash_names_the_crash() {
    let only = "pid 5 exited due to segmentation fault (SIGSEGV).\n";
    let error = imported(only).unwrap_err().to_string();
    let says = "the log shows a crash that these lines do not explain, in line 1 (`pid 5 exited due";
    assert!(error.starts_with(says) && error.contains("does not say which release wrote it"), "{error}");
    let error = import("x.log", CRASH, None, Some(of("2.3.1")), Bounds::default(), Control::none());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("do not explain, in line 3") && error.contains("--config keepalived.conf"),
        "{error}"
    );
}

fn of(version: &str) -> treefall::subject::target::ReplicaName {
    let release = treefall::model::release::Release::parse(version).expect("a release");
    treefall::subject::target::ReplicaName::of(release)
}

#[test]
fn an_unexplained_crash_ends_with_2_and_helpful_input() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (conf, log) = (write("k.conf", CONF), write("x.log", &format!("{CALM}{}\n", ENDS[0].0)));
    let run = |json: &[&str]| {
        let arguments =
            [&["import", &log, "--config", &conf, "--out", "found", "--tries", "1500"], json].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_treefall"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&[]);
    for part in [
        "the log shows a crash that these lines do not explain: line 6 (`pid 5 exited due to segmentation fault",
        "nothing is ruled out; helpful input:",
        "neither seen nor ruled out: ",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains("\nruled out"), "{said}");
    let last = run(&["--json"]).lines().last().map(str::to_owned).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(summary["summary"]["unexplained"][0]["shows"], "crash");
    assert_eq!(summary["summary"]["not_seen"], serde_json::json!([]));
}
