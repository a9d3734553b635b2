//! Inputs of a run: recorded, or made up from the signature.

use std::path::Path;

use lehr::graph::dim::Assignment;
use lehr::recorded::Recording;
use lehr::{Datum, Model, Port};

use crate::failure::Failure;

/// Values by input name.
pub type NamedValues = Vec<(String, Datum)>;

/// Recorded inputs, and outputs if there are any: an `.npz` file or a folder of `input_0.pb …`.
pub fn recording(path: &Path, model: &Model) -> Result<Recording, Failure> {
    let read = Recording::read(path, &model.inputs(), &model.outputs());
    read.map_err(|error| Failure::Message(error.to_string()))
}

/// Recorded inputs, or made up ones where no path is given.
pub fn recorded_or_made_up(
    path: Option<&Path>,
    model: &Model,
    sizes: &Assignment,
) -> Result<NamedValues, Failure> {
    match path {
        Some(path) => Ok(recording(path, model)?.inputs),
        None => made_up(&model.inputs(), sizes),
    }
}

/// Inputs of the declared types, always the same ones; symbols without a size count as 1, which is told.
pub fn made_up(inputs: &[Port], sizes: &Assignment) -> Result<NamedValues, Failure> {
    let note = |text: String| eprintln!("note: {text}; bind it with --shape NAME=SIZE");
    lehr::made_up::inputs(inputs, sizes, note)
        .map_err(|problem| Failure::Message(format!("{problem}; give --feed")))
}
