//! `lehr convert`: writes a model in another form.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::bundle::{Contents, Provenance, Stage};
use lehr::comparison::agree;
use lehr::graph::text::print_full;
use lehr::onnx::WriteOptions;
use lehr::passes::{Options, Report};
use lehr::pipeline::{Folder, Recorder};
use lehr::{Feeds, Model, ModelOptions, OptLevel, Pipeline};
use serde_json::{Map, Value, json};

use super::run::pipeline_failure;
use crate::arguments::{Json, Optimize, Tolerance, Writing};
use crate::failure::Failure;
use crate::{atomic, feeds};

/// Write a model as ONNX of a chosen opset, as a bundle, or in the text form
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    writing: Writing,

    /// What happens before and after the model, to be put into a .lehr file with the files that it names
    #[arg(long, value_name = "PIPELINE.toml")]
    pipeline: Option<PathBuf>,

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
    let mut model = super::load(&arguments.model)?;
    if let Some(path) = &arguments.pipeline {
        model = with_pipeline(model, path, &arguments.writing.output)?;
    }
    let optimized = model.optimized(level, &Options::default());
    let (model, passes) = optimized.map_err(|error| Failure::model(&arguments.model, error))?;
    let stage = (level > OptLevel::O0).then(|| optimize_stage(json!({"level": level.name()}), &passes));
    let mut report = write(&model, &arguments.model, stage, &arguments.writing)?;
    if let Some(recorded) = &arguments.verify {
        let compared = verify(&arguments.writing.output, recorded, arguments.tolerance.tolerance)?;
        report["verified_outputs"] = json!(compared);
    }
    print(&report, arguments.json.json)
}

/// The model with a pipeline that fits it, for a bundle.
fn with_pipeline(model: Model, path: &Path, output: &Path) -> Result<Model, Failure> {
    if output.extension().is_none_or(|extension| extension != "lehr") {
        let message = format!("'{}': only a bundle (.lehr) can hold a pipeline", output.display());
        return Err(Failure::Usage(message));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, "read", error))?;
    let files = Recorder::new(Folder(path.parent().unwrap_or(Path::new("")).to_owned()));
    let pipeline = Pipeline::parse(&text, &files).map_err(|error| pipeline_failure(path, &error))?;
    let problems = pipeline.check(&lehr::signature(&model));
    if !problems.is_empty() {
        let problems = problems.join("; ");
        return Err(Failure::Message(format!("'{}' does not fit the model: {problems}", path.display())));
    }
    let contents = Contents { pipeline: Some(text), files: files.into_files(), ..model.contents().clone() };
    Ok(model.with_contents(contents))
}

/// Writes the model that was read from `source`, and went through `stage`, in the form that the file's ending names.
pub fn write(
    model: &Model,
    source: &Path,
    stage: Option<Stage>,
    writing: &Writing,
) -> Result<Value, Failure> {
    let path = &writing.output;
    let ending = path.extension().and_then(|extension| extension.to_str());
    if ending != Some("onnx") && (writing.opset.is_some() || writing.external_data) {
        let message = format!("'{}': --opset and --external-data are for .onnx files", path.display());
        return Err(Failure::Usage(message));
    }
    match ending {
        Some("onnx") => {
            note_what_is_left(model);
            let options = WriteOptions { opset: writing.opset, external_data: writing.external_data };
            let summary = model.write_onnx(path, &options).map_err(|error| Failure::model(path, error))?;
            let external = summary.external.map(|(path, bytes)| json!({"path": path, "bytes": bytes}));
            Ok(json!({"output": path, "opset": summary.opset, "bytes": summary.bytes, "external": external}))
        }
        Some("lehr") => {
            let contents = contents(model, source, stage)?;
            let summary = model.write_bundle(path, &contents).map_err(|error| Failure::model(path, error))?;
            Ok(json!({"output": path, "bytes": summary.bytes, "segments": summary.segments.len()}))
        }
        Some("txt") => {
            note_what_is_left(model);
            let text = print_full(model.graph());
            atomic::write_bytes(path, text.as_bytes())?;
            Ok(json!({"output": path, "bytes": text.len()}))
        }
        _ => {
            let message = format!("'{}': expected a name that ends in .onnx, .lehr or .txt", path.display());
            Err(Failure::Usage(message))
        }
    }
}

/// What came with the model, and how it was made so far.
fn contents(model: &Model, source: &Path, stage: Option<Stage>) -> Result<Contents, Failure> {
    let mut contents = model.contents().clone();
    if contents.provenance.is_empty() {
        let provenance = Provenance::of_file(source);
        contents.provenance = provenance.map_err(|error| Failure::file(source, "read", error))?;
    }
    contents.provenance.stages.extend(stage);
    Ok(contents)
}

/// Only bundles hold more than the model.
fn note_what_is_left(model: &Model) {
    let Contents { pipeline, files, .. } = model.contents();
    if pipeline.is_some() || !files.is_empty() {
        eprintln!("note: the pipeline and {} files of the bundle are left out", files.len());
    }
}

/// What passes did, for the provenance of a bundle.
pub fn optimize_stage(settings: Value, report: &Report) -> Stage {
    let passes = report.rows.iter().filter(|row| row.edits > 0);
    let edits: Map<_, _> = passes.map(|row| (row.pass.to_string(), json!(row.edits))).collect();
    let results =
        json!({"nodes_before": report.totals.0.nodes, "nodes_after": report.totals.1.nodes, "edits": edits});
    Stage::new("optimize", settings, results)
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
