//! `lehr deploy`: the whole way of a model, as a recipe says.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use lehr::deploy::{DeployError, Event, Outcome, Recipe, Stage, deploy};
use lehr::report;
use serde_json::json;

use super::run::summary;
use crate::arguments::Json;
use crate::atomic;
use crate::columns::aligned;
use crate::failure::Failure;
use crate::numbers::{bytes, count, or_dash};
use crate::pass_table::pass_table;
use crate::progress::Progress;

/// Take a model the whole way: import, optimise, verify, bundle, run on examples, report
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is to be made of which model
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = Recipe::load(&arguments.recipe).map_err(failure)?;
    let mut waiting = Waiting::default();
    let outcome = deploy(&recipe, &mut |event| waiting.hear(event, arguments.json.json)).map_err(failure)?;
    let path = recipe.report.clone().unwrap_or_else(|| PathBuf::from(format!("{}.html", recipe.name)));
    atomic::write_bytes(&path, report::html(&outcome).as_bytes())?;
    let mut out = io::stdout().lock();
    if arguments.json.json {
        let examples: Vec<_> = outcome.examples.iter().map(example_json).collect();
        let json = json!({
            "name": outcome.name, "bundle": outcome.bundle, "report": path, "stages": outcome.stages,
            "passes": outcome.passes, "machine": outcome.machine, "examples": examples,
        });
        writeln!(out, "{json}")?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{}", table(&outcome.stages))?;
    if !outcome.passes.is_empty() {
        writeln!(out, "{}", pass_table(&outcome.passes))?;
    }
    print_answers(&mut out, &outcome)?;
    writeln!(out, "bundle  {}\nreport  {}", outcome.bundle.display(), path.display())?;
    Ok(out.flush()?)
}

fn failure(error: DeployError) -> Failure {
    match error {
        DeployError::Model { path, error } => Failure::model(&path, *error),
        other => Failure::Message(other.to_string()),
    }
}

/// Tells on standard error what goes on.
#[derive(Default)]
struct Waiting {
    progress: Option<Progress>,
}

impl Waiting {
    fn hear(&mut self, event: Event<'_>, quiet: bool) {
        match event {
            Event::Begin(stage) if !quiet => eprintln!("{stage} …"),
            Event::Progress { stage, total, .. } => {
                self.progress.get_or_insert_with(|| Progress::new(total, true)).step(stage);
            }
            Event::Begin(_) => {}
            Event::End(_) => self.progress = None,
        }
    }
}

fn example_json(example: &lehr::deploy::Example) -> serde_json::Value {
    json!({
        "input": example.source, "answers": example.answers.to_json(),
        "expected": example.expected, "right": example.correct,
    })
}

/// The stages as aligned columns.
fn table(stages: &[Stage]) -> String {
    let titles = [
        "stage",
        "nodes",
        "parameters",
        "bytes",
        "MACs",
        "energy*",
        "ms",
        "peak",
        "max diff",
        "took",
        "what",
    ];
    let mut rows = vec![titles.map(str::to_owned)];
    for stage in stages {
        rows.push([
            stage.name.clone(),
            or_dash(stage.nodes),
            or_dash(stage.parameters.map(count)),
            or_dash(stage.bytes.map(bytes)),
            or_dash(stage.macs.map(count)),
            or_dash(stage.energy_uj.map(|energy| format!("{energy:.1} µJ"))),
            or_dash(stage.milliseconds.map(|ms| format!("{ms:.3}"))),
            or_dash(stage.peak_bytes.map(bytes)),
            or_dash(stage.max_difference.map(|difference| format!("{difference:.1e}"))),
            format!("{:.2} s", stage.seconds),
            stage.note.clone(),
        ]);
    }
    let mut text = aligned(&rows, &[0, 10]);
    text += "* an estimate from published numbers for each operation and byte, not a measurement\n";
    text
}

fn print_answers(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    for example in &outcome.examples {
        let name = example.source.file_name().unwrap_or_default().to_string_lossy();
        let mark = match (example.correct, &example.expected) {
            (Some(true), _) => "  ✓".to_owned(),
            (Some(false), Some(expected)) => format!("  ✗ expected {expected}"),
            _ => String::new(),
        };
        writeln!(out, "{name:<24} {}{mark}", summary(&example.answers))?;
    }
    if !outcome.examples.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}
