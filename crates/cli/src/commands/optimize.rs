//! `lehr optimize`: runs the passes of a level and writes the result.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lehr::passes::{Check, Options, PassError, Report};
use lehr::{Datum, Model, ModelError, OptLevel};
use serde_json::{Value, json};

use super::convert;
use crate::arguments::{Feed, Json, Optimize, Writing};
use crate::failure::Failure;
use crate::feeds;

/// Optimise a model and write it
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    writing: Writing,

    #[command(flatten)]
    optimize: Optimize,

    /// Say of every rewrite that did not fire why not
    #[arg(long)]
    explain: bool,

    /// Evaluate the model before and after every pass and stop at the first that changes a result: on the inputs of
    /// --feed, else on random ones
    #[arg(long)]
    check: bool,

    /// Make only the first N edits: halving N finds the one that is guilty
    #[arg(long, value_name = "N")]
    bisect: Option<usize>,

    /// Stop after this pass has run for the first time
    #[arg(long, value_name = "PASS")]
    stop_after: Option<String>,

    /// Leave a pass out; may be repeated
    #[arg(long, value_name = "PASS")]
    disable: Vec<String>,

    #[command(flatten)]
    feed: Feed,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = super::load(&arguments.model)?;
    let options = Options {
        verify: true,
        check: if arguments.check { Some(check(arguments, &model)?) } else { None },
        stop_after: arguments.stop_after.clone(),
        disable: arguments.disable.iter().cloned().collect(),
        max_edits: arguments.bisect,
        ..Options::default()
    };
    let level = arguments.optimize.or(OptLevel::O2);
    let result = model.optimized(level, &options);
    let (model, report) = result.map_err(|error| match error {
        ModelError::Optimize(error @ PassError::UnknownPass { .. }) => Failure::Usage(error.to_string()),
        other => Failure::model(&arguments.model, other),
    })?;
    let stage = convert::optimize_stage(settings(level, arguments), &report);
    let written = convert::write(&model, &arguments.model, Some(stage), &arguments.writing)?;
    if arguments.json.json {
        let mut json = report_json(&report, arguments.explain);
        json["written"] = written;
        return convert::print(&json, true);
    }
    let mut out = std::io::stdout().lock();
    if arguments.explain {
        for note in &report.notes {
            writeln!(out, "{}: {}: {}", note.pass, note.node, note.reason)?;
        }
    }
    writeln!(out, "{report}")?;
    drop(out);
    convert::print(&written, false)
}

/// What was asked for, for the provenance of a bundle.
fn settings(level: OptLevel, arguments: &Arguments) -> Value {
    let mut settings = json!({"level": level.name()});
    if !arguments.disable.is_empty() {
        settings["disable"] = json!(arguments.disable);
    }
    if let Some(pass) = &arguments.stop_after {
        settings["stop_after"] = json!(pass);
    }
    if let Some(edits) = arguments.bisect {
        settings["bisect"] = json!(edits);
    }
    settings
}

fn check(arguments: &Arguments, model: &Model) -> Result<Check, Failure> {
    let Some(path) = &arguments.feed.feed else { return Ok(Check::default()) };
    let fed = feeds::recording(path, model)?.inputs;
    let value_of = |name: &str| fed.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let inputs: Vec<Option<Datum>> = model.inputs().iter().map(|input| value_of(&input.name)).collect();
    Ok(Check { inputs: Some(inputs), ..Check::default() })
}

fn report_json(report: &Report, explain: bool) -> Value {
    let passes: Vec<_> = report
        .rows
        .iter()
        .map(|row| {
            let ms = row.time.as_secs_f64() * 1e3;
            json!({"pass": row.pass, "runs": row.runs, "edits": row.edits, "ms": ms})
        })
        .collect();
    let mut json = json!({
        "nodes_before": report.totals.0.nodes,
        "nodes_after": report.totals.1.nodes,
        "edits": report.edits,
        "passes": passes,
        "unchecked": report.unchecked,
    });
    if explain {
        let note = |note: &lehr::passes::pass::Note| json!({"pass": note.pass, "node": note.node, "reason": note.reason});
        json["notes"] = report.notes.iter().map(note).collect();
    }
    json
}
