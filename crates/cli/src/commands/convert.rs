//! `lehr convert`: writes a model in another form.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::comparison::agree;
use lehr::graph::text::print_full;
use lehr::onnx::WriteOptions;
use lehr::passes::Options;
use lehr::{Feeds, Model, ModelOptions, OptLevel};
use serde_json::{Value, json};

use crate::arguments::{Json, Optimize, Tolerance, Writing};
use crate::failure::Failure;
use crate::{atomic, feeds};

/// Write a model as ONNX of a chosen opset, or in the text form
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    writing: Writing,

    /// Run the written model on recorded inputs and compare with the recorded outputs
    #[arg(long, value_name = "RECORDED.npz")]
    verify: Option<PathBuf>,

    #[command(flatten)]
    tolerance: Tolerance,

    #[command(flatten)]
    optimize: Optimize,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let level = arguments.optimize.or(OptLevel::O0);
    let model = super::load(&arguments.model)?;
    let optimized = model.optimized(level, &Options::default());
    let (model, _) = optimized.map_err(|error| Failure::model(&arguments.model, error))?;
    let mut report = write(&model, &arguments.writing)?;
    if let Some(recorded) = &arguments.verify {
        let compared = verify(&arguments.writing.output, recorded, arguments.tolerance.tolerance)?;
        report["verified_outputs"] = json!(compared);
    }
    print(&report, arguments.json.json)
}

/// Writes the model in the form that the file's ending names.
pub fn write(model: &Model, writing: &Writing) -> Result<Value, Failure> {
    let path = &writing.output;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("onnx") => {
            let options = WriteOptions { opset: writing.opset, external_data: writing.external_data };
            let summary = model.write_onnx(path, &options).map_err(|error| Failure::model(path, error))?;
            let external = summary.external.map(|(path, bytes)| json!({"path": path, "bytes": bytes}));
            Ok(json!({"output": path, "opset": summary.opset, "bytes": summary.bytes, "external": external}))
        }
        Some("txt") => {
            let text = print_full(model.graph());
            atomic::write_bytes(path, text.as_bytes())?;
            Ok(json!({"output": path, "bytes": text.len()}))
        }
        _ => Err(Failure::Usage(format!("'{}': expected a name that ends in .onnx or .txt", path.display()))),
    }
}

/// Prints a flat report.
pub fn print(report: &Value, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{report}")?;
        return Ok(out.flush()?);
    }
    for (name, value) in report.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{:<17} {text}", name.replace('_', " "))?;
    }
    Ok(out.flush()?)
}

/// Runs what was written; returns how many outputs agree with the recorded ones, which must be all.
fn verify(path: &Path, recorded: &Path, tolerance: f64) -> Result<usize, Failure> {
    let model = super::load(path)?;
    let recording = feeds::recording(recorded, &model)?;
    if recording.outputs.is_empty() {
        return Err(Failure::Message(format!("'{}' holds no outputs to verify with", recorded.display())));
    }
    let options = ModelOptions { optimize: OptLevel::O0, ..ModelOptions::default() };
    let feeds: Feeds = recording.inputs.into_iter().collect();
    let outputs = super::session(&model, &options, path)?.run(feeds)?;
    for (name, expected) in &recording.outputs {
        let verdict = match outputs.named(name) {
            Some(got) => agree(got, expected, tolerance),
            None => Err("it was not computed".into()),
        };
        verdict.map_err(|problem| {
            Failure::Message(format!(
                "the written model does not agree with the recording: output '{name}': {problem}"
            ))
        })?;
    }
    Ok(recording.outputs.len())
}
