//! A trace's configurations as keepalived's own configuration file, and which traces a daemon can be given.
//!
//! The scripts are tracked by one instance on an interface that does not exist, so that it stays in FAULT: it
//! opens no socket and arms no timer, and the scripts' timers are all that there is. What the scripts execute
//! is never executed; its last word is the script's name, by which it is known when it starts.
//!
//! Always: what cannot be said in the file is refused here with its name, never left out.

use treefall_model::release::{LinkDelays, Rules, ShortTimeouts};
use treefall_model::time::Span;
use treefall_model::trace::retain_links;
use treefall_model::trace::{Config, Link, Script, ScriptKind, Setup, Trace};
use treefall_world::FIFOS;

use super::MOUNT;

/// A file that is there and no link on every machine of use; keepalived refuses others.
pub(super) const COMMAND: &str = "/usr/bin/true";
const SECOND: Span = Span::from_secs(1);
/// What all of keepalived's times keep of a second where it takes parts of one (seen on the real 2.3.3 and 2.3.4:
/// one is rounded to the nearest millisecond, another up to a tenth of one).
const FINEST: Span = Span::from_millis(1);

/// The longest times that the configuration takes; what is longer it ignores with a warning (seen on the real
/// 2.2.7).
const LONGEST: Span = Span::from_secs(4_294);

/// The interface that every network namespace has; no other is made in the daemon's.
const INTERFACE: &str = "lo";

/// What of a trace the daemon of a release cannot be given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Not in the process that is taken over. (That process ends at its start in a network namespace of a kernel
    /// without IPVS: seen on the real 2.2.7, 2.3.3 and 2.3.4. The first of them lives and runs its checks where
    /// IPVS's socket options are answered; the others ask over netlink alone.)
    #[error(
        "script {0} is a misc check, which keepalived's checker process runs; the vrrp process alone is played"
    )]
    Misc(String),
    /// No script of keepalived's cancels the entry of its run.
    #[error("script {0} cancels the entry of its last run, which no script of keepalived's does")]
    Cancelling(String),
    /// More fifos than the process that is taken over can have.
    #[error(
        "script {0} is the third of its configuration that is a notify fifo's, and keepalived's vrrp process has two"
    )]
    Fifo(String),
    /// A person's own configuration is given without its fifos.
    #[error("script {0} is a notify fifo's, and of {1} the scripts alone are played that something tracks")]
    OwnFifo(String, String),
    /// Times that the configuration cannot hold.
    #[error(
        "the {what} of script {name} is {span}, and this release's configuration takes multiples of {unit}"
    )]
    Fraction {
        /// The script.
        name: String,
        /// `interval` or `timeout`.
        what: &'static str,
        /// How long.
        span: Span,
        /// What it has to be a multiple of.
        unit: Span,
    },
    /// Times that the configuration ignores.
    #[error("the {what} of script {name} is {span}, and keepalived's configuration takes {LONGEST} at most")]
    TooLong {
        /// The script.
        name: String,
        /// `interval` or `timeout`.
        what: &'static str,
        /// How long.
        span: Span,
    },
    /// A person's own file has no such script that is tracked.
    #[error("{file} has no script {name} that something tracks; it has {}", there.join(", "))]
    NotInFile {
        /// The script.
        name: String,
        /// The file.
        file: String,
        /// The scripts that it has.
        there: Vec<String>,
    },
    /// A person's own file has it with another value.
    #[error(
        "the {what} of script {name} is {in_trace}, and {in_file} at line {line} of {file}; make them equal"
    )]
    InFileOtherwise {
        /// The script.
        name: String,
        /// `interval`, `timeout`, `rise` or `fall`.
        what: &'static str,
        /// The trace's value.
        in_trace: String,
        /// The file's value.
        in_file: String,
        /// Where the script begins, from 1.
        line: usize,
        /// The file.
        file: String,
    },
    /// An interface that the daemon's network namespace does not have.
    #[error("the daemon's network namespace has no interface {0}; it has {INTERFACE}")]
    Link(String),
    /// Delays that the configuration of the release does not know.
    #[error(
        "interface {0} has delays, and this release's configuration does not know `interface_up_down_delays`"
    )]
    LinkDelays(String),
    /// A person's own configuration is given without delays of interfaces.
    #[error("interface {0} has delays, and of {1} the scripts alone are played that something tracks")]
    OwnLinkDelays(String, String),
    /// Handlers of the daemon are not seen when they begin.
    #[error(
        "the setup lets a callback or a reload's reading cost time, and the daemon does not show when one begins"
    )]
    CallbackCost,
}

/// What keepalived reads before the first trace: an instance, no script, and the first so many [`FIFOS`].
///
/// Its vrrp process takes the global part of its first configuration from there, and reads that part by itself only
/// when it reloads.
#[must_use]
pub fn first(fifos: usize) -> String {
    format!("{}{}", global(fifos), instance("treefall", 0, core::iter::empty()))
}

/// How many fifo scripts a configuration has.
pub(super) fn fifos(config: &Config) -> usize {
    config.scripts.iter().filter(|script| script.kind == ScriptKind::Fifo).count()
}

/// The text of each of the trace's configurations, for a daemon that goes by `rules`.
///
/// # Errors
/// What cannot be said in them.
pub fn texts(trace: &Trace, rules: Rules) -> Result<Vec<String>, Unfit> {
    can_be_said(trace, rules)?;
    let Setup { configs, links, .. } = trace.setup();
    Ok(configs.iter().map(|config| text(config, links)).collect())
}

/// Whether a daemon that goes by `rules` can be given the trace at all.
pub(super) fn can_be_said(trace: &Trace, rules: Rules) -> Result<(), Unfit> {
    if !trace.setup().costs.callback.is_zero() || !trace.setup().costs.reload.is_zero() {
        return Err(Unfit::CallbackCost);
    }
    for config in &trace.setup().configs {
        let mut of_fifos = config.scripts.iter().filter(|script| script.kind == ScriptKind::Fifo);
        if let Some(script) = of_fifos.nth(FIFOS.len()) {
            return Err(Unfit::Fifo(script.name.to_string()));
        }
        config.scripts.iter().try_for_each(|script| fits(script, rules))?;
    }
    trace.setup().links.iter().try_for_each(|link| link_fits(link, rules))
}

fn link_fits(link: &Link, rules: Rules) -> Result<(), Unfit> {
    let name = || link.name.to_string();
    if link.name.as_str() != INTERFACE {
        return Err(Unfit::Link(name()));
    }
    match rules.behaviour.link_delays {
        LinkDelays::Unknown if link.is_delayed() => Err(Unfit::LinkDelays(name())),
        LinkDelays::Unknown | LinkDelays::Taken => Ok(()),
    }
}

fn fits(script: &Script, rules: Rules) -> Result<(), Unfit> {
    let name = || script.name.to_string();
    match script.kind {
        ScriptKind::Track => {}
        ScriptKind::Misc => return Err(Unfit::Misc(name())),
        ScriptKind::Cancelling => return Err(Unfit::Cancelling(name())),
        // It has neither interval nor timeout.
        ScriptKind::Fifo => return Ok(()),
    }
    let unit = unit(rules);
    for (what, span) in [("interval", script.interval), ("timeout", script.timeout)] {
        if span.as_micros() % unit.as_micros() != 0 {
            return Err(Unfit::Fraction { name: name(), what, span, unit });
        }
        if span > LONGEST {
            return Err(Unfit::TooLong { name: name(), what, span });
        }
    }
    Ok(())
}

/// What times in the configuration of a release are multiples of.
pub(super) fn unit(rules: Rules) -> Span {
    match rules.behaviour.short_timeouts {
        ShortTimeouts::Refused => SECOND,
        ShortTimeouts::Taken => FINEST,
    }
}

/// The trace that comes nearest to `trace` and that the daemon can be given: each thing that it cannot say is
/// put in the way that it can.
#[must_use]
pub fn nearest(trace: Trace, rules: Rules) -> Trace {
    if texts(&trace, rules).is_ok() {
        return trace;
    }
    let (mut setup, mut wakes) = trace.clone().into_parts();
    retain_links(&mut setup, &mut wakes, |_, link| link.name.as_str() == INTERFACE);
    if rules.behaviour.link_delays == LinkDelays::Unknown {
        without_delays(&mut setup);
    }
    setup.costs.callback = Span::ZERO;
    setup.costs.reload = Span::ZERO;
    let unit = unit(rules).as_micros();
    let whole = |span: Span| Span::from_micros(span.as_micros().div_ceil(unit) * unit).min(LONGEST);
    for config in &mut setup.configs {
        let mut fifos = 0;
        for script in &mut config.scripts {
            fifos += usize::from(script.kind == ScriptKind::Fifo);
            if script.kind != ScriptKind::Fifo || fifos > FIFOS.len() {
                script.kind = ScriptKind::Track;
                script.interval = whole(script.interval);
                script.timeout = whole(script.timeout);
            }
        }
    }
    // Kinds, spans, costs and interfaces alone were changed, and no valid one was made invalid.
    Trace::new(setup, wakes).unwrap_or(trace)
}

/// Takes the delays of all interfaces away.
pub(super) fn without_delays(setup: &mut Setup) {
    for link in &mut setup.links {
        *link = Link::new(link.name.clone());
    }
}

/// What the file says of the interfaces; one without delays is named in a comment.
pub(super) fn links(links: &[Link]) -> String {
    let line = |link: &Link| match link.is_delayed() {
        true => format!(
            "interface_up_down_delays {{\n    {} {} {}\n}}\n",
            link.name,
            seconds(link.down_delay),
            seconds(link.up_delay)
        ),
        false => format!("# interface {}\n", link.name),
    };
    links.iter().map(line).collect()
}

fn text(config: &Config, links: &[Link]) -> String {
    let tracks = || config.scripts.iter().filter(|script| script.kind == ScriptKind::Track);
    let scripts: String = tracks().map(script).collect();
    let tracked = tracks().map(|script| script.name.to_string());
    let links = self::links(links);
    format!("{}{links}{scripts}{}", global(fifos(config)), instance("treefall", 0, tracked))
}

/// What stands before all else, with the first so many [`FIFOS`].
pub(super) fn global(fifos: usize) -> String {
    let lines =
        |fifo: &&str| format!("    {fifo} {}\n    {fifo}_script \"{COMMAND} {fifo}\"\n", fifo_path(fifo));
    let fifos: String = FIFOS.iter().take(fifos).map(lines).collect();
    format!("global_defs {{\n    script_user root\n    dynamic_interfaces\n{fifos}}}\n")
}

/// Where a fifo is, for the daemon.
pub(super) fn fifo_path(fifo: &str) -> String {
    format!("{MOUNT}/{fifo}")
}

/// An instance that tracks scripts, on an interface with a number of its own that is not there. Each of `tracked` is
/// a line.
pub(super) fn instance(name: &str, number: usize, tracked: impl Iterator<Item = String>) -> String {
    let tracked: String = tracked.map(|line| format!("        {line}\n")).collect();
    let tracked =
        if tracked.is_empty() { tracked } else { format!("    track_script {{\n{tracked}    }}\n") };
    format!(
        "vrrp_instance {name} {{\n    state BACKUP\n    interface treefall{number}\n    virtual_router_id 1\n    \
         priority 100\n{tracked}}}\n"
    )
}

fn script(script: &Script) -> String {
    let Script { name, interval, timeout, rise, fall, .. } = script;
    format!(
        "vrrp_script {name} {{\n    script \"{COMMAND} {name}\"\n    interval {}\n    timeout {}\n    rise {rise}\n    \
         fall {fall}\n}}\n",
        seconds(*interval),
        seconds(*timeout)
    )
}

/// As the file has it: seconds, and the rest behind a point.
pub(super) fn seconds(span: Span) -> String {
    let (whole, rest) = (span.as_micros() / SECOND.as_micros(), span.as_micros() % SECOND.as_micros());
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::release::{Release, Rules};
    use treefall_model::trace::{Name, Setup};

    fn trace(change: impl FnOnce(&mut Setup)) -> Trace {
        let config = Config { scripts: vec![Script::new(Name::numbered(0))] };
        let mut setup = Setup { configs: vec![config], ..Setup::default() };
        change(&mut setup);
        Trace::new(setup, Vec::new()).unwrap()
    }

    /// A configuration of so many fifo scripts, with times that no file of an old release can say: they have none.
    fn fifos_alone(count: usize) -> impl FnOnce(&mut Setup) {
        let fifo = |place| Script {
            kind: ScriptKind::Fifo,
            timeout: Span::from_micros(7),
            ..Script::new(Name::numbered(place))
        };
        move |setup| setup.configs[0].scripts = (0..count).map(fifo).collect()
    }

    /// An interface, delayed by so many seconds when it goes down.
    fn link(name: &str, seconds: u64) -> impl FnOnce(&mut Setup) {
        let link = Link { down_delay: Span::from_secs(seconds), ..Link::new(Name::new(name).unwrap()) };
        move |setup| setup.links = vec![link]
    }

    #[test]
    fn delays_of_an_interface_stand_in_the_file_of_a_release_that_knows_them() {
        let texts = texts(&trace(link("lo", 3)), rules("2.2.3")).unwrap();
        assert!(texts[0].contains("interface_up_down_delays {\n    lo 3 0\n}\n"), "{}", texts[0]);
        let plain = super::texts(&trace(link("lo", 0)), rules("2.0.8")).unwrap();
        assert!(plain[0].contains("# interface lo\n") && !plain[0].contains("delays"), "{}", plain[0]);
    }

    fn rules(release: &str) -> Rules {
        Rules::of(Release::parse(release).unwrap())
    }

    #[test]
    fn a_trace_that_the_file_cannot_say_is_refused_and_its_nearest_is_not() {
        let half = |setup: &mut Setup| setup.configs[0].scripts[0].timeout = Span::from_micros(500_000);
        let long = |setup: &mut Setup| setup.configs[0].scripts[0].interval = Span::from_secs(5_000);
        let misc = |setup: &mut Setup| setup.configs[0].scripts[0].kind = ScriptKind::Misc;
        let cancelling = |setup: &mut Setup| setup.configs[0].scripts[0].kind = ScriptKind::Cancelling;
        let cost = |setup: &mut Setup| setup.costs.callback = Span::from_micros(1);
        assert!(texts(&trace(half), rules("2.3.4")).is_ok());
        let old = rules("2.2.2");
        for (unfit, word) in [
            (trace(half), "multiples of 1s"),
            (trace(misc), "is a misc check"),
            (trace(cancelling), "cancels the entry of its last run, which no script of keepalived's does"),
            (trace(fifos_alone(3)), "s2 is the third of its configuration that is a notify fifo's"),
            (trace(long), "at most"),
            (trace(cost), "callback"),
            (trace(link("eth0", 0)), "has no interface eth0; it has lo"),
            (trace(link("lo", 3)), "does not know `interface_up_down_delays`"),
        ] {
            let refused = texts(&unfit, old).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
            assert!(texts(&nearest(unfit, old), old).is_ok());
        }
    }

    #[test]
    fn fifo_scripts_stand_in_the_global_part_as_the_first_process_reads_it_and_nothing_tracks_them() {
        for count in 0..=FIFOS.len() {
            let alone = trace(fifos_alone(count));
            assert_eq!(texts(&alone, rules("2.2.7")), Ok(vec![first(count)]));
        }
        let lines = "vrrp_notify_fifo /run/vrrp_notify_fifo\n    vrrp_notify_fifo_script \"/usr/bin/true \
                     vrrp_notify_fifo\"\n";
        assert!(first(2).contains(lines) && !first(1).contains(lines), "{}", first(2));
        let nearest = nearest(trace(fifos_alone(4)), rules("2.2.7"));
        let kinds = nearest.setup().configs[0].scripts.iter().map(|script| script.kind);
        assert!(kinds.eq([ScriptKind::Fifo, ScriptKind::Fifo, ScriptKind::Track, ScriptKind::Track]));
    }

    #[test]
    fn times_are_written_in_seconds() {
        assert_eq!(seconds(Span::from_secs(3)), "3");
        assert_eq!(seconds(Span::from_micros(1_500_000)), "1.500000");
        assert_eq!(seconds(Span::from_micros(7)), "0.000007");
    }
}
