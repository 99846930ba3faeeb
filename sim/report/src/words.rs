//! Events in words: one line each, with scripts and runs by their names.

use std::collections::BTreeMap;
use treefall_model::verdict::Outcome;

use treefall_model::event::{
    Answer, End, EntryKind, Event, FailedBy, Handler, LogLine, Record, SubjectKind, Target,
};
use treefall_model::id::{ConfigId, LinkId, Pid, Run, ScriptRef};
use treefall_model::index::Block;
use treefall_model::time::Deadline;
use treefall_model::trace::{External, Trace};
use treefall_model::violation::{Detail, Naming};

/// Knows the names of a trace's scripts: which configuration each generation has.
pub struct Names<'t> {
    trace: &'t Trace,
    generations: Vec<ConfigId>,
    pids: BTreeMap<Pid, Run>,
    blockless: bool,
}

/// `up`, `down`.
const fn state_words(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

impl<'t> Names<'t> {
    /// The names in `trace`, where each reload brought the configuration that its wake names.
    #[must_use]
    pub fn new(trace: &'t Trace) -> Self {
        let reloads = trace.wakes().iter().filter_map(|wake| wake.hup);
        Self {
            trace,
            generations: std::iter::once(ConfigId(0)).chain(reloads).collect(),
            pids: BTreeMap::new(),
            blockless: false,
        }
    }

    /// The same for what a subject of this kind shows: a daemon allocates more than entries, so that its blocks are
    /// numbered otherwise than its replica's, and are told without a number.
    #[must_use]
    pub const fn seen_on(mut self, kind: SubjectKind) -> Self {
        self.blockless = matches!(kind, SubjectKind::Daemon);
        self
    }

    /// ` (block 4)`, to follow an entry; nothing where such numbers tell nothing.
    pub(crate) fn block(&self, block: Block) -> String {
        if self.blockless { String::new() } else { format!(" (block {})", block.0) }
    }

    /// The same, knowing which child a pid was: where a pid was used again, the last one.
    #[must_use]
    pub fn with_pids(mut self, history: &[Record]) -> Self {
        self.pids.extend(history.iter().filter_map(|record| match record.event {
            Event::Started { run, pid } => Some((pid, run)),
            _ => None,
        }));
        self
    }

    /// `chk_haproxy`, in a later generation `chk_haproxy@2`; or the script's place if no configuration of that generation
    /// has it.
    #[must_use]
    pub fn script(&self, of: ScriptRef) -> String {
        match self.bare_script(of) {
            Some(name) if of.generation.0 == 0 => name.to_owned(),
            Some(name) => format!("{name}@{}", of.generation.0),
            None => format!("script {}@{}", of.script.0, of.generation.0),
        }
    }

    /// `chk_haproxy`, whatever the generation; `None`: no configuration of that generation has it.
    pub(crate) fn bare_script(&self, of: ScriptRef) -> Option<&'t str> {
        let config = self.generations.get(of.generation.0 as usize)?;
        let scripts = &self.trace.setup().configs[usize::from(config.0)].scripts;
        scripts.get(usize::from(of.script.0)).map(|script| script.name.as_str())
    }

    /// `chk_haproxy#1`, in a later generation `chk_haproxy@2#1`: as scenario files name a run.
    #[must_use]
    pub fn run(&self, run: Run) -> String {
        format!("{}#{}", self.script(run.of), run.nth)
    }

    /// The name of an interface: `eth0`.
    #[must_use]
    pub fn link(&self, link: LinkId) -> &'t str {
        self.trace.setup().links.get(usize::from(link.0)).map_or("?", |link| link.name.as_str())
    }

    /// `eth0 goes down`, `eth0 comes up`.
    #[must_use]
    pub fn external(&self, event: External) -> String {
        let External::Link { link, up } = event;
        format!("{} {}", self.link(link), if up { "comes up" } else { "goes down" })
    }

    /// The detail of a violation, with runs and scripts by their names: `chk#2, pid 1002, ..`.
    #[must_use]
    pub fn plain(&self, detail: &Detail) -> String {
        detail.in_words(self).to_string()
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
                // Nothing else wakes a loop.
                (false, false) => "the loop wakes: a message about an interface is ready".to_owned(),
            },
            Event::Exited { run, status } => format!("{} ends ({status})", self.run(run)),
            Event::Moot { run } => format!("{} is told to end, but is not alive", self.run(run)),
            Event::SignalRead { signal } => format!("the program reads {signal}"),
            Event::Dispatched { handler, entry, script, run } => {
                self.dispatched(handler, entry, script, run)?
            }
            Event::Started { run, pid } => format!("{} starts (pid {pid})", self.run(run)),
            Event::StartFailed { script, .. } => {
                format!("{} cannot be started: fork fails", self.script(script))
            }
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
            Event::Cancelled { run, entry } => {
                let where_ = match entry {
                    EntryKind::ChildTimeout => ", its timeout queued",
                    EntryKind::ChildTerminated => ", its exit queued",
                    _ => "",
                };
                format!("the entry of {} is cancelled{where_}", self.run(run))
            }
            Event::LinkRead { link, up } => {
                format!("the program reads that {} is {}", self.link(link), state_words(up))
            }
            Event::Ended(End::TraceExhausted) => "the trace ends".to_owned(),
            Event::Ended(End::LoopReturned) => "the program leaves its loop".to_owned(),
            Event::Ended(End::Overrun) => {
                "the loop has more to do than is followed: the trace ends".to_owned()
            }
            Event::Ended(End::EndOfTime) => "virtual time is used up: the trace ends".to_owned(),
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
        let script =
            || script.map_or_else(|| "a script that is gone".to_owned(), |script| self.script(script));
        let child =
            || run.map_or_else(|| format!("a child of {} that is gone", script()), |run| self.run(run));
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
            (Handler::ShutdownTimer, _) => "the time that the instances have to shut down is over".to_owned(),
            (Handler::Backstop, _) => "the backstop of the shutdown comes".to_owned(),
            (Handler::Dispatcher | Handler::Reload | Handler::TerminateStart | Handler::Killer, _) => {
                return None;
            }
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

impl Naming for Names<'_> {
    fn run(&self, run: Run) -> Option<String> {
        Some(Self::run(self, run))
    }

    fn script(&self, of: ScriptRef) -> Option<String> {
        self.bare_script(of).map(str::to_owned)
    }

    fn run_of(&self, pid: Pid) -> Option<String> {
        self.pids.get(&pid).map(|run| Self::run(self, *run))
    }

    fn numbers_blocks(&self) -> bool {
        !self.blockless
    }
}

/// How a run ended, to follow the program's name.
pub(crate) fn ending(outcome: &Outcome) -> String {
    let place =
        |function: &Option<String>| function.as_ref().map_or_else(String::new, |it| format!(" in {it}"));
    match outcome {
        Outcome::Survived => "goes on to the end of the trace".to_owned(),
        Outcome::Crashed { signal, function } => format!("dies of {signal}{}", place(function)),
        Outcome::Hung { function } => format!("hangs{}", place(function)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::id::{Generation, ScriptId};
    use treefall_model::time::Instant;
    use treefall_model::violation::{Child, EntryFacts, Misplacement};

    #[test]
    fn a_daemons_blocks_are_told_without_their_numbers_and_no_other_subjects() {
        let text =
            "format = 1\ntitle = \"t\"\nscript = [{ name = \"s0\" }]\nwake = [{ after = \"next-timer\" }]\n";
        let trace = treefall_scenario::read("trace.toml", text).expect("a scenario").trace;
        let pid = Pid::new(1001).expect("a pid");
        let run = Run { of: ScriptRef::default(), nth: 1 };
        let started = Record { at: Instant::START, event: Event::Started { run, pid } };
        let entry = EntryFacts { block: Block(7), kind: EntryKind::Unused, pid: Some(pid) };
        let detail = Detail::Misplaced { entry, place: Misplacement::NoChildInChild };
        let names = |kind| Names::new(&trace).with_pids(&[started]).seen_on(kind);
        assert_eq!(
            names(SubjectKind::Daemon).plain(&detail),
            "an entry (unused, pid 1001, s0#1) is in CHILD"
        );
        assert_eq!(names(SubjectKind::Engine).plain(&detail), "block 7 (unused, pid 1001, s0#1) is in CHILD");
        assert_eq!(names(SubjectKind::Daemon).block(Block(7)), "");
        assert_eq!(names(SubjectKind::Engine).block(Block(7)), " (block 7)");
    }

    #[test]
    fn a_run_of_a_later_generation_is_named_once() {
        let text = "format = 1\ntitle = \"t\"\nscript = [{ name = \"s0\" }]\n\
                    wake = [{ after = \"next-timer\", signals = [\"HUP\"] }]\n";
        let trace = treefall_scenario::read("trace.toml", text).expect("a scenario").trace;
        let of = ScriptRef { generation: Generation(1), script: ScriptId(0) };
        let run = |nth| Run { of, nth };
        let pid = Pid::new(1001).expect("a pid");
        let name = trace.setup().configs[0].scripts.first().map(|script| script.name.clone());
        let names = Names::new(&trace);
        let lost = Detail::ExitUnhandled { child: Child { run: run(2), pid, name } };
        assert_eq!(names.plain(&lost), "s0@1#2, pid 1001, was reaped, and its handler never ran");
        let (due, earlier_due) = (Instant::from_micros(1), Instant::from_micros(2));
        let swapped = Detail::TimeoutsOutOfOrder { run: run(1), due, earlier: run(2), earlier_due };
        assert_eq!(
            names.plain(&swapped),
            "the timeout of s0@1#1, due by 0.000001, fired after s0@1#2's, due 0.000002"
        );
    }
}
