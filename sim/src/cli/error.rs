//! Errors that end a command without a result, and their exit statuses.

use super::output::Output;
use super::status::Status;

use treefall_report::pipeline::PipelineError;
use treefall_report::store::StoreError;
use treefall_search::campaign::CampaignError;
use treefall_subject::SubjectError;
use treefall_subject::daemon::DaemonError;
use treefall_subject::engine::EngineError;
use treefall_subject::target::TargetError;

/// Error that ends a command without a result.
#[derive(Debug)]
pub enum CliError {
    /// The command or an input file is wrong.
    Usage(String),
    /// An input file is wrong; the text is a whole diagnostic with its place.
    Invalid(String),
    /// The program under test misbehaves before any trace is played, which is a failure of the program.
    Program(String),
    /// treefall itself failed.
    Harness(String),
    /// Several errors, each printed by itself.
    Several(Vec<Self>),
}

impl CliError {
    /// Fails if there are errors: with the only one, or with all of them.
    pub(super) fn of(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// Prints the error and returns its status; of several, the highest.
    pub(super) fn print(&self, output: &mut Output) -> Status {
        match self {
            Self::Usage(text) | Self::Program(text) => output.error(text),
            Self::Invalid(text) => output.diagnostic(text),
            Self::Harness(text) => output.error(text),
            Self::Several(errors) => {
                for error in errors {
                    error.print(output);
                }
            }
        }
        self.status()
    }

    fn status(&self) -> Status {
        match self {
            Self::Usage(_) | Self::Invalid(_) => Status::Usage,
            Self::Program(_) => Status::Failure,
            Self::Harness(_) => Status::Harness,
            Self::Several(errors) => errors.iter().map(Self::status).max().unwrap_or(Status::Usage),
        }
    }

    /// Returns the text without colours.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Usage(text) | Self::Invalid(text) | Self::Program(text) | Self::Harness(text) => {
                anstream::adapter::strip_str(text).to_string().trim_end().to_owned()
            }
            Self::Several(errors) => errors.iter().map(Self::plain).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// Collects the results, or all errors.
pub(super) fn all<T, E: Into<CliError>>(
    results: impl IntoIterator<Item = Result<T, E>>,
) -> Result<Vec<T>, CliError> {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => done.push(one),
            Err(error) => errors.push(error.into()),
        }
    }
    CliError::of(errors).map(|()| done)
}

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<CampaignError> for CliError {
    fn from(error: CampaignError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Harness(error.to_string())
    }
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Subject(error) => error.into(),
            PipelineError::Store(error) => error.into(),
        }
    }
}

impl From<SubjectError> for CliError {
    fn from(error: SubjectError) -> Self {
        let of_program = match &error {
            SubjectError::Program(_) | SubjectError::Daemon(DaemonError::Own(_) | DaemonError::Unfit(_)) => {
                return Self::Usage(error.to_string());
            }
            SubjectError::Engine(of_program) | SubjectError::Daemon(DaemonError::Engine(of_program)) => {
                of_program
            }
            _ => return Self::Harness(error.to_string()),
        };
        // A program that cannot be driven is a wrong target. A program that is lost during a run is a failure of the
        // harness.
        match of_program {
            EngineError::Misbehaves { .. } => Self::Program(error.to_string()),
            EngineError::Program(_)
            | EngineError::Spawn { .. }
            | EngineError::NotTakenOver { .. }
            | EngineError::OtherMachine
            | EngineError::Refused { .. } => Self::Usage(error.to_string()),
            _ => Self::Harness(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undrivable_program_is_a_usage_error() {
        let wrong = || EngineError::OtherMachine;
        let of_daemon = SubjectError::Daemon(DaemonError::Engine(wrong()));
        for error in [SubjectError::Engine(wrong()), of_daemon] {
            assert!(matches!(CliError::from(error), CliError::Usage(_)));
        }
        assert!(matches!(CliError::from(SubjectError::NoAnswer), CliError::Harness(_)));
    }
}
