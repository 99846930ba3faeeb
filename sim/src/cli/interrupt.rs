//! The signals that ask a command to end or hold it up: Ctrl-C, SIGTERM, a closed terminal, Ctrl-Z.
//!
//! The first request makes [`interrupted`] true, so that the command ends cleanly with what it has. A second SIGINT
//! or SIGTERM ends the process at once. Further SIGHUPs change nothing: a closing terminal sends several.
//!
//! Invariant: a SIGHUP that is ignored at the start (`nohup`) stays ignored.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::signal::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Time from one look at the signals to the next.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Requests within this time count as one: `timeout`, `make` and `cargo` pass on a signal that the terminal sends too.
const ONE_REQUEST: Duration = Duration::from_millis(400);
/// A shorter gap between two looks is no stop but a busy machine.
const STOP_MIN: Duration = Duration::from_millis(200);
/// The status of a process that ends at once.
const ENDED_AT_ONCE: i32 = 130;

static TOLD: AtomicBool = AtomicBool::new(false);
/// Ctrl-C is meant for another program on this terminal.
static LEFT: AtomicBool = AtomicBool::new(false);
/// Input is read that may never come: the first request ends the process.
static READS: AtomicBool = AtomicBool::new(false);
/// How long the process was stopped in all, in microseconds.
static STOPPED_MICROS: AtomicU64 = AtomicU64::new(0);

/// From now on Ctrl-C is meant for another program that was started on this terminal.
pub(super) fn leave_ctrl_c() {
    LEFT.store(true, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed, the process was asked to end, or its terminal was closed.
pub(super) fn interrupted() -> bool {
    TOLD.load(Ordering::SeqCst)
}

/// Reads the input at `path`. If that is no file, so that nothing may ever come, a request ends the process at once
/// meanwhile.
pub(super) fn while_reading<T>(path: &Path, read: impl FnOnce() -> T) -> T {
    READS.store(!path.is_file(), Ordering::SeqCst);
    let read = read();
    READS.store(false, Ordering::SeqCst);
    read
}

/// How long the process was stopped in all, by Ctrl-Z or SIGSTOP, up to now.
fn stopped_for() -> Duration {
    Duration::from_micros(STOPPED_MICROS.load(Ordering::SeqCst))
}

/// A stopwatch: how long a search may last and took, without the time that the process was stopped. No result but
/// `elapsed_ms` depends on it.
#[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
pub(super) struct Stopwatch {
    began: std::time::Instant,
    /// How long the process had been stopped when it began; `None`: stops count as time.
    stopped: Option<Duration>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { stopped: Some(stopped_for()), ..Self::of_the_wall() }
    }

    /// One that goes on while the process is stopped.
    #[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
    pub(super) fn of_the_wall() -> Self {
        Self { began: std::time::Instant::now(), stopped: None }
    }

    pub(super) fn elapsed(&self) -> Duration {
        let stopped = self.stopped.map(|before| stopped_for().saturating_sub(before));
        self.began.elapsed().saturating_sub(stopped.unwrap_or_default())
    }
}

/// Takes the signals from now on. Where that fails they end the process at once; finds are on disk by then.
pub(super) fn listen() {
    static LISTENING: OnceLock<Option<()>> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let requests = if is_ignored(SIGHUP) { vec![SIGINT, SIGTERM] } else { vec![SIGINT, SIGTERM, SIGHUP] };
        let requests = requests.into_iter().map(|signal| Some((signal, seen(signal)?)));
        let requests = requests.collect::<Option<Vec<_>>>()?;
        let continued = seen(SIGCONT)?;
        std::thread::Builder::new().spawn(move || look(&requests, &continued)).ok().map(drop)
    });
}

/// A flag that the signal raises.
fn seen(signal: i32) -> Option<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    flag::register(signal, Arc::clone(&raised)).ok().map(|_| raised)
}

/// Whether this process ignores the signal, as `/proc` says.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Looks at the flags until the process ends.
fn look(requests: &[(i32, Arc<AtomicBool>)], continued: &AtomicBool) {
    let watch = Stopwatch::of_the_wall();
    let (mut last, mut asked) = (watch.elapsed(), None);
    loop {
        std::thread::park_timeout(LOOK_EVERY);
        let now = watch.elapsed();
        let gap = now.saturating_sub(last);
        if continued.swap(false, Ordering::SeqCst) && gap >= STOP_MIN {
            let micros = u64::try_from((gap - LOOK_EVERY).as_micros()).unwrap_or(u64::MAX);
            STOPPED_MICROS.fetch_add(micros, Ordering::SeqCst);
        }
        last = now;
        for (signal, raised) in requests {
            if raised.swap(false, Ordering::SeqCst) && !(*signal == SIGINT && LEFT.load(Ordering::SeqCst)) {
                received(*signal, now, &mut asked);
            }
        }
    }
}

/// Takes one request at `now`; `asked` is when the first one came.
fn received(signal: i32, now: Duration, asked: &mut Option<Duration>) {
    match *asked {
        None if READS.load(Ordering::SeqCst) => std::process::exit(ENDED_AT_ONCE),
        None => {
            *asked = Some(now);
            TOLD.store(true, Ordering::SeqCst);
            // The progress line may stand there: begin a new one. Of a closed terminal nobody reads it.
            let _ = writeln!(std::io::stderr(), "\nstopping; once more ends at once");
        }
        Some(first) if signal != SIGHUP && now.saturating_sub(first) > ONE_REQUEST => {
            std::process::exit(ENDED_AT_ONCE);
        }
        Some(_) => {}
    }
}
