//! The process of a real program under the engine: started once, controlled over a socket.
//!
//! Invariant: the library inside it is the one embedded in this command, passed without a file. When this value is
//! dropped, the process ends: its socket is closed, it is killed and waited for.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};

use treefall_world::wire::{Clocks, MESSAGE_MAX, Reply, Request, VARIABLE, Wire as _};

use nix::sys::personality::{self, Persona};

use super::EngineError;
use crate::program::Program;

/// The preload library, embedded by the build. Empty on machines other than x86-64 Linux.
pub static LIBRARY: &[u8] = include_bytes!(env!("PRELOAD_SO"));

/// Most bytes of the process's standard error that are kept.
const COMPLAINT_MAX: u64 = 2_000;

/// Time between two checks of a program that does not answer.
const LOOK_NANOS: i64 = 250_000_000;
/// After so many consecutive checks without CPU time, asleep in the same call, the program counts as waiting.
const LOOKS: u32 = 8;
/// Most CPU time before the program answers, in hundredths of a second: a program needs two of them to its first
/// fork.
const TICKS_MAX: u64 = 400;

/// The activity of a process that does not answer.
#[derive(PartialEq, Eq, Debug)]
struct Usage {
    /// CPU time used, in hundredths of a second.
    ticks: u64,
    /// The call in which it sleeps, with arguments and registers, so that two calls differ.
    asleep: Option<String>,
    call: String,
}

impl Usage {
    /// Returns the activity of a process. `None`: it is gone or stopped (SIGSTOP, a debugger).
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may contain anything; state, ten numbers and the two times follow.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next().filter(|state| !matches!(*state, "T" | "t"))?;
        let times: Vec<u64> = fields.skip(10).take(2).filter_map(|time| time.parse().ok()).collect();
        let asleep = (state != "R")
            .then(|| std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default());
        let number = asleep.as_ref().and_then(|text| text.split_whitespace().next()?.parse().ok());
        let name = number.and_then(syscalls::Sysno::new).map(|call| format!("system call `{}`", call.name()));
        let call = name.unwrap_or_else(|| "a system call".to_owned());
        Some(Self { ticks: times.iter().sum(), asleep, call })
    }
}

/// Returns whether a process is stopped.
pub(super) fn stands(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, after)| after.trim_start().starts_with('T'))
}

/// Returns a process whose parent is `parent`.
pub(super) fn child_of(parent: u32) -> Option<u32> {
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1).and_then(|text| text.parse().ok()) == Some(parent)
    })
}

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Number of commands that start one another before the program.
    wraps: usize,
    socket: UnixStream,
    /// Its standard error, a file in memory.
    complaints: std::fs::File,
    /// The library, for others that open it through this process's descriptor.
    _library: Option<std::fs::File>,
}

/// Conditions under which a process can be started, none of which may affect a history.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Further environment variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether addresses are not randomised.
    pub fixed_addresses: bool,
    /// The program's clocks at the beginning of a trace.
    pub clocks: Clocks,
    /// Whether it starts in namespaces for pids and the machine's own clocks.
    pub apart: Option<Apart>,
    /// Whether gdb attaches to each process before it runs its traces.
    pub debugger: bool,
}

/// The namespaces of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Apart {
    /// The last pid before it: its own is the next.
    pub last_pid: u32,
    /// Seconds that CLOCK_MONOTONIC and CLOCK_BOOTTIME are ahead of the machine's; 0: no time namespace.
    pub uptime: u32,
}

impl Apart {
    /// Returns the command that creates a pid namespace and a time namespace, unless they exist.
    fn words(self, in_namespaces: bool) -> Vec<OsString> {
        let mut words: Vec<String> = Vec::new();
        if !in_namespaces {
            let new = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
            words.extend(new.map(str::to_owned));
        }
        if self.uptime > 0 {
            let ahead = ["monotonic", "boottime"].map(|clock| format!("--{clock}={}", self.uptime));
            words.push("--time".to_owned());
            words.extend(ahead);
        }
        // The shell remains as the first process of its namespace; the program is the next.
        let script =
            format!("echo {} >/proc/sys/kernel/ns_last_pid || exit; \"$0\" \"$@\"; exit", self.last_pid);
        words.extend(["/bin/sh".to_owned(), "-c".to_owned(), script]);
        words.into_iter().map(OsString::from).collect()
    }

    /// Checks whether such namespaces can be created here.
    ///
    /// # Errors
    /// Why not, in the words of the command that tried.
    pub fn try_out(self) -> Result<(), String> {
        let words = self.words(false);
        let mut command = Command::new(&words[0]);
        let tried = command.args(&words[1..]).arg("/bin/true").stdin(Stdio::null()).process_group(0).output();
        match tried {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
            Err(error) => Err(format!("unshare: {error}")),
        }
    }
}

/// Ends a command, and the namespaces that it made, when the thread that started it ends, even by SIGKILL and even if
/// the program never checks its socket.
const ENDS_WITH_ITS_STARTER: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// What [`ENDS_WITH_ITS_STARTER`] prints before the reason why it cannot execute a command.
const NOT_EXECUTED: &str = "setpriv: failed to execute ";

/// Returns whether the command of [`ENDS_WITH_ITS_STARTER`] is installed.
fn has_setpriv() -> bool {
    ["/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(ENDS_WITH_ITS_STARTER[0]).is_file())
}

/// Starts the command from a thread that lives as long as this process.
fn spawn(command: Command, fixed_addresses: bool) -> std::io::Result<Child> {
    type Wanted = (Command, bool, mpsc::Sender<std::io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Wanted>> = OnceLock::new();
    let gone = |_| std::io::Error::other("the thread that starts programs is gone");
    let starter = STARTER.get_or_init(|| {
        let (send, wanted) = mpsc::channel::<Wanted>();
        std::thread::spawn(move || {
            for (command, fixed_addresses, answer) in wanted {
                // The caller may be gone.
                let _ = answer.send(spawn_here(command, fixed_addresses));
            }
        });
        send
    });
    let (answer, child) = mpsc::channel();
    starter.send((command, fixed_addresses, answer)).map_err(|_| gone(mpsc::RecvError))?;
    child.recv().map_err(gone)?
}

/// Starts the command, with fixed addresses if requested.
fn spawn_here(mut command: Command, fixed_addresses: bool) -> std::io::Result<Child> {
    if !fixed_addresses {
        return command.spawn();
    }
    // A thread's personality applies to the programs that it executes.
    let before = personality::get()?;
    personality::set(before | Persona::ADDR_NO_RANDOMIZE)?;
    let child = command.spawn();
    personality::set(before)?;
    child
}

impl Process {
    /// Starts `program` with the library in it.
    pub(super) fn start(program: &Program, conditions: &Conditions) -> Result<Self, EngineError> {
        // A program without the library prints its version and ends.
        Self::start_with(program, conditions, &[], &["--version"])
    }

    /// Starts it through other commands (`before`), and with arguments.
    pub(crate) fn start_with(
        program: &Program,
        conditions: &Conditions,
        before: &[&str],
        arguments: &[&str],
    ) -> Result<Self, EngineError> {
        if LIBRARY.is_empty() {
            return Err(EngineError::OtherMachine);
        }
        let failed = |what| move |source| EngineError::Start { what, source };
        let (socket, theirs) = UnixStream::pair().map_err(failed("a socket pair"))?;
        let library = memory_file("treefall-preload", LIBRARY).map_err(failed("a file in memory"))?;
        let complaints = memory_file("treefall-complaints", &[]).map_err(failed("a file in memory"))?;
        let their_complaints = complaints.try_clone().map_err(failed("a file in memory"))?;
        // The three standard descriptors are inherited: socket, library, complaints.
        // gdb opens the library by its name too, and would find its own standard output there.
        let kept = conditions.debugger.then(|| library.try_clone()).transpose();
        let kept = kept.map_err(failed("a file in memory"))?;
        let preload = kept.as_ref().map_or_else(
            || "/proc/self/fd/1".to_owned(),
            |kept| format!("/proc/{}/fd/{}", std::process::id(), kept.as_raw_fd()),
        );
        let apart = conditions.apart.map_or_else(Vec::new, |apart| apart.words(!before.is_empty()));
        let wraps = usize::from(!before.is_empty() || !apart.is_empty()) + usize::from(!apart.is_empty());
        // Namespaces need this. Without it, a program outside of any namespace still ends when its socket is closed.
        let ends: &[&str] = if wraps > 0 || has_setpriv() { &ENDS_WITH_ITS_STARTER } else { &[] };
        let outer = ends.iter().chain(before).map(OsString::from);
        let words = outer.chain(apart).chain(program.command_line(&preload));
        let words: Vec<OsString> = words.chain(arguments.iter().map(OsString::from)).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(conditions.environment.iter().cloned());
        command.env(VARIABLE, program.image().variable(0));
        // Variables that are restored between traces must not contain what the loader writes there later.
        command.env("LD_BIND_NOW", "1");
        // The library is loaded before a sanitizer's, and catches crashes itself.
        command.env("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0:handle_segv=0:symbolize=0");
        if program.needs_environment() {
            command.env("LD_PRELOAD", &preload);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::from(library)).stderr(Stdio::from(their_complaints));
        // Signals of the terminal (Ctrl-C, Ctrl-\, Ctrl-Z) go to this process only, which ends its programs itself.
        command.process_group(0);
        let path = PathBuf::from(&words[0]);
        let child = spawn(command, conditions.fixed_addresses)
            .map_err(|source| EngineError::Spawn { path, source })?;
        Ok(Self { child, wraps, socket, complaints, _library: kept })
    }

    /// Returns the pid of the program's process: if another command starts it, that of its child. `None`: it cannot
    /// be found.
    pub(super) fn id(&self) -> Option<u32> {
        let first = |children: String| children.split_whitespace().next()?.parse().ok();
        let children = |own: u32| std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok();
        // Not every kernel lists children.
        let child = |own: u32| children(own).and_then(first).or_else(|| child_of(own));
        (0..self.wraps).try_fold(self.child.id(), |own, _| child(own))
    }

    /// Waits for a reply as [`answer`](Self::answer), from a program that nothing inside it watches: one that loops
    /// or waits is ended.
    pub(crate) fn answer_in_time(&mut self) -> Result<Reply, EngineError> {
        let (mut before, mut idle) = (None, 0);
        while !self.is_readable() {
            let now = self.id().and_then(Usage::of);
            idle = if now.is_some() && now == before { idle + 1 } else { 0 };
            let what = match &now {
                Some(usage) if usage.ticks > TICKS_MAX => Some("it runs on without an end".to_owned()),
                Some(usage) if idle >= LOOKS => Some(format!("it waits in {}", usage.call)),
                _ => None,
            };
            if let Some(what) = what {
                // The first process of a pid namespace ends all others in it.
                self.child.kill().and_then(|()| self.child.wait()).ok();
                return Err(EngineError::Stuck { what });
            }
            before = now;
        }
        self.answer()
    }

    /// Returns whether something can be read within a moment.
    fn is_readable(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let moment = Timespec { tv_sec: 0, tv_nsec: LOOK_NANOS };
        let mut wanted = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut wanted, Some(&moment)).is_ok_and(|ready| ready > 0)
    }

    /// Sends a request.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<(), EngineError> {
        let bytes = request.to_bytes();
        let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MESSAGE_MAX);
        let Some(length) = length else { return Err(EngineError::TooLarge { bytes: bytes.len() }) };
        let sent = self.socket.write_all(&length.to_le_bytes()).and_then(|()| self.socket.write_all(&bytes));
        sent.map_err(|_| self.gone())
    }

    /// Waits for a reply.
    pub(crate) fn answer(&mut self) -> Result<Reply, EngineError> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).map_err(|_| self.gone())?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.socket.read_exact(&mut bytes).map_err(|_| self.gone())?;
        Reply::from_bytes(&bytes).ok_or(EngineError::Garbled)
    }

    /// Returns the error for a process that ended, with its status and its output.
    fn gone(&mut self) -> EngineError {
        use std::io::Seek as _;
        let how = match self.child.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("status {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "no status".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        let mut said = Vec::new();
        // Unreadable output is left out.
        let _ = self
            .complaints
            .rewind()
            .and_then(|()| (&self.complaints).take(COMPLAINT_MAX).read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
        let not_executed = said.strip_prefix(NOT_EXECUTED).filter(|_| self.wraps == 0);
        if let Some((path, why)) = not_executed.and_then(|said| said.rsplit_once(": ")) {
            return EngineError::Spawn { path: path.into(), source: std::io::Error::other(why.to_owned()) };
        }
        EngineError::Gone { how, said: if said.is_empty() { String::new() } else { format!(": {said}") } }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory_file(name: &str, content: &[u8]) -> std::io::Result<std::fs::File> {
    let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(content)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use object::read::elf::ElfFile64;
    use object::{Object as _, ObjectSymbol as _};
    use treefall_world::calls::ROWS;

    use super::*;

    #[test]
    fn the_library_stands_before_what_the_list_says_and_nothing_else() {
        if LIBRARY.is_empty() {
            // Not a machine that it is built for.
            return;
        }
        let parsed: ElfFile64<'_> = ElfFile64::parse(LIBRARY).unwrap();
        let exported = parsed.dynamic_symbols().filter(|symbol| symbol.is_definition());
        let exported: BTreeSet<_> = exported.map(|symbol| symbol.name().unwrap()).collect();
        let counted = ROWS.iter().filter(|row| row.counted).flat_map(|row| row.names.iter().copied());
        // A real descriptor's calls have names of their own on the list.
        let listed: BTreeSet<_> = counted.filter(|name| !name.contains(' ')).collect();
        assert_eq!(exported, listed);
    }
}
