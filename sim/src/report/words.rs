//! Events in words: one line each, with scripts and runs by their names.

use treefall_model::event::{Answer, End, EntryKind, Event, FailedBy, Handler, LogLine, Target};
use treefall_model::id::{ConfigId, Run, ScriptRef};
use treefall_model::time::Deadline;
use treefall_model::trace::Trace;

/// Knows the names of a trace's scripts: which configuration each generation has.
pub struct Names<'t> {
    trace: &'t Trace,
    generations: Vec<ConfigId>,
}

impl<'t> Names<'t> {
    /// The names in `trace`, where each reload brought the configuration that its wake names.
    #[must_use]
    pub fn new(trace: &'t Trace) -> Self {
        let reloads = trace.wakes().iter().filter_map(|wake| wake.hup);
        Self { trace, generations: std::iter::once(ConfigId(0)).chain(reloads).collect() }
    }

    /// `chk_haproxy`, or the script's place if no configuration of that generation has it.
    #[must_use]
    pub fn script(&self, of: ScriptRef) -> String {
        let config = self.generations.get(of.generation.0 as usize);
        let scripts = config.map(|config| &self.trace.setup().configs[usize::from(config.0)].scripts);
        match scripts.and_then(|scripts| scripts.get(usize::from(of.script.0))) {
            Some(script) if of.generation.0 == 0 => script.name.to_string(),
            Some(script) => format!("{}@{}", script.name, of.generation.0),
            None => format!("script {}@{}", of.script.0, of.generation.0),
        }
    }

    /// `chk_haproxy#1`, in a later generation `chk_haproxy@2#1`: as scenario files name a run.
    #[must_use]
    pub fn run(&self, run: Run) -> String {
        format!("{}#{}", self.script(run.of), run.nth)
    }

    /// The event in words; `None` for one that says nothing to a person.
    #[must_use]
    pub fn tell(&self, event: &Event) -> Option<String> {
        Some(match *event {
            Event::Blocked { deadline: Deadline::At(at) } => format!("the loop waits, until {at} at most"),
            Event::Blocked { deadline: Deadline::Never } => "the loop waits".to_owned(),
            Event::Woke { timer, signals, .. } => match (timer, signals) {
                (true, true) => "the loop wakes: the timer and the signals are ready".to_owned(),
                (true, false) => "the loop wakes: the timer is ready".to_owned(),
                (false, true) => "the loop wakes: signals are ready".to_owned(),
                (false, false) => return None,
            },
            Event::Exited { run, status } => format!("{} ends ({status})", self.run(run)),
            Event::Moot { run } => format!("{} is told to end, but is not alive", self.run(run)),
            Event::SignalRead { signal } => format!("the program reads {signal}"),
            Event::Dispatched { handler, entry, script, run } => self.dispatched(handler, entry, script, run)?,
            Event::Started { run, pid } => format!("{} starts (pid {pid})", self.run(run)),
            Event::StartFailed { script, .. } => format!("{} cannot be started: fork fails", self.script(script)),
            Event::Signalled { target, run, signal, answer } => {
                let whom = run.map_or_else(|| target_words(target), |run| self.run(run));
                match answer {
                    Answer::Delivered => format!("{signal} is sent to {whom}"),
                    Answer::NoSuchProcess => format!("{signal} is sent to {whom}: no such process"),
                    Answer::NotPermitted => format!("{signal} is sent to {whom}: not permitted"),
                }
            }
            Event::Reaped { run, status, .. } => format!("{} is reaped ({status})", self.run(run)),
            Event::Logged(line) => format!("log: {}", self.log(line)),
            Event::ReloadBegun { .. } => "the reload begins".to_owned(),
            Event::ReloadDone { generation } => {
                format!("the reload is done: generation {} is in force", generation.0)
            }
            Event::TerminationBegun => "the shutdown begins".to_owned(),
            Event::Ended(End::TraceExhausted) => "the trace ends".to_owned(),
            Event::Ended(End::LoopReturned) => "the program leaves its loop".to_owned(),
            Event::Ended(End::NoProgress) => "the loop does not come back to its blocking call".to_owned(),
        })
    }

    fn dispatched(
        &self,
        handler: Handler,
        entry: EntryKind,
        script: Option<ScriptRef>,
        run: Option<Run>,
    ) -> Option<String> {
        let script = || script.map_or_else(|| "a script that is gone".to_owned(), |script| self.script(script));
        let child = || run.map_or_else(|| format!("a child of {} that is gone", script()), |run| self.run(run));
        Some(match (handler, entry) {
            (Handler::TimerFd, _) => "the timer handler moves what is due".to_owned(),
            (Handler::SignalFd, _) => "the signal handler begins".to_owned(),
            (Handler::Tick | Handler::MiscTick, _) => format!("the interval of {} comes", script()),
            (Handler::TrackChild | Handler::MiscChild | Handler::FifoChild, EntryKind::ChildTimeout) => {
                format!("the timeout of {} is handled", child())
            }
            (Handler::TrackChild | Handler::MiscChild | Handler::FifoChild, _) => {
                format!("the exit of {} is handled", child())
            }
            (Handler::Backstop, _) => "the backstop of the shutdown comes".to_owned(),
            (Handler::Dispatcher | Handler::Reload | Handler::TerminateStart | Handler::Killer, _) => return None,
        })
    }

    fn log(&self, line: LogLine) -> String {
        match line {
            LogLine::Skipped { script, timing_out: true } => {
                format!("{} is being timed out, expect idle - skipping run", self.script(script))
            }
            LogLine::Skipped { script, timing_out: false } => {
                format!("{} is already running, expect idle - skipping run", self.script(script))
            }
            LogLine::NowReturning { script, code } => format!("{} now returns {code}", self.script(script)),
            LogLine::Succeeded { script } => format!("{} succeeded", self.script(script)),
            LogLine::Failed { script, by } => {
                let why = match by {
                    FailedBy::Code(code) => format!("exited with status {code}"),
                    FailedBy::Signal(signal) => format!("due to {signal}"),
                    FailedBy::TimedOut => "timed out".to_owned(),
                };
                format!("{} failed ({why})", self.script(script))
            }
            LogLine::Carried { script, up } => {
                let how = if up { "successful" } else { "unsuccessful" };
                format!("{} is considered {how} on reload", self.script(script))
            }
            LogLine::FailedToTerminate { script, pid } => {
                format!("{}: child {pid} failed to terminate after kill", self.script(script))
            }
            LogLine::Lost { script, pid } => format!("{}: child {pid} lost", self.script(script)),
            LogLine::KillFailed { script, pid, signal } => {
                format!("{}: {signal} could not be sent to child {pid}", self.script(script))
            }
            LogLine::ForkFailed { script } => format!("{}: failed fork", self.script(script)),
            LogLine::Late { by } => format!("a timer expired {by} ago"),
            LogLine::Backstop { children } => format!("the backstop finds {children} children"),
        }
    }
}

fn target_words(target: Target) -> String {
    match target {
        Target::Group(pid) => format!("group {pid}, which is no child's"),
        Target::Process(pid) => format!("process {pid}"),
        Target::OwnGroup => "its own group".to_owned(),
        Target::Everyone => "every process there is".to_owned(),
    }
}
