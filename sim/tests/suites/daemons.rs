//! Tests whole daemons that misbehave: the small program of `subject/scheduler.c`, started as a daemon, with one
//! fault. Each gets a verdict or a named error in bounded time, and leaves nothing behind.
//!
//! Needs a kernel that lets users create namespaces; without it, every test is ignored, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::processes::{self, Process, listed, wait_until};
use crate::programs_built::{Built, EXPORTED, build, faulty, program, try_build};
use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use treefall::model::law::Law;
use treefall::model::trace::{Config, Setup, Trace, Wake};
use treefall::model::verdict::Outcome;
use treefall::model::violation::Detail;
use treefall::subject::backtrace::innermost;
use treefall::subject::daemon::{Daemon, DaemonError};
use treefall::subject::engine::{Conditions, EngineError};
use treefall::subject::{Options, Ran};
use treefall::world::wire::RulesAs;

pub(crate) fn trials() -> Vec<Trial> {
    let why_not = match Daemon::start(&program(&build(&[EXPORTED])), &Conditions::default()) {
        Err(error @ DaemonError::Namespaces { .. }) => Some(error.to_string()),
        // The tests below find all other faults.
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
    ran.verdict.breaks_law(law)
}

/// Reports whether the daemon did something unexpected, described with these words.
fn strayed(ran: &Ran, words: &str) -> bool {
    let result = ran.verdict.breaks.iter().find_map(|broken| match &broken.detail {
        Detail::Strayed { what } => Some(what),
        _ => None,
    });
    breaks(ran, Law::ExpectedActions) && result.is_some_and(|result| result.contains(words))
}

/// Faults of the program itself, with their verdicts.
const VERDICTS: [(&str, &str, Good); 22] = [
    ("a correct daemon survives", "SOUND", |ran| ran.verdict.outcome == Outcome::Survived),
    ("a loop in a daemon is a hang", "HANG", |ran| {
        ran.verdict.outcome == Outcome::Hung { function: Some("tick".to_owned()) }
    }),
    ("an endless log of a daemon is a hang", "LOG_FOR_EVER", is_hung),
    ("endless writing of a daemon is a hang", "WRITE_FOR_EVER", is_hung),
    ("endless events are a hang", "EVENTS_FOR_EVER", is_hung),
    ("endless memory use is a hang", "EAT_MEMORY", is_hung),
    ("endless page use is a hang", "EAT_PAGES", is_hung),
    ("a segmentation fault is a crash", "NULL_DEREFERENCE", |ran| crashed_by(ran, 11)),
    ("an endless stack is a crash", "NO_STACK", |ran| crashed_by(ran, 11)),
    ("a bus error is a crash", "BUS", |ran| crashed_by(ran, 7)),
    ("an abort is a crash", "ABORT", |ran| crashed_by(ran, 6)),
    ("a block that is freed twice is a crash", "FREE_TWICE", |ran| crashed_by(ran, 6)),
    ("signals to all processes are blocked and violate a law", "KILL_ALL", |ran| {
        ran.verdict.outcome == Outcome::Survived && breaks(ran, Law::SignalsOnlyItsChildren)
    }),
    ("a read that never returns is a verdict", "BLOCK_READ", |ran| {
        strayed(ran, "waits in system call `read`") && innermost(&ran.backtrace) == Some("wait_for_nothing")
    }),
    ("a lock that is never free is a verdict", "BLOCK_LOCK", |ran| {
        strayed(ran, "waits in system call `futex`")
    }),
    ("a fork storm is a verdict at its first fork", "FORK_FOR_EVER", |ran| strayed(ran, "called fork")),
    ("a child that loops is a verdict", "CHILD_HANGS", |ran| strayed(ran, "ran on without an end")),
    ("a child that waits is a verdict", "CHILD_BLOCKS", |ran| strayed(ran, "system call `read`")),
    ("a child that crashes is a verdict", "CHILD_CRASHES", |ran| strayed(ran, "crashed by signal 11")),
    ("a child that executes something else is a verdict", "CHILD_EXECS", |ran| {
        strayed(ran, "`/bin/sleep 1000 `")
    }),
    ("a daemon that ends at once is a verdict", "EXIT", |ran| strayed(ran, "ended by itself with status 3")),
    ("a daemon whose main returns is a verdict", "RETURN", |ran| {
        strayed(ran, "ended by itself with status 0")
    }),
];

/// Faults that end the play, with the texts of their errors.
const ERRORS: [(&str, &str, &[&str]); 8] = [
    ("a poll is named before it waits", "BLOCK_POLL", &["the daemon called poll, which is not let through"]),
    ("a pause is named before it waits", "BLOCK_PAUSE", &["system call `pause`, which is not let through"]),
    ("processes made without libc are named", "CLONE_FOR_EVER", &["the daemon made system call `clone`"]),
    ("a child that forks is named", "CHILD_FORKS", &["in a child of the daemon", "system call `fork`"]),
    ("a daemon that executes something else is named", "EXEC", &["called execl, which is not let through"]),
    (
        "a signal to itself is named",
        "TERMINATE_ITSELF",
        &["the daemon called raise, which is not let through"],
    ),
    ("a daemon that stops itself is named", "STOP", &["system call `tgkill`, which is not let through"]),
    (
        "a leak over a whole trace is an error of the harness",
        "LEAK",
        &["has used up, over the whole trace, the memory"],
    ),
];

type Test = fn() -> Result<(), Failed>;

const OTHERS: [(&str, Test); 8] = [
    ("a daemon that is stopped before its first fork is not judged", stopped_before_the_fork),
    ("a daemon that loops before its first fork is ended and named", loops_before_the_fork),
    ("a daemon that waits before its first fork is ended and named", waits_before_the_fork),
    ("a daemon that ends before its first fork is named", ends_before_the_fork),
    ("a daemon that is not taken over never runs", not_taken_over),
    ("nothing can be written outside of the namespaces", writes_elsewhere),
    ("a waiting daemon whose treefall is killed leaves nothing", killed_while_it_waits),
    (
        "a daemon that loops before its first fork and whose treefall is killed leaves nothing",
        killed_while_it_loops,
    ),
];

/// A trace in which the daemon has a timer each second.
fn some_seconds() -> Trace {
    let setup = Setup { configs: vec![Config::default()], ..Setup::default() };
    Trace::new(setup, vec![Wake::next_timer(); 40]).unwrap()
}

/// Plays the trace twice, and asserts that nothing is left behind.
fn play(built: &Built) -> Result<Vec<Ran>, DaemonError> {
    let before = mounts();
    let program = program(built);
    let mut seen = Seen::default();
    let ran = Daemon::start(&program, &Conditions::default()).and_then(|mut daemon| {
        seen = Seen::of(built);
        assert!(!seen.processes.is_empty(), "the daemon's processes are to be seen");
        daemon.run(&[some_seconds(), some_seconds()], &RulesAs::of(program.release()), Options::COMPARE)
    });
    seen.is_gone(built);
    assert_eq!(before, mounts(), "what the daemon mounts in its own namespace is left in this one");
    ran
}

/// Returns the mounts at the places that a daemon changes. Other processes may mount elsewhere meanwhile.
fn mounts() -> Vec<String> {
    const PLACE: usize = 4;
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let of_daemon = |line: &&str| matches!(line.split(' ').nth(PLACE), Some("/" | "/run"));
    all.lines().filter(of_daemon).map(str::to_owned).collect()
}

/// The processes that run a program, and their namespaces that differ from ours.
///
/// Invariant: the namespaces are held open, because the number of a deleted one is reused.
#[derive(Default)]
struct Seen {
    processes: BTreeSet<Process>,
    namespaces: BTreeMap<u64, fs::File>,
}

/// Kinds of namespace that a daemon has separately.
const KINDS: [&str; 4] = ["mnt", "net", "pid", "user"];

fn runs(process: &Process, built: &Built) -> bool {
    let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let path = built.path.as_os_str().as_encoded_bytes();
    words.split(|byte| *byte == 0).any(|word| word == path)
}

/// Returns the files of a process's namespaces.
fn namespaces(pid: impl std::fmt::Display) -> impl Iterator<Item = String> {
    KINDS.into_iter().map(move |kind| format!("/proc/{pid}/ns/{kind}"))
}

impl Seen {
    fn of(built: &Built) -> Self {
        let number = |path| Some(fs::metadata(path).ok()?.ino());
        let own: BTreeSet<u64> = namespaces("self").filter_map(number).collect();
        let processes: BTreeSet<Process> = processes::all().filter(|process| runs(process, built)).collect();
        let held = |path| {
            let file = fs::File::open(path).ok()?;
            Some((file.metadata().ok()?.ino(), file))
        };
        let all = processes.iter().flat_map(|process| namespaces(process.pid)).filter_map(held);
        Self { namespaces: all.filter(|(number, _)| !own.contains(number)).collect(), processes }
    }

    /// Reports whether a process runs the program, or is in one of its namespaces.
    fn is_of_it(&self, process: &Process, built: &Built) -> bool {
        let is_ours = |path| fs::metadata(path).is_ok_and(|it| self.namespaces.contains_key(&it.ino()));
        runs(process, built) || namespaces(process.pid).any(is_ours)
    }

    /// Asserts that no process runs the program or is in its namespaces.
    fn is_gone(&self, built: &Built) {
        let left = || processes::all().filter(|it| self.is_of_it(it, built)).collect::<Vec<_>>();
        let gone = wait_until(|| left().is_empty());
        assert!(gone, "left of {}:{}", built.path.display(), listed(&left()));
    }
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

/// A treefall that is killed while its daemon waits for ever leaves no process and no namespace.
fn killed_while_it_waits() -> Result<(), Failed> {
    let call = |process: &Process| fs::read_to_string(format!("/proc/{}/syscall", process.pid));
    // unshare, the first process, and the one that plays the trace, which waits.
    killed_while("BLOCK_READ", 3, |process| call(process).is_ok_and(|call| call.starts_with("0 ")))
}

/// The same while the first process runs its own code, which does not check whether treefall is alive.
fn killed_while_it_loops() -> Result<(), Failed> {
    // A tenth of a second of its own CPU time: the start does not take as long.
    killed_while("HANG_BEFORE_FORK", 2, |process| process.ticks() >= 10)
}

fn killed_while(
    fault: &str,
    processes_then: usize,
    is_there: impl Fn(&Process) -> bool,
) -> Result<(), Failed> {
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
        let seen = Seen::of(&built);
        seen.processes.len() >= processes_then && seen.processes.iter().any(&is_there)
    });
    let seen = Seen::of(&built);
    treefall.kill()?;
    treefall.wait()?;
    seen.is_gone(&built);
    if waits && seen.namespaces.len() >= KINDS.len() {
        return Ok(());
    }
    Err(format!("it was not seen so far: {:?} {:?}", seen.processes, seen.namespaces.keys()).into())
}

/// A daemon that is stopped before its first fork is not mistaken for one that waits for ever.
fn stopped_before_the_fork() -> Result<(), Failed> {
    let built = faulty("BLOCK_BEFORE_FORK");
    let program = program(&built);
    std::thread::scope(|scope| {
        let started = scope.spawn(|| Daemon::start(&program, &Conditions::default()).map(drop));
        let waits = |process: &Process| {
            fs::read_to_string(format!("/proc/{}/syscall", process.pid))
                .is_ok_and(|call| call.starts_with("0 "))
        };
        let waiting = || processes::all().find(|process| runs(process, &built) && waits(process));
        if !wait_until(|| waiting().is_some() || started.is_finished()) {
            return Err("the daemon was not seen to wait".into());
        }
        let stopped = waiting().ok_or("it was judged before it could be stopped")?;
        let pid = i32::try_from(stopped.pid).ok().and_then(Pid::from_raw).ok_or("a pid")?;
        kill_process(pid, Signal::STOP)?;
        // Twice as long as a waiting daemon may wait.
        for _ in 0..80 {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let judged = started.is_finished();
        kill_process(pid, Signal::CONT)?;
        let result = started.join().expect("no panic");
        if judged {
            return Err(format!("it was judged while it was stopped: {result:?}").into());
        }
        says(
            &result.err().map_or_else(String::new, |error| error.to_string()),
            &["waits in system call `read`"],
        )
    })
}
