//! The whole way of a model: import, optimise, verify, bundle, run, report, as a recipe says.

mod evidence;
mod outcome;
mod recipe;
mod runner;
mod stages;

use std::path::PathBuf;

use lehr_pipeline::PipelineError;

use crate::batch::BatchError;
use crate::bundle::BundleError;
use crate::{ModelError, PredictError};

pub use outcome::{Example, Machine, Outcome, PassCount, Snapshot, Stage};
pub use recipe::{Data, MeasureStage, OptimizeStage, Recipe, VerifyStage};
pub use stages::deploy;

/// What somebody who waits for a deployment may want to hear.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A stage begins.
    Begin(&'a str),
    /// A stage goes on.
    Progress {
        /// The stage.
        stage: &'a str,
        /// What is done.
        done: usize,
        /// Of how much.
        total: usize,
    },
    /// A stage is done.
    End(&'a Stage),
}

/// Why a deployment did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The recipe can not be used.
    #[error("'{}': {problem}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The model can not be read, optimised, compiled or written.
    #[error("'{}': {error}", path.display())]
    Model {
        /// The model file, or the bundle.
        path: PathBuf,
        /// What is wrong.
        error: Box<ModelError>,
    },
    /// The pipeline can not be built.
    #[error("'{}': {error}", path.display())]
    Pipeline {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: Box<PipelineError>,
    },
    /// A file can not be read or written.
    #[error("'{}': {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The examples can not be found.
    #[error(transparent)]
    Data(#[from] BatchError),
    /// An example can not be answered.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Inputs without data can not be made up.
    #[error("{0}; give examples in [data]")]
    NoInputs(String),
    /// A stage changed what the model computes.
    #[error("'{example}': output '{output}' differs from the imported graph: {problem}")]
    Differs {
        /// The example.
        example: String,
        /// The output.
        output: String,
        /// How.
        problem: String,
    },
    /// The bundle that was written is not what it should be.
    #[error("'{}': {error}", path.display())]
    Bundle {
        /// The bundle.
        path: PathBuf,
        /// What is wrong.
        error: Box<BundleError>,
    },
    /// The bundle that was written does not have the hashes that it should have.
    #[error("'{}' was damaged while it was written: it fails its own hashes", .0.display())]
    Damaged(PathBuf),
    /// What was read back from the bundle does not give the answers that went in.
    #[error("'{}' gives other answers than the graph it was written from: example '{example}'", path.display())]
    OtherAnswers {
        /// The bundle.
        path: PathBuf,
        /// The first example.
        example: String,
    },
}
