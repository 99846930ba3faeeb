//! The whole real daemon: its own `main`, configuration, reload and log, in namespaces of its own, under the
//! preload: the parent's side.
//!
//! The program is started once, as `keepalived --vrrp`, in user, network, mount and pid namespaces of its own.
//! Its first process runs as it would up to its first fork, where its vrrp process would begin. That goes on until
//! it is about to read its configuration, and each trace is played in a process forked there (`sim/preload`,
//! `snapshot`), or at the first fork where that would not be the same. That vrrp process is the virtual one: clock,
//! children and signals are the trace's. A trace's SIGHUP and SIGTERM go to it, as `kill` to the vrrp
//! process's own pid would. The first process, the parent, is not played: what it does in the field does not show.
//!
//! Always: no privilege is needed where a user may make namespaces; nothing is written outside them. Which
//! traces can be played is told by [`config`]; what a daemon cannot be given is an error, never a verdict.

pub mod config;
pub mod own;
mod subject;

pub use config::Unfit;
pub use own::{Own, OwnError};
pub use subject::DaemonSubject;

use treefall_model::codec;
use treefall_model::event::SubjectKind;
use treefall_model::trace::{HeapPolicy, Trace};
use treefall_world::FIFOS;
use treefall_world::wire::{self, Files, Reply, Request, RulesAs, Staged};

use super::engine::places::PlaceNames;
use super::engine::process::Process;
use super::engine::{Conditions, EngineError};
use super::program::Program;
use super::{Options, Ran};

/// Traces that are sent at a time.
const BATCH: usize = 64;

/// Where the daemon finds its files, in its own mount namespace.
const MOUNT: &str = "/run";
const CONFIG: &str = "/run/keepalived.conf";
const PID_FILE: &str = "/run/keepalived-vrrp.pid";
/// The library takes the first of them away: a daemon that is not taken over tells its version and ends.
const ARGUMENTS: [&str; 8] = [
    "--version",
    "--dont-fork",
    "--vrrp",
    "--log-detail",
    "--pid=/run/keepalived.pid",
    "--vrrp_pid=/run/keepalived-vrrp.pid",
    "--checkers_pid=/run/keepalived-checkers.pid",
    "--use-file=/run/keepalived.conf",
];

/// What makes the namespaces, and ends all in them when it ends.
const NAMESPACES: [&str; 8] =
    ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];

/// Why a daemon cannot be run, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// As the engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No namespaces can be made.
    #[error(
        "no namespaces can be made for the daemon ({why}); it needs util-linux's `unshare` and `setpriv`, and a \
         kernel that lets users make namespaces: `sysctl kernel.unprivileged_userns_clone=1`, or with AppArmor `sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0`; `engine:PATH` needs none"
    )]
    Namespaces {
        /// What was said.
        why: String,
    },
    /// The trace is none that it can be given.
    #[error("the daemon cannot play this trace: {0}{others}", others = others(.0))]
    Unfit(#[from] Unfit),
    /// A person's own configuration cannot be used.
    #[error(transparent)]
    Own(#[from] OwnError),
}

/// Which subjects can play what a daemon cannot.
fn others(unfit: &Unfit) -> &'static str {
    match unfit {
        Unfit::Link(_) | Unfit::LinkDelays(_) | Unfit::OwnLinkDelays(..) => "",
        _ => "; `engine:PATH` and `replica:RELEASE` can",
    }
}

/// A daemon that waits for traces.
#[derive(Debug)]
pub struct Daemon {
    program: Program,
    conditions: Conditions,
    /// By how many fifos the first configuration has: each kind of trace needs a first process of its own, started
    /// when the first such trace comes.
    waiting: [Option<Waiting>; FIFOS.len() + 1],
    own: Option<Own>,
    ledger: bool,
}

/// A program that was started and waits at its first fork.
#[derive(Debug)]
struct Waiting {
    process: Process,
    teller: PlaceNames,
}

impl Daemon {
    /// Starts `program`, and has it come to its first fork.
    ///
    /// # Errors
    /// A [`DaemonError`] when it does not.
    pub fn start(program: &Program, conditions: &Conditions) -> Result<Self, DaemonError> {
        let waiting = [Some(Waiting::start(program, conditions, 0)?), None, None];
        let (program, conditions) = (program.clone(), conditions.clone());
        Ok(Self { program, conditions, waiting, own: None, ledger: false })
    }

    /// From now on traces are played with a person's own configuration.
    pub fn set_own(&mut self, own: Own) {
        self.own = Some(own);
    }

    /// The person's own configuration, if there is one.
    #[must_use]
    pub fn own(&self) -> Option<&Own> {
        self.own.as_ref()
    }

    /// From now on the calls that the program makes are told, or not.
    pub fn keep_ledger(&mut self, on: bool) {
        self.ledger = on;
    }

    /// Plays the traces, each in a process of its own; what follows the script layer goes by `rules`.
    ///
    /// # Errors
    /// A [`DaemonError`] when the harness cannot go on, or a trace is none that it can be given. A crash or a
    /// hang of the daemon is none.
    pub fn run(
        &mut self,
        traces: &[Trace],
        rules: &RulesAs,
        watch: Options,
    ) -> Result<Vec<Ran>, DaemonError> {
        let ledger = self.ledger;
        let options = wire::Options { rules: rules.clone(), watch, ledger, stands: false, follow: None };
        let mut ran = self.play(traces, &options)?;
        for (trace, ran) in traces.iter().zip(&mut ran).filter(|_| watch.digest) {
            if let Some(used) = ran.used_after_free {
                let options = wire::Options { follow: Some(used.block), ..options.clone() };
                let again = self.play(std::slice::from_ref(trace), &options)?.pop();
                ran.life = again.map(|again| again.life).unwrap_or_default();
            }
        }
        Ok(ran)
    }

    /// Plays the traces once.
    fn play(&mut self, traces: &[Trace], options: &wire::Options) -> Result<Vec<Ran>, DaemonError> {
        let rules = &options.rules;
        let staged = traces.iter().map(|trace| {
            let configs = match &self.own {
                Some(own) => own.texts(trace, rules.rules())?,
                None => config::texts(trace, rules.rules())?,
            };
            let fifos = trace.setup().configs.first().map_or(0, config::fifos);
            let staged = Staged { trace: codec::encode(trace), configs };
            Ok(((fifos, trace.setup().heap), staged))
        });
        let staged = staged.collect::<Result<Vec<_>, DaemonError>>()?;
        let mut ran: Vec<Option<Ran>> = traces.iter().map(|_| None).collect();
        for (staged, ran) in staged.chunks(BATCH).zip(ran.chunks_mut(BATCH)) {
            // The process has a snapshot of the daemon for each heap policy.
            let kinds = (0..self.waiting.len()).flat_map(|fifos| HeapPolicy::ALL.map(|heap| (fifos, heap)));
            for kind in kinds {
                let (of_these, places): (Vec<_>, Vec<_>) =
                    staged.iter().zip(&mut *ran).filter(|((needs, _), _)| *needs == kind).unzip();
                if !places.is_empty() {
                    let batch = of_these.into_iter().map(|(_, staged)| staged.clone()).collect();
                    let played = self.waiting(kind.0)?.play(options, batch)?;
                    places.into_iter().zip(played).for_each(|(place, ran)| *place = Some(ran));
                }
            }
        }
        ran.into_iter().collect::<Option<_>>().ok_or_else(|| EngineError::Garbled.into())
    }

    /// The process whose first configuration has so many fifos.
    fn waiting(&mut self, fifos: usize) -> Result<&mut Waiting, DaemonError> {
        let place = &mut self.waiting[fifos];
        match place {
            Some(waiting) => Ok(waiting),
            None => Ok(place.insert(Waiting::start(&self.program, &self.conditions, fifos)?)),
        }
    }
}

impl Waiting {
    /// Starts the program with so many fifos, and has it come to its first fork.
    fn start(program: &Program, conditions: &Conditions, fifos: usize) -> Result<Self, DaemonError> {
        program.engine_offsets().map_err(EngineError::from)?;
        let started = Process::start_with(program, conditions, &NAMESPACES, &ARGUMENTS);
        let mut process = started.map_err(|error| match error {
            EngineError::Spawn { path, source } => {
                DaemonError::Namespaces { why: format!("{}: {source}", path.display()) }
            }
            other => other.into(),
        })?;
        let fifo_paths = FIFOS.iter().map(|fifo| config::fifo_path(fifo));
        let leftovers = core::iter::once(PID_FILE.to_owned()).chain(fifo_paths).collect();
        let files = Files {
            mount: MOUNT.to_owned(),
            config: CONFIG.to_owned(),
            text: config::first(fifos),
            leftovers,
            root: program.root().map_or_else(String::new, |root| root.display().to_string()),
        };
        let unshared = |error| unshared(error, program);
        process
            .ask(&Request::Enter { symbols: program.symbols(), files, clocks: conditions.clocks })
            .map_err(unshared)?;
        let mut teller = PlaceNames::new(program, SubjectKind::Daemon);
        match process.answer().map_err(unshared)? {
            Reply::Ready(_) => {}
            Reply::Refused(refusal) => return Err(teller.refused(&process, refusal).into()),
            Reply::Results(_) | Reply::Serving => return Err(EngineError::Garbled.into()),
        }
        match process.answer_in_time()? {
            Reply::Serving => Ok(Self { process, teller }),
            Reply::Refused(refusal) => Err(teller.refused(&process, refusal).into()),
            Reply::Results(_) | Reply::Ready(_) => Err(EngineError::Garbled.into()),
        }
    }

    /// Plays a batch; its results are as many, in its order.
    fn play(&mut self, options: &wire::Options, batch: Vec<Staged>) -> Result<Vec<Ran>, DaemonError> {
        let count = batch.len();
        let mut ran = Vec::with_capacity(count);
        self.process.ask(&Request::Play { options: options.clone(), traces: batch })?;
        // They come in as many parts as their size asks for.
        while ran.len() < count {
            match self.process.answer()? {
                Reply::Results(results) if !results.is_empty() => {
                    ran.extend(results.into_iter().map(|told| self.teller.read(&self.process, told)));
                }
                Reply::Refused(refusal) => {
                    return Err(self.teller.refused(&self.process, refusal).into());
                }
                Reply::Ready(_) | Reply::Results(_) | Reply::Serving => {
                    return Err(EngineError::Garbled.into());
                }
            }
        }
        if ran.len() == count { Ok(ran) } else { Err(EngineError::Garbled.into()) }
    }
}

/// A process that is gone before it said anything: most often the namespaces are to blame, else the program was not
/// taken over.
fn unshared(error: EngineError, program: &Program) -> DaemonError {
    match error {
        EngineError::Gone { how, said } if said.contains("unshare:") || said.contains("setpriv:") => {
            DaemonError::Namespaces { why: format!("{how}{said}") }
        }
        other => other.before_an_answer(program).into(),
    }
}
