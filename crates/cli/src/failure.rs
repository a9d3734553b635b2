//! How a command fails, and what the user sees of it.

use std::io;
use std::path::Path;

use lehr::{Diagnostic, ModelError, RunError};

use crate::report::print_diagnostics;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments do not make sense together.
    Usage(String),
    /// Something is wrong with a model file.
    Diagnostics(String, Vec<Diagnostic>),
    /// Something else is wrong with model or data.
    Message(String),
    /// Wrong, and already told.
    Reported,
    /// Whoever read our output has closed it.
    ClosedPipe,
}

impl Failure {
    /// A sentence about a file.
    pub fn file(path: &Path, what: &str, error: impl std::fmt::Display) -> Self {
        Self::Message(format!("'{}' can not be {what}: {error}", path.display()))
    }

    /// What is wrong with the model in `path`.
    pub fn model(path: &Path, error: ModelError) -> Self {
        match error {
            ModelError::Unusable(findings) => Self::Diagnostics(path.display().to_string(), findings),
            other => Self::Message(format!("'{}': {other}", path.display())),
        }
    }

    /// Tells the user, on standard error.
    pub fn print(&self) {
        match self {
            Self::Usage(message) => eprintln!("error: {message}\n\nFor more information, try '--help'."),
            Self::Diagnostics(model, findings) => print_diagnostics(model, findings),
            Self::Message(message) => eprintln!("error: {message}"),
            Self::Reported | Self::ClosedPipe => {}
        }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Diagnostics(..) | Self::Message(_) | Self::Reported => 1,
            Self::Usage(_) => 2,
        }
    }
}

impl From<io::Error> for Failure {
    /// Of writing to standard output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Message(format!("standard output can not be written: {error}")),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = match &error {
            RunError::Feed(_) => "E0401",
            _ => "E0402",
        };
        Self::Message(format!("{error} [{code}]"))
    }
}
