//! Computes equal things once: merges equal constants, and nodes with the same operator, attributes and inputs.

use std::collections::HashMap;

use lehr_graph::verify::{MAX_NESTING, describe_node, describe_value};
use lehr_graph::{Def, Flags, Graph, NodeId, Op, ValueId};
use lehr_tensor::{DataType, Tensor};

use crate::pass::{Changed, Exactness, OptLevel, Pass, PassCx, PassError, PassInfo};

/// The pass.
pub struct EliminateDuplicates;

impl Pass for EliminateDuplicates {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "eliminate_duplicates",
            doc: "merges equal constants and equal computations",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
        let constants = merge_constants(graph, cx);
        Ok(Changed(constants + merge_nodes(graph, cx)))
    }
}

/// What can be told of a constant without reading all of it: type, shape, and the first and last bytes.
type Outside = (DataType, Vec<usize>, Vec<u8>);

/// How many bytes at either end belong to [`Outside`].
const ENDS: usize = 32;

fn outside(tensor: &Tensor) -> Outside {
    let bytes = tensor.bytes();
    let (first, last) = (bytes.iter().take(ENDS), bytes.iter().rev().take(ENDS));
    (tensor.dtype(), tensor.shape().to_vec(), first.chain(last).copied().collect())
}

/// How many constants look alike from outside: weights rarely do, and need not be read then.
fn alike(graph: &Graph) -> HashMap<Outside, usize> {
    let mut counts = HashMap::new();
    for value in graph.value_ids().map(|id| graph.value(id)).filter(|value| !value.uses().is_empty()) {
        if let Def::Constant(tensor) = value.def() {
            *counts.entry(outside(tensor)).or_default() += 1;
        }
    }
    counts
}

fn merge_constants(graph: &mut Graph, cx: &mut PassCx<'_>) -> usize {
    let alike = alike(graph);
    let mut seen: HashMap<u64, Vec<ValueId>> = HashMap::new();
    let mut changed = 0;
    for id in graph.value_ids() {
        let value = graph.value(id);
        let Def::Constant(tensor) = value.def() else { continue };
        if value.uses().is_empty() || alike.get(&outside(tensor)) == Some(&1) {
            continue;
        }
        let same_hash = seen.entry(tensor.content_hash()).or_default();
        let is_same =
            |&other: &ValueId| graph.constant(other) == Some(tensor) && graph.value(other).ty() == value.ty();
        match same_hash.iter().copied().find(is_same) {
            None => same_hash.push(id),
            Some(_) if cx.is_kept(graph, id) => {}
            Some(first) => {
                if !cx.permit(|| describe_value(graph, id)) {
                    break;
                }
                graph.replace_uses(id, first);
                changed += 1;
            }
        }
    }
    changed
}

fn merge_nodes(graph: &mut Graph, cx: &mut PassCx<'_>) -> usize {
    let mut seen: HashMap<(String, Vec<Option<ValueId>>), Vec<NodeId>> = HashMap::new();
    let mut changed = 0;
    for id in graph.topological_order() {
        let op = graph.node(id).op();
        if is_random(op, 1) {
            continue;
        }
        let same_key = seen.entry((op.full_name(), ordered_inputs(graph, id))).or_default();
        let Some(first) = same_key.iter().copied().find(|&other| is_same(graph, other, id)) else {
            same_key.push(id);
            continue;
        };
        if graph.node(id).outputs().iter().any(|&v| cx.is_kept(graph, v)) {
            cx.note(graph, id, "one of its results is kept");
            continue;
        }
        if !cx.permit(|| describe_node(graph, id)) {
            break;
        }
        merge(graph, first, id);
        changed += 1;
    }
    changed
}

/// Inputs as they are compared: the order of two does not matter where the operator says so.
fn ordered_inputs(graph: &Graph, id: NodeId) -> Vec<Option<ValueId>> {
    let node = graph.node(id);
    let mut inputs = node.inputs().to_vec();
    if node.op().flags().contains(Flags::COMMUTATIVE) && inputs.len() == 2 {
        inputs.sort_unstable();
    }
    inputs
}

fn is_same(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    let (a, b) = (graph.node(a), graph.node(b));
    let types_agree =
        |(&x, &y): (&ValueId, &ValueId)| graph.value(x).ty().refine(graph.value(y).ty()).is_ok();
    a.outputs().len() == b.outputs().len()
        && a.op().same(b.op())
        && a.outputs().iter().zip(b.outputs()).all(types_agree)
}

fn merge(graph: &mut Graph, first: NodeId, second: NodeId) {
    let pairs: Vec<_> = graph
        .node(first)
        .outputs()
        .iter()
        .copied()
        .zip(graph.node(second).outputs().iter().copied())
        .collect();
    for (new, old) in pairs {
        if let Ok(merged) = graph.value(new).ty().refine(graph.value(old).ty()) {
            graph.set_type(new, merged);
        }
        graph.replace_uses(old, new);
    }
    graph.remove_node(second);
}

fn is_random(op: &dyn Op, depth: usize) -> bool {
    op.flags().contains(Flags::RANDOM)
        || depth > MAX_NESTING
        || op.subgraphs().iter().any(|(_, g)| g.node_ids().any(|id| is_random(g.node(id).op(), depth + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn merges_nodes_and_constants() {
        assert_rewrites(
            || EliminateDuplicates,
            "graph { input %x: f32[2]
                const %one = f32[1] [1]
                const %uno = f32[1] [1]
                %a = Add(%x, %one) %b = Add(%uno, %x) %c = Relu(%a) %d = Relu(%b)
                %e = Sub(%c, %d)
                output %e output %d }",
            "graph { input %x: f32[2]
                const %one = f32[1] [1]
                %a = Add(%x, %one) %c = Relu(%a)
                %e = Sub(%c, %c)
                output %e output %c as \"d\" }",
        );
    }

    #[test]
    fn keeps_what_differs() {
        assert_unchanged(
            || EliminateDuplicates,
            "graph { input %x: f32[4]
                const %one = f32[1] [1]
                const %other = f32[] [1]
                const %zero = f32[1] [0]
                const %minus = f32[1] [-0.0]
                %a = Sub(%x, %one) %b = Sub(%one, %x) %c = Sub(%x, %other) %d = Sub(%x, %zero) %e = Sub(%x, %minus)
                %f = Elu(%x) {alpha = 1.0} %g = Elu(%x) {alpha = 2.0}
                %h = opaque Noise(%x) %i = opaque Noise(%x)
                output %a output %b output %c output %d output %e output %f output %g output %h output %i }",
            None,
        );
    }
}
