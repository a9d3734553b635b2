//! `lehr pipeline`: checks and fits what happens before and after a model.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use lehr::Pipeline;
use lehr::pipeline::{Folder, Item, Manifest, PipelineError, fit, steps};
use serde_json::json;

use super::run::pipeline_failure;
use crate::arguments::Json;
use crate::atomic;
use crate::failure::Failure;

/// Check and fit what happens before and after a model
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: PipelineCommand,
}

#[derive(Debug, Subcommand)]
enum PipelineCommand {
    Check(CheckArguments),
    Fit(FitArguments),
    Steps(StepsArguments),
}

/// Run kinds, sizes and types through all steps and compare them with a model, without running anything
#[derive(Debug, Args)]
struct CheckArguments {
    /// Model file
    model: PathBuf,

    /// The pipeline; the bundle's own without it
    #[arg(value_name = "PIPELINE.toml")]
    pipeline: Option<PathBuf>,

    #[command(flatten)]
    json: Json,
}

/// Set the fitted numbers of a pipeline from data
#[derive(Debug, Args)]
struct FitArguments {
    /// The pipeline, with steps that are not fitted yet
    #[arg(value_name = "PIPELINE.toml")]
    pipeline: PathBuf,

    /// The data: a .csv file for tables
    data: PathBuf,

    /// The fitted pipeline to write; it appears whole or not at all
    #[arg(short, long, value_name = "OUT.toml")]
    output: PathBuf,

    /// Which input is fitted, where there are several
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
}

/// List all steps
#[derive(Debug, Args)]
struct StepsArguments {
    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        PipelineCommand::Check(arguments) => check(arguments),
        PipelineCommand::Fit(arguments) => fit_to(arguments),
        PipelineCommand::Steps(arguments) => list(arguments),
    }
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let model = super::load(&arguments.model)?;
    let pipeline = super::run::pipeline(&model, &arguments.model, arguments.pipeline.as_deref())?;
    let problems = pipeline.check(&lehr::signature(&model));
    let tails: Vec<_> = pipeline.kinds().filter_map(|(name, _)| pipeline.affine_tail(name)).collect();
    let mut out = io::stdout().lock();
    if arguments.json.json {
        writeln!(
            out,
            "{}",
            json!({"fits": problems.is_empty(), "problems": problems, "affine_tails": tails})
        )?;
    } else if problems.is_empty() {
        writeln!(out, "the pipeline fits the model")?;
        for tail in &tails {
            let channels = tail.scale.len();
            writeln!(
                out,
                "input '{}': the steps from {} on are x · scale + shift in {channels} channels, then {}",
                tail.input,
                tail.first + 1,
                tail.layout
            )?;
        }
    }
    out.flush()?;
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    eprintln!("'{}': {} problems", arguments.model.display(), problems.len());
    Err(Failure::Reported)
}

fn fit_to(arguments: &FitArguments) -> Result<(), Failure> {
    let path = &arguments.pipeline;
    let failed = |error: PipelineError| pipeline_failure(path, &error);
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, "read", error))?;
    let data =
        std::fs::read(&arguments.data).map_err(|error| Failure::file(&arguments.data, "read", error))?;
    let folder = Folder(path.parent().unwrap_or(Path::new("")).to_owned());
    let manifest = Manifest::parse(&text).map_err(failed)?;
    let fitted =
        fit(manifest, arguments.input.as_deref(), Item::Bytes(data.into()), &folder).map_err(failed)?;
    let text = fitted.to_text().map_err(failed)?;
    Pipeline::build(fitted, &folder).map_err(failed)?;
    atomic::write_bytes(&arguments.output, text.as_bytes())
}

fn list(arguments: &StepsArguments) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if arguments.json.json {
        let all: Vec<_> =
            steps::ALL.iter().map(|step| json!({"op": step.op, "summary": step.summary})).collect();
        writeln!(out, "{}", json!(all))?;
        return Ok(out.flush()?);
    }
    for step in steps::ALL {
        writeln!(out, "{:<18} {}", step.op, step.summary)?;
    }
    Ok(out.flush()?)
}
