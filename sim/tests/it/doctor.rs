//! Tests `treefall doctor` on our own programs (`subject/scheduler.c`): a correct one gives equal runs under all
//! conditions; a program that reads something it must not see is caught, and the cause is named.
//!
//! The tests need no keepalived, only the C compiler that Rust links with. A test that needs namespaces is skipped
//! with a message if this machine does not allow them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use treefall::base::control::Control;
use treefall::doctor::{Condition, DifferenceCause, Doctor, possible};
use treefall::model::event::SubjectKind;
use treefall::subject::target::{Place, Target};

/// Traces of one examination.
const TRACES: u64 = 12;

fn build(leak: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subject/scheduler.c");
    let mut command = Command::new("cc");
    command.args(["-O1", "-w", "-Wl,-E"]).arg(format!("-DLEAKS={leak}")).arg("-o").arg(&path).arg(source);
    assert!(command.status().expect("the C compiler that Rust links with can be run").success());
    (folder, path)
}

/// Returns how many of the traces differ, and the cause and the field of the first difference.
fn examine(leak: &str) -> (usize, Option<(DifferenceCause, &'static str)>) {
    let (_folder, path) = build(leak);
    let target = Target::Engine(Place::of(path));
    let (mut changed, _) = possible(SubjectKind::Engine);
    if leak != "NOTHING" {
        // One job is enough to catch a leak, and eight tests at once already load the machine.
        changed.remove(&Condition::Load);
    }
    let mut doctor = Doctor::new(&target, 1, changed).unwrap();
    let (examined, found) = doctor.examine(0, TRACES, Control::none()).unwrap();
    assert_eq!(examined, TRACES);
    let first = found.first().map(|found| {
        (found.cause.clone(), found.difference.as_ref().map_or("not seen again", |it| it.field))
    });
    (found.len(), first)
}

#[track_caller]
fn is_caught(leak: &str, conditions: &[Condition]) {
    let (can, cannot) = possible(SubjectKind::Engine);
    if !conditions.iter().all(|condition| can.contains(condition)) {
        eprintln!("not asked for here: {leak}, for {cannot:?}");
        return;
    }
    let (different, first) = examine(leak);
    assert!(different * 3 > TRACES as usize, "{leak}: only {different} of {TRACES} differ");
    let (cause, field) = first.unwrap();
    let named =
        matches!(&cause, DifferenceCause::Alone(named) if conditions.iter().all(|it| named.contains(it)));
    // A leak of the pid also depends on the traces before, because they use up pids.
    let alone = leak == "PID" || cause == DifferenceCause::Alone(conditions.to_vec());
    assert!(named && alone, "{leak} is said to come from {cause:?}");
    assert_eq!(field, "the event of a record", "{leak}");
}

#[test]
fn a_correct_program_is_equal_under_all_conditions() {
    assert_eq!(examine("NOTHING"), (0, None));
}

#[test]
fn a_pid_that_leaks_is_caught_and_named() {
    is_caught("PID", &[Condition::PidBase]);
}

#[test]
fn a_date_that_leaks_is_caught_and_named() {
    is_caught("DATE", &[Condition::Date]);
}

#[test]
fn an_uptime_that_leaks_is_caught_and_named() {
    is_caught("UPTIME", &[Condition::Uptime]);
}

/// Reads the machine's own uptime from the kernel, past every library: no trace may continue after that.
#[test]
fn the_real_uptime_is_not_visible() {
    let (_folder, path) = build("RAW_UPTIME");
    let refused = Doctor::new(&Target::Engine(Place::of(path)), 1, possible(SubjectKind::Engine).0)
        .and_then(|mut doctor| doctor.examine(0, 1, Control::none()).map(drop))
        .expect_err("the call is on no list");
    assert!(
        refused.to_string().contains("system call `clock_gettime`, which is not let through"),
        "{refused}"
    );
}

#[test]
fn a_time_zone_or_an_environment_that_leaks_is_caught_and_named() {
    is_caught("ZONE", &[Condition::Zone]);
    is_caught("ENVIRONMENT", &[Condition::Environment, Condition::Zone]);
}

#[test]
fn a_trace_that_sees_the_one_before_it_is_caught_and_named() {
    is_caught("TRACES_BEFORE", &[Condition::Order]);
}

/// An address differs at each start unless it is fixed, so no condition must be changed.
#[test]
fn an_address_that_leaks_is_caught() {
    let (different, first) = examine("ADDRESS");
    assert!(different * 2 > TRACES as usize, "only {different} differ");
    assert_eq!(first, Some((DifferenceCause::Nothing, "the event of a record")));
}

/// The first run is one batch; the second begins with batches of 1 and 17, the last trace first. The control is
/// checked before each batch.
#[test]
fn an_interrupt_keeps_the_comparisons_until_then() {
    let (_folder, path) = build("DATE");
    let target = Target::Engine(Place::of(path));
    let (mut changed, _) = possible(SubjectKind::Engine);
    changed.remove(&Condition::Load);
    let examined_after = |batches: u32| {
        let done = AtomicU32::new(0);
        let keep_going = |()| done.fetch_add(1, Ordering::Relaxed) < batches;
        let mut doctor = Doctor::new(&target, 1, changed.clone()).unwrap();
        doctor.examine(0, 50, Control::new(&keep_going)).unwrap()
    };
    for (batches, examined) in [(0, 0), (1, 0), (2, 1), (3, 18)] {
        let (compared, found) = examined_after(batches);
        assert_eq!(compared, examined, "after {batches} batches");
        assert!(found.iter().all(|it| (50 - examined..50).contains(&it.number)), "after {batches} batches");
        // The difference is reported, and no cause is searched any more.
        assert!(found.iter().all(|it| it.cause == DifferenceCause::NotLookedFor && it.difference.is_some()));
        assert!(batches < 3 || !found.is_empty());
    }
}

#[test]
fn ctrl_c_keeps_the_comparisons_until_then() {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_treefall"))
        .args(["doctor", "--verbose", "--target", "replica:2.2.7", "--traces", "100000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&doctor);
    let mut lines = BufReader::new(doctor.stderr.take().unwrap()).lines().map(Result::unwrap);
    // It has compared some traces, and would run for days.
    assert!(lines.any(|line| line.contains(" of 100000000 traces")));
    kill_process(pid, Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();
    let output = doctor.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}{rest:?}");
    assert!(said.contains(" traces run twice under changed conditions, 0 different"), "{said}");
    assert!(rest.iter().any(|line| line == "error: stopped before all traces were run"), "{rest:?}");
}

#[test]
fn the_command_names_conditions_difference_and_cause() {
    let (_folder, path) = build("DATE");
    let target = format!("engine:{}", path.display());
    let run = |json: &[&str]| {
        let arguments = ["doctor", "--traces", "20", "--target", &target];
        Command::new(env!("CARGO_BIN_EXE_treefall")).args(arguments).args(json).output().unwrap()
    };
    let people = run(&[]);
    let said = String::from_utf8(people.stdout).unwrap();
    assert_eq!(people.status.code(), Some(1), "{said}");
    for part in ["the event of a record differs: first record", "caused by: wall date", "  changed: address"]
    {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    let machines = String::from_utf8(run(&["--json"]).stdout).unwrap();
    let objects: Vec<Value> = machines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["caused_by"], serde_json::json!(["wall date"]));
    assert_eq!(objects[0]["field"], "the event of a record");
    let whole = &objects[objects.len() - 2];
    let changed =
        whole["conditions"].as_array().unwrap().len() + whole["not_changed"].as_array().unwrap().len();
    assert_eq!(changed, Condition::ALL.len(), "each is either changed or not: {whole}");
    assert_eq!(objects.last().unwrap()["summary"]["different"], whole["different"]);
}
