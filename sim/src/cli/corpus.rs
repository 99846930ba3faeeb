//! `treefall corpus`: turns scenarios into fuzz seeds and fuzz failures into scenarios, and prunes a corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Corpus, CorpusCommand};
use super::as_found::{AsFoundObject, print_failed};
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::Progress;
use super::search::process;
use super::{CliError, Status, Summary, all, files, workers};
use treefall_base::control::Control;
use treefall_base::files::write_bytes;
use treefall_base::input;
use treefall_report::pipeline::{Pipeline, StoredFinding};
use treefall_report::provenance::FoundBy;
use treefall_report::store::MINIMAL;
use treefall_report::{Store, cause_line, slug};
use treefall_scenario as scenario;
use treefall_search::fuzzing::{Kind, fewest};
use treefall_search::hunt::{Failure, failures_in};
use treefall_search::known::KnownCauses;
use treefall_search::triage::BUILD_UP_MAX;
use treefall_subject::target::Target;
use treefall_subject::{Subject, build};

/// Largest input file; the fuzzer makes none as large.
const SIZE_MAX: u64 = 16 << 20;

/// A written file. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct FileObject {
    file: String,
    from: String,
    signature: Option<String>,
    cause: Option<String>,
    /// The finding was not there before.
    new: bool,
}

#[derive(Serialize, JsonSchema)]
struct CorpusSummary {
    read: usize,
    written: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 3] = [
    JsonLine::of::<FileObject>("a file written"),
    JsonLine::of::<AsFoundObject>("a failure that is kept as found"),
    JsonLine::of::<Summary<CorpusSummary>>("summary"),
];

pub(super) fn run(args: &Corpus, output: &mut Output) -> Result<Status, CliError> {
    let (read, written, status) = match &args.command {
        CorpusCommand::Import { files, out } => import(files, out, output)?,
        CorpusCommand::Export { files, of, target, out } => {
            export(files, *of, target.as_deref(), out, output)?
        }
        CorpusCommand::Minimise { from, of, out } => minimise(from, *of, out, output)?,
    };
    output.conclude(&CorpusSummary { read, written });
    Ok(status)
}

type Done = Result<(usize, usize, Status), CliError>;

fn write_failed(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| CliError::Usage(format!("cannot write {}: {error}; name another folder", path.display()))
}

fn import(paths: &[PathBuf], into: &Path, output: &mut Output) -> Done {
    let scenarios = files::load_all(paths)?;
    let mut written = 0;
    for (path, scenario) in &scenarios {
        if workers::interrupted() {
            break;
        }
        let whole = path.with_extension("").display().to_string();
        let name = slug(whole.trim_start_matches(['.', '/']));
        for kind in Kind::ALL {
            for (end, bytes) in kind.seeds(scenario) {
                let file = into.join(kind.name()).join(format!("{name}{end}"));
                write_bytes(&file, &bytes).map_err(write_failed(&file))?;
                written += 1;
            }
        }
        let text = scenario::write(scenario);
        let file = into.join("scenario_text").join(&name);
        write_bytes(&file, text.as_bytes()).map_err(write_failed(&file))?;
        written += 1;
    }
    if workers::interrupted() {
        output.error("stopped before all scenarios were written as seeds");
        return Ok((scenarios.len(), written, Status::Failure));
    }
    output.line(format_args!(
        "{written} seeds of {} in {}",
        count(scenarios.len() as u64, "scenario"),
        into.display()
    ));
    Ok((scenarios.len(), written, Status::Good))
}

/// Reads these files, and the files of these folders, in order of name.
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
        let bytes = input::read(&path, SIZE_MAX).map_err(unreadable)?;
        if bytes.len() as u64 > SIZE_MAX {
            return Err(CliError::Usage(format!(
                "{}: larger than {} MiB, so it is not an input of the fuzzer",
                path.display(),
                SIZE_MAX >> 20
            )));
        }
        Ok((path, bytes))
    };
    all(files.into_iter().map(read))
}

/// Returns the fuzz target of a file: the given one, or the name of its folder.
fn kind_of(path: &Path, given: Option<Kind>) -> Result<Kind, CliError> {
    let named =
        || path.ancestors().skip(1).filter_map(|folder| folder.file_name()?.to_str()?.parse().ok()).next();
    given.or_else(named).ok_or_else(|| {
        CliError::Usage(format!(
            "{}: no folder of this file is named after a fuzz target; name the target: `--of conformance`, `--of mended` or `--of engine`",
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
    // Everything is read first, so an unreadable input leaves no folder behind.
    let kinds = all(inputs.iter().map(|(path, _)| kind_of(path, of)))?;
    let store = Store::new(out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let _lock = workers::lock(out, output)?;
    let mut met: BTreeMap<String, KnownCauses> = BTreeMap::new();
    let (mut new, mut status) = (0, Status::Good);
    let progress = Progress::begin(None);
    for (place, (path, bytes)) in inputs.iter().enumerate() {
        if workers::interrupted() {
            break;
        }
        let (name, trace) = kinds[place].read(bytes);
        let target = match target {
            Some(named) => workers::targets(&[named.to_owned()])?.swap_remove(0),
            None => Target::Replica(name),
        };
        output.part(progress.part(place + 1, inputs.len(), path.display()));
        output.progress("running");
        let mut subjects = [build(&target)?];
        let trace = subjects[0].fitted(trace);
        // Each signature and cause is triaged once, from the first file in order of name.
        let known = met.entry(target.to_string()).or_default();
        let mut failures = Vec::<Failure>::new();
        failures_in(subjects[0].as_mut(), 0, &trace, known, &mut failures)?;
        let pipeline = Pipeline {
            target: &target,
            baseline: None,
            by: FoundBy::Fuzzer,
            store: &store,
            build_up_max: BUILD_UP_MAX,
        };
        for failure in failures {
            let exported = export_one(path, &failure, &pipeline, &mut subjects, output)?;
            new += usize::from(exported != Exported::Known);
            if exported == Exported::Failed {
                status = Status::Harness;
            }
        }
    }
    output.part("");
    let broken = met.values().any(|known| !known.is_empty());
    if broken {
        store.keep_index()?;
    }
    if workers::interrupted() {
        output.error("stopped before the triage of all inputs was complete");
        return Ok((inputs.len(), new, status.max(Status::Failure)));
    }
    if !broken {
        output.line(format_args!("none of {} violates a law", count(inputs.len() as u64, "input")));
    }
    if new > 0 {
        status = status.max(Status::Failure);
    }
    Ok((inputs.len(), new, status))
}

/// Result of the export of one failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exported {
    /// It was stored before.
    Known,
    New,
    /// It is new, and its triage failed.
    Failed,
}

/// Triages one failure and stores it as a hunt would. A finding of an earlier export stays unchanged.
fn export_one(
    from: &Path,
    failure: &Failure,
    pipeline: &Pipeline<'_>,
    subjects: &mut [Box<dyn Subject>],
    output: &mut Output,
) -> Result<Exported, CliError> {
    let Pipeline { target, store, .. } = *pipeline;
    let (name, signature) = (target.to_string(), failure.broken.signature);
    let file = store.folder(&name, failure.id()).join(MINIMAL);
    let new = !file.is_file();
    let mut cause = None;
    let result = if new {
        pipeline.keep_as_found(failure)?;
        let failures = std::slice::from_ref(failure);
        let mut processed = process(pipeline, subjects, failures, &workers::interrupted, output);
        if print_failed(target, &processed.failed, store, output) != Status::Good {
            return Ok(Exported::Failed);
        }
        // An interrupted failure remains an input of the fuzzer.
        let Some(StoredFinding { finding, .. }) = processed.stored.pop() else { return Ok(Exported::New) };
        cause = finding.cause.leading().map(|defect| defect.name().to_owned());
        cause_line(&finding.cause)
    } else {
        "known: already stored".to_owned()
    };
    output.line(format_args!(
        "{}: {signature} on {name}, trace of {}; {result}",
        file.display(),
        from.display()
    ));
    output.object(&FileObject {
        file: file.display().to_string(),
        from: from.display().to_string(),
        signature: Some(signature.to_string()),
        cause,
        new,
    });
    Ok(if new { Exported::New } else { Exported::Known })
}

fn minimise(from: &Path, of: Option<Kind>, into: &Path, output: &mut Output) -> Done {
    let inputs = inputs(std::slice::from_ref(&from.to_path_buf()))?;
    let Some((first, _)) = inputs.first() else {
        return Err(CliError::Usage(format!("{}: no file in this folder", from.display())));
    };
    let kind = kind_of(first, of)?;
    let bytes: Vec<Vec<u8>> = inputs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let Ok(kept) = fewest(kind, &bytes, Control::new(&|()| !workers::interrupted())) else {
        output.error("stopped before all files were read; nothing was copied");
        return Ok((inputs.len(), 0, Status::Failure));
    };
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
            new: true,
        });
    }
    output.line(format_args!(
        "{} of {} reach every state that the whole corpus reaches; they are in {}",
        kept.len(),
        count(inputs.len() as u64, "input"),
        into.display()
    ));
    Ok((inputs.len(), kept.len(), Status::Good))
}
