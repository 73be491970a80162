//! How a command fails: one sentence with what to do next, or one problem document, and an exit code.

use muster_client::ClientError;
use muster_spec::Fault;
use muster_wire::api::{FieldFault, Problem};

use crate::exit;

/// Whoever reads the output has seen enough, as `head` does.
const CLOSED_PIPE: &str = "closed_pipe";

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What `-o json` prints; the sentence is its `detail`.
    pub(crate) problem: Box<Problem>,
}

impl Failure {
    /// A failure of this program itself.
    pub(crate) fn new(code: u8, word: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: format!("about:blank#{word}"),
            title: word.replace('_', " "),
            status: 0,
            detail: detail.into(),
            code: word.into(),
            retryable: false,
            errors: Vec::new(),
            leader: None,
            job_status: None,
        };
        Self { code, problem: Box::new(problem) }
    }

    /// Wrong usage.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(exit::USAGE, "usage", detail)
    }

    /// A job file with faults, all of them.
    pub(crate) fn invalid(file: &str, faults: &[Fault]) -> Self {
        let count = faults.len();
        let plural = if count == 1 { "fault" } else { "faults" };
        let mut failure = Self::new(exit::USAGE, "invalid_spec", format!("{file} has {count} {plural}"));
        failure.problem.errors = faults.iter().map(field_fault).collect();
        failure
    }

    /// Nothing is wrong, and nobody reads any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.problem.code == CLOSED_PIPE
    }

    /// What people read on stderr.
    pub(crate) fn sentence(&self) -> String {
        let mut text = format!("error: {}", self.problem.detail);
        for fault in &self.problem.errors {
            text += &format!("\n  {}", fault_line(fault));
        }
        text
    }
}

fn field_fault(fault: &Fault) -> FieldFault {
    let (line, column) = (fault.line, fault.column);
    FieldFault { path: fault.path.clone(), message: fault.message.clone(), line, column }
}

fn fault_line(fault: &FieldFault) -> String {
    let place =
        fault.line.zip(fault.column).map(|(line, column)| format!("{line}:{column}: ")).unwrap_or_default();
    match fault.path.is_empty() {
        true => format!("{place}{}", fault.message),
        false => format!("{place}{}: {}", fault.path, fault.message),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = exit::of_error(&error);
        match error.problem() {
            Some(problem) => Self { code, problem: Box::new(problem.clone()) },
            None => Self::new(code, word(&error), error.to_string()),
        }
    }
}

fn word(error: &ClientError) -> &'static str {
    match error {
        ClientError::Unreachable { .. } => "unreachable",
        ClientError::Broken(_) => "connection_broken",
        ClientError::BadUrl(_) => "usage",
        ClientError::Unexpected { .. } | ClientError::Problem(_) | ClientError::TimedOut { .. } => {
            "unexpected_answer"
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(exit::DONE, CLOSED_PIPE, error.to_string()),
            _ => Self::new(exit::OTHER, "io", error.to_string()),
        }
    }
}
