//! `treefall corpus`: scenarios as the fuzzer's seeds, the fuzzer's finds as scenarios, and the fewest seeds that do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::verdict::Signature;

use super::args::{Corpus, CorpusCommand};
use super::output::{Output, count};
use super::schema::Line;
use super::{CliError, Status, Summary, crew, files};
use crate::finding::{BUILD_UP_MAX, Finding, work_out};
use crate::fuzzing::{Kind, fewest};
use crate::hunt::Find;
use crate::report::{cause_line, slug, write_bytes, write_whole};
use crate::scenario::{self, Expectation, Expectations, Provenance, Scenario, Whom};
use crate::subject::target::{Base, ReplicaName, Target};
use crate::subject::{Options, build};

/// Larger than any input that the fuzzer makes.
const SIZE_MAX: u64 = 16 << 20;

/// A file that was written, for machines. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct FileObject {
    file: String,
    from: String,
    signature: Option<String>,
    cause: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct CorpusSummary {
    read: usize,
    written: usize,
}

/// What is printed with `--json`.
pub(super) const LINES: [Line; 2] =
    [Line::of::<FileObject>("a file written"), Line::of::<Summary<CorpusSummary>>("summary")];

pub(super) fn run(args: &Corpus, output: &mut Output) -> Result<Status, CliError> {
    let (read, written, found) = match &args.command {
        CorpusCommand::Import { files, into } => import(files, into, output)?,
        CorpusCommand::Export { files, of, target, out } => {
            export(files, *of, target.as_deref(), out, output)?
        }
        CorpusCommand::Minimise { from, of, into } => minimise(from, *of, into, output)?,
    };
    output.object(&Summary { summary: CorpusSummary { read, written } });
    Ok(if found { Status::Failure } else { Status::Good })
}

type Done = Result<(usize, usize, bool), CliError>;

fn write_failed(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| CliError::Usage(format!("cannot write {}: {error}; name another folder", path.display()))
}

fn import(paths: &[PathBuf], into: &Path, output: &mut Output) -> Done {
    let paths = files::expand(paths)?;
    let mut written = 0;
    for path in &paths {
        let scenario = files::load(path)?;
        let whole = path.with_extension("").display().to_string();
        let name = slug(whole.trim_start_matches(['.', '/']));
        for kind in Kind::ALL {
            for (end, bytes) in kind.seeds(&scenario) {
                let file = into.join(kind.name()).join(format!("{name}{end}"));
                write_bytes(&file, &bytes).map_err(write_failed(&file))?;
                written += 1;
            }
        }
        let text = scenario::write(&scenario);
        let file = into.join("scenario_text").join(&name);
        write_bytes(&file, text.as_bytes()).map_err(write_failed(&file))?;
        written += 1;
    }
    output.line(format_args!(
        "{written} seeds of {} in {}",
        count(paths.len() as u64, "scenario"),
        into.display()
    ));
    Ok((paths.len(), written, false))
}

/// The bytes of the files in these folders, and of these files, in order of name.
fn inputs(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<u8>)>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |error| CliError::Usage(format!("cannot read {}: {error}", path.display()));
        if path.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(unreadable)? {
                inside.push(entry.map_err(unreadable)?.path());
            }
            inside.retain(|path| path.is_file());
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    let read = |path: PathBuf| {
        let unreadable = |error| CliError::Usage(format!("cannot read {}: {error}", path.display()));
        if std::fs::metadata(&path).map_err(unreadable)?.len() > SIZE_MAX {
            return Err(CliError::Usage(format!(
                "{}: larger than {} MiB, and so no input of the fuzzer's",
                path.display(),
                SIZE_MAX >> 20
            )));
        }
        let bytes = std::fs::read(&path).map_err(unreadable)?;
        Ok((path, bytes))
    };
    files.into_iter().map(read).collect()
}

/// The fuzz target of a file: as told, or as its folder is called.
fn kind_of(path: &Path, told: Option<Kind>) -> Result<Kind, CliError> {
    let named =
        || path.ancestors().skip(1).filter_map(|folder| folder.file_name()?.to_str()?.parse().ok()).next();
    told.or_else(named).ok_or_else(|| {
        CliError::Usage(format!(
            "{}: of which fuzz target is this? It lies in no folder of one; say `--of conformance`, `--of mended` or `--of engine`",
            path.display()
        ))
    })
}

fn export(
    paths: &[PathBuf],
    of: Option<Kind>,
    target: Option<&str>,
    out: &Path,
    output: &mut Output,
) -> Done {
    let inputs = inputs(paths)?;
    let mut smallest: BTreeMap<(String, Signature), (PathBuf, Finding)> = BTreeMap::new();
    for (path, bytes) in &inputs {
        let (name, trace) = kind_of(path, of)?.read(bytes);
        let target = match target {
            Some(named) => crew::targets(&[named.to_owned()])?.swap_remove(0),
            None => Target::Replica(name),
        };
        output.progress(format_args!("{}", path.display()));
        let mut subject = build(&target)?;
        let trace = subject.fitted(trace);
        let verdict = subject.run_one(&trace, Options::VERDICT)?.verdict;
        for broken in verdict.breaks.clone() {
            let key = (target.to_string(), broken.signature);
            // A signature is worked out once: the first file in order of name speaks for it.
            if smallest.contains_key(&key) {
                continue;
            }
            let find = Find { number: 0, trace: trace.clone(), broken, verdict: verdict.clone() };
            let finding = work_out(subject.as_mut(), &|| build(&target), &find, BUILD_UP_MAX)?;
            smallest.insert(key, (path.clone(), finding));
        }
    }
    for ((target, signature), (from, finding)) in &smallest {
        let text = scenario::write(&as_scenario(target, *signature, finding)?);
        let file = out.join(format!("{}-{}.toml", slug(target), slug(&signature.to_string())));
        std::fs::create_dir_all(out).map_err(write_failed(out))?;
        write_whole(&file, &text).map_err(write_failed(&file))?;
        let cause = cause_line(&finding.cause);
        output.line(format_args!(
            "{}: {signature} on {target}, of {}; {cause}",
            file.display(),
            from.display()
        ));
        let defect = finding.cause.defects().first().map(|defect| defect.name().to_owned());
        output.object(&FileObject {
            file: file.display().to_string(),
            from: from.display().to_string(),
            signature: Some(signature.to_string()),
            cause: defect,
        });
    }
    if smallest.is_empty() {
        output.line(format_args!("none of {} breaks a law", count(inputs.len() as u64, "input")));
    }
    Ok((inputs.len(), smallest.len(), !smallest.is_empty()))
}

fn as_scenario(target: &str, signature: Signature, finding: &Finding) -> Result<Scenario, CliError> {
    let mut scenario = Scenario::new(&format!("{signature} on {target}"), finding.trace.clone());
    let whom = match crew::targets(&[target.to_owned()])?.first() {
        Some(Target::Replica(ReplicaName { base: Base::Mended, with, .. })) if with.is_empty() => {
            Some(Whom::Mended)
        }
        Some(Target::Replica(ReplicaName { base: Base::Release(release), with, without }))
            if with.is_empty() && without.is_empty() =>
        {
            Some(Whom::Releases { first: Some(*release), last: Some(*release) })
        }
        _ => None,
    };
    let row = whom.map(|whom| (whom, Expectation::exactly(&finding.verdict)));
    // One row contradicts no other.
    scenario.expect = Expectations::new(row).unwrap_or_default();
    scenario.provenance = Provenance {
        found_by: Some("cargo fuzz".to_owned()),
        found_on: Some(target.to_owned()),
        ..Provenance::default()
    };
    Ok(scenario)
}

fn minimise(from: &Path, of: Option<Kind>, into: &Path, output: &mut Output) -> Done {
    let inputs = inputs(std::slice::from_ref(&from.to_path_buf()))?;
    let Some((first, _)) = inputs.first() else {
        return Err(CliError::Usage(format!("{}: no file in this folder", from.display())));
    };
    let kind = kind_of(first, of)?;
    let bytes: Vec<Vec<u8>> = inputs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let kept = fewest(kind, &bytes);
    for place in &kept {
        let (path, bytes) = &inputs[*place];
        let Some(name) = path.file_name() else { continue };
        let file = into.join(name);
        write_bytes(&file, bytes).map_err(write_failed(&file))?;
        output.object(&FileObject {
            file: file.display().to_string(),
            from: path.display().to_string(),
            signature: None,
            cause: None,
        });
    }
    output.line(format_args!(
        "{} of {} reach every state that all reach; they are in {}",
        kept.len(),
        count(inputs.len() as u64, "input"),
        into.display()
    ));
    Ok((inputs.len(), kept.len(), false))
}
