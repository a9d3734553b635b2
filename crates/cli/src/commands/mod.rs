//! One module for each command.

pub mod bench;
pub mod check;
pub mod compare;
pub mod conformance;
pub mod convert;
pub mod deploy;
pub mod generate;
pub mod inspect;
pub mod optimize;
pub mod pipeline;
pub mod run;
pub mod verify;

use std::path::Path;

use lehr::{Model, ModelOptions, Session};

use crate::arguments::Command;
use crate::failure::Failure;

/// Does what the command says.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Deploy(arguments) => deploy::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Optimize(arguments) => optimize::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Pipeline(arguments) => pipeline::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Completions(arguments) => generate::completions(&arguments),
        Command::Man(arguments) => generate::man(&arguments),
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
