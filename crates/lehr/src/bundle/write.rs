//! Models to bundles.

use std::io::{self, Write};
use std::path::Path;

use lehr_bundle::tensors::Layout;
use lehr_bundle::{BundleError, Kind, Part, WriteSummary};
use lehr_graph::Diagnostic;
use lehr_graph::diagnostic::Code;
use lehr_graph::wire::{self, TensorPool};
use serde::Serialize;
use serde_json::json;

use super::Contents;
use crate::model::Model;

/// Writes a bundle file, or nothing at all.
pub(crate) fn write_file(
    model: &Model,
    contents: &Contents,
    path: &Path,
) -> Result<WriteSummary, Diagnostic> {
    with_parts(model, contents, |parts| lehr_bundle::write_file(path, parts)).map_err(|finding| {
        let message = format!("'{}' can not be written: {}", path.display(), finding.message);
        Diagnostic { message, ..finding }
    })
}

/// A bundle in memory.
pub(crate) fn to_bytes(model: &Model, contents: &Contents) -> Result<Vec<u8>, Diagnostic> {
    with_parts(model, contents, lehr_bundle::to_bytes)
}

fn with_parts<T>(
    model: &Model,
    contents: &Contents,
    write: impl FnOnce(Vec<Part<'_>>) -> Result<T, BundleError>,
) -> Result<T, Diagnostic> {
    let mut pool = TensorPool::default();
    let graph = wire::encode(model.graph(), &mut pool)
        .map_err(|error| Diagnostic::error(Code::NotWritable, error.to_string()))?;
    let layout = Layout::new(pool.tensors());
    let directory = layout.directory().map_err(|error| finding(&error))?;
    let about = json!({"producer": model.producer(), "opsets": model.opsets()});
    // What opening reads comes first and lies together; weights come last.
    let mut parts = vec![
        Part::bytes(Kind::GRAPH, "", &graph).required(),
        Part::bytes(Kind::TENSORS, "", &directory).required(),
        Part::streamed(Kind::MODEL, "", move |out| write_json(out, &about)),
    ];
    if let Some(pipeline) = &contents.pipeline {
        parts.push(Part::bytes(Kind::PIPELINE, "", pipeline.as_bytes()));
    }
    if !contents.provenance.is_empty() {
        parts.push(Part::streamed(Kind::PROVENANCE, "", |out| write_json(out, &contents.provenance)));
    }
    parts.extend(contents.files.iter().map(|(name, bytes)| Part::bytes(Kind::FILE, name, bytes)));
    if layout.has_weights() {
        parts.push(Part::streamed(Kind::WEIGHTS, "", |out| layout.write_weights(out)).required());
    }
    write(parts).map_err(|error| finding(&error))
}

fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

fn finding(error: &BundleError) -> Diagnostic {
    let code = match error {
        BundleError::Io(_) => Code::Unreadable,
        _ => Code::NotWritable,
    };
    Diagnostic::error(code, error.to_string())
}
