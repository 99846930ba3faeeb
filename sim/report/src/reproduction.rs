//! The smallest reproduction as text: the configuration, then one sentence for each event.
//!
//! Invariants: every sentence has its time, in seconds from the start of the scripts; due entries are those in the trees when
//! the loop woke; without trees the text only says that a timer expires.

use std::fmt::Write as _;

use treefall_model::event::{Event, Handler, Record};
use treefall_model::id::Run;
use treefall_model::index::Tree;
use treefall_model::signal::ExitStatus;
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Link, OnTerm, Order, Rank, Script, ScriptKind, Trace, Wake};

use super::{Names, Report};
use crate::explain::{EntryState, Labels, RunLog, and, met, times};

/// The whole reproduction, as Markdown.
pub(super) fn in_plain_words(trace: &Trace, report: &Report<'_>) -> String {
    let explanation = report.explanation;
    let names = report.names();
    let mut text = configured(trace);
    // Writing to a String cannot fail.
    let together = if trace.setup().configs[0].scripts.len() > 1 { "They start together. " } else { "" };
    let _ = writeln!(text, "\n{together}Then, in seconds from the start of the scripts:\n");
    let (met, times) = (met(trace, &explanation.history), times(trace, &explanation.history));
    for (place, wake) in trace.wakes().iter().enumerate() {
        let met = met.get(place).copied().flatten();
        let at = times.get(place).copied().flatten();
        let when = at.map_or_else(|| "After that".to_owned(), |at| format!("At {} s", short(at)));
        let due = met.filter(|met| met.timer).map(|met| {
            // Of a real program that did otherwise before, the replica's trees tell nothing.
            let upto = ..=met.record;
            let same = |told: &&RunLog| told.records.get(upto) == explanation.history.get(upto);
            let run_log = explanation.run_log.as_ref().filter(same);
            run_log.map_or_else(Vec::new, |told| due(told, met.record, met.woke_at, &names))
        });
        let comes = comes(wake, due, &names);
        let done = met.map_or_else(Vec::new, |met| done(&explanation.history, met.record, &names));
        let done = if done.is_empty() { String::new() } else { format!(" {}.", done.join("; ")) };
        let _ = writeln!(text, "{}. {when} {comes}.{done}", place + 1);
    }
    let broken = report.finding.broken();
    let _ = writeln!(
        text,
        "\nAt {} s it is seen: {}.",
        short(broken.at),
        names.plain(&broken.detail).trim_end_matches('.')
    );
    text.trim_end().to_owned()
}

/// The scripts, as a configuration has them, and what their children do.
fn configured(trace: &Trace) -> String {
    let setup = trace.setup();
    let scripts = || setup.configs.iter().flat_map(|config| &config.scripts);
    let all = |kind: ScriptKind| scripts().all(|script| script.kind == kind);
    let mut text = String::from(match () {
        () if scripts().next().is_none() => "A vrrp process with one instance and no script:\n\n",
        () if all(ScriptKind::Track) => {
            "A vrrp process with these track scripts (`vrrp_script`), tracked by one instance:\n\n"
        }
        () if all(ScriptKind::Misc) => "A checker process with these misc checks (`MISC_CHECK`):\n\n",
        () => "A keepalived process with these scripts:\n\n",
    });
    for (number, config) in setup.configs.iter().enumerate() {
        if setup.configs.len() > 1 {
            let _ = writeln!(text, "configuration {number}:\n");
        }
        for script in &config.scripts {
            let _ = writeln!(text, "- {}", script_words(script));
        }
    }
    setup.links.iter().for_each(|link| text.push_str(&link_words(link)));
    text
}

/// `- interface eth0, up at first; a change to down counts after 3s (interface_up_down_delays)`.
fn link_words(link: &Link) -> String {
    let counts = |delay: Span, state: &str| {
        (!delay.is_zero()).then(|| format!("; a change to {state} counts after {delay}"))
    };
    let delays = [counts(link.down_delay, "down"), counts(link.up_delay, "up")];
    let delays: String = delays.into_iter().flatten().collect();
    let keyword = if link.is_delayed() { " (`interface_up_down_delays`)" } else { "" };
    format!("- interface `{}`, up at first{delays}{keyword}\n", link.name)
}

fn script_words(script: &Script) -> String {
    let kind = match script.kind {
        ScriptKind::Track => {
            format!("interval {}, timeout {}", script.interval, script.timeout)
        }
        ScriptKind::Cancelling => format!(
            "interval {}, timeout {}; a tick that finds its run not ended cancels the run's entry, which keepalived itself \
             never does",
            script.interval, script.timeout
        ),
        ScriptKind::Misc => {
            format!("a misc check, delay_loop {}, misc_timeout {}", script.interval, script.timeout)
        }
        ScriptKind::Fifo => "a fifo script, without a timeout".to_owned(),
    };
    let dies = match script.habit.on_term {
        OnTerm::Ignores => "; it ignores SIGTERM".to_owned(),
        OnTerm::Dies(after) if after.is_zero() => "; it dies of SIGTERM at once".to_owned(),
        OnTerm::Dies(after) => format!("; it dies {after} after SIGTERM"),
    };
    let lingers = script.habit.kill_linger;
    let lingers =
        if lingers.is_zero() { String::new() } else { format!(", and is gone {lingers} after SIGKILL") };
    format!("`{}`: {kind}; runs until something below ends it{dies}{lingers}", script.name)
}

/// What a wake brings, to follow its time: `the timeout of chk expires; before the loop returns, SIGHUP arrives; ..`.
fn comes(wake: &Wake, due: Option<Vec<String>>, names: &Names<'_>) -> String {
    let exits = wake.exits.iter().map(|exit| format!("{} {}", run_words(exit.run, names), ends(exit.status)));
    let signals = match (wake.hup.is_some(), wake.term) {
        (true, true) => Some("SIGHUP and SIGTERM arrive"),
        (true, false) => Some("SIGHUP arrives"),
        (false, true) => Some("SIGTERM arrives"),
        (false, false) => None,
    };
    let events = wake.events.iter().map(|event| names.external(*event));
    let outside: Vec<String> = exits.chain(signals.map(str::to_owned)).chain(events).collect();
    let timer = due.map(|due| if due.is_empty() { "a timer expires".to_owned() } else { and(&due) });
    match (timer, outside.is_empty()) {
        (Some(timer), true) => timer,
        (Some(timer), false) => {
            let first = match wake.order {
                _ if !wake.events.is_empty() && wake.rank == Rank::First => {
                    "the interfaces are reported first"
                }
                Order::TimerFirst => "the timer is reported first",
                Order::SignalsFirst => "the signals are reported first",
            };
            format!("{timer}; before the loop returns, {}; {first}", and(&outside))
        }
        (None, false) => {
            match (wake.events.is_empty() || wake.events.len() == wake.external_events(), wake.rank) {
                (true, _) => and(&outside),
                (false, Rank::First) => format!("{}; the interfaces are reported first", and(&outside)),
                (false, _) => format!("{}; the signals are reported first", and(&outside)),
            }
        }
        (None, true) => "nothing has come, and the loop waits on".to_owned(),
    }
}

/// `the first run of chk`, `the second run of chk after reload 1`.
fn run_words(run: Run, names: &Names<'_>) -> String {
    const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    let place = usize::try_from(run.nth).unwrap_or(usize::MAX).saturating_sub(1);
    let nth = NTH.get(place).map_or_else(|| format!("{}th", run.nth), |nth| (*nth).to_owned());
    let number = || format!("script {}", run.of.script.0);
    let script = names.bare_script(run.of).map_or_else(number, str::to_owned);
    match run.of.generation.0 {
        0 => format!("the {nth} run of {script}"),
        reload => format!("the {nth} run of {script} after reload {reload}"),
    }
}

fn ends(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("ends by itself, with status {code}"),
        ExitStatus::Signal(signal) => format!("dies of {signal}"),
    }
}

/// What was due when the loop woke at `at`, the record's place in the history.
fn due(run_log: &RunLog, record: usize, at: Instant, names: &Names<'_>) -> Vec<String> {
    let stage = run_log.stages.iter().position(|stage| (stage.from..stage.to).contains(&record));
    let before = stage.and_then(|stage| stage.checked_sub(1)).and_then(|before| run_log.snapshot(before));
    let Some(before) = before else { return Vec::new() };
    let labels = Labels::new(names, &run_log.records);
    let due = |seat: &EntryState| seat.live && seat.due <= Deadline::At(at);
    let child = |seat: EntryState| {
        let run = seat.pid.and_then(|pid| labels.run(pid));
        let whose = run.map_or_else(|| labels.whose(&seat), |run| run_words(run, names));
        match seat.handler {
            Some(Handler::Killer) => format!("the grace of {whose} is over"),
            _ => format!("the timeout of {whose} expires"),
        }
    };
    let timer = |seat: EntryState| match seat.handler {
        Some(Handler::Tick | Handler::MiscTick) => format!("the {} is over", labels.whose(&seat)),
        _ => format!("the {}'s timer expires", labels.whose(&seat)),
    };
    let timers = before.seats_in(Tree::Timer).filter(due).map(timer);
    timers.chain(before.seats_in(Tree::Child).filter(due).map(child)).collect()
}

/// The signals that the program sends before it blocks again: `SIGTERM is sent to the first run of chk`.
fn done(history: &[Record], woke: usize, names: &Names<'_>) -> Vec<String> {
    let after = history.iter().skip(woke + 1);
    let until = after.take_while(|record| !matches!(record.event, Event::Blocked { .. }));
    let sent = until.filter_map(|record| match record.event {
        Event::Signalled { run: Some(run), signal, .. } => {
            Some(format!("{signal} is sent to {}", run_words(run, names)))
        }
        Event::Signalled { run: None, .. } => names.tell(&record.event),
        _ => None,
    });
    sent.collect()
}

/// `2.0`: without the zeros that say nothing.
fn short(at: Instant) -> String {
    let text = at.to_string();
    let trimmed = text.trim_end_matches('0');
    if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
}
