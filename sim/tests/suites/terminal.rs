//! Tests commands on a terminal: Ctrl-C, Ctrl-\, Ctrl-Z with `fg`, and a closed terminal, for each long command and
//! each kind of target.
//!
//! Each command runs in a separate session on a pseudo-terminal, so that its processes can be distinguished from all
//! others. Engine and daemon drive the small program of `subject/scheduler.c`, or a keepalived if the test needs a
//! failure.

mod session;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use treefall::subject::daemon::{Daemon, DaemonError};
use treefall::subject::engine::Conditions;
use treefall::subject::program::find_installed;

use crate::processes::Process;
use crate::programs_built::{Built, EXPORTED, build, program};
use session::Terminal;

const TREEFALL: &str = env!("CARGO_BIN_EXE_treefall");

/// A command that runs for long.
struct Case {
    /// Its arguments. `TARGET`, `MANY`, `LATE`, `FINDS` and `LOG` stand for files of the [`Bench`].
    arguments: &'static str,
    on: &'static [On],
    /// A text that it prints while it works.
    begun: &'static str,
}

/// The system that a command drives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    /// A replica, which the arguments name, or no subject.
    Replica,
    Engine,
    Daemon,
    /// A keepalived, because the small program has no failure to shrink or report.
    RealEngine,
    RealDaemon,
}

use On::{Daemon as D, Engine as E, RealDaemon as RD, RealEngine as RE, Replica as R};

const CASES: [Case; 17] = [
    case("hunt --target TARGET --all --traces 100000000", &[R, E, D], "traces"),
    case("hunt --target TARGET --baseline replica:mended --all --traces 100000000", &[R], "traces"),
    case("replay MANY --target TARGET", &[R, E, D], "scenario"),
    case("conform --target TARGET --traces 100000000", &[E, D], "traces"),
    case("doctor --target TARGET --traces 100000000", &[R, E, D], "traces"),
    case("explore --target TARGET --scripts 2 --wakes 12", &[R, RE], "states"),
    case("soak --target replica:mended --failures 100000 --life 1000d --most 1000d", &[R], " of at most "),
    case(
        "soak --target replica:mended --sensitivity --failures 100000 --life 1000d --most 1000d",
        &[R],
        " of at most ",
    ),
    case("shrink LATE --target TARGET", &[R, RE, RD], "shrinking"),
    case("report LATE --target TARGET", &[R, E, RD], "explaining"),
    case("survey", &[R], "row"),
    case("matrix MANY", &[R], "scenario"),
    case("matrix MANY --target TARGET", &[E], "scenario"),
    case("import LOG --tries 10000000 --window 600s --untold 9", &[R], "interleaving"),
    case("bench --target TARGET", &[R, E], "checked"),
    case("merge FINDS --out merged", &[R], "find"),
    case("corpus export MANY --of mended --target TARGET", &[R, E], "running"),
];

const fn case(arguments: &'static str, on: &'static [On], begun: &'static str) -> Case {
    Case { arguments, on, begun }
}

/// Commands that end, with the same output however often they were stopped.
const ENDING: [(&str, &[On]); 3] = [
    ("hunt --target TARGET --all --traces 600 --json --verbose", &[R, E, D]),
    ("conform --target TARGET --traces 1500 --json --verbose", &[E, D]),
    ("doctor --target TARGET --traces 1000 --json --verbose", &[R, E, D]),
];

/// The interruption of a running command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    CtrlC,
    CtrlBackslash,
    /// Ctrl-Z, `fg`, Ctrl-C.
    CtrlZ,
    Close,
}

impl Key {
    fn name(self) -> &'static str {
        match self {
            Self::CtrlC => "Ctrl-C",
            Self::CtrlBackslash => "Ctrl-\\",
            Self::CtrlZ => "Ctrl-Z, fg, Ctrl-C",
            Self::Close => "a closed terminal",
        }
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for Case { arguments, on, begun } in CASES {
        for on in on {
            for key in [Key::CtrlC, Key::CtrlBackslash, Key::CtrlZ, Key::Close] {
                let name = format!("{}: {arguments} ({on:?})", key.name());
                trials.push(trial_of(&name, *on, move || press(key, arguments, *on, begun)));
            }
        }
    }
    for (arguments, on) in ENDING {
        for on in on {
            let name = format!("Ctrl-Z and fg change nothing: {arguments} ({on:?})");
            trials.push(trial_of(&name, *on, move || stopped_and_continued(arguments, *on)));
        }
    }
    trials.push(trial!("time in which a hunt is stopped is not searched", stopped_time_does_not_count));
    trials.push(trial!("a hunt under nohup continues after its terminal is closed", continues_under_nohup));
    trials
}

fn trial_of(name: &str, on: On, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    match why_not(on) {
        None => trial!(name, test),
        Some(why) => trial!(name, || Ok(())).with_ignored_flag(true).with_kind(format!("ignored: {why}")),
    }
}

/// Returns why this system cannot be driven here.
fn why_not(on: On) -> Option<String> {
    static NAMESPACES: OnceLock<Option<String>> = OnceLock::new();
    let namespaces = || {
        NAMESPACES.get_or_init(|| match Daemon::start(&program(&built().0), &Conditions::default()) {
            Err(error @ DaemonError::Namespaces { .. }) => Some(error.to_string()),
            _ => None,
        })
    };
    let real = || find_installed().is_empty().then(|| "no keepalived is installed".to_owned());
    let why = match on {
        On::Replica | On::Engine => None,
        On::Daemon => namespaces().clone(),
        On::RealEngine => real(),
        On::RealDaemon => real().or_else(|| namespaces().clone()),
    };
    let required = std::env::var_os("TREEFALL_REQUIRE_REAL").is_some();
    assert!(!required || why.is_none(), "TREEFALL_REQUIRE_REAL is set: {why:?}");
    why
}

/// Builds the small program, once for all tests.
fn built() -> &'static (Built, PathBuf) {
    static BUILT: OnceLock<(Built, PathBuf)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = build(&[EXPORTED]);
        let path = built.path.clone();
        (built, path)
    })
}

/// Input files of the commands, in folders beside the small program.
struct Bench {
    target: String,
    folder: PathBuf,
}

/// Scenario files in one folder, and findings in another.
const FILES: usize = 2_000;
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

impl Bench {
    fn of(on: On) -> Result<Self, Failed> {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| {
            let folder = built().0.folder.path().join("files");
            write_files(&folder).expect("files of the bench");
            folder
        });
        let installed = || find_installed().into_iter().next().ok_or("no keepalived is installed");
        let target = match on {
            On::Replica => "replica:2.3.1".to_owned(),
            On::Engine => format!("engine:{}", built().1.display()),
            On::Daemon => format!("daemon:{}", built().1.display()),
            On::RealEngine => format!("engine:{}", installed()?.display()),
            On::RealDaemon => format!("daemon:{}", installed()?.display()),
        };
        Ok(Self { target, folder: folder.clone() })
    }

    fn words(&self, arguments: &str) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let word = |word: &str| match word {
            "TARGET" => self.target.clone(),
            "MANY" => file("many"),
            "LATE" => file("late.toml"),
            "FINDS" => file("finds"),
            "LOG" => format!("{TOP}/sim/tests/logs/crash-2.2.7.log"),
            other => other.to_owned(),
        };
        arguments.split_whitespace().map(word).collect()
    }
}

fn write_files(folder: &Path) -> std::io::Result<()> {
    let scenario = fs::read(format!("{TOP}/scenarios/queued-timeout-and-reload/timer-first.toml"))?;
    fs::create_dir_all(folder.join("many"))?;
    for number in 0..FILES {
        fs::write(folder.join(format!("many/{number}.toml")), &scenario)?;
        let failure = folder.join(format!("finds/replica_2.3.1/no-dangling-node_{number}"));
        fs::create_dir_all(&failure)?;
        fs::write(failure.join("found.toml"), &scenario)?;
    }
    // A failure at the end of a long trace takes long to shrink and explain.
    let mut late = "format = 1\ntitle = \"Late\"\n".to_owned();
    for script in 0..8 {
        let _ = write!(late, "\n[[script]]\nname = \"s{script}\"\ninterval = \"3s\"\ntimeout = \"2s\"\n");
    }
    for wake in 0..1_500 {
        let signal = if matches!(wake, 1_496 | 1_498) { "signals = [\"HUP\"]\n" } else { "" };
        let _ = write!(late, "\n[[wake]]\nafter = \"next-timer\"\n{signal}");
    }
    fs::write(folder.join("late.toml"), late)
}

/// Starts the command as a session's leader.
fn on_terminal(arguments: &str, on: On, folder: &Path) -> Result<Terminal, Failed> {
    let words = [vec![TREEFALL.to_owned()], Bench::of(on)?.words(arguments)].concat();
    Terminal::start(&words, folder)
}

fn press(key: Key, arguments: &str, on: On, begun: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    if key == Key::CtrlZ {
        let (mut shell, command) = stopped_under_a_shell(arguments, on, begun, folder.path())?;
        pause(Duration::from_secs(1));
        shell.type_in("fg\n")?;
        shell.wait("a command that continues", |_| !command.is_stopped())?;
        shell.type_in("\x03")?;
        shell.wait("its end", |it| it.others().is_empty())?;
        shell.type_in("echo \"status=$?\"; exit\n")?;
        shell.wait_for("status=1\r")?;
        shell.end()?;
        return stopped_cleanly(&shell.seen);
    }
    let mut terminal = on_terminal(arguments, on, folder.path())?;
    terminal.wait_for(begun)?;
    match key {
        Key::Close => {
            terminal.master = None;
            // A shell that ends sends a second SIGHUP.
            pause(Duration::from_millis(600));
            if !terminal.has_ended() {
                let pid = Pid::from_child(&terminal.child);
                let _ = kill_process(pid, Signal::HUP);
            }
            status_is(terminal.end()?, 1, &terminal.seen)?;
            kept(arguments, folder.path())
        }
        Key::CtrlBackslash => {
            terminal.type_in("\x1c")?;
            const QUIT: i32 = 128 + 3;
            status_is(terminal.end()?, QUIT, &terminal.seen)
        }
        Key::CtrlC | Key::CtrlZ => {
            terminal.type_in("\x03")?;
            status_is(terminal.end()?, 1, &terminal.seen)?;
            stopped_cleanly(&terminal.seen)
        }
    }
}

fn status_is(status: i32, wanted: i32, seen: &str) -> Result<(), Failed> {
    if status == wanted { Ok(()) } else { Err(format!("status {status}, not {wanted}: {seen}").into()) }
}

fn stopped_cleanly(seen: &str) -> Result<(), Failed> {
    if seen.contains("stopped before ") {
        Ok(())
    } else {
        Err(format!("no message about the stop: {seen}").into())
    }
}

/// Asserts that a hunt can be resumed after its terminal was closed.
fn kept(arguments: &str, folder: &Path) -> Result<(), Failed> {
    if !arguments.starts_with("hunt") || arguments.contains("--baseline") {
        return Ok(());
    }
    let mut targets = fs::read_dir(folder.join("reports"))?.flatten();
    let file = targets.find_map(|target| fs::read(target.path().join("hunt.json")).ok());
    let hunt: Value = serde_json::from_slice(&file.ok_or("no hunt.json")?)?;
    let good = hunt["ended"] == false && hunt["tally"]["traces"].as_u64() > Some(0);
    if good { Ok(()) } else { Err(hunt.to_string().into()) }
}

/// Starts the command from a shell and stops it by Ctrl-Z; returns the shell and the stopped process.
fn stopped_under_a_shell(
    arguments: &str,
    on: On,
    begun: &str,
    folder: &Path,
) -> Result<(Terminal, Process), Failed> {
    let mut shell = Terminal::start(&["sh".to_owned(), "-i".to_owned()], folder)?;
    shell.wait_for("$ ")?;
    let words = [vec![TREEFALL.to_owned()], Bench::of(on)?.words(arguments)].concat();
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    shell.type_in(&format!("{line} >output.txt\n"))?;
    // The typed text appears on the terminal too.
    shell.wait("what was typed", |it| it.seen.contains("output.txt"))?;
    shell.seen.clear();
    shell.wait_for(begun)?;
    shell.type_in("\x1a")?;
    let stopped = |it: &Terminal| it.others().into_iter().find(Process::is_stopped);
    shell.wait("a stop", |it| stopped(it).is_some() || it.others().is_empty())?;
    let command = stopped(&shell).ok_or_else(|| format!("it was not stopped: {}", shell.seen))?;
    Ok((shell, command))
}

/// Waits.
fn pause(time: Duration) {
    const STEP: Duration = Duration::from_millis(50);
    let steps = time.as_millis() / STEP.as_millis();
    (0..steps).for_each(|_| std::thread::park_timeout(STEP));
}

/// Returns the printed objects, without values that differ between runs.
fn printed(bytes: &[u8]) -> Result<Vec<Value>, Failed> {
    fn plain(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("elapsed_ms");
                fields.values_mut().for_each(plain);
            }
            Value::Array(values) => values.iter_mut().for_each(plain),
            _ => {}
        }
    }
    let mut lines =
        std::str::from_utf8(bytes)?.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>()?;
    lines.iter_mut().for_each(plain);
    Ok(lines)
}

fn stopped_and_continued(arguments: &str, on: On) -> Result<(), Failed> {
    let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let words = Bench::of(on)?.words(arguments);
    let mut plain = Command::new(TREEFALL);
    let plain = plain.args(&words).current_dir(one.path()).output()?;
    let (mut shell, _) = stopped_under_a_shell(arguments, on, "traces", other.path())?;
    // Longer than a waiting process may wait.
    pause(Duration::from_secs(3));
    shell.type_in("fg\n")?;
    shell.wait("its end", |it| it.others().is_empty())?;
    let status = plain.status.code().unwrap_or(-1);
    shell.type_in("echo \"status=$?\"; exit\n")?;
    shell.wait_for(&format!("status={status}\r"))?;
    shell.end()?;
    let (plain, stopped) = (printed(&plain.stdout)?, printed(&fs::read(other.path().join("output.txt"))?)?);
    let same = !plain.is_empty() && plain == stopped;
    if same { Ok(()) } else { Err(format!("{plain:?}\n{stopped:?}").into()) }
}

fn stopped_time_does_not_count() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let hunt = "hunt --target replica:mended --for 3s --jobs 1 --json --verbose";
    let (mut shell, _) = stopped_under_a_shell(hunt, On::Replica, "traces", folder.path())?;
    // Longer than the time limit of the hunt.
    pause(Duration::from_secs(4));
    let before = shell.seen.matches("traces").count();
    shell.type_in("fg\n")?;
    shell.wait("its end", |it| it.others().is_empty())?;
    // It prints its progress each second.
    let after = shell.seen.matches("traces").count();
    if after > before { Ok(()) } else { Err(format!("it did not go on: {}", shell.seen).into()) }
}

fn continues_under_nohup() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let words = ["nohup", TREEFALL, "hunt", "--target", "replica:mended", "--traces", "6000", "--jobs", "1"];
    let mut terminal = Terminal::start(&words.map(str::to_owned), folder.path())?;
    let hunt = folder.path().join("reports/replica_mended/hunt.json");
    terminal.wait("a hunt that is under way", |_| hunt.exists())?;
    terminal.master = None;
    status_is(terminal.end()?, 0, &terminal.seen)?;
    let hunt: Value = serde_json::from_slice(&fs::read(&hunt)?)?;
    if hunt["ended"] == true { Ok(()) } else { Err(hunt.to_string().into()) }
}
