//! Order and free names of the nodes of one `GraphProto`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::proto::{GraphProto, NodeProto};

/// Nodes in an order in which producers come first; nodes on a cycle are left out.
pub(super) struct Order {
    /// Positions in the file.
    pub sorted: Vec<usize>,
    /// Positions of nodes that depend on themselves.
    pub cyclic: Vec<usize>,
    /// Whether the file's own order was good already.
    pub was_sorted: bool,
    /// Names that more than one node produces, with the position of the later producer.
    pub duplicates: Vec<(usize, String)>,
}

/// Sorts `nodes`; among free choices the file's order stays.
pub(super) fn sort_nodes(nodes: &[NodeProto]) -> Order {
    let mut duplicates = Vec::new();
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            if producer.insert(name, index).is_some() {
                duplicates.push((index, name.clone()));
            }
        }
    }
    let mut missing = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let needs: HashSet<usize> =
            names_read(node).iter().filter_map(|n| producer.get(n.as_str()).copied()).collect();
        missing[index] = needs.len();
        for from in needs {
            readers[from].push(index);
        }
    }
    let mut ready: BinaryHeap<_> = (0..nodes.len()).filter(|&i| missing[i] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        sorted.push(index);
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    let cyclic = (0..nodes.len()).filter(|&i| missing[i] > 0).collect();
    let was_sorted = sorted.is_sorted();
    Order { sorted, cyclic, was_sorted, duplicates }
}

/// Names that a node reads: its inputs and the free names of its subgraphs.
fn names_read(node: &NodeProto) -> Vec<String> {
    let mut names: Vec<String> = node.input.iter().filter(|n| !n.is_empty()).cloned().collect();
    for graph in subgraphs(node) {
        names.extend(free_names(graph));
    }
    names
}

/// The subgraphs of a node.
pub(super) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs))
}

/// Names that a graph reads but does not define, in the order of their first use.
pub(super) fn free_names(graph: &GraphProto) -> Vec<String> {
    let mut defined: HashSet<&str> = HashSet::new();
    defined.extend(graph.input.iter().map(|v| v.name()));
    defined.extend(graph.initializer.iter().map(|t| t.name()));
    defined.extend(graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref()).map(|t| t.name()));
    defined.extend(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)));
    let mut seen = HashSet::new();
    let mut free = Vec::new();
    let read = graph.node.iter().flat_map(names_read).chain(graph.output.iter().map(|v| v.name().to_owned()));
    for name in read {
        if !name.is_empty() && !defined.contains(name.as_str()) && seen.insert(name.clone()) {
            free.push(name);
        }
    }
    free
}
