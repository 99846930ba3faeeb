//! Handles the signals that end or pause a command: Ctrl-C, SIGTERM, a closed terminal, Ctrl-Z.
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

/// Time between two checks of the signals.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// Requests within this time count as one: `timeout`, `make` and `cargo` pass on a signal that the terminal sends
/// too.
const ONE_REQUEST: Duration = Duration::from_millis(400);
/// Shortest gap between two checks that counts as a stop. A busy machine causes shorter ones.
const STOP_MIN: Duration = Duration::from_millis(200);
/// Exit status of a process that ends at once.
const ENDED_AT_ONCE: i32 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Ctrl-C belongs to another program on this terminal.
static CTRL_C_LEFT: AtomicBool = AtomicBool::new(false);
/// The process reads input that may never come: the first request ends it.
static READING: AtomicBool = AtomicBool::new(false);
/// Total time that the process was stopped, in microseconds.
static STOPPED_MICROS: AtomicU64 = AtomicU64::new(0);

/// Leaves Ctrl-C to another program that was started on this terminal.
pub(super) fn leave_ctrl_c() {
    CTRL_C_LEFT.store(true, Ordering::SeqCst);
}

/// Reports whether the user interrupted the command: Ctrl-C, a request to end, or a closed terminal.
pub(super) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Reads the input at `path`. Unless it is a regular file, it may never end, so a request ends the process at once
/// meanwhile.
pub(super) fn while_reading<T>(path: &Path, read: impl FnOnce() -> T) -> T {
    READING.store(!path.is_file(), Ordering::SeqCst);
    let read = read();
    READING.store(false, Ordering::SeqCst);
    read
}

/// Returns the total time that the process was stopped by Ctrl-Z or SIGSTOP.
fn stopped_for() -> Duration {
    Duration::from_micros(STOPPED_MICROS.load(Ordering::SeqCst))
}

/// Measures the duration of a search without the time that the process was stopped. Only `elapsed_ms` and time limits
/// depend on it.
#[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
pub(super) struct Stopwatch {
    began: std::time::Instant,
    /// Time stopped before the start; `None`: stops count as time.
    stopped: Option<Duration>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { stopped: Some(stopped_for()), ..Self::of_the_wall() }
    }

    /// Starts a stopwatch that keeps running while the process is stopped.
    #[expect(clippy::disallowed_types, reason = "the length of a search is in a person's time")]
    pub(super) fn of_the_wall() -> Self {
        Self { began: std::time::Instant::now(), stopped: None }
    }

    pub(super) fn elapsed(&self) -> Duration {
        let stopped = self.stopped.map(|before| stopped_for().saturating_sub(before));
        self.began.elapsed().saturating_sub(stopped.unwrap_or_default())
    }
}

/// Starts to handle the signals. On failure they end the process at once; findings are on disk by then.
pub(super) fn listen() {
    static LISTENING: OnceLock<Option<()>> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let requests = if is_ignored(SIGHUP) { vec![SIGINT, SIGTERM] } else { vec![SIGINT, SIGTERM, SIGHUP] };
        let requests = requests.into_iter().map(|signal| Some((signal, seen(signal)?)));
        let requests = requests.collect::<Option<Vec<_>>>()?;
        let continued = seen(SIGCONT)?;
        std::thread::Builder::new().spawn(move || watch_flags(&requests, &continued)).ok().map(drop)
    });
}

/// Registers a flag that the signal sets.
fn seen(signal: i32) -> Option<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    flag::register(signal, Arc::clone(&raised)).ok().map(|_| raised)
}

/// Reports whether this process ignores the signal, according to `/proc`.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Checks the flags until the process ends.
fn watch_flags(requests: &[(i32, Arc<AtomicBool>)], continued: &AtomicBool) {
    let watch = Stopwatch::of_the_wall();
    let (mut last, mut first_request) = (watch.elapsed(), None);
    loop {
        std::thread::park_timeout(CHECK_EVERY);
        let now = watch.elapsed();
        let gap = now.saturating_sub(last);
        if continued.swap(false, Ordering::SeqCst) && gap >= STOP_MIN {
            let micros = u64::try_from((gap - CHECK_EVERY).as_micros()).unwrap_or(u64::MAX);
            STOPPED_MICROS.fetch_add(micros, Ordering::SeqCst);
        }
        last = now;
        for (signal, raised) in requests {
            if raised.swap(false, Ordering::SeqCst)
                && !(*signal == SIGINT && CTRL_C_LEFT.load(Ordering::SeqCst))
            {
                handle_request(*signal, now, &mut first_request);
            }
        }
    }
}

/// Handles one request at `now`; `first_request` is the time of the first one.
fn handle_request(signal: i32, now: Duration, first_request: &mut Option<Duration>) {
    match *first_request {
        None if READING.load(Ordering::SeqCst) => std::process::exit(ENDED_AT_ONCE),
        None => {
            *first_request = Some(now);
            INTERRUPTED.store(true, Ordering::SeqCst);
            // The progress line may be on this line, so begin a new one. Writing to a closed terminal fails, which is
            // no error.
            let _ = writeln!(std::io::stderr(), "\nstopping; a second request ends the command at once");
        }
        Some(first) if signal != SIGHUP && now.saturating_sub(first) > ONE_REQUEST => {
            std::process::exit(ENDED_AT_ONCE);
        }
        Some(_) => {}
    }
}
