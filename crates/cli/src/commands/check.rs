//! `lehr check`: every problem of a model before any conversion.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::graph::dim::Assignment;
use lehr::summary::{OperatorCount, Summary};
use lehr::{Examined, Model};
use serde_json::{Value, json};

use crate::arguments::Json;
use crate::failure::Failure;
use crate::report::{counts, diagnostic_json, diagnostic_text};

/// Report every problem of a model and what of it is supported
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model files
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut usable = true;
    let mut records = Vec::new();
    for path in &arguments.models {
        let examined = Model::examine(path);
        usable &= !lehr::graph::diagnostic::has_errors(&examined.findings) && examined.model.is_some();
        if arguments.json.json {
            records.push(record(path, &examined));
        } else {
            print(&mut out, path, &examined)?;
        }
    }
    if arguments.json.json {
        writeln!(out, "{}", Value::from(records))?;
    }
    out.flush()?;
    if usable { Ok(()) } else { Err(Failure::Reported) }
}

fn print(out: &mut impl Write, path: &Path, examined: &Examined) -> io::Result<()> {
    writeln!(out, "{}:", path.display())?;
    for finding in &examined.findings {
        writeln!(out, "{}", diagnostic_text(finding))?;
    }
    if let Some(model) = &examined.model {
        if !model.producer().is_empty() {
            writeln!(out, "  written by {}", model.producer())?;
        }
        if !model.opsets().is_empty() {
            writeln!(out, "  opsets {}", opsets_text(model))?;
        }
        let summary = Summary::of(model.graph(), &Assignment::new());
        writeln!(out, "  {} nodes", summary.nodes)?;
        for operator in &summary.operators {
            writeln!(out, "  {:>7}  {:<32} {}", operator.nodes, operator.name, support(operator))?;
        }
    }
    writeln!(out, "  {}", counts(&examined.findings))
}

fn support(operator: &OperatorCount) -> &'static str {
    match (operator.supported, operator.has_kernel) {
        (false, _) => "NOT SUPPORTED",
        (true, true) => "",
        (true, false) => "reference evaluation",
    }
}

/// Opsets by domain in one line.
pub fn opsets_text(model: &Model) -> String {
    let opset = |(domain, version): (&String, &i64)| {
        format!("{} {version}", if domain.is_empty() { "ai.onnx" } else { domain })
    };
    model.opsets().iter().map(opset).collect::<Vec<_>>().join(", ")
}

fn record(path: &Path, examined: &Examined) -> Value {
    let findings: Vec<_> = examined.findings.iter().map(diagnostic_json).collect();
    let mut record = json!({ "model": path.display().to_string(), "diagnostics": findings });
    record["usable"] =
        json!(examined.model.is_some() && !lehr::graph::diagnostic::has_errors(&examined.findings));
    if let Some(model) = &examined.model {
        let summary = Summary::of(model.graph(), &Assignment::new());
        record["producer"] = json!(model.producer());
        record["opsets"] = json!(model.opsets());
        record["nodes"] = json!(summary.nodes);
        record["operators"] = operators_json(&summary);
    }
    record
}

/// Operators with their counts and support.
pub fn operators_json(summary: &Summary) -> Value {
    let operator = |o: &OperatorCount| json!({"name": o.name, "nodes": o.nodes, "supported": o.supported, "kernel": o.has_kernel});
    summary.operators.iter().map(operator).collect()
}
