//! Reads a [`Scenario`] from text. All problems of a file are found at once; no text makes it panic.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use treefall_model::id::{ConfigId, StartNo};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, CONFIGS_MAX, COST_MAX, Config, Costs, Exit, HeapPolicy, Link, OnTerm, SCRIPTS_MAX, START_NO_MAX,
    Script, Setup, Trace, Wake,
};

use super::about::read_about;
use super::diagnostic::{Problem, Problems, floor};
use super::expect::{CLEAN, Expectation, Expectations, Failure, Whom};
use super::fields::{Fields, NOTES_MAX, Notes, Value, number, read_name, table, text, unknown_word};
use super::runs::{Generations, signal_named};
use super::schema::{Kind, NEXT_TIMER, words};
use super::{FORMAT, Provenance, Scenario, duration, outside};

/// Reads the scenario in `text`; `name` is the file's name in messages.
///
/// # Errors
/// All its problems, with places.
pub fn read(name: &str, text: &str) -> Result<Scenario, Problems> {
    let text = &*plain_lines(text);
    let problems = |notes| Problems::new(name, text, notes);
    let document = parse(text).map_err(problems)?;
    let mut notes = check_format(&document, text).map_err(|problem| problems(vec![problem]))?;
    let top = Fields::new(Kind::Top, &document, 0..first_line(text), &mut notes);
    let scenario = read_top(&top, &mut notes);
    match scenario {
        Some(scenario) if notes.is_empty() => Ok(scenario),
        _ => Err(problems(notes)),
    }
}

/// Most syntax errors of one file that are looked into: noise has one at every byte.
const SYNTAX_ERRORS_MAX: usize = 20;

/// Returns the text with plain newlines, because line endings are no part of a story.
pub(super) fn plain_lines(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
}

/// Parses the tables of a file.
pub(super) fn parse(text: &str) -> Result<DeTable<'_>, Notes> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(document.into_inner());
    }
    let first = errors.iter().take(SYNTAX_ERRORS_MAX);
    Err(first.map(|error| no_toml(text, error.message(), error.span().unwrap_or(0..0))).collect())
}

/// Returns a syntax error, with a remedy for the most common one: a bare duration or word.
fn no_toml(text: &str, message: &str, span: Range<usize>) -> Problem {
    if let Some(bare) = bare_value(text, span.start) {
        let value = &text[bare.clone()];
        let title = format!("this value has no quotes: {value}");
        return Problem::new(bare, title, "durations and words are text").help(format!("write \"{value}\""));
    }
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let label = if expected.is_empty() { String::new() } else { format!("expected {expected}") };
    Problem::new(span, format!("this is no TOML: {what}"), label)
}

/// Returns the bare duration or word at `place`, if it is the value there.
fn bare_value(text: &str, place: usize) -> Option<Range<usize>> {
    let place = floor(text, place);
    let line_start = text[..place].rfind('\n').map_or(0, |newline| newline + 1);
    let equals = line_start + text[line_start..place].find('=')?;
    let value = text[equals + 1..].lines().next()?;
    let from = equals + 1 + (value.len() - value.trim_start().len());
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    let length = text[from..].find(|c| !bare(c)).unwrap_or(text.len() - from);
    let word = &text[from..from + length];
    let lettered = word.contains(|c: char| c.is_ascii_alphabetic());
    (lettered && length <= 64 && (from..=from + length).contains(&place)).then_some(from..from + length)
}

fn first_line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Rejects a newer format before any other problem is reported.
fn check_format(document: &DeTable<'_>, text: &str) -> Result<Notes, Problem> {
    let Some(value) = document.get("format") else {
        let title = "this is no scenario: it does not say its format";
        let problem = Problem::new(0..first_line(text), title, "expected `format = 1` first");
        return Err(problem);
    };
    let mut notes = Notes::new();
    match number(value, "format", 1, u64::MAX, &mut notes) {
        Some(newer) if newer > FORMAT => {
            let title = format!("format {newer} is newer than format {FORMAT}, which this treefall reads");
            Err(Problem::new(value.span(), title, format!("expected {FORMAT} or less"))
                .help("use a newer treefall"))
        }
        _ => notes.pop().map_or(Ok(notes), Err),
    }
}

fn read_top(top: &Fields<'_>, notes: &mut Notes) -> Option<Scenario> {
    let line = |key, notes: &mut Notes| top.text(key, notes).map(|(text, _)| text.to_owned());
    let title = line("title", notes);
    if title.is_none() && top.get("title").is_none() {
        top.missing("title", "\"A reload frees an entry that is still linked\"", notes);
    }
    let source = line("source", notes).unwrap_or_default();
    let about = read_about(top, notes);
    let story = line("story", notes).unwrap_or_default();
    let expect = read_expect(top, notes);
    let provenance = read_provenance(top, notes);
    let mut setup = read_setup(top, notes)?;
    setup.links = outside::read_links(top, notes);
    let wakes = read_wakes(top, &setup, notes);
    let trace = Trace::new(setup, wakes);
    let trace = trace.map_err(|error| {
        // Each part was checked; only limits of sizes remain.
        if notes.is_empty() {
            notes.push(Problem::new(top.header(), error.to_string(), "in this scenario"));
        }
    });
    let (title, trace, expect) = (title?, trace.ok()?, expect?);
    Some(Scenario { title, source, about, story, trace, expect, provenance })
}

/// Reports a heap policy that the file's format does not have.
fn check_heap(top: &Fields<'_>, fields: &Fields<'_>, heap: HeapPolicy, notes: &mut Notes) {
    let format = top.number("format", 1, FORMAT, &mut Notes::new());
    if let (HeapPolicy::Guarded, Some(1), Some(value)) = (heap, format, fields.get("heap")) {
        let title = "a guarded heap cannot be said in format 1";
        let problem = Problem::new(value.span(), title, "expected another policy");
        notes.push(problem.help("write `format = 2` at the top"));
    }
}

fn read_setup(top: &Fields<'_>, notes: &mut Notes) -> Option<Setup> {
    let configs = read_configs(top, notes);
    let mut setup = Setup::default();
    if let Some(fields) = top.table("setup", Kind::Setup, notes) {
        setup.pids = fields.word("pids", words::PIDS, notes).unwrap_or_default();
        setup.heap = fields.word("heap", words::HEAP, notes).unwrap_or_default();
        check_heap(top, &fields, setup.heap, notes);
        for start in fields.list("fork-failures", notes) {
            let number = number(start, "fork-failures", 0, u64::from(START_NO_MAX), notes);
            let number = number.and_then(|number| u32::try_from(number).ok()).map(StartNo);
            if number.is_some_and(|number| !setup.fork_failures.insert(number)) {
                notes.push(Problem::new(start.span(), "this start is told to fail twice", "the second time"));
            }
        }
    }
    if let Some(fields) = top.table("costs", Kind::Costs, notes) {
        let mut cost = |key| {
            let cost = fields.duration(key, notes).unwrap_or_default();
            if cost > COST_MAX
                && let Some(value) = fields.get(key)
            {
                let label = format!("expected at most {COST_MAX}");
                notes.push(Problem::new(value.span(), "this cost is too long", label));
            }
            cost
        };
        setup.costs = Costs::of(Costs::NAMES.map(&mut cost));
    }
    setup.configs = configs?;
    Some(setup)
}

pub(super) fn read_configs(top: &Fields<'_>, notes: &mut Notes) -> Option<Vec<Config>> {
    match (top.get("script"), top.get("config")) {
        (Some(scripts), Some(_)) => {
            let title = "`[[script]]` beside `[[config]]`: it is not clear which configuration has it";
            notes.push(Problem::new(scripts.span(), title, "expected `[[config.script]]`"));
            None
        }
        (None, None) => {
            let problem = Problem::new(top.header(), "there is no script to start", "in this scenario");
            notes.push(problem.help("begin one with [[script]] and name = \"chk\""));
            None
        }
        (Some(_), None) => Some(vec![read_config(top, notes)?]),
        (None, Some(_)) => {
            let configs = top.tables("config", Kind::Config, notes);
            if configs.is_empty() || configs.len() > CONFIGS_MAX {
                let title = format!("there are {} configurations", configs.len());
                notes.push(Problem::new(top.header(), title, format!("expected 1 to {CONFIGS_MAX}")));
                return None;
            }
            configs.iter().map(|config| read_config(config, notes)).collect()
        }
    }
}

fn read_config(of: &Fields<'_>, notes: &mut Notes) -> Option<Config> {
    let mut taken = BTreeSet::new();
    let mut config = Config::default();
    let scripts = of.tables("script", Kind::Script, notes);
    if scripts.len() > SCRIPTS_MAX {
        let title = format!("there are {} scripts in one configuration", scripts.len());
        notes.push(Problem::new(of.header(), title, format!("expected {SCRIPTS_MAX} at most")));
        return None;
    }
    for fields in scripts {
        let Some(script) = read_script(&fields, notes) else { continue };
        if !taken.insert(script.name.clone()) {
            let place = fields.get("name").map_or(fields.header(), toml::Spanned::span);
            let title = format!("two scripts of one configuration are called {}", script.name);
            notes.push(Problem::new(place, title, "expected another name"));
        }
        config.scripts.push(script);
    }
    Some(config)
}

fn read_script(fields: &Fields<'_>, notes: &mut Notes) -> Option<Script> {
    let name = read_name(fields, notes);
    let kind = fields.word("kind", words::KINDS, notes).unwrap_or_default();
    let mut time = |key| {
        let span = fields.duration(key, notes)?;
        if span.is_zero()
            && let Some(value) = fields.get(key)
        {
            let title = format!("the {key} must not be zero");
            notes.push(Problem::new(value.span(), title, "expected 1us or more"));
        }
        Some(span)
    };
    let interval = time("interval").unwrap_or(Span::from_secs(1));
    let timeout = time("timeout").unwrap_or(interval);
    let mut count = |key| fields.number(key, 1, 255, notes).and_then(|n| u8::try_from(n).ok()).unwrap_or(1);
    let (rise, fall) = (count("rise"), count("fall"));
    let ignores = fields.word("on-term", words::ON_TERM, notes).unwrap_or_default();
    let dies_after = fields.duration("dies-after", notes);
    let kill_linger = fields.duration("kill-linger", notes).unwrap_or_default();
    if ignores && let Some(value) = fields.get("dies-after") {
        let title = "a child that ignores SIGTERM does not die of it";
        let problem =
            Problem::new(value.span(), title, "expected no `dies-after` beside `on-term = \"ignores\"`");
        notes.push(problem.help("`kill-linger` says how long it is still there after SIGKILL"));
    }
    let on_term = if ignores { OnTerm::Ignores } else { OnTerm::Dies(dies_after.unwrap_or_default()) };
    let mut script = Script::new(name?);
    script.kind = kind;
    (script.interval, script.timeout, script.rise, script.fall) = (interval, timeout, rise, fall);
    (script.habit.on_term, script.habit.kill_linger) = (on_term, kill_linger);
    Some(script)
}

fn read_wakes(top: &Fields<'_>, setup: &Setup, notes: &mut Notes) -> Vec<Wake> {
    let Setup { configs, links, .. } = setup;
    let mut generations = Generations::new(configs);
    let mut wakes = Vec::new();
    for fields in top.tables("wake", Kind::Wake, notes) {
        if notes.len() >= NOTES_MAX {
            break;
        }
        let Some(wake) = read_wake(&fields, &generations, (configs.len(), links), notes) else { continue };
        generations.after(&wake);
        wakes.push(wake);
    }
    wakes
}

pub(super) fn read_wake(
    fields: &Fields<'_>,
    generations: &Generations<'_>,
    (configs, links): (usize, &[Link]),
    notes: &mut Notes,
) -> Option<Wake> {
    let mut wake = Wake::new(read_advance(fields, notes).unwrap_or(Advance::NextTimer));
    outside::read_order(fields, links, &mut wake, notes);
    outside::read_events(fields, links, &mut wake, notes);
    let mut hup = false;
    for element in fields.list("signals", notes) {
        let Some((word, span)) = text(element, "signals", "a signal's name in quotes", notes) else {
            continue;
        };
        let told = match signal_named(word) {
            Some(Signal::HUP) => &mut hup,
            Some(Signal::TERM) => &mut wake.term,
            _ => {
                notes.push(unknown_word(word, span, "signals", ["HUP", "TERM"]));
                continue;
            }
        };
        if std::mem::replace(told, true) {
            notes.push(Problem::new(
                span,
                "this signal comes twice",
                "the kernel merges them: expected once",
            ));
        }
    }
    let config = fields.get("config").and_then(|value| {
        if !hup {
            let title = "a configuration is read by a reload, and no SIGHUP comes in this wake";
            notes.push(Problem::new(value.span(), title, "expected signals = [\"HUP\"] beside it"));
        }
        number(value, "config", 0, configs as u64 - 1, notes)
    });
    if hup && config.is_none() && fields.get("config").is_none() && configs > 1 {
        fields.missing("config", "0", notes);
    }
    wake.hup = hup.then(|| ConfigId(config.and_then(|config| u8::try_from(config).ok()).unwrap_or(0)));
    let mut ended = BTreeSet::new();
    for element in fields.list("exits", notes) {
        if notes.len() >= NOTES_MAX {
            break;
        }
        let Some(exit) = read_exit(element, generations, notes) else { continue };
        if !ended.insert(exit.run) {
            notes.push(Problem::new(element.span(), "this run ends twice in one wake", "the second time"));
        }
        wake.exits.push(exit);
    }
    Some(wake)
}

fn read_advance(fields: &Fields<'_>, notes: &mut Notes) -> Option<Advance> {
    let examples = "\"next-timer\" or a duration with a plus sign, such as \"+250ms\"";
    let Some(value) = fields.get("after") else {
        fields.missing("after", "\"next-timer\"", notes);
        return None;
    };
    let (text, span) = text(value, "after", examples, notes)?;
    if text == NEXT_TIMER {
        return Some(Advance::NextTimer);
    }
    let expected = |title: String| Problem::new(span.clone(), title, format!("expected {examples}"));
    let with_sign = |meant: Option<String>| meant.map(|meant| format!("+{meant}"));
    let problem = match text.strip_prefix('+') {
        Some(told) => match duration::parse(told) {
            Ok(told) => return Some(Advance::By(told)),
            Err(no) => expected(format!("this duration {}", no.why)).meant(with_sign(no.meant)),
        },
        None => match duration::parse(text) {
            Ok(_) => expected("a wake comes so long after the one before it".to_owned())
                .help(format!("write \"+{text}\"")),
            Err(no) => expected(format!("`after` cannot be {text:?}"))
                .nearest(text, [NEXT_TIMER])
                .meant(with_sign(no.meant)),
        },
    };
    notes.push(problem);
    None
}

fn read_exit(element: &Value<'_>, generations: &Generations<'_>, notes: &mut Notes) -> Option<Exit> {
    let fields = table(element, "exits", Kind::Exit, notes)?;
    if fields.get("run").is_none() {
        fields.missing("run", "\"chk_haproxy@0#1\"", notes);
    }
    let run = fields.text("run", notes).map(|(text, span)| generations.parse(text, span));
    let status = match (fields.get("status"), fields.get("signal")) {
        (Some(_), None) => {
            let code = fields.number("status", 0, 255, notes);
            code.and_then(|code| u8::try_from(code).ok()).map(ExitStatus::Code)
        }
        (None, Some(value)) => read_signal(value, notes).map(ExitStatus::Signal),
        (None, None) => {
            fields.missing("status", "0", notes);
            None
        }
        (Some(_), Some(value)) => {
            let title = "a child ends by itself or by a signal, not both";
            notes.push(Problem::new(value.span(), title, "expected no `signal` beside `status`"));
            None
        }
    };
    match run? {
        Ok(run) => Some(Exit { run, status: status? }),
        Err(problem) => {
            notes.push(problem);
            None
        }
    }
}

fn read_signal(value: &Value<'_>, notes: &mut Notes) -> Option<Signal> {
    if let DeValue::Integer(_) = value.get_ref() {
        let number = number(value, "signal", 1, u64::from(Signal::MAX), notes)?;
        return u8::try_from(number).ok().and_then(Signal::new);
    }
    let (name, span) = text(value, "signal", "a signal's name in quotes, or its number", notes)?;
    let signal = signal_named(name);
    if signal.is_none() {
        let known = ["TERM", "KILL", "SEGV", "ABRT", "HUP"];
        notes.push(unknown_word(name, span, "signal", known).or_help("other signals are told by number"));
    }
    signal
}

fn read_expect(top: &Fields<'_>, notes: &mut Notes) -> Option<Expectations> {
    let Some(fields) = top.table("expect", Kind::Expect, notes) else {
        return top.get("expect").is_none().then(Expectations::default);
    };
    let mut rows: Vec<(Whom, Expectation)> = Vec::new();
    let before = notes.len();
    for (key, span, value) in fields.rows() {
        let whom = match Whom::parse(key) {
            Ok(whom) => whom,
            Err(no) => {
                let label = "expected a range such as \"2.2.5..=2.3.1\", \"2.3.2..\", \"2.2.7\" or mended";
                let mut problem = Problem::new(span, no.why, label).meant(no.meant);
                if value.get_ref().is_table() {
                    problem = problem.help("put quotes around the range: without, its dots make tables");
                }
                notes.push(problem);
                continue;
            }
        };
        if let Some((other, _)) = rows.iter().find(|(other, _)| other.overlaps(whom)) {
            let title = format!("\"{whom}\" and \"{other}\" speak of the same release");
            notes.push(Problem::new(span, title, "expected ranges that do not overlap"));
        }
        rows.extend(read_expectation(value, notes).map(|expectation| (whom, expectation)));
    }
    if notes.len() > before { None } else { Expectations::new(rows).ok() }
}

fn read_expectation(value: &Value<'_>, notes: &mut Notes) -> Option<Expectation> {
    let what = "\"clean\", a law's name in quotes, or a list of them";
    let elements = match value.get_ref() {
        DeValue::String(word) if word == CLEAN => return Some(Expectation::clean()),
        DeValue::Array(elements) if elements.is_empty() => {
            notes.push(Problem::new(value.span(), "an empty list expects nothing", "expected \"clean\""));
            return None;
        }
        DeValue::Array(elements) => elements.as_ref(),
        _ => std::slice::from_ref(value),
    };
    let mut failures = Vec::new();
    for element in elements {
        let (word, span) = text(element, "expect", what, notes)?;
        match Failure::parse(word) {
            Ok(failure) => failures.push(failure),
            Err(_) if word == CLEAN => {
                let title = "a run is clean, or it breaks laws";
                notes.push(Problem::new(span, title, "expected \"clean\" alone, or laws alone"));
                return None;
            }
            Err(unknown) => {
                let title = format!("there is no {} {:?}", unknown.what, unknown.name);
                let clean = (unknown.name == word).then_some(CLEAN);
                let known = unknown.known.iter().copied().chain(clean);
                let label = format!("expected {what}");
                notes.push(Problem::new(span, title, label).nearest(&unknown.name, known));
                return None;
            }
        }
    }
    Some(Expectation::broken(failures))
}

fn read_provenance(top: &Fields<'_>, notes: &mut Notes) -> Provenance {
    let Some(fields) = top.table("provenance", Kind::Provenance, notes) else { return Provenance::default() };
    let text = |key, notes: &mut Notes| fields.text(key, notes).map(|(text, _)| text.to_owned());
    let found_by = text("found-by", notes);
    let found_on = text("found-on", notes);
    let mut number = |key| match fields.get(key)?.get_ref() {
        // TOML's integers have 63 bits, a seed has 64: larger ones are written as text.
        DeValue::String(digits) if digits.parse::<u64>().is_ok() => digits.parse().ok(),
        _ => fields.number(key, 0, u64::MAX, notes),
    };
    let (seed, trace, generator) = (number("seed"), number("trace"), number("generator"));
    Provenance { seed, trace, generator, found_by, found_on }
}
