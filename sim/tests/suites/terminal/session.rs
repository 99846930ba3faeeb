//! A pseudo-terminal with its own session.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::processes::{Process, listed, of_session, wait_until};

/// A pseudo-terminal, and a command in its own session on it.
pub(super) struct Terminal {
    /// `None`: the terminal is closed.
    pub(super) master: Option<fs::File>,
    slave: OwnedFd,
    /// Settings before anything ran on it.
    settings: String,
    pub(super) child: Child,
    pub(super) seen: String,
}

impl Terminal {
    /// Starts `words` as the leader of a session in `folder`.
    pub(super) fn start(words: &[String], folder: &Path) -> Result<Self, Failed> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty())?;
        let settings = settings_of(&slave);
        let mut command = Command::new("setsid");
        // The caller of the tests may ignore some signals, and a command would inherit that.
        let signals = "--default-signal=HUP,INT,QUIT,TSTP,TTIN,TTOU";
        command.args(["--ctty", "env", signals]).args(words).current_dir(folder);
        command.env("TERM", "xterm").env("PS1", "$ ").env_remove("ENV");
        command.stdin(Stdio::from(slave.try_clone()?)).stdout(Stdio::from(slave.try_clone()?));
        command.stderr(Stdio::from(slave.try_clone()?));
        let child = command.spawn().map_err(|error| format!("setsid (util-linux): {error}"))?;
        Ok(Self { master: Some(master.into()), slave, settings, child, seen: String::new() })
    }

    /// Reads the available output, within a moment.
    fn read(&mut self) {
        let Some(master) = &mut self.master else { return };
        let moment = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let ready = poll(&mut [PollFd::new(&*master, PollFlags::IN)], Some(&moment));
        let mut bytes = [0; 65_536];
        if ready.is_ok_and(|ready| ready > 0) {
            // If the other end is closed, nothing is left to read.
            let length = master.read(&mut bytes).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }

    /// Reads until the condition holds, for at most two minutes of an otherwise idle machine.
    pub(super) fn wait(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) -> Result<(), Failed> {
        for _ in 0..6_000 {
            if is_so(self) {
                return Ok(());
            }
            self.read();
            if self.master.is_none() {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        Err(format!("{what} did not come; it printed: {}", self.seen).into())
    }

    pub(super) fn wait_for(&mut self, text: &str) -> Result<(), Failed> {
        self.wait(&format!("`{text}`"), |it| it.seen.contains(text) || it.has_ended())?;
        // The last output may not be read yet.
        (0..3).for_each(|_| self.read());
        if self.seen.contains(text) {
            return Ok(());
        }
        Err(format!("it ended before it printed `{text}`: {}", self.seen).into())
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    pub(super) fn type_in(&mut self, text: &str) -> Result<(), Failed> {
        self.master.as_mut().ok_or("the terminal is closed")?.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Returns the session's processes other than its leader.
    pub(super) fn others(&self) -> Vec<Process> {
        of_session(self.child.id()).into_iter().filter(|it| it.pid != self.child.id()).collect()
    }

    /// Waits for the leader's end; returns its status as a shell reports it. Asserts that no process of the session
    /// is left, that nothing panicked, and that the terminal's settings are restored.
    pub(super) fn end(&mut self) -> Result<i32, Failed> {
        use std::os::unix::process::ExitStatusExt as _;
        self.wait("its end", Self::has_ended)?;
        // Reads the last output.
        (0..3).for_each(|_| self.read());
        if !wait_until(|| self.others().is_empty()) {
            return Err(format!("left in its session:{}", listed(&self.others())).into());
        }
        let seen = &self.seen;
        if seen.contains("panicked") || seen.matches("\x1b[?25l").count() != seen.matches("\x1b[?25h").count()
        {
            return Err(format!("a panic, or a hidden cursor: {seen}").into());
        }
        if self.master.is_some() && self.settings != settings_of(&self.slave) {
            return Err(format!("{} became {}", self.settings, settings_of(&self.slave)).into());
        }
        let status = self.child.wait()?;
        Ok(status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(-1))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failed test leaves no process either.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for process in of_session(self.child.id()) {
            let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

fn settings_of(terminal: &OwnedFd) -> String {
    rustix::termios::tcgetattr(terminal).map_or_else(|error| error.to_string(), |it| format!("{it:?}"))
}
