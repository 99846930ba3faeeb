//! Makes every file under `scenarios/` a named test, on every replica that it mentions and on the real program, if
//! one is installed.
//!
//! Without a keepalived, the tests on it are ignored, with the reason. CI sets `TREEFALL_REQUIRE_REAL`, which makes a
//! missing program a failure.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use treefall::check::{Checked, check, replicas_of};
use treefall::model::release::Release;
use treefall::scenario::{self, Scenario};
use treefall::subject::program::{Program, find_installed};
use treefall::subject::target::{Place, ReplicaName, Target};
use treefall::subject::{Options, build};

pub(crate) fn trials() -> Vec<Trial> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(!files.is_empty(), "no scenario under {}", folder.display());
    let real = real_program();
    files.iter().flat_map(|file| of_file(&folder, file, real.as_ref())).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "toml") {
            files.push(entry);
        }
    }
}

fn real_program() -> Option<(Target, Program)> {
    let path = find_installed().into_iter().next();
    assert!(
        path.is_some() || std::env::var_os("TREEFALL_REQUIRE_REAL").is_none(),
        "TREEFALL_REQUIRE_REAL is set and no keepalived is installed"
    );
    let path = path?;
    let program = Program::open(&path, None).expect("the installed keepalived opens");
    Some((Target::Engine(Place::of(path)), program))
}

/// Returns the tests of one file: its canonical form, its replicas, the real program.
fn of_file(folder: &Path, file: &Path, real: Option<&(Target, Program)>) -> Vec<Trial> {
    let name = file.strip_prefix(folder).expect("it is below the folder").with_extension("");
    let name = name.display().to_string();
    let scenario = match scenario::load(file) {
        Ok(scenario) => scenario,
        Err(error) => return vec![trial!(name, move || Err(Failed::from(error.to_string())))],
    };
    let form = {
        let file = file.to_path_buf();
        trial!(format!("{name}: canonical form"), move || canonical(&file))
    };
    let on_replicas = {
        let scenario = scenario.clone();
        trial!(format!("{name}: replicas"), move || replicas(&scenario))
    };
    vec![form, on_replicas, on_real(&name, scenario, real)]
}

/// A daemon's alone.
fn has_interfaces(scenario: &Scenario) -> bool {
    !scenario.trace.setup().links.is_empty()
}

fn canonical(file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    let formatted = scenario::format(&file.display().to_string(), &text)?;
    if formatted == text { Ok(()) } else { Err("run `treefall fmt scenarios/`".into()) }
}

fn replicas(scenario: &Scenario) -> Result<(), Failed> {
    let targets = replicas_of(scenario);
    if has_interfaces(scenario) {
        let replica = Target::Replica(ReplicaName::of(Release::NEWEST));
        let refused = build(&replica)?.run_one(&scenario.trace, Options::VERDICT);
        return match refused {
            Err(error) if error.is_unfit() => Ok(()),
            other => Err(format!("a replica has no interfaces, and gave {other:?}").into()),
        };
    }
    if targets.is_empty() {
        return Err("it expects nothing of any release".into());
    }
    let mut wrong = String::new();
    for target in targets {
        let checked = check(scenario, &target, None, build(&target)?.as_mut(), Options::VERDICT)?;
        if !checked.is_good() {
            wrong.push_str(&violations_of(&checked));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

fn on_real(name: &str, scenario: Scenario, real: Option<&(Target, Program)>) -> Trial {
    let ignored = |why: &str| {
        trial!(format!("{name}: real program"), || Ok(()))
            .with_ignored_flag(true)
            .with_kind(format!("ignored: {why}"))
    };
    let Some((target, program)) = real else { return ignored("no keepalived is installed") };
    let release = program.release();
    if scenario.expect.of(release).is_none() {
        return ignored("the file does not speak of the installed release");
    }
    let target = match target {
        Target::Engine(place) if has_interfaces(&scenario) => Target::Daemon(place.clone()),
        other => other.clone(),
    };
    trial!(format!("{name}: real program {release}"), move || {
        let checked = check(&scenario, &target, Some(release), build(&target)?.as_mut(), Options::VERDICT)?;
        if checked.is_good() { Ok(()) } else { Err(violations_of(&checked).into()) }
    })
}

fn violations_of(checked: &Checked) -> String {
    let expected = checked.expected.as_ref().map_or_else(|| "clean".to_owned(), ToString::to_string);
    let breaks: Vec<String> = checked
        .ran
        .verdict
        .breaks
        .iter()
        .map(|broken| format!("{} at {}: {}", broken.signature, broken.at, broken.detail))
        .collect();
    format!(
        "\n{}: expected {expected}\n  got [{}], {}",
        checked.target,
        breaks.join("\n       "),
        checked.ran.verdict.outcome
    )
}
