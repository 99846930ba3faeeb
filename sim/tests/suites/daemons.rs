//! Whole daemons that misbehave: the small program of `subject/scheduler.c`, started as a daemon is, with one thing
//! wrong. Each has a verdict or an error with a name, in bounded time, and leaves nothing behind.
//!
//! Needs a kernel that lets a user make namespaces; without, every test is listed as ignored, with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::programs_built::{Built, EXPORTED, build, faulty, program, try_build};
use libtest_mimic::{Failed, Trial};
use treefall::model::law::Law;
use treefall::model::trace::{Config, Setup, Trace, Wake};
use treefall::model::verdict::Outcome;
use treefall::subject::daemon::{Daemon, DaemonError};
use treefall::subject::engine::{Conditions, EngineError};
use treefall::subject::{Options, Ran};
use treefall::world::wire::RulesAs;

pub(crate) fn trials() -> Vec<Trial> {
    let why_not = match Daemon::start(&program(&build(&[EXPORTED])), &Conditions::default()) {
        Err(error @ DaemonError::Namespaces { .. }) => Some(error.to_string()),
        // Whatever else is wrong is a test's to find.
        _ => None,
    };
    let required = std::env::var_os("TREEFALL_REQUIRE_REAL").is_some();
    if let Some(why) = &why_not {
        assert!(!required, "TREEFALL_REQUIRE_REAL is set and no daemon can be run: {why}");
    }
    let trial = |name: &str, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| match &why_not {
        None => trial!(name, test),
        Some(why) => trial!(name, || Ok(())).with_ignored_flag(true).with_kind(format!("ignored: {why}")),
    };
    let verdicts = VERDICTS.iter().map(|(name, fault, test)| {
        let (fault, test) = (*fault, *test);
        trial(name, Box::new(move || verdict(fault, test)))
    });
    let errors = ERRORS.iter().map(|(name, fault, parts)| {
        let (fault, parts) = (*fault, *parts);
        trial(name, Box::new(move || error(fault, parts)))
    });
    let others = OTHERS.iter().map(|(name, test)| trial(name, Box::new(*test)));
    verdicts.chain(errors).chain(others).collect()
}

type Good = fn(&Ran) -> bool;

fn is_hung(ran: &Ran) -> bool {
    matches!(ran.verdict.outcome, Outcome::Hung { .. })
}

fn crashed_by(ran: &Ran, wanted: i32) -> bool {
    matches!(ran.verdict.outcome, Outcome::Crashed { signal, .. } if i32::from(signal.number()) == wanted)
}

fn breaks(ran: &Ran, law: Law) -> bool {
    ran.verdict.breaks.iter().any(|broken| broken.signature.law == law)
}

/// What a fault comes to that is the program's own.
const VERDICTS: [(&str, &str, Good); 13] = [
    ("a sound daemon survives", "SOUND", |ran| ran.verdict.outcome == Outcome::Survived),
    ("a loop in a daemon is a hang", "HANG", |ran| {
        ran.verdict.outcome == Outcome::Hung { function: Some("tick".to_owned()) }
    }),
    ("a daemon's log without an end is a hang", "LOG_FOR_EVER", is_hung),
    ("what a daemon writes without an end is a hang", "WRITE_FOR_EVER", is_hung),
    ("events without an end are a hang", "EVENTS_FOR_EVER", is_hung),
    ("memory without an end is a hang", "EAT_MEMORY", is_hung),
    ("pages without an end are a hang", "EAT_PAGES", is_hung),
    ("a segmentation fault is a crash", "NULL_DEREFERENCE", |ran| crashed_by(ran, 11)),
    ("a stack without an end is a crash", "NO_STACK", |ran| crashed_by(ran, 11)),
    ("a bus error is a crash", "BUS", |ran| crashed_by(ran, 7)),
    ("an abort is a crash", "ABORT", |ran| crashed_by(ran, 6)),
    ("a block that is freed twice is a crash", "FREE_TWICE", |ran| crashed_by(ran, 6)),
    ("signals to everybody reach nobody and break a law", "KILL_ALL", |ran| {
        ran.verdict.outcome == Outcome::Survived && breaks(ran, Law::SignalsOnlyItsChildren)
    }),
];

/// What cannot be played on, and why: what the error says.
const ERRORS: [(&str, &str, &[&str]); 17] = [
    (
        "a read that never comes back is named",
        "BLOCK_READ",
        &["waits in system call `read`", "(in wait_for_nothing)"],
    ),
    ("a lock that is never free is named", "BLOCK_LOCK", &["waits in system call `futex`"]),
    ("a poll is named before it waits", "BLOCK_POLL", &["the daemon called poll, which is not let through"]),
    ("a pause is named before it waits", "BLOCK_PAUSE", &["system call `pause`, which is not let through"]),
    (
        "a fork storm is named at its first fork",
        "FORK_FOR_EVER",
        &["in a child of the daemon", "called fork"],
    ),
    ("processes past libc are named", "CLONE_FOR_EVER", &["the daemon made system call `clone`"]),
    ("a child that forks is named", "CHILD_FORKS", &["in a child of the daemon", "system call `fork`"]),
    ("a child that loops is named", "CHILD_HANGS", &["in a child of the daemon", "ran on without an end"]),
    ("a child that waits is named", "CHILD_BLOCKS", &["in a child of the daemon", "system call `read`"]),
    ("a child that crashes is named", "CHILD_CRASHES", &["in a child of the daemon", "crashed by signal 11"]),
    ("a daemon that executes something else is named", "EXEC", &["called execl, which is not let through"]),
    (
        "a child that executes something else is named",
        "CHILD_EXECS",
        &["`/bin/sleep 1000 `", "no script of the trace"],
    ),
    ("a daemon that ends at once is named", "EXIT", &["the daemon ended by itself with status 3"]),
    ("a daemon whose main returns is named", "RETURN", &["the daemon ended by itself with status 0"]),
    (
        "a signal to itself is named",
        "TERMINATE_ITSELF",
        &["the daemon called raise, which is not let through"],
    ),
    ("a daemon that stops itself is named", "STOP", &["system call `tgkill`, which is not let through"]),
    (
        "a leak over a whole trace is the harness's error",
        "LEAK",
        &["has used up, over the whole trace, the memory"],
    ),
];

type Test = fn() -> Result<(), Failed>;

const OTHERS: [(&str, Test); 7] = [
    ("a daemon that loops before its first fork is ended and named", loops_before_the_fork),
    ("a daemon that waits before its first fork is ended and named", waits_before_the_fork),
    ("a daemon that ends before its first fork is told with how", ends_before_the_fork),
    ("a daemon that is not taken over never runs", not_taken_over),
    ("nothing can be written outside of the namespaces", writes_elsewhere),
    ("a waiting daemon whose treefall is killed leaves nothing", killed_while_it_waits),
    (
        "a daemon that loops before its first fork and whose treefall is killed leaves nothing",
        killed_while_it_loops,
    ),
];

/// The daemon ticks each second.
fn some_seconds() -> Trace {
    let setup = Setup { configs: vec![Config::default()], ..Setup::default() };
    Trace::new(setup, vec![Wake::next_timer(); 40]).unwrap()
}

/// Plays the trace twice, and sees to it that nothing is left.
fn play(built: &Built) -> Result<Vec<Ran>, DaemonError> {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let program = program(built);
    let mut seen = Seen::default();
    let ran = Daemon::start(&program, &Conditions::default()).and_then(|mut daemon| {
        seen = Seen::of(built);
        assert!(!seen.pids.is_empty(), "the daemon's processes are to be seen");
        daemon.run(&[some_seconds(), some_seconds()], &RulesAs::of(program.release()), Options::COMPARE)
    });
    seen.is_gone(built);
    assert_eq!(before, fs::read_to_string("/proc/self/mountinfo").unwrap(), "a mount is left");
    ran
}

/// The processes that run a program, and the namespaces that they are in and this one is not.
#[derive(Default)]
struct Seen {
    pids: BTreeSet<u32>,
    namespaces: BTreeSet<String>,
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn runs(pid: u32, built: &Built) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let path = built.path.as_os_str().as_encoded_bytes();
    words.split(|byte| *byte == 0).any(|word| word == path)
}

fn namespaces(pid: impl std::fmt::Display) -> BTreeSet<String> {
    let name = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let kinds = ["mnt", "net", "pid", "user"];
    kinds.into_iter().filter_map(name).map(|name| name.to_string_lossy().into_owned()).collect()
}

impl Seen {
    fn of(built: &Built) -> Self {
        let pids: BTreeSet<u32> = processes().filter(|pid| runs(*pid, built)).collect();
        let own = namespaces("self");
        let all: BTreeSet<String> = pids.iter().flat_map(namespaces).collect();
        Self { pids, namespaces: &all - &own }
    }

    /// Nothing is left of it: no process that runs the program, and none in its namespaces, which end with theirs.
    fn is_gone(&self, built: &Built) {
        let is_left =
            |pid: &u32| runs(*pid, built) || namespaces(pid).intersection(&self.namespaces).next().is_some();
        let gone = wait_until(|| !processes().any(|pid| is_left(&pid)));
        assert!(gone, "left: {:?}", processes().filter(is_left).collect::<Vec<_>>());
    }
}

/// Asks until it is so, for ten seconds at most.
fn wait_until(is_so: impl Fn() -> bool) -> bool {
    (0..200).any(|_| {
        if is_so() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(50));
        false
    })
}

fn verdict(fault: &str, good: Good) -> Result<(), Failed> {
    let ran = play(&faulty(fault)).map_err(|error| error.to_string())?;
    if ran[0] != ran[1] || ran[0].backtrace != ran[1].backtrace {
        return Err("the second run differs".into());
    }
    if good(&ran[0]) { Ok(()) } else { Err(format!("{:?}", ran[0].verdict).into()) }
}

fn error(fault: &str, parts: &[&str]) -> Result<(), Failed> {
    match play(&faulty(fault)) {
        Ok(ran) => Err(format!("it could be played: {:?}", ran[0].verdict).into()),
        Err(error) => says(&error.to_string(), parts),
    }
}

fn says(text: &str, parts: &[&str]) -> Result<(), Failed> {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(format!("no `{part}` in: {text}").into()),
    }
}

fn loops_before_the_fork() -> Result<(), Failed> {
    error("HANG_BEFORE_FORK", &["does not come to its first fork: it runs on without an end", "strace"])
}

fn waits_before_the_fork() -> Result<(), Failed> {
    error("BLOCK_BEFORE_FORK", &["does not come to its first fork: it waits in system call `read`"])
}

fn ends_before_the_fork() -> Result<(), Failed> {
    error("EXIT_BEFORE_FORK", &["ended with status 9"])
}

fn not_taken_over() -> Result<(), Failed> {
    let Some(built) = try_build(&[EXPORTED, "-DOWN_START", "-nostartfiles", "-DFAULT=BLOCK_BEFORE_FORK"])
    else {
        return Ok(());
    };
    match play(&built) {
        Err(DaemonError::Engine(EngineError::NotTakenOver { path, how, .. })) if path == built.path => {
            says(&how, &["status 0"])
        }
        other => Err(format!("{other:?}").into()),
    }
}

fn writes_elsewhere() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let elsewhere = folder.path().join("elsewhere");
    let defined = format!("-DELSEWHERE=\"{}\"", elsewhere.display());
    let ran =
        play(&build(&[EXPORTED, &defined, "-DFAULT=WRITE_ELSEWHERE"])).map_err(|error| error.to_string())?;
    if ran[0].verdict.outcome != Outcome::Survived || elsewhere.exists() {
        return Err(format!("it wrote to {}: {}", elsewhere.display(), ran[0].verdict.outcome).into());
    }
    Ok(())
}

/// A treefall that is killed outright while its daemon waits for ever leaves no process and no namespace.
fn killed_while_it_waits() -> Result<(), Failed> {
    let call = |pid: u32| fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    // unshare, the first process, and the one that plays the trace: it waits.
    killed_while("BLOCK_READ", 3, |pid| call(pid).starts_with("0 "))
}

/// The same while the first process runs its own code, in which nobody looks whether treefall is there.
fn killed_while_it_loops() -> Result<(), Failed> {
    // A tenth of a second of its own time: what comes before does not take so long.
    let used = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let times = stat.rsplit_once(')').map_or("", |(_, after)| after).split_whitespace().nth(11);
        times.and_then(|ticks| ticks.parse().ok()).unwrap_or(0_u32)
    };
    killed_while("HANG_BEFORE_FORK", 2, |pid| used(pid) >= 10)
}

fn killed_while(fault: &str, processes_then: usize, is_there: impl Fn(u32) -> bool) -> Result<(), Failed> {
    let built = faulty(fault);
    let scenario = built.folder.path().join("seconds.toml");
    fs::write(
        &scenario,
        "format = 1\ntitle = \"A second\"\n\n[[script]]\nname = \"a\"\ninterval = \"9s\"\ntimeout = \"5s\"\n\n[[wake]]\nafter = \"next-timer\"\n",
    )?;
    let mut treefall = Command::new(env!("CARGO_BIN_EXE_treefall"));
    treefall.arg("replay").arg(&scenario).arg("--target").arg(format!("daemon:{}", built.path.display()));
    let mut treefall = treefall.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let waits = wait_until(|| {
        Seen::of(&built).pids.len() >= processes_then
            && processes().any(|pid| runs(pid, &built) && is_there(pid))
    });
    let seen = Seen::of(&built);
    treefall.kill()?;
    treefall.wait()?;
    seen.is_gone(&built);
    if waits && seen.namespaces.len() >= 4 && Path::new(&scenario).exists() {
        return Ok(());
    }
    Err(format!("it was not seen so far: {:?} {:?}", seen.pids, seen.namespaces).into())
}
