//! The verifier: what must hold for every graph, checked after every pass and after every reader.

use std::collections::HashMap;
use std::fmt;

use crate::flags::Flags;
use crate::graph::{Def, Graph, Node, Use};
use crate::ids::{NodeId, ValueId};
use crate::infer::infer_node;
use crate::types::{TensorType, ValueType};

/// Deepest nesting of subgraphs that a graph may have; the outermost graph is level 1.
pub const MAX_NESTING: usize = 64;

/// Most findings that are collected.
const MAX_ERRORS: usize = 100;

/// How much is checked; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The wiring: ids, definitions, uses, captures, counts, no cycles.
    Wellformed,
    /// Every operator is known, every value that is read has a known element type, and inference agrees with the
    /// stored types.
    Typed,
}

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct VerifyError {
    /// The graph: names of the nodes and attributes that lead to it, after its own name.
    pub graph: String,
    /// The node it is about, with its operator.
    pub node: Option<String>,
    /// The value it is about.
    pub value: Option<String>,
    /// What must hold.
    pub expected: String,
    /// What was found.
    pub got: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph {}: ", self.graph)?;
        if let Some(node) = &self.node {
            write!(f, "node {node}: ")?;
        }
        if let Some(value) = &self.value {
            write!(f, "value {value}: ")?;
        }
        write!(f, "expected {}, got {}", self.expected, self.got)
    }
}

/// Checks `graph` and all graphs inside it.
///
/// # Errors
/// Every broken invariant, at most a hundred of them.
pub fn verify(graph: &Graph, level: Level) -> Result<(), Vec<VerifyError>> {
    let mut errors = Vec::new();
    // A stack of our own: hostile nesting must not exhaust the thread's.
    let mut pending = vec![(graph, format!("'{}'", graph.name()), 1)];
    while let Some((graph, path, depth)) = pending.pop() {
        let mut check = Check { graph, path: &path, errors: &mut errors };
        if depth > MAX_NESTING {
            check.report(None, None, format!("at most {MAX_NESTING} nested graphs"), "more".into());
            break;
        }
        check.run(level);
        for id in graph.node_ids() {
            for (attribute, inner) in graph.node(id).op().subgraphs() {
                let path = format!("{path} / {} / {attribute}", describe_node(graph, id));
                pending.push((inner, path, depth + 1));
            }
        }
        if errors.len() >= MAX_ERRORS {
            errors.truncate(MAX_ERRORS);
            break;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// `'name' (Op)`, with the id where the node has no name.
pub fn describe_node(graph: &Graph, id: NodeId) -> String {
    match graph.get_node(id) {
        None => format!("{id:?} (removed)"),
        Some(node) if node.name().is_empty() => format!("{id:?} ({})", node.op().full_name()),
        Some(node) => format!("'{}' ({})", node.name(), node.op().full_name()),
    }
}

/// The name of a value in quotes, or its id.
pub fn describe_value(graph: &Graph, id: ValueId) -> String {
    match graph.get_value(id).and_then(|v| v.name()) {
        Some(name) if !name.is_empty() => format!("'{name}'"),
        _ => format!("{id:?}"),
    }
}

struct Check<'a> {
    graph: &'a Graph,
    path: &'a str,
    errors: &'a mut Vec<VerifyError>,
}

impl Check<'_> {
    fn report(&mut self, node: Option<NodeId>, value: Option<ValueId>, expected: String, got: String) {
        self.errors.push(VerifyError {
            graph: self.path.to_owned(),
            node: node.map(|id| describe_node(self.graph, id)),
            value: value.map(|id| describe_value(self.graph, id)),
            expected,
            got,
        });
    }

    fn run(&mut self, level: Level) {
        let before = self.errors.len();
        self.interface();
        self.definitions();
        self.uses();
        self.counts();
        if self.errors.len() > before {
            return;
        }
        let (ordered, all) = (self.graph.topological_order().len(), self.graph.n_nodes());
        if ordered != all {
            self.report(
                None,
                None,
                "no cycles".into(),
                format!("{} nodes on or behind a cycle", all - ordered),
            );
            return;
        }
        if level >= Level::Typed {
            self.types();
        }
    }

    fn interface(&mut self) {
        let graph = self.graph;
        let lists = [(graph.inputs(), "a formal input"), (graph.captures(), "a capture")];
        let mut seen = HashMap::new();
        for (list, what) in lists {
            for &id in list {
                let Some(value) = graph.get_value(id) else {
                    self.report(None, Some(id), "a value of this graph".into(), "an id out of range".into());
                    continue;
                };
                let fits = match value.def() {
                    Def::Input => what == "a formal input",
                    Def::Capture => what == "a capture",
                    _ => false,
                };
                if !fits {
                    self.report(None, Some(id), what.into(), describe_def(value.def()));
                }
                if seen.insert(id, what).is_some() {
                    self.report(None, Some(id), "one place in the signature".into(), "two".into());
                }
            }
        }
        for id in graph.value_ids() {
            if matches!(graph.value(id).def(), Def::Input | Def::Capture) && !seen.contains_key(&id) {
                let got = describe_def(graph.value(id).def());
                self.report(None, Some(id), "a place in the signature".into(), format!("{got} without one"));
            }
        }
    }

    fn definitions(&mut self) {
        let graph = self.graph;
        for id in graph.value_ids() {
            let Def::Node { node, slot } = *graph.value(id).def() else { continue };
            let output = graph.get_node(node).and_then(|n| n.outputs().get(slot));
            if output != Some(&id) {
                let got = output.map_or_else(|| "nothing".to_owned(), |v| describe_value(graph, *v));
                self.report(Some(node), Some(id), format!("to be output {slot}"), got);
            }
        }
        for node in graph.node_ids() {
            for (slot, &id) in graph.node(node).outputs().iter().enumerate() {
                let def = graph.get_value(id).map(|v| v.def());
                let fits = matches!(def, Some(Def::Node { node: n, slot: s }) if (*n, *s) == (node, slot));
                if !fits {
                    let got = def.map_or_else(|| "an id out of range".to_owned(), describe_def);
                    self.report(Some(node), Some(id), format!("defined as output {slot}"), got);
                }
            }
        }
    }

    fn uses(&mut self) {
        let graph = self.graph;
        let mut expected: HashMap<ValueId, Vec<Use>> = HashMap::new();
        for node in graph.node_ids() {
            for (slot, id) in graph.node(node).inputs().iter().enumerate() {
                if let Some(id) = id {
                    expected.entry(*id).or_default().push(Use::Node { node, slot });
                }
            }
        }
        for (index, &id) in graph.outputs().iter().enumerate() {
            expected.entry(id).or_default().push(Use::Output(index));
        }
        let mut strangers: Vec<_> =
            expected.keys().copied().filter(|&v| graph.get_value(v).is_none()).collect();
        strangers.sort_unstable();
        for id in strangers {
            self.report(None, Some(id), "a value of this graph".into(), "an id out of range".into());
        }
        for id in graph.value_ids() {
            let mut want = expected.remove(&id).unwrap_or_default();
            let mut got = graph.value(id).uses().to_vec();
            want.sort_unstable();
            got.sort_unstable();
            if want != got {
                self.report(None, Some(id), format!("uses {want:?}"), format!("{got:?}"));
            }
            if !want.is_empty() && matches!(graph.value(id).def(), Def::Removed) {
                self.report(None, Some(id), "no reader of a removed value".into(), format!("{want:?}"));
            }
        }
    }

    fn counts(&mut self) {
        for id in self.graph.node_ids() {
            let node = self.graph.node(id);
            let captured = self.captures(id, node);
            let schema = node.op().schema();
            let (formal, outputs) = (node.inputs().len().saturating_sub(captured), node.outputs().len());
            // The upper bound holds for captured values too where the operator counts them among its inputs.
            if formal < schema.inputs.0 || formal > schema.inputs.1 {
                self.report(Some(id), None, describe_range(schema.inputs, "inputs"), formal.to_string());
            }
            if outputs < schema.outputs.0 || outputs > schema.outputs.1 {
                self.report(Some(id), None, describe_range(schema.outputs, "outputs"), outputs.to_string());
            }
        }
    }

    /// How many trailing inputs of the node are captured values.
    fn captures(&mut self, id: NodeId, node: &Node) -> usize {
        let subgraphs = node.op().subgraphs();
        let Some((first, graph)) = subgraphs.first() else { return 0 };
        let count = graph.captures().len();
        for (name, other) in &subgraphs {
            if other.captures().len() != count {
                let expected = format!("as many captures in '{name}' as in '{first}' ({count})");
                self.report(Some(id), None, expected, other.captures().len().to_string());
            }
        }
        let Some(start) = node.inputs().len().checked_sub(count) else {
            let got = format!("{} inputs", node.inputs().len());
            self.report(Some(id), None, format!("an input for each of {count} captures"), got);
            return 0;
        };
        for (index, input) in node.inputs().iter().enumerate().skip(start) {
            if input.is_none() {
                let expected = format!("captured input {index} to be present");
                self.report(Some(id), None, expected, "an absent one".into());
            }
        }
        count
    }

    fn types(&mut self) {
        for id in self.graph.value_ids() {
            self.value_type(id);
        }
        for id in self.graph.node_ids() {
            self.node_types(id);
        }
    }

    fn value_type(&mut self, id: ValueId) {
        let value = self.graph.value(id);
        if !value.uses().is_empty() && !is_concrete(value.ty()) {
            self.report(None, Some(id), "a known element type".into(), value.ty().to_string());
        }
        if let Def::Constant(tensor) = value.def() {
            let actual = ValueType::Tensor(TensorType::of(tensor));
            if value.ty().refine(&actual).is_err() {
                self.report(None, Some(id), format!("the constant's type {actual}"), value.ty().to_string());
            }
        }
    }

    fn node_types(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = graph.node(id);
        if node.op().flags().contains(Flags::OPAQUE) {
            self.report(Some(id), None, "a known operator".into(), "an unknown one".into());
            return;
        }
        let inferred = match infer_node(graph, node.op(), node.inputs(), node.outputs().len()) {
            Ok(types) => types,
            Err(error) => {
                return self.report(Some(id), None, "valid inputs".into(), error.to_string());
            }
        };
        for (&output, ty) in node.outputs().iter().zip(&inferred) {
            let stored = graph.value(output).ty();
            if let Err(problem) = stored.refine(ty) {
                self.report(
                    Some(id),
                    Some(output),
                    format!("{ty} as inferred"),
                    format!("{stored} ({problem})"),
                );
            }
        }
        self.capture_types(id);
    }

    fn capture_types(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        for (attribute, inner) in node.op().subgraphs() {
            let start = node.inputs().len().saturating_sub(inner.captures().len());
            for (&capture, outer) in inner.captures().iter().zip(node.inputs().iter().skip(start)) {
                let (Some(inside), Some(outer)) = (inner.get_value(capture), outer) else { continue };
                let outside = self.graph.value(*outer).ty();
                if inside.ty().refine(outside).is_err() {
                    let expected = format!("{outside} for its capture in '{attribute}'");
                    self.report(Some(id), Some(*outer), expected, inside.ty().to_string());
                }
            }
        }
    }
}

fn describe_def(def: &Def) -> String {
    match def {
        Def::Input => "a formal input".into(),
        Def::Capture => "a capture".into(),
        Def::Constant(_) => "a constant".into(),
        Def::Node { node, slot } => format!("output {slot} of {node:?}"),
        Def::Removed => "a removed value".into(),
    }
}

fn describe_range((least, most): (usize, usize), what: &str) -> String {
    match most {
        usize::MAX => format!("at least {least} {what}"),
        _ if least == most => format!("{least} {what}"),
        _ => format!("{least} to {most} {what}"),
    }
}

fn is_concrete(ty: &ValueType) -> bool {
    let mut ty = ty;
    loop {
        match ty {
            ValueType::Unknown => return false,
            ValueType::Tensor(t) => return t.dtype.is_some(),
            ValueType::Sequence(inner) | ValueType::Optional(inner) | ValueType::Map { value: inner, .. } => {
                ty = inner;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dim::Dim;
    use crate::origin::Origin;
    use crate::testing::{Nest, TestOps, f32_type, plain, rich_graph};
    use crate::text::parse;

    fn problems(graph: &Graph, level: Level) -> String {
        let errors = verify(graph, level).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn finds_what_is_broken() {
        for (text, level, part) in [
            ("graph { none = Every(_, _, _, _) }", Level::Wellformed, "expected 0 to 3 inputs, got 4"),
            (
                "graph { %x: f32[1] = test.domain::Nest() {body = graph { capture %a }} }",
                Level::Wellformed,
                "an input for each of 1 captures, got 0",
            ),
            (
                "graph { %x: f32[1] = test.domain::Nest(_) {body = graph { capture %a }} }",
                Level::Wellformed,
                "captured input 0 to be present",
            ),
            (
                "graph { input %x output %x }",
                Level::Typed,
                "value 'x': expected a known element type, got unknown",
            ),
            (
                "graph { %x: f32[1] = opaque Foo() }",
                Level::Typed,
                "node n0 (lehr::Opaque): expected a known operator",
            ),
            (
                "graph { input %x: f32[2] %y: f32[3] = Every(%x) name \"e\" }",
                Level::Typed,
                "graph '': node 'e' (Every): value 'y': expected f32[2] as inferred, got f32[3]",
            ),
            (
                "graph { input %x: f32[2] input %y: f32[3] %z: f32[3] = Every(%x, %y) }",
                Level::Typed,
                "expected valid inputs, got",
            ),
            (
                "graph { const %c: f32[3] = f32[2] [1, 2] output %c }",
                Level::Typed,
                "the constant's type f32[2]",
            ),
            (
                "graph { input %x: f32[2] %y: f32[2] = test.domain::Nest(%x) {body = graph \"b\" {
                    capture %c: i64[2] %d: f32[2] = Every(%c) output %d }} }",
                Level::Typed,
                "graph '' / n0 (test.domain::Nest) / body: node n0 (Every): value 'd'",
            ),
        ] {
            let graph = parse(text, &TestOps).unwrap();
            let got = problems(&graph, level);
            assert!(got.contains(part), "{text}\n{got}");
        }
    }

    #[test]
    fn accepts_edited_graphs() {
        let mut graph = rich_graph();
        assert_eq!(problems(&graph, Level::Wellformed), "");
        let node = graph.node_ids().last().unwrap();
        graph.remove_node(node);
        let (first, last) = (graph.inputs()[0], graph.inputs()[1]);
        graph.replace_uses(first, last);
        assert_eq!(problems(&graph, Level::Wellformed), "");
    }

    #[test]
    fn finds_cycles() {
        let mut g = Graph::new("g");
        let x = g.add_input("x", f32_type(&[Dim::Fixed(1)]));
        let a = g.add_node(Arc::new(plain()), vec![Some(x)], 1, "a", Origin::default()).unwrap();
        let out = g.node(a).outputs()[0];
        let b = g.add_node(Arc::new(plain()), vec![Some(out)], 1, "b", Origin::default()).unwrap();
        let back = g.node(b).outputs()[0];
        g.set_input(a, 0, Some(back));
        assert!(problems(&g, Level::Wellformed).contains("expected no cycles, got 2 nodes"));
    }

    #[test]
    fn survives_deep_nesting() {
        let mut inner = Graph::new("leaf");
        for _ in 0..200 {
            let mut outer = Graph::new("level");
            let op = Arc::new(Nest { body: Arc::new(inner) });
            outer.add_node_with_types(op, vec![], vec![ValueType::Unknown], "", Origin::default());
            inner = outer;
        }
        assert!(problems(&inner, Level::Wellformed).contains("at most 64 nested graphs"));
    }
}
