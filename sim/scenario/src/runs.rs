//! The notation of runs and signals in scenario files.
//!
//! A run is `script@generation#start`, with the script's name: `chk_haproxy@1#2`; `@0` can be omitted. The scripts of
//! a generation are those of the configuration that its reload loaded. A trace can also end a run of a script that
//! its generation's configuration does not contain; such a run, which nothing starts, has the script's place instead,
//! from 0: `:3@1#1`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use treefall_model::id::{ConfigId, Generation, Run, ScriptId, ScriptRef};
use treefall_model::signal::Signal;
use treefall_model::trace::{Config, Wake};

use super::diagnostic::Problem;

/// The scripts of each generation, wake by wake.
pub(super) struct Generations<'c> {
    configs: &'c [Config],
    /// For each configuration, the places of its scripts by name.
    places: Vec<BTreeMap<&'c str, u16>>,
    /// The configuration of each generation so far.
    of: Vec<ConfigId>,
}

impl<'c> Generations<'c> {
    /// Returns the state before the first wake.
    pub(super) fn new(configs: &'c [Config]) -> Self {
        let places = configs.iter().map(|config| {
            let scripts = config.scripts.iter().enumerate();
            let place = |place| u16::try_from(place).unwrap_or(u16::MAX);
            scripts.map(|(at, script)| (script.name.as_str(), place(at))).collect()
        });
        Self { configs, places: places.collect(), of: vec![ConfigId(0)] }
    }

    /// Applies a wake.
    pub(super) fn after(&mut self, wake: &Wake) {
        self.of.extend(wake.hup);
    }

    /// Returns the index of a generation's configuration.
    fn config(&self, generation: Generation) -> Option<usize> {
        let config = self.of.get(usize::try_from(generation.0).ok()?)?;
        Some(usize::from(config.0)).filter(|place| *place < self.configs.len())
    }

    /// Formats the run, without the default generation.
    pub(super) fn name(&self, run: Run) -> RunName<'c> {
        let place = run.of.script;
        let config = self.config(run.of.generation).map(|place| &self.configs[place]);
        let script = config.and_then(|config| config.scripts.get(usize::from(place.0)));
        RunName { script: script.map(|script| script.name.as_str()), run }
    }

    /// Parses the run in `text`, which is at `span`.
    pub(super) fn parse(&self, text: &str, span: Range<usize>) -> Result<Run, Problem> {
        let Some(outline) = Outline::of(text) else {
            let title = format!("{text:?} names no run");
            return Err(Problem::new(span, title, "expected `script@generation#start`")
                .help("`chk@0#1` is the first start of script `chk` in generation 0, before any reload"));
        };
        let problem = |title: String, label: String| Problem::new(span.clone(), title, label);
        let reloads = self.of.len() - 1;
        let Some(config) = self.config(outline.generation) else {
            let generation = outline.generation.0;
            let title = format!("no run of generation {generation} can exist yet");
            return Err(problem(title, format!("{} before this wake", reloads_in_words(reloads))));
        };
        if outline.nth == 0 {
            return Err(problem("starts are counted from 1".to_owned(), "expected `#1` or more".to_owned()));
        }
        let script = match outline.script.strip_prefix(':') {
            Some(place) => self.place(place).ok_or_else(|| {
                problem(
                    format!("there is no script at place {place}"),
                    "no configuration is so long".to_owned(),
                )
            })?,
            None => self.script(config, &outline).map_err(|(label, known)| {
                let title = format!("there is no script `{}`", outline.script);
                problem(title, label).nearest(outline.script, known)
            })?,
        };
        Ok(Run { of: ScriptRef { generation: outline.generation, script }, nth: outline.nth })
    }

    fn place(&self, place: &str) -> Option<ScriptId> {
        let place: u16 = place.parse().ok()?;
        self.configs.iter().any(|config| config.scripts.len() > usize::from(place)).then_some(ScriptId(place))
    }

    /// Returns the script with that name, or else the configuration that was searched and its names.
    fn script(&self, config: usize, outline: &Outline<'_>) -> Result<ScriptId, (String, Vec<&'c str>)> {
        let places = &self.places[config];
        if let Some(place) = places.get(outline.script) {
            return Ok(ScriptId(*place));
        }
        let generation = outline.generation.0;
        let label = match self.places.iter().any(|places| places.contains_key(outline.script)) {
            true => format!("the configuration of generation {generation} does not have it"),
            false => "no configuration has a script of this name".to_owned(),
        };
        Err((label, places.keys().copied().collect()))
    }
}

fn reloads_in_words(reloads: usize) -> String {
    match reloads {
        0 => "no reload comes".to_owned(),
        1 => "one reload comes".to_owned(),
        more => format!("{more} reloads come"),
    }
}

/// Formats a run.
pub(super) struct RunName<'c> {
    script: Option<&'c str>,
    run: Run,
}

impl fmt::Display for RunName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScriptRef { generation, script } = self.run.of;
        match self.script {
            Some(name) => f.write_str(name)?,
            None => write!(f, ":{}", script.0)?,
        }
        write!(f, "@{}#{}", generation.0, self.run.nth)
    }
}

/// Splits the name of a run into its parts.
struct Outline<'t> {
    script: &'t str,
    generation: Generation,
    nth: u32,
}

impl<'t> Outline<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let (of, nth) = text.rsplit_once('#')?;
        let (script, generation) = of.rsplit_once('@').unwrap_or((of, "0"));
        Some(Self { script, generation: Generation(number(generation)?), nth: number(nth)? })
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Adds the default generation to a run's name; returns `text` unchanged if it is none.
pub(super) fn canonical(text: &str) -> String {
    match Outline::of(text) {
        Some(Outline { script, generation, nth }) => format!("{script}@{}#{nth}", generation.0),
        None => text.to_owned(),
    }
}

/// Returns the signal named `TERM` or `SIGTERM`.
pub(super) fn signal_named(name: &str) -> Option<Signal> {
    let short = name.strip_prefix("SIG").unwrap_or(name);
    (1..=Signal::MAX).filter_map(Signal::new).find(|signal| signal_name(*signal) == Some(short))
}

/// Returns `TERM`, if the signal has a name.
pub(super) fn signal_name(signal: Signal) -> Option<&'static str> {
    signal.name().map(|name| name.strip_prefix("SIG").unwrap_or(name))
}
