//! Events in words: one line each, with scripts and runs by their names.

use std::collections::BTreeMap;

use treefall_model::event::{
    Answer, End, EntryKind, Event, FailedBy, Handler, LogLine, Record, SubjectKind, Target,
};
use treefall_model::id::{ConfigId, Generation, Run, ScriptId, ScriptRef};
use treefall_model::time::Deadline;
use treefall_model::trace::Trace;

/// Knows the names of a trace's scripts: which configuration each generation has.
pub struct Names<'t> {
    trace: &'t Trace,
    generations: Vec<ConfigId>,
    pids: BTreeMap<String, Run>,
    blockless: bool,
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

    /// The words with no block in them by its number, where such numbers tell nothing.
    #[must_use]
    pub fn without_blocks(&self, text: &str) -> String {
        if !self.blockless {
            return text.to_owned();
        }
        let mut parts = text.split("block ");
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            match (rest.len() == part.len(), told.strip_suffix(" (").map(str::len), rest.strip_prefix(')')) {
                (true, ..) => told.extend(["block ", part]),
                (false, Some(before), Some(rest)) => {
                    told.truncate(before);
                    told.push_str(rest);
                }
                (false, ..) => told.extend(["an entry", rest]),
            }
        }
        told
    }

    /// The same, knowing which child a pid was: where a pid was used again, the last one.
    #[must_use]
    pub fn with_pids(mut self, history: &[Record]) -> Self {
        self.pids.extend(history.iter().filter_map(|record| match record.event {
            Event::Started { run, pid } => Some((pid.to_string(), run)),
            _ => None,
        }));
        self
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

    /// A law's detail with runs by their names: `s0, run 0@0#2, pid 1002, ..` becomes `chk#2, pid 1002, ..`.
    #[must_use]
    pub fn plain(&self, detail: &str) -> String {
        let detail = self.without_blocks(detail);
        let mut words: Vec<String> = Vec::new();
        let mut named = false;
        for word in detail.split(' ') {
            let (before, middle, after) = bare(word);
            if let Some(run) = parse_run(middle) {
                named = true;
                // `s0, run 0@0#2` says the script twice.
                let script = self.script(run.of);
                if let [.., of, it] = words.as_slice()
                    && it == "run"
                    && of.trim_end_matches(',') == script
                {
                    words.truncate(words.len() - 2);
                } else if words.last().is_some_and(|it| it == "run") {
                    words.pop();
                }
                words.push(format!("{before}{}{after}", self.run(run)));
            } else {
                words.push(word.to_owned());
            }
        }
        if !named {
            self.name_pids(&mut words);
        }
        self.name_scripts(&mut words);
        words.join(" ")
    }

    /// `pid 1001` becomes `pid 1001, chk#1`, where that is known.
    fn name_pids(&self, words: &mut [String]) {
        for place in 1..words.len() {
            let (_, number, _) = bare(&words[place]);
            if words[place - 1].trim_start_matches('(') == "pid"
                && let Some(run) = self.pids.get(number)
            {
                let named = format!("{number}, {}", self.run(*run));
                words[place] = words[place].replacen(number, &named, 1);
            }
        }
    }

    /// `script 0 of generation 1` becomes `chk of generation 1`.
    fn name_scripts(&self, words: &mut Vec<String>) {
        let mut place = 0;
        while place + 4 < words.len() {
            let generation = bare(&words[place + 4]).1.parse();
            if let (["script", number, "of", "generation"], Ok(generation)) =
                ([0, 1, 2, 3].map(|next| words[place + next].as_str()), generation)
                && let Ok(script) = number.parse()
            {
                let of = ScriptRef { generation: Generation(generation), script: ScriptId(script) };
                let name = self.script(of);
                words[place] = name.split('@').next().unwrap_or_default().to_owned();
                words.remove(place + 1);
            }
            place += 1;
        }
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

/// A word without what punctuation is before it and after it.
fn bare(word: &str) -> (&str, &str, &str) {
    let mark = |c: char| !c.is_ascii_alphanumeric();
    let start = word.find(|c| !mark(c)).unwrap_or(word.len());
    let end = word.rfind(|c| !mark(c)).map_or(start, |last| last + 1);
    (&word[..start], &word[start..end], &word[end..])
}

/// The run that the model writes as `0@1#2`.
pub(crate) fn parse_run(text: &str) -> Option<Run> {
    let (script, rest) = text.split_once('@')?;
    let (generation, nth) = rest.split_once('#')?;
    let of = ScriptRef {
        generation: Generation(generation.parse().ok()?),
        script: ScriptId(script.parse().ok()?),
    };
    Some(Run { of, nth: nth.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_blocks_are_told_without_their_numbers_and_no_other_subjects() {
        let text =
            "format = 1\ntitle = \"t\"\nscript = [{ name = \"s0\" }]\nwake = [{ after = \"next-timer\" }]\n";
        let trace = treefall_scenario::read("trace.toml", text).expect("a scenario").trace;
        let detail =
            "block 7 (unused, pid 1001, s0#1) is in CHILD_PID; the block of s0#1 (block 4), made before";
        let told = |kind| Names::new(&trace).seen_on(kind).without_blocks(detail);
        assert_eq!(
            told(SubjectKind::Daemon),
            "an entry (unused, pid 1001, s0#1) is in CHILD_PID; the block of s0#1, made before"
        );
        assert_eq!(told(SubjectKind::Engine), detail);
    }
}
