//! `lehr inspect`: what a model is and what it costs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::bundle::{Bundle, Contents, OpenOptions, Provenance, Source, is_bundle};
use lehr::graph::Dim;
use lehr::graph::text::{print, print_full, print_type};
use lehr::summary::{Energy, Summary};
use lehr::{Model, Port};
use serde_json::{Map, Value, json};

use super::check::{operators_json, opsets_text};
use super::verify::{remark, segment_json, title};
use crate::arguments::{Execution, Json, Shapes};
use crate::failure::Failure;
use crate::numbers::short;

/// Show signature, operators, parameters, work and memory plan of a model
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    #[command(flatten)]
    shapes: Shapes,

    /// Print the graph in its text form, large constants as hashes
    #[arg(long, conflicts_with_all = ["json", "plan"])]
    text: bool,

    /// With --text: print all constants, so that the text can be read back
    #[arg(long, requires = "text")]
    full: bool,

    /// Print what runs in which order, and where operands lie
    #[arg(long, conflicts_with = "json")]
    plan: bool,

    #[command(flatten)]
    execution: Execution,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = arguments.shapes.apply(super::load(&arguments.model)?)?;
    let mut out = io::stdout().lock();
    if arguments.text {
        let text = if arguments.full { print_full(model.graph()) } else { print(model.graph()) };
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    if arguments.plan {
        let session = super::session(&model, &arguments.execution.options(), &arguments.model)?;
        out.write_all(session.model().plan().as_bytes())?;
        return Ok(out.flush()?);
    }
    let summary = Summary::of(model.graph(), &arguments.shapes.assignment());
    let bundle = open_bundle(&arguments.model)?;
    if arguments.json.json {
        let mut record = record(&model, &summary);
        if let Some(bundle) = bundle {
            record["bundle"] = bundle_record(&bundle, model.contents());
        }
        writeln!(out, "{record}")?;
        return Ok(out.flush()?);
    }
    print_summary(&mut out, &model, &summary)?;
    if let Some(bundle) = bundle {
        print_bundle(&mut out, &bundle, &model.contents().provenance)?;
    }
    Ok(out.flush()?)
}

/// The container, if the file is one.
fn open_bundle(path: &Path) -> Result<Option<Bundle>, Failure> {
    if !is_bundle(path).unwrap_or(false) {
        return Ok(None);
    }
    let bundle = Bundle::open(path, OpenOptions::default());
    bundle.map(Some).map_err(|error| Failure::file(path, "read", error))
}

fn print_bundle(out: &mut impl Write, bundle: &Bundle, provenance: &Provenance) -> io::Result<()> {
    writeln!(out, "segments   {} in {} bytes", bundle.segments().len(), bundle.byte_len())?;
    for segment in bundle.segments() {
        writeln!(out, "{:>10} bytes {}{}", segment.length, title(segment), remark(segment))?;
    }
    if let Some(Source { file, bytes, blake3, .. }) = &provenance.source {
        writeln!(out, "source     {file}, {bytes} bytes, BLAKE3 {blake3}")?;
    }
    for (index, stage) in provenance.stages.iter().enumerate() {
        let heading = if index == 0 { "stages" } else { "" };
        writeln!(out, "{heading:<10} {}{}{}", stage.stage, fields(&stage.settings), fields(&stage.results))?;
    }
    Ok(())
}

/// ` name value` of each field.
fn fields(fields: &Map<String, Value>) -> String {
    fields.iter().map(|(name, value)| format!("  {name} {value}")).collect()
}

fn bundle_record(bundle: &Bundle, contents: &Contents) -> Value {
    json!({
        "bytes": bundle.byte_len(),
        "segments": bundle.segments().iter().map(segment_json).collect::<Vec<_>>(),
        "pipeline": contents.pipeline,
        "provenance": contents.provenance,
    })
}

fn print_summary(out: &mut impl Write, model: &Model, summary: &Summary) -> io::Result<()> {
    writeln!(out, "graph      {}", model.graph().name())?;
    if !model.producer().is_empty() {
        writeln!(out, "written by {}", model.producer())?;
    }
    if !model.opsets().is_empty() {
        writeln!(out, "opsets     {}", opsets_text(model))?;
    }
    for (title, ports) in [("inputs", model.inputs()), ("outputs", model.outputs())] {
        for (index, port) in ports.iter().enumerate() {
            writeln!(out, "{:<10} {}: {}", if index == 0 { title } else { "" }, port.name, port.ty)?;
        }
    }
    let symbols = symbols(model);
    if !symbols.is_empty() {
        writeln!(out, "symbols    {}", symbols.join(", "))?;
    }
    writeln!(out, "parameters {} ({} bytes)", summary.parameters, summary.parameter_bytes)?;
    writeln!(out, "MACs       {}", amount(&summary.macs))?;
    writeln!(
        out,
        "traffic    {} bytes read, {} bytes written",
        amount(&summary.bytes_read),
        amount(&summary.bytes_written)
    )?;
    match &summary.energy {
        Some(energy) => {
            let Energy { compute_uj, parameters_uj, activations_uj } = energy;
            writeln!(
                out,
                "energy     {} µJ (estimate: compute {}, parameters {}, activations {})",
                short(energy.total_uj()),
                short(*compute_uj),
                short(*parameters_uj),
                short(*activations_uj)
            )?;
        }
        None => writeln!(out, "energy     not known: give sizes with --shape NAME=SIZE")?,
    }
    writeln!(out, "nodes      {}", summary.nodes)?;
    for operator in &summary.operators {
        let kernel = if operator.has_kernel { "" } else { "reference evaluation" };
        writeln!(out, "{:>10} {:<32} {kernel}", operator.nodes, operator.name)?;
    }
    Ok(())
}

fn amount(dim: &Dim) -> String {
    if dim.is_unknown() { "not known".to_owned() } else { dim.to_string() }
}

/// Symbols of the signature that the model's author named.
fn symbols(model: &Model) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for port in model.inputs().iter().chain(&model.outputs()) {
        let found = port.ty.shape().map(|shape| shape.symbols()).unwrap_or_default();
        names.extend(found.iter().filter(|symbol| !symbol.is_fresh()).map(|symbol| symbol.name().to_owned()));
    }
    names.sort();
    names.dedup();
    names
}

fn record(model: &Model, summary: &Summary) -> Value {
    let port = |port: &Port| json!({"name": port.name, "type": print_type(&port.ty)});
    let number = |dim: &Dim| match dim.as_fixed() {
        Some(number) => json!(number),
        None if dim.is_unknown() => Value::Null,
        None => json!(dim.to_string()),
    };
    let energy = summary.energy.map(|energy| {
        json!({
            "estimate": true,
            "total_uj": energy.total_uj(),
            "compute_uj": energy.compute_uj,
            "parameters_uj": energy.parameters_uj,
            "activations_uj": energy.activations_uj,
        })
    });
    json!({
        "graph": model.graph().name(),
        "producer": model.producer(),
        "opsets": model.opsets(),
        "inputs": model.inputs().iter().map(port).collect::<Vec<_>>(),
        "outputs": model.outputs().iter().map(port).collect::<Vec<_>>(),
        "symbols": symbols(model),
        "nodes": summary.nodes,
        "operators": operators_json(summary),
        "parameters": summary.parameters,
        "parameter_bytes": summary.parameter_bytes,
        "macs": number(&summary.macs),
        "bytes_read": number(&summary.bytes_read),
        "bytes_written": number(&summary.bytes_written),
        "energy": energy,
    })
}
