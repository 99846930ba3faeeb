//! Tests of treefall that run anywhere: one binary, one module for each subject.
//!
//! Tests that need a real program, a browser or a list of files are in `../suites`. To list the single tests: `cargo
//! test -p treefall --test it -- --list`.

#[path = "../support/findings.rs"]
mod findings;
#[path = "../support/good.rs"]
mod good;
#[path = "../support/programs.rs"]
mod programs_built;
#[path = "../support/walk.rs"]
mod walk;

mod baseline;
mod campaign;
mod command_line;
mod configured;
mod corpus;
mod defects;
mod doctor;
mod documents;
mod explore;
mod import;
mod import_crash;
mod import_genuine;
mod layering;
mod looks;
mod machines;
mod mutants;
mod programs;
mod recordings;
mod regression;
mod report_explain;
mod report_upstream;
mod reports;
mod roots;
mod shrink;
mod soak;
mod wire;
