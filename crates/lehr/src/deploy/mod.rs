//! The whole way of a model: import, optimise, verify, bundle, run, report, as a recipe says.

mod outcome;
mod recipe;

use std::path::PathBuf;

pub use outcome::{Example, Machine, Outcome, PassCount, Snapshot, Stage};
pub use recipe::{Data, MeasureStage, OptimizeStage, Recipe, VerifyStage};

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
}
