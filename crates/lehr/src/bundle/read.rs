//! Bundles to models.

use std::collections::BTreeMap;

use lehr_bundle::{Bundle, BundleError, Kind, tensors};
use lehr_graph::diagnostic::Code;
use lehr_graph::wire::{self, NodeError, NodeProblem, WireError};
use lehr_graph::{Diagnostic, Graph};
use lehr_ops::registry::Operators;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::constants::Constants;
use super::{Contents, Provenance};
use crate::model::{Examined, Model};

/// What the model that was imported said of itself.
#[derive(Default, Deserialize)]
struct About {
    #[serde(default)]
    producer: String,
    #[serde(default)]
    opsets: BTreeMap<String, i64>,
}

/// Reads everything but the weights.
pub(crate) fn examine(bundle: &Bundle) -> Examined {
    let mut findings = Vec::new();
    let about: About = json(bundle, Kind::MODEL, &mut findings);
    let contents = contents(bundle, &mut findings);
    let model = match graph(bundle) {
        Ok(graph) => Some(Model::assemble(graph, about.opsets, about.producer, contents)),
        Err(problems) => {
            findings.extend(problems);
            None
        }
    };
    Examined { model, findings }
}

fn graph(bundle: &Bundle) -> Result<Graph, Vec<Diagnostic>> {
    let one = |error: BundleError| vec![finding(&error)];
    let graph = bundle.require(Kind::GRAPH).map_err(one)?;
    let tensors = bundle.require(Kind::TENSORS).and_then(|directory| {
        let weights = bundle.find(Kind::WEIGHTS, "").map(|segment| bundle.content(segment));
        tensors::read(&directory, weights.as_ref())
    });
    let constants = Constants(tensors.map_err(one)?);
    wire::decode(&graph, &Operators, &constants).map_err(graph_findings)
}

fn contents(bundle: &Bundle, findings: &mut Vec<Diagnostic>) -> Contents {
    let provenance: Provenance = json(bundle, Kind::PROVENANCE, findings);
    let files = bundle.segments().iter().filter(|s| s.kind == Kind::FILE && s.is_usable());
    Contents {
        pipeline: text(bundle, Kind::PIPELINE, findings),
        files: files.map(|segment| (segment.name.clone(), bundle.content(segment))).collect(),
        provenance,
    }
}

fn text(bundle: &Bundle, kind: Kind, findings: &mut Vec<Diagnostic>) -> Option<String> {
    let content = bundle.content(bundle.find(kind, "")?);
    match std::str::from_utf8(&content) {
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            let message = format!("segment {kind}: expected text in UTF-8: {error}");
            findings.push(Diagnostic::error(Code::Malformed, message));
            None
        }
    }
}

/// What a segment holds; the default when there is none.
fn json<T: Default + DeserializeOwned>(bundle: &Bundle, kind: Kind, findings: &mut Vec<Diagnostic>) -> T {
    let Some(segment) = bundle.find(kind, "") else { return T::default() };
    serde_json::from_slice(&bundle.content(segment)).unwrap_or_else(|error| {
        findings.push(Diagnostic::error(Code::Malformed, format!("segment {kind}: {error}")));
        T::default()
    })
}

/// What is wrong with a container.
pub(crate) fn finding(error: &BundleError) -> Diagnostic {
    let (code, help) = match error {
        BundleError::Io(_) => (Code::Unreadable, None),
        BundleError::Version { .. } | BundleError::Flags { .. } | BundleError::Required { .. } => {
            (Code::NewerVersion, Some("a newer version of lehr reads it"))
        }
        BundleError::Length { .. } | BundleError::Hash { .. } => {
            (Code::Malformed, Some("the file was cut off or changed: fetch it again"))
        }
        _ => (Code::Malformed, None),
    };
    let finding = Diagnostic::error(code, error.to_string());
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn graph_findings(error: WireError) -> Vec<Diagnostic> {
    let code = match error {
        WireError::Nodes(errors) => return errors.iter().map(node_finding).collect(),
        WireError::Version { .. } => Code::NewerVersion,
        WireError::Nesting => Code::Limit,
        WireError::MissingTensor { .. } => Code::BadConstant,
        _ => Code::Malformed,
    };
    vec![Diagnostic::error(code, format!("segment graph: {error}"))]
}

fn node_finding(error: &NodeError) -> Diagnostic {
    let code = match error.problem {
        NodeProblem::UnknownOperator => Code::UnknownOperator,
        NodeProblem::Attributes(_) => Code::BadAttribute,
    };
    Diagnostic::error(code, error.to_string())
}
