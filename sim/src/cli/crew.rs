//! From target names to subjects, and the word to stop.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::CliError;
use crate::subject::target::{self, Target};
use crate::subject::{Subject, SubjectError, build, program};

/// How many subjects work side by side.
pub(super) fn jobs(asked: Option<u16>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or(cores, usize::from)
}

/// The targets that these names mean.
pub(super) fn targets(names: &[String]) -> Result<Vec<Target>, CliError> {
    let installed = program::find_installed();
    let mut targets = Vec::new();
    for name in names {
        targets.extend(target::parse(name, &installed)?);
    }
    Ok(targets)
}

/// `jobs` subjects of one kind.
pub(super) fn crew(target: &Target, jobs: usize) -> Result<Vec<Box<dyn Subject>>, SubjectError> {
    (0..jobs.max(1)).map(|_| build(target)).collect()
}

/// Whether a person pressed Ctrl-C, or the process was told to end. The first time the work ends cleanly with
/// what was found; the second time the process ends at once.
pub(super) fn told_to_stop() -> bool {
    static TOLD: AtomicBool = AtomicBool::new(false);
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        // Without a handler Ctrl-C ends the process at once: finds are on disk already.
        let _ = ctrlc::set_handler(|| {
            if TOLD.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            // The progress line may stand there: begin a new one.
            let _ = writeln!(
                std::io::stderr(),
                "\nstopping: what was found is worked out and kept; once more ends at once"
            );
        });
    });
    TOLD.load(Ordering::SeqCst)
}
