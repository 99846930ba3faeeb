//! A deterministic simulation and fuzz harness for keepalived's red-black-tree crash class.
//!
//! The `hunt` command follows this flow: `seed -> generator -> Trace -> run(subject) -> History -> oracles -> Verdict
//! -> shrink -> report`.
//!
//! Modules, in the order of the flow:
//!
//! - [`generator`]: turns a seed and a number into a trace; all randomness is here.
//! - [`subject`], [`roots`], [`keepalived_conf`]: run a trace on a replica, on the real scheduler (`engine`) or on a
//!   whole daemon; find programs and read their configuration.
//! - [`oracle`], [`doctor`], [`workload`]: compare histories, check determinism, and measure speed.
//! - [`campaign`], [`hunt`], [`explore`], [`fuzzing`]: draw or enumerate traces and run them.
//! - [`shrink`], [`optimum`], [`triage`], [`cause`], [`known`], [`variants`], [`masking`], [`mutants`]: turn a
//!   failure into a minimal finding with a cause.
//! - [`scenario`]: traces on disk with their story and expectations; the format is known only here.
//! - [`report`], [`explain`]: explain findings and store them.
//! - [`check`], [`regression`], [`import`], [`soak`]: scenario checks, comparison with a reference, logs, time to
//!   failure.
//! - [`base`]: text wrapping, suggestions for mistyped names, atomic writes.
//!
//! The vocabulary and the reference model are [`model`]; the virtual clock, kernel and script layer are [`world`].
//!
//! # Examples
//!
//! Runs a scenario on two replicas: 2.3.1 crashes, 2.3.2 violates no memory law.
//!
//! ```
//! use treefall::model::law::Law;
//! use treefall::model::release::{Release, Rules};
//! use treefall::scenario;
//! use treefall::subject::{Options, replica::run_replica};
//!
//! let text = r#"
//! format = 1
//! title = "A timeout and a reload in one wake"
//!
//! [[script]]
//! name = "chk_haproxy"
//! interval = "3s"
//! timeout = "2s"
//!
//! [[wake]]
//! after = "next-timer"
//! signals = ["HUP"]
//! "#;
//! let scenario = scenario::read("example.toml", text)?;
//! let verdict = |release: &str| {
//!     let rules = Rules::of(Release::parse(release).expect("a release"));
//!     run_replica(&scenario.trace, rules, Options::VERDICT).verdict
//! };
//! let breaks = |release: &str, law: Law| verdict(release).breaks_law(law);
//!
//! assert!(breaks("2.3.1", Law::NoDanglingNode));
//! assert!(!breaks("2.3.2", Law::NoDanglingNode));
//! assert_eq!(verdict("2.3.1").outcome.to_string(), "crashed by SIGSEGV in rb_insert_color");
//! # Ok::<(), scenario::Problems>(())
//! ```
//!
//! An error in a file names its place.
//!
//! ```
//! let text = "format = 1\ntitle = \"x\"\n\n[[script]]\nname = \"chk\"\nintervall = \"3s\"\n";
//! let wrong = treefall::scenario::read("example.toml", text).unwrap_err();
//! let first = &wrong.problems()[0];
//! assert_eq!(first.help.as_deref(), Some("did you mean `interval`?"));
//! assert_eq!(wrong.place(first), (6, 1));
//! ```
//!
//! A hunt in code: draws and runs traces until one violates a law.
//!
//! ```
//! use treefall::generator::Source;
//! use treefall::subject::{Options, build, target};
//!
//! let target = target::parse("replica:2.2.7", &[])?.remove(0);
//! let mut subject = build(&target)?;
//! let broken = (0..50).find(|number| {
//!     let trace = Source::swarm(1).trace_for(subject.as_ref(), *number);
//!     subject.run_one(&trace, Options::VERDICT).is_ok_and(|ran| !ran.verdict.is_clean())
//! });
//! assert!(broken.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod cli;

pub use treefall_base as base;
pub use treefall_field::{check, import, regression, soak};
pub use treefall_model as model;
pub use treefall_report as report;
pub use treefall_report::explain;
pub use treefall_scenario as scenario;
pub use treefall_search::{
    campaign, cause, doctor, explore, fuzzing, generator, hunt, known, masking, mutants, optimum, oracle,
    shrink, triage, variants, workload,
};
pub use treefall_subject as subject;
pub use treefall_subject::{keepalived_conf, roots};
pub use treefall_world as world;
