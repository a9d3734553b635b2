//! What nodes are called: the same as in the measurements.

use lehr_graph::opaque::Opaque;
use lehr_graph::{Graph, NodeId};

/// The name of a node; without one, that of the first node of the file it came from, else its number.
pub fn node_name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let origin = || node.origin().sources().first().map(|source| source.name.to_string());
    let named = Some(node.name().to_owned()).filter(|name| !name.is_empty());
    named.or_else(|| origin().filter(|name| !name.is_empty())).unwrap_or_else(|| format!("{id:?}"))
}

/// The operator of a node with its domain; what it stands for when this build does not know it.
pub fn operator_name(graph: &Graph, id: NodeId) -> String {
    let op = graph.node(id).op();
    op.downcast_ref::<Opaque>().map_or_else(|| op.full_name(), Opaque::stands_for)
}
