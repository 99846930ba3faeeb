//! Writes a [`Scenario`] as its canonical file, without default values.

use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Costs, Exit, Habit, HeapPolicy, OnTerm, Order, PidPolicy, Rank, Script, ScriptKind, Setup, Wake,
};

use super::about::about_value;
use super::expect::{CLEAN, Expectation};
use super::outside;
use super::page::{Page, Section, Value, quoted};
use super::runs::{Generations, signal_name};
use super::schema::{NEXT_TIMER, words};
use super::{Provenance, Scenario, format_of};

/// Returns the file of `scenario`: `read` returns the same scenario, and `format` does not change it.
#[must_use]
pub fn write(scenario: &Scenario) -> String {
    let trace = &scenario.trace;
    let top = Section::new("")
        .with("format", Value::One(format_of(trace).to_string()))
        .with("title", Value::text(&scenario.title))
        .with_if(!scenario.source.is_empty(), "source", Value::text(&scenario.source))
        .with_if(
            scenario.about.is_some(),
            "about",
            Value::One(scenario.about.map_or_else(String::new, about_value)),
        )
        .with_if(!scenario.story.is_empty(), "story", Value::text(&scenario.story));
    let mut page = Page { sections: vec![top], foot: Vec::new() };
    write_setup(&mut page, trace.setup());
    let configs = &trace.setup().configs;
    let mut generations = Generations::new(configs);
    page.sections.extend(trace.setup().links.iter().map(outside::link_section));
    for wake in trace.wakes() {
        let section = wake_section(wake, &generations, configs.len() > 1);
        page.sections.push(outside::with_events(section, wake, &trace.setup().links));
        generations.after(wake);
    }
    let rows = scenario.expect.rows();
    if !rows.is_empty() {
        let expect = Section::new("[expect]");
        let row = |section: Section, (whom, expectation): &(_, _)| -> Section {
            let whom: &super::Whom = whom;
            section.with(&whom.to_string(), expected(expectation))
        };
        page.sections.push(rows.iter().fold(expect, row));
    }
    if scenario.provenance != Provenance::default() {
        page.sections.push(provenance(&scenario.provenance));
    }
    page.text()
}

fn write_setup(page: &mut Page, setup: &Setup) {
    let pids = Value::text(words::word(words::PIDS, &setup.pids));
    let heap = Value::text(words::word(words::HEAP, &setup.heap));
    let failures = Value::list(setup.fork_failures.iter().map(|start| start.0.to_string()));
    let section = Section::new("[setup]")
        .with_if(setup.pids != PidPolicy::default(), "pids", pids)
        .with_if(setup.heap != HeapPolicy::default(), "heap", heap)
        .with_if(!setup.fork_failures.is_empty(), "fork-failures", failures);
    page.sections.extend(Some(section).filter(|section| !section.entries.is_empty()));

    let section = Costs::NAMES.into_iter().zip(setup.costs.each());
    let section = section.fold(Section::new("[costs]"), |section, (key, cost)| {
        section.with_if(!cost.is_zero(), key, duration(cost))
    });
    page.sections.extend(Some(section).filter(|section| !section.entries.is_empty()));

    match setup.configs.as_slice() {
        [only] if !only.scripts.is_empty() => {
            page.sections.extend(only.scripts.iter().map(|script| script_section("[[script]]", script)));
        }
        configs => {
            for config in configs {
                page.sections.push(Section::new("[[config]]"));
                let scripts = config.scripts.iter().map(|script| script_section("[[config.script]]", script));
                page.sections.extend(scripts);
            }
        }
    }
}

fn script_section(header: &'static str, script: &Script) -> Section {
    let number = |number: u8| Value::One(number.to_string());
    let Habit { on_term, kill_linger } = script.habit;
    let dies_after = match on_term {
        OnTerm::Dies(after) => after,
        OnTerm::Ignores => Span::ZERO,
    };
    let ignores = on_term == OnTerm::Ignores;
    Section::new(header)
        .with("name", Value::text(script.name.as_str()))
        .with_if(
            script.kind != ScriptKind::Track,
            "kind",
            Value::text(words::word(words::KINDS, &script.kind)),
        )
        .with_if(script.interval != Span::from_secs(1), "interval", duration(script.interval))
        .with_if(script.timeout != script.interval, "timeout", duration(script.timeout))
        .with_if(script.rise != 1, "rise", number(script.rise))
        .with_if(script.fall != 1, "fall", number(script.fall))
        .with_if(ignores, "on-term", Value::text(words::word(words::ON_TERM, &ignores)))
        .with_if(!dies_after.is_zero(), "dies-after", duration(dies_after))
        .with_if(!kill_linger.is_zero(), "kill-linger", duration(kill_linger))
}

fn wake_section(wake: &Wake, generations: &Generations<'_>, several_configs: bool) -> Section {
    let after = match wake.advance {
        Advance::NextTimer => NEXT_TIMER.to_owned(),
        Advance::By(span) => format!("+{span}"),
    };
    let signals = treefall_model::trace::signals(wake).filter_map(signal_name).map(quoted);
    let config = wake.hup.filter(|_| several_configs);
    let exits = wake.exits.iter().map(|exit| exit_element(exit, generations));
    Section::new("[[wake]]")
        .with("after", Value::text(&after))
        .with_if(
            wake.order != Order::TimerFirst || wake.rank != Rank::Last,
            "order",
            outside::order_value(wake),
        )
        .with_if(wake.hup.is_some() || wake.term, "signals", Value::list(signals))
        .with_if(config.is_some(), "config", Value::One(config.unwrap_or_default().0.to_string()))
        .with_if(!wake.exits.is_empty(), "exits", Value::list(exits))
}

fn exit_element(exit: &Exit, generations: &Generations<'_>) -> String {
    let run = quoted(&generations.name(exit.run).to_string());
    match exit.status {
        ExitStatus::Code(code) => exit_text(&run, "status", &code.to_string()),
        ExitStatus::Signal(signal) => exit_text(&run, "signal", &signal_value(signal)),
    }
}

/// Returns an element of `exits`, with its values as TOML.
pub(super) fn exit_text(run: &str, how: &str, value: &str) -> String {
    format!("{{ run = {run}, {how} = {value} }}")
}

/// Returns the signal as TOML: by name if it has one.
pub(super) fn signal_value(signal: Signal) -> String {
    signal_name(signal).map_or_else(|| signal.number().to_string(), quoted)
}

fn expected(expectation: &Expectation) -> Value {
    match expectation.failures() {
        [] => Value::text(CLEAN),
        [only] => Value::text(&only.to_string()),
        several => Value::list(several.iter().map(|failure| quoted(&failure.to_string()))),
    }
}

fn provenance(provenance: &Provenance) -> Section {
    let numbers =
        [("seed", provenance.seed), ("trace", provenance.trace), ("generator", provenance.generator)];
    let texts = [("found-by", &provenance.found_by), ("found-on", &provenance.found_on)];
    let section = numbers.into_iter().fold(Section::new("[provenance]"), |section, (key, number)| {
        section.with_if(number.is_some(), key, Value::One(number_value(number.unwrap_or_default())))
    });
    texts.into_iter().fold(section, |section, (key, text)| {
        section.with_if(text.is_some(), key, Value::text(text.as_deref().unwrap_or_default()))
    })
}

/// Returns a number as TOML, whose integers have 63 bits; a larger one becomes text.
pub(super) fn number_value(number: u64) -> String {
    let digits = number.to_string();
    if i64::try_from(number).is_ok() { digits } else { quoted(&digits) }
}

fn duration(span: Span) -> Value {
    Value::text(&span.to_string())
}
