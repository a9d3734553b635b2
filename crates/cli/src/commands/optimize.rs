//! `lehr optimize`: runs the passes of a level and writes the result.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lehr::deploy::PassCount;
use lehr::passes::bisect::{Verdict, bisect};
use lehr::passes::manager::Row;
use lehr::passes::pass::Edit;
use lehr::passes::{Check, Options, PassError, Report, pipeline};
use lehr::{Datum, Model, ModelError, OptLevel};
use serde_json::{Value, json};

use super::convert;
use crate::arguments::{Feed, FixedShapes, Json, Optimize, Writing};
use crate::failure::Failure;
use crate::feeds;
use crate::pass_table::pass_table;

/// Optimise a model and write it
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    writing: Writing,

    #[command(flatten)]
    optimize: Optimize,

    #[command(flatten)]
    shapes: FixedShapes,

    /// Say of every pass where it fired, and of every rewrite that did not fire why not
    #[arg(long)]
    explain: bool,

    /// Evaluate the model before and after every pass and stop at the first that changes a result: on the inputs of
    /// --feed, else on random ones
    #[arg(long)]
    check: bool,

    /// As --check; if a result changes, find the single edit that is guilty and name it
    #[arg(long)]
    bisect: bool,

    /// Make only the first N edits
    #[arg(long, value_name = "N")]
    max_edits: Option<usize>,

    /// Stop after this pass has run for the first time
    #[arg(long, value_name = "PASS")]
    stop_after: Option<String>,

    /// Run no other pass than this one; may be repeated
    #[arg(long, value_name = "PASS")]
    only: Vec<String>,

    /// Leave a pass out; may be repeated
    #[arg(long, value_name = "PASS")]
    disable: Vec<String>,

    /// Run only passes that keep every result bit for bit
    #[arg(long)]
    exact: bool,

    #[command(flatten)]
    feed: Feed,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let failed = |error| Failure::model(&arguments.model, error);
    let model = super::load(&arguments.model)?.bound(&arguments.shapes.bindings()).map_err(failed)?;
    let is_checked = arguments.check || arguments.bisect;
    let options = Options {
        verify: true,
        check: if is_checked { Some(check(arguments, &model)?) } else { None },
        stop_after: arguments.stop_after.clone(),
        disable: arguments.disable.iter().cloned().collect(),
        only: arguments.only.iter().cloned().collect(),
        exact: arguments.exact,
        max_edits: arguments.max_edits,
        ..Options::default()
    };
    let level = arguments.optimize.or(OptLevel::O2);
    let (model, report) = match model.clone().optimized(level, &options) {
        Ok(done) => done,
        Err(ModelError::Optimize(error @ PassError::UnknownPass { .. })) => {
            return Err(Failure::Usage(error.to_string()));
        }
        Err(error) if arguments.bisect => return Err(blame(arguments, &model, level, &options, error)),
        Err(error) => return Err(failed(error)),
    };
    let stage = convert::optimize_stage(settings(level, arguments), &report);
    let written = convert::write(&model, &arguments.model, Some(stage), &arguments.writing)?;
    if arguments.json.json {
        let mut json = report_json(&report, arguments.explain);
        json["written"] = written;
        return convert::print(&json, true);
    }
    print(&report, arguments)?;
    convert::print(&written, false)
}

/// The failure with the guilty edit, if there is a single one.
fn blame(
    arguments: &Arguments,
    model: &Model,
    level: OptLevel,
    options: &Options,
    error: ModelError,
) -> Failure {
    match bisect(&pipeline(level), model.graph(), options) {
        Ok(Verdict::Guilty { edit, error }) => {
            Failure::Message(format!("'{}': {}", arguments.model.display(), verdict(&edit, &error)))
        }
        _ => Failure::model(&arguments.model, error),
    }
}

fn verdict(edit: &Edit, error: &PassError) -> String {
    let Edit { pass, number, place } = edit;
    format!(
        "edit {number} is guilty, by pass '{pass}' at {place}: {error}; --disable {pass} leaves the pass out"
    )
}

fn print(report: &Report, arguments: &Arguments) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if arguments.explain {
        write!(out, "{}", explanation(report))?;
    }
    let passes: Vec<_> = report.rows.iter().map(PassCount::from).collect();
    write!(out, "{}", pass_table(&passes))?;
    writeln!(out, "* estimates, as MACs and bytes with every symbolic size taken as 1")?;
    write!(out, "{} nodes became {}", report.totals.0.nodes, report.totals.1.nodes)?;
    match &report.unchecked {
        Some(reason) => writeln!(out, "; results were not checked: {reason}")?,
        None if arguments.check || arguments.bisect => {
            writeln!(out, "; no edit of {} changes a result", report.edits)?;
        }
        None => writeln!(out)?,
    }
    Ok(())
}

/// What fired where and what did not for which reason, by pass.
fn explanation(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        let edits: Vec<_> = report.log.iter().filter(|edit| edit.pass == row.pass).collect();
        let notes: Vec<_> = report.notes.iter().filter(|note| note.pass == row.pass).collect();
        if edits.is_empty() && notes.is_empty() {
            continue;
        }
        text += &format!("{} ({})\n", row.pass, row.exactness.name());
        for edit in edits {
            text += &format!("  edit {} at {}\n", edit.number, edit.place);
        }
        for note in notes {
            text += &format!("  not at {}: {}\n", note.node, note.reason);
        }
    }
    text
}

/// What was asked for, for the provenance of a bundle.
fn settings(level: OptLevel, arguments: &Arguments) -> Value {
    let mut settings = json!({"level": level.name()});
    for (name, passes) in [("only", &arguments.only), ("disable", &arguments.disable)] {
        if !passes.is_empty() {
            settings[name] = json!(passes);
        }
    }
    if let Some(pass) = &arguments.stop_after {
        settings["stop_after"] = json!(pass);
    }
    if let Some(edits) = arguments.max_edits {
        settings["max_edits"] = json!(edits);
    }
    if arguments.exact {
        settings["exact"] = json!(true);
    }
    let bindings = arguments.shapes.bindings();
    if !bindings.named.is_empty() {
        settings["shapes"] = bindings.named.into_iter().map(|(name, sizes)| (name, json!(sizes))).collect();
    }
    if let Some(batch) = bindings.batch {
        settings["batch"] = json!(batch);
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
    let pass = |row: &Row| {
        let mut json = json!(PassCount::from(row));
        json["runs"] = json!(row.runs);
        json
    };
    let passes: Vec<_> = report.rows.iter().map(pass).collect();
    let (before, after) = &report.totals;
    let mut json = json!({
        "nodes_before": before.nodes,
        "nodes_after": after.nodes,
        "macs_before": before.macs,
        "macs_after": after.macs,
        "parameter_bytes_before": before.parameter_bytes,
        "parameter_bytes_after": after.parameter_bytes,
        "bytes_moved_before": before.bytes,
        "bytes_moved_after": after.bytes,
        "edits": report.edits,
        "passes": passes,
        "unchecked": report.unchecked,
    });
    if explain {
        let note = |note: &lehr::passes::pass::Note| json!({"pass": note.pass, "node": note.node, "reason": note.reason});
        json["notes"] = report.notes.iter().map(note).collect();
        let edit = |edit: &Edit| json!({"pass": edit.pass, "number": edit.number, "place": edit.place});
        json["log"] = report.log.iter().map(edit).collect();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_edit_pass_and_place() {
        let edit = Edit { pass: "hasty", number: 3, place: "'wrong'".into() };
        let error = PassError::Endless { pass: "hasty".into(), rewrites: 9 };
        let text = verdict(&edit, &error);
        let expected = "edit 3 is guilty, by pass 'hasty' at 'wrong': pass 'hasty' does not come to an end";
        assert!(
            text.starts_with(expected) && text.ends_with("; --disable hasty leaves the pass out"),
            "{text}"
        );
    }
}
