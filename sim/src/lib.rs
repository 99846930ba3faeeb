//! treefall: a deterministic simulation and fuzz harness for keepalived's red-black-tree crash class.
//!
//! The flow, which the `hunt` command reads like: `seed -> generator -> Trace -> run(subject) -> History ->
//! oracles -> Verdict -> shrink -> report`.
//!
//! - [`generator`]: from a seed and a number to a trace; the only place with randomness;
//! - [`subject`]: what runs a trace: the replica, the real program;
//! - [`shrink`]: from a trace to a smaller one with the same signature;
//! - [`scenario`]: traces on disk, with their story and expectations; the only place that knows the format.
//!
//! The vocabulary and the model are `treefall_model`; what is around a scheduler is `treefall_world`.
//!
//! # Examples
//!
//! A scenario on the replicas of two releases: the one dies of it, in the other no memory law breaks.
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
//! What is wrong with a file is told with its place.
//!
//! ```
//! let text = "format = 1\ntitle = \"x\"\n\n[[script]]\nname = \"chk\"\nintervall = \"3s\"\n";
//! let wrong = treefall::scenario::read("example.toml", text).unwrap_err();
//! let first = &wrong.problems()[0];
//! assert_eq!(first.help.as_deref(), Some("did you mean `interval`?"));
//! assert_eq!(wrong.place(first), (6, 1));
//! ```
//!
//! A hunt without its command: traces are drawn and run until one breaks a law.
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
