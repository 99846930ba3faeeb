//! A person's own configuration file, given to the daemon as far as it can be: its scripts and what tracks them.
//!
//! The daemon reads names, interval, timeout, rise, fall and weight as the file has them, and defaults what the
//! file leaves out. What a script executes is never executed, and so is not taken over; nor is anything that
//! needs a network or opens a socket: every instance stands on an interface that does not exist.
//!
//! Always: a trace that is played has scripts of the file alone, each with the file's values. It may leave some
//! out: then they are left out of what the daemon reads. What of the file is not taken over is told in
//! [`Own::left_out`].

use std::path::{Path, PathBuf};

use treefall_model::release::Rules;
use treefall_model::trace::{Config, Name, SCRIPTS_MAX, Script, ScriptKind, Setup, Trace};

use super::config::{self, COMMAND, Unfit, seconds};
use crate::keepalived_conf::{self, Conf, ConfFileError, Other, Slip, VrrpScript, offers};

/// Why a person's file cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] ConfFileError),
    /// Nothing would run.
    #[error(
        "{}: nothing tracks a script in it, and keepalived runs no others; name one in the `track_script` block of a \
         vrrp_instance{}",
        path.display(),
        offers(slips)
    )]
    NothingTracked {
        /// The file.
        path: PathBuf,
        /// What may be the reason.
        slips: Vec<Slip>,
    },
    /// A script that no trace can have.
    #[error("{}, line {line}: {why}", path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// Where the script begins, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// More scripts than a trace may have.
    #[error("{}: it tracks more than {SCRIPTS_MAX} scripts", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
}

/// A person's own configuration.
#[derive(Clone, Debug)]
pub struct Own {
    path: PathBuf,
    conf: Conf,
    scripts: Vec<Script>,
}

impl Own {
    /// The configuration in the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or has nothing that runs, or a script that no trace can have.
    pub fn load(path: &Path) -> Result<Self, OwnError> {
        Self::new(path, keepalived_conf::load(path)?)
    }

    fn new(path: &Path, conf: Conf) -> Result<Self, OwnError> {
        let path = path.to_owned();
        let script = |script: &VrrpScript| {
            trace_script(script).map_err(|why| OwnError::Script {
                path: path.clone(),
                line: script.line,
                why,
            })
        };
        let scripts = conf.tracked().map(script).collect::<Result<Vec<_>, _>>()?;
        if scripts.is_empty() {
            return Err(OwnError::NothingTracked { path, slips: conf.slips() });
        }
        if scripts.len() > SCRIPTS_MAX {
            return Err(OwnError::TooMany { path });
        }
        Ok(Self { path, conf, scripts })
    }

    /// Its scripts, as a trace has them.
    #[must_use]
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// What looks like a slip of the pen in what tracks its scripts.
    #[must_use]
    pub fn slips(&self) -> Vec<Slip> {
        self.conf.slips()
    }

    /// What of the file the daemon is not given, each in a few words with its line.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let at = |what: &str, line: usize| format!("{what} (line {line})");
        let others = |others: &[Other]| -> Vec<String> {
            others.iter().map(|other| at(&other.keyword, other.line)).collect()
        };
        let mut out = others(&self.conf.others);
        let is_tracked = |script: &&VrrpScript| self.conf.tracked().any(|it| it.name == script.name);
        for script in &self.conf.scripts {
            if !is_tracked(&script) {
                out.push(at(&format!("vrrp_script {}, which nothing tracks", script.name), script.line));
            } else if script.init_fail {
                out.push(at(&format!("init_fail of {}", script.name), script.line));
            }
        }
        for tracker in &self.conf.trackers {
            let kind = if tracker.is_group { "group" } else { "instance" };
            out.extend(
                others(&tracker.others).iter().map(|other| format!("{kind} {}: {other}", tracker.name)),
            );
            let unknown = tracker.tracked.iter().filter(|it| self.conf.script(&it.name).is_none());
            out.extend(
                unknown.map(|it| at(&format!("track_script {}, which is not there", it.name), it.line)),
            );
        }
        out
    }

    /// The text of each of the trace's configurations, for a daemon that goes by `rules`.
    pub(super) fn texts(&self, trace: &Trace, rules: Rules) -> Result<Vec<String>, Unfit> {
        self.can_be_said(trace, rules)?;
        let links = config::links(&trace.setup().links);
        Ok(trace.setup().configs.iter().map(|config| self.text(config, &links)).collect())
    }

    /// Whether a daemon that goes by `rules` can be given the trace with this file.
    pub(super) fn can_be_said(&self, trace: &Trace, rules: Rules) -> Result<(), Unfit> {
        for script in trace.setup().configs.iter().flat_map(|config| &config.scripts) {
            if script.kind == ScriptKind::Fifo {
                return Err(Unfit::OwnFifo(script.name.to_string(), self.path.display().to_string()));
            }
            self.has(script)?;
        }
        if let Some(link) = trace.setup().links.iter().find(|link| link.is_delayed()) {
            return Err(Unfit::OwnLinkDelays(link.name.to_string(), self.path.display().to_string()));
        }
        config::can_be_said(trace, rules)
    }

    /// Whether the script is one of the file's.
    fn has(&self, script: &Script) -> Result<(), Unfit> {
        let name = || script.name.to_string();
        let file = || self.path.display().to_string();
        let own = self.scripts.iter().find(|own| own.name == script.name);
        let own = own.ok_or_else(|| Unfit::NotInFile {
            name: name(),
            file: file(),
            there: self.scripts.iter().map(|own| own.name.to_string()).collect(),
        })?;
        let values = |script: &Script| {
            [
                ("interval", script.interval.to_string()),
                ("timeout", script.timeout.to_string()),
                ("rise", script.rise.to_string()),
                ("fall", script.fall.to_string()),
            ]
        };
        for ((what, in_trace), (_, in_file)) in values(script).into_iter().zip(values(own)) {
            if in_trace != in_file {
                let line = self.conf.script(own.name.as_str()).map_or(0, |it| it.line);
                return Err(Unfit::InFileOtherwise {
                    name: name(),
                    what,
                    in_trace,
                    in_file,
                    line,
                    file: file(),
                });
            }
        }
        Ok(())
    }

    /// A trace that has the file's scripts where it had any; what they do when told to die stays.
    #[must_use]
    pub fn nearest(&self, trace: Trace, rules: Rules) -> Trace {
        if self.can_be_said(&trace, rules).is_ok() {
            return trace;
        }
        let (mut setup, mut wakes) = config::nearest(trace.clone(), rules).into_parts();
        self.arrange(&mut setup);
        for wake in &mut wakes {
            wake.exits.retain(|exit| usize::from(exit.run.of.script.0) < self.scripts.len());
        }
        // Scripts and interfaces alone were changed, and exits of those that are no more taken out.
        Trace::new(setup, wakes).unwrap_or(trace)
    }

    /// Puts the file's scripts in the place of the setup's.
    pub(super) fn arrange(&self, setup: &mut Setup) {
        setup.costs.callback = treefall_model::time::Span::ZERO;
        setup.costs.reload = treefall_model::time::Span::ZERO;
        config::without_delays(setup);
        for config in &mut setup.configs {
            let habits: Vec<_> = config.scripts.iter().map(|script| script.habit).collect();
            let mut habits = habits.into_iter().cycle();
            config.scripts = self.scripts.clone();
            for script in &mut config.scripts {
                script.habit = habits.next().unwrap_or_default();
            }
        }
    }

    /// The file, for a daemon without a network whose scripts are those of `config`.
    fn text(&self, config: &Config, links: &str) -> String {
        let is_in = |name: &str| config.scripts.iter().any(|script| script.name.as_str() == name);
        let own = config.scripts.iter().filter_map(|script| self.conf.script(script.name.as_str()));
        let scripts: String = own.map(block).collect();
        let trackers = self.conf.trackers.iter().enumerate();
        let instances: String = trackers
            .map(|(number, tracker)| {
                let tracked = tracker.tracked.iter().filter(|tracked| is_in(&tracked.name));
                let lines = tracked.map(|tracked| format!("{} {}", tracked.name, tracked.rest));
                // A group's scripts are tracked by an instance of its own: a group would need its instances to be up.
                let name = if tracker.is_group || Name::new(&tracker.name).is_err() {
                    format!("treefall{number}")
                } else {
                    tracker.name.clone()
                };
                config::instance(&name, number, lines)
            })
            .collect();
        format!("{}{links}{scripts}{instances}", config::global(0))
    }
}

/// A script's block, as the file has it, but for what it executes.
fn block(script: &VrrpScript) -> String {
    let VrrpScript { name, interval, timeout, rise, fall, weight, .. } = script;
    let mut lines = vec![format!("script \"{COMMAND} {name}\"")];
    lines.extend(interval.map(|span| format!("interval {}", seconds(span))));
    lines.extend(timeout.map(|span| format!("timeout {}", seconds(span))));
    lines.extend(rise.map(|rise| format!("rise {rise}")));
    lines.extend(fall.map(|fall| format!("fall {fall}")));
    lines.extend(weight.as_ref().map(|weight| format!("weight {weight}")));
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!("vrrp_script {name} {{\n{lines}}}\n")
}

fn trace_script(script: &VrrpScript) -> Result<Script, String> {
    let name = Name::new(&script.name).map_err(|_| {
        format!(
            "`{}` cannot be the name of a script here: letters, digits, `_`, `-` and `.`, 64 at most",
            script.name
        )
    })?;
    let times = |what, times| {
        u8::try_from(times)
            .map_err(|_| format!("{what} of {name} is {times}; 255 is the most that is counted"))
    };
    Ok(Script {
        interval: script.interval(),
        timeout: script.timeout(),
        rise: times("rise", script.rise())?,
        fall: times("fall", script.fall())?,
        ..Script::new(name.clone())
    })
}
