//! Writes the fuzzer's first corpus from the scenarios: `cargo run --example fuzz_seeds -- scenarios fuzz/corpus`.
//!
//! A scenario becomes a seed of `scenario_text`, of `mended`, and of `conformance` for each release that it
//! speaks of.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use treefall::fuzzing::conformance_seed;
use treefall::model::release::Release;
use treefall::{model::codec, scenario};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(scenarios), Some(corpus), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: fuzz_seeds SCENARIOS CORPUS");
        return ExitCode::from(2);
    };
    match write_seeds(&scenarios, &corpus) {
        Ok(count) => {
            println!("{count} seeds in {}", corpus.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn write_seeds(scenarios: &Path, corpus: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    let mut folders = vec![scenarios.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("toml")) {
                count += seeds_of(&path, scenarios, corpus)?;
            }
        }
    }
    Ok(count)
}

fn seeds_of(path: &Path, scenarios: &Path, corpus: &Path) -> Result<usize, Failure> {
    let name = path.strip_prefix(scenarios)?.with_extension("").display().to_string().replace('/', "-");
    let scenario = scenario::load(path)?;
    keep(&corpus.join("scenario_text").join(&name), &fs::read(path)?)?;
    keep(&corpus.join("mended").join(&name), &codec::encode(&scenario.trace))?;
    let releases = Release::ALL.iter().filter(|release| scenario.expect.of(**release).is_some());
    let mut count = 2;
    for release in releases {
        let seed = conformance_seed(*release, &scenario.trace);
        keep(&corpus.join("conformance").join(format!("{name}-{release}")), &seed)?;
        count += 1;
    }
    Ok(count)
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, bytes)?)
}
