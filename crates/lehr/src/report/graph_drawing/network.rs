//! What is drawn of a graph: inputs, nodes and outputs as boxes, without the constants.

use std::collections::BTreeMap;

use lehr_graph::{Dim, Graph, NodeId, ValueId, ValueType};
use lehr_tensor::DataType;

use crate::report::figures;
use crate::report::kind::Kind;
use crate::report::node_names::{node_name, operator_name};
use crate::report::timing::Timing;

/// The longest text in a box.
const LONGEST: usize = 26;

/// The longest text of a size.
const LONGEST_SIZE: usize = 8;

/// What a box stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// An input of the graph.
    Input,
    /// An output of the graph.
    Output,
    /// A node, or several that follow each other.
    Node {
        /// Which; the first of several.
        id: NodeId,
        /// Its kind of work.
        kind: Kind,
        /// Its time as a share of that of the slowest node.
        heat: Option<f64>,
        /// Whether it holds subgraphs.
        holds_graphs: bool,
    },
}

/// A box.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// What it stands for.
    pub role: Role,
    /// First line.
    pub label: String,
    /// Second line.
    pub detail: String,
    /// What is said about it when it is pointed at.
    pub tip: String,
}

/// Boxes and the edges between them, each pair once.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The boxes: inputs, nodes, outputs.
    pub vertices: Vec<Vertex>,
    /// From and to.
    pub edges: Vec<(usize, usize)>,
}

impl Network {
    /// The boxes of a graph; `timing` says what is known about the time of its nodes.
    pub fn of(graph: &Graph, timing: &Timing<'_>) -> Self {
        let mut network = Self::default();
        let mut source = BTreeMap::new();
        for &value in graph.inputs().iter().filter(|&&v| !graph.value(v).uses().is_empty()) {
            source.insert(value, network.vertices.len());
            network.vertices.push(port(graph, value, Role::Input, graph.value(value).name()));
        }
        for id in graph.node_ids() {
            let vertex = network.vertices.len();
            source.extend(graph.node(id).outputs().iter().map(|&value| (value, vertex)));
            network.vertices.push(node(graph, id, timing));
        }
        let first = network.vertices.len() - graph.n_nodes();
        for (vertex, id) in (first..).zip(graph.node_ids()) {
            let inputs = graph.node(id).inputs().iter().flatten();
            network.edges.extend(inputs.filter_map(|value| Some((*source.get(value)?, vertex))));
        }
        for (index, &value) in graph.outputs().iter().enumerate() {
            let vertex = network.vertices.len();
            network.vertices.push(port(graph, value, Role::Output, Some(graph.output_name(index))));
            network.edges.extend(source.get(&value).map(|&from| (from, vertex)));
        }
        network.edges.sort_unstable();
        network.edges.dedup();
        network
    }

    /// The same with one box for nodes that follow each other without another way in or out.
    pub fn with_chains_collapsed(&self) -> Self {
        let n = self.vertices.len();
        let (mut ways_in, mut ways_out) = (vec![0usize; n], vec![0usize; n]);
        for &(from, to) in &self.edges {
            ways_out[from] += 1;
            ways_in[to] += 1;
        }
        let is_node = |vertex: usize| matches!(self.vertices[vertex].role, Role::Node { .. });
        let mut before = vec![None; n];
        let mut after = vec![None; n];
        for &(from, to) in &self.edges {
            if ways_out[from] == 1 && ways_in[to] == 1 && is_node(from) && is_node(to) {
                (after[from], before[to]) = (Some(to), Some(from));
            }
        }
        let mut place = vec![0; n];
        let mut network = Self::default();
        for first in (0..n).filter(|&vertex| before[vertex].is_none()) {
            let chain: Vec<usize> = std::iter::successors(Some(first), |&vertex| after[vertex]).collect();
            chain.iter().for_each(|&vertex| place[vertex] = network.vertices.len());
            network.vertices.push(self.chain(&chain));
        }
        let ends = self.edges.iter().map(|&(from, to)| (place[from], place[to]));
        network.edges = ends.filter(|(from, to)| from != to).collect();
        network.edges.sort_unstable();
        network.edges.dedup();
        network
    }

    fn chain(&self, members: &[usize]) -> Vertex {
        let vertices: Vec<&Vertex> = members.iter().map(|&vertex| &self.vertices[vertex]).collect();
        let (Some(first), Some(last)) = (vertices.first(), vertices.last()) else { return Vertex::default() };
        if vertices.len() == 1 {
            return (*first).clone();
        }
        let mut vertex = (*first).clone();
        vertex.label = format!("{} … {}", first.label, last.label);
        vertex.detail = figures::plural(vertices.len(), "node", "nodes");
        vertex.tip = vertices.iter().map(|v| v.label.as_str()).collect::<Vec<_>>().join(" → ");
        vertex.tip = figures::shortened(&vertex.tip, 600);
        vertex
    }
}

impl Default for Vertex {
    fn default() -> Self {
        Self { role: Role::Output, label: String::new(), detail: String::new(), tip: String::new() }
    }
}

impl Vertex {
    /// Width of its box, enough for its lines.
    pub fn width(&self) -> f64 {
        let text = figures::text_width(&self.label, 12.5).max(figures::text_width(&self.detail, 10.5));
        (text + 26.0).max(64.0)
    }
}

fn port(graph: &Graph, value: ValueId, role: Role, name: Option<&str>) -> Vertex {
    let name = name.unwrap_or_default();
    let what = if role == Role::Input { "input" } else { "output" };
    let ty = graph.value(value).ty();
    Vertex {
        role,
        label: figures::shortened(if name.is_empty() { what } else { name }, LONGEST),
        detail: short_type(ty),
        tip: format!("{what} {name}\n{ty}"),
    }
}

fn node(graph: &Graph, id: NodeId, timing: &Timing<'_>) -> Vertex {
    let node = graph.node(id);
    let name = node_name(graph, id);
    let operator = operator_name(graph, id);
    let holds_graphs = !node.op().subgraphs().is_empty();
    let ty = node.outputs().first().map(|&output| graph.value(output).ty());
    let mut tip = vec![name.clone(), operator.clone()];
    tip.extend(node.outputs().iter().map(|&output| format!("→ {}", graph.value(output).ty())));
    tip.extend(work(&node.op().cost(&graph.signature(id)).macs));
    tip.extend(timing.sentence(&name));
    tip.extend(holds_graphs.then(|| "holds subgraphs".to_owned()));
    let (_, short) = operator.rsplit_once("::").unwrap_or(("", &operator));
    Vertex {
        role: Role::Node { id, kind: Kind::of(graph, id), heat: timing.heat(&name), holds_graphs },
        label: figures::shortened(short, LONGEST),
        detail: ty.map(short_type).unwrap_or_default(),
        tip: figures::shortened(&tip.join("\n"), 800),
    }
}

fn work(macs: &Dim) -> Option<String> {
    match macs {
        Dim::Fixed(0) => None,
        Dim::Fixed(macs) => Some(format!("{} MACs", figures::count(*macs))),
        other => (!other.is_unknown()).then(|| format!("{other} MACs")),
    }
}

/// `1×32×112×112`; the element type where it is not the usual one. The tip of the box has sizes that are left out.
fn short_type(ty: &ValueType) -> String {
    let Some(tensor) = ty.as_tensor() else { return figures::shortened(&ty.to_string(), LONGEST) };
    let dtype = match tensor.dtype {
        Some(DataType::F32) | None => "",
        Some(dtype) => dtype.name(),
    };
    let sizes: Vec<String> = match &tensor.shape {
        Some(shape) => shape.dims().iter().map(short_size).collect(),
        None => vec!["…".to_owned()],
    };
    let sizes = if sizes.is_empty() { "scalar".to_owned() } else { sizes.join("×") };
    figures::shortened(format!("{dtype} {sizes}").trim(), LONGEST)
}

fn short_size(size: &Dim) -> String {
    let text = size.to_string();
    if text.chars().count() > LONGEST_SIZE { "…".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(role: Role, label: &str) -> Vertex {
        Vertex { role, label: label.to_owned(), ..Vertex::default() }
    }

    fn node_vertex(graph: &Graph, label: &str) -> Vertex {
        let id = graph.node_ids().next().unwrap();
        vertex(Role::Node { id, kind: Kind::Other, heat: None, holds_graphs: false }, label)
    }

    #[test]
    fn chains_become_one_box() {
        let graph = crate::report::testing::tiny_graph("x");
        let mut network = Network::default();
        network.vertices.push(vertex(Role::Input, "x"));
        network.vertices.extend(["a", "b", "c", "d"].map(|label| node_vertex(&graph, label)));
        network.edges = vec![(0, 1), (1, 2), (2, 3), (0, 4)];
        let collapsed = network.with_chains_collapsed();
        let labels: Vec<&str> = collapsed.vertices.iter().map(|v| v.label.as_str()).collect();
        assert_eq!(labels, ["x", "a … c", "d"]);
        assert_eq!(collapsed.edges, [(0, 1), (0, 2)]);
    }

    #[test]
    fn constants_are_not_drawn() {
        let graph = crate::report::testing::tiny_graph("x");
        let network = Network::of(&graph, &Timing::default());
        let labels: Vec<&str> = network.vertices.iter().map(|v| v.label.as_str()).collect();
        assert_eq!(labels, ["x", "Add", "Relu", "y"]);
        assert_eq!(network.edges, [(0, 1), (1, 2), (2, 3)]);
    }
}
