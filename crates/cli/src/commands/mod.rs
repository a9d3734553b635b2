//! One module for each command.

pub mod conformance;
pub mod run;

use std::path::Path;

use lehr::{Model, ModelOptions, Session};

use crate::arguments::Command;
use crate::failure::Failure;

/// Does what the command says.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
    }
}

/// Loads a model or fails with everything that is wrong with it.
fn load(path: &Path) -> Result<Model, Failure> {
    Model::load(path).map_err(|error| Failure::model(path, error))
}

/// A session of a model.
fn session(model: &Model, options: &ModelOptions, path: &Path) -> Result<Session, Failure> {
    model.session(options).map_err(|error| Failure::model(path, error))
}
