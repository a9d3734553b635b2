//! What can go wrong, said so that the user knows where: source, step, reason.

use std::fmt;

use lehr_tensor::TensorError;

/// Before or after the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// An `[[input]]`.
    Input,
    /// An `[[output]]`.
    Output,
}

/// A step of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Before or after the model.
    pub side: Side,
    /// Name of the input or output.
    pub name: String,
    /// Position of the step in its list, from 0.
    pub index: usize,
    /// Its `op`.
    pub op: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Input => "input",
            Side::Output => "output",
        };
        write!(f, "{side} '{}', step {} ({})", self.name, self.index + 1, self.op)
    }
}

/// Why a pipeline can not be built, fitted or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The text is not a pipeline.
    #[error("the pipeline can not be read: {0}")]
    Manifest(String),
    /// No step is called so.
    #[error("{place}: there is no such step{}", suggestion(.nearest))]
    UnknownStep {
        /// Where it stands.
        place: Box<Place>,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// The parameters of a step do not make sense, or a file that it names can not be used.
    #[error("{place}: {error}")]
    Build {
        /// Where it stands.
        place: Box<Place>,
        /// What is wrong.
        error: Box<StepError>,
    },
    /// A step does not take what the one before it gives, or the model does not fit.
    #[error("{0}")]
    Mismatch(String),
    /// A step failed on a source.
    #[error("'{source_name}': {place}: {error}")]
    Run {
        /// The file, or what the caller called the data.
        source_name: String,
        /// The step.
        place: Box<Place>,
        /// What is wrong.
        error: Box<StepError>,
    },
    /// The source can not be read, or does not suit the pipeline.
    #[error("'{source_name}': {problem}")]
    Source {
        /// The file, or what the caller called the data.
        source_name: String,
        /// What is wrong.
        problem: String,
    },
}

fn suggestion(nearest: &Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// Why a step can not be built or applied; whoever knows the place adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The item is of another kind.
    #[error("expected {expected}, got {got}")]
    Kind {
        /// What the step takes.
        expected: String,
        /// What came.
        got: String,
    },
    /// A parameter is out of its range.
    #[error("parameter '{name}': expected {expected}, got {got}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What is there.
        got: String,
    },
    /// The data is damaged or of a form that can not be read.
    #[error("{0}")]
    Malformed(String),
    /// The data is larger than allowed.
    #[error("{what}: expected at most {limit}, got {got}")]
    TooLarge {
        /// Of what there is too much, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// The size.
        got: u64,
    },
    /// A file of the pipeline can not be used.
    #[error("file '{name}': {problem}")]
    File {
        /// Its name in the pipeline.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The step has parameters that are fitted to data, and has not been fitted.
    #[error("parameter '{0}' is not fitted; run `lehr pipeline fit`")]
    Unfitted(&'static str),
    /// A tensor could not be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl StepError {
    /// The item is of another kind.
    pub fn kind(expected: impl Into<String>, got: impl fmt::Display) -> Self {
        Self::Kind { expected: expected.into(), got: got.to_string() }
    }

    /// A parameter is out of its range.
    pub fn parameter(name: &'static str, expected: impl Into<String>, got: impl fmt::Display) -> Self {
        Self::Parameter { name, expected: expected.into(), got: got.to_string() }
    }

    /// The data can not be used.
    pub fn malformed(problem: impl fmt::Display) -> Self {
        Self::Malformed(problem.to_string())
    }

    /// A file of the pipeline can not be used.
    pub fn file(name: &str, problem: impl fmt::Display) -> Self {
        Self::File { name: name.to_owned(), problem: problem.to_string() }
    }
}
