//! The section on what takes the space.

use std::collections::{BTreeMap, HashSet};

use lehr_graph::{Def, Graph, Use, Value};
use lehr_tensor::Tensor;
use maud::{Markup, html};

use super::chart::{Part, bar, stacked};
use super::figures;
use super::kind::Kind;
use super::node_names::{node_name, operator_name};

/// The most constants and operators that are listed.
const MAX_ROWS: usize = 12;

/// A constant and who reads it.
struct Stored {
    name: String,
    operator: String,
    dtype: &'static str,
    shape: String,
    bytes: u64,
}

/// The segments of the bundle and the constants of its graph.
pub fn section(segments: &[(String, u64)], graph: &Graph, kinds: &BTreeMap<String, Kind>) -> Markup {
    let mut constants = Vec::new();
    collect(graph, &mut HashSet::new(), &mut constants);
    constants.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let total: u64 = segments.iter().map(|(_, bytes)| bytes).sum();
    html! {
        section #sizes {
            h2 { "What takes the space" }
            @if !segments.is_empty() {
                p.lead { "The bundle is " strong { (figures::bytes(total)) } " in " (figures::plural(segments.len(), "segment", "segments")) "." }
                (stacked(&segment_parts(segments)))
            }
            @if !constants.is_empty() {
                div.columns {
                    div { h3 { "Constants by operator" } (by_operator(&constants, kinds)) }
                    div { h3 { "Largest constants" } (largest(&constants)) }
                }
            }
        }
    }
}

fn segment_parts(segments: &[(String, u64)]) -> Vec<Part> {
    let part = |(index, (name, bytes)): (usize, &(String, u64))| Part {
        label: name.clone(),
        value: *bytes as f64,
        text: figures::bytes(*bytes),
        class: format!("c{}", index % 8),
    };
    segments.iter().enumerate().map(part).collect()
}

fn by_operator(constants: &[Stored], kinds: &BTreeMap<String, Kind>) -> Markup {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for constant in constants {
        *sums.entry(&constant.operator).or_default() += constant.bytes;
    }
    let total: u64 = sums.values().sum();
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let most = sums.first().map_or(1, |(_, bytes)| (*bytes).max(1));
    html! {
        ol.bars {
            @for (operator, bytes) in sums.iter().take(MAX_ROWS) {
                li {
                    span.what { (figures::name(operator)) }
                    (bar(*bytes as f64 / most as f64, kinds.get(*operator).copied().unwrap_or(Kind::Other).class()))
                    span.figure { (figures::bytes(*bytes)) }
                    span.figure.soft { (figures::percent(*bytes as f64 / total.max(1) as f64)) }
                }
            }
        }
        (others(sums.len()))
    }
}

fn largest(constants: &[Stored]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th { "constant" } th { "type" } th.number { "size" } } }
            tbody {
                @for constant in constants.iter().take(MAX_ROWS) {
                    tr {
                        td { (figures::name(&constant.name)) }
                        td.soft { (constant.dtype) " " (constant.shape) }
                        td.number { (figures::bytes(constant.bytes)) }
                    }
                }
            }
        } }
        (others(constants.len()))
    }
}

fn others(all: usize) -> Markup {
    html! {
        @if all > MAX_ROWS { p.note { "and " (figures::plural(all - MAX_ROWS, "other", "others")) } }
    }
}

/// Constants of a graph and its subgraphs that are read, shared ones once.
fn collect(graph: &Graph, seen: &mut HashSet<(usize, usize)>, into: &mut Vec<Stored>) {
    for value in graph.value_ids().map(|id| graph.value(id)).filter(|value| !value.uses().is_empty()) {
        let Def::Constant(tensor) = value.def() else { continue };
        let bytes = tensor.bytes();
        if bytes.is_empty() || seen.insert((bytes.as_ptr().addr(), bytes.len())) {
            into.push(stored(graph, value, tensor));
        }
    }
    for id in graph.node_ids() {
        graph.node(id).op().subgraphs().into_iter().for_each(|(_, inner)| collect(inner, seen, into));
    }
}

fn stored(graph: &Graph, value: &Value, tensor: &Tensor) -> Stored {
    let reader = value.uses().iter().find_map(|reader| match reader {
        Use::Node { node, slot } => Some((*node, *slot)),
        Use::Output(_) => None,
    });
    let unnamed =
        || reader.map_or_else(String::new, |(id, slot)| format!("{} [{slot}]", node_name(graph, id)));
    let sizes: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    Stored {
        name: value.name().filter(|name| !name.is_empty()).map_or_else(unnamed, str::to_owned),
        operator: reader.map_or_else(|| "output".to_owned(), |(id, _)| operator_name(graph, id)),
        dtype: tensor.dtype().name(),
        shape: if sizes.is_empty() { "scalar".to_owned() } else { sizes.join("×") },
        bytes: tensor.byte_len() as u64,
    }
}
