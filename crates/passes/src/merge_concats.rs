//! Makes one Concat of nested ones along the same axis, and nothing of a Split whose parts are joined again.

use std::sync::Arc;

use lehr_graph::{Graph, Node, NodeId, PatchBuilder, ValueId};
use lehr_ops::{concat::Concat, split::Split};

use crate::constants::resolve_axis;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeConcats;

impl Rewrite for MergeConcats {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_concats",
            doc: "makes one Concat of nested ones, and nothing of a Split whose parts are joined again",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Concat>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let &[output] = node.outputs() else { return Err(Reject::NoEffect) };
        let rank = graph.value(output).ty().shape().map(|shape| shape.rank()).ok_or(Reject::NoEffect)?;
        let axis = concat_axis(node, rank).ok_or(Reject::NoEffect)?;
        if let Some(whole) = rejoined(graph, node, axis, rank) {
            patch.replace(output, whole);
            return Ok(());
        }
        let mut parts = Vec::new();
        let mut is_nested = false;
        for &part in node.inputs().iter().flatten() {
            match nested(graph, part, axis, rank) {
                Some(inner) => {
                    is_nested = true;
                    parts.extend(inner.inputs().iter().copied().flatten());
                }
                None => parts.push(part),
            }
        }
        if !is_nested {
            return Err(Reject::NoEffect);
        }
        let axis = i64::try_from(axis).map_err(|_| Reject::NoEffect)?;
        let inputs: Vec<_> = parts.into_iter().map(|part| Some(part.into())).collect();
        let outputs = patch.node(Arc::new(Concat { axis }), &inputs, 1)?;
        patch.replace(output, outputs.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

fn concat_axis(node: &Node, rank: usize) -> Option<usize> {
    resolve_axis(node.op().downcast_ref::<Concat>()?.axis, rank)
}

/// The Concat along the same axis that makes `part` for nobody else.
fn nested(graph: &Graph, part: ValueId, axis: usize, rank: usize) -> Option<&Node> {
    let inner = graph.node(graph.producer(part)?);
    (concat_axis(inner, rank) == Some(axis) && graph.value(part).uses().len() == 1).then_some(inner)
}

/// The value that was split into all of the parts, in their order.
fn rejoined(graph: &Graph, node: &Node, axis: usize, rank: usize) -> Option<ValueId> {
    let split: NodeId = graph.producer(node.input(0)?)?;
    let split = graph.node(split);
    let own = resolve_axis(split.op().downcast_ref::<Split>()?.axis, rank)?;
    let parts = node.inputs().iter().copied().flatten();
    (own == axis && parts.eq(split.outputs().iter().copied())).then(|| split.input(0)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn nested_ones_become_one() {
        assert_rewrites(
            || Rewriter(MergeConcats),
            "graph { input %x: f32[N,2] input %z: f32[N,3]
                %a = Concat(%x, %z) {axis = 1} %b = Concat(%z, %x, %x) {axis = -1}
                %y = Concat(%a, %z, %b) {axis = 1} output %y }",
            "graph { input %x: f32[N,2] input %z: f32[N,3]
                %y = Concat(%x, %z, %z, %z, %x, %x) {axis = 1} output %y }",
        );
    }

    #[test]
    fn split_and_joined_is_nothing() {
        assert_rewrites(
            || Rewriter(MergeConcats),
            "graph { input %x: f32[N,4]
                %a, %b = Split(%x) {axis = 1, num_outputs = 2} %c = Concat(%a, %b) {axis = -1} %y = Abs(%c) output %y }",
            "graph { input %x: f32[N,4] %y = Abs(%x) output %y }",
        );
    }

    #[test]
    fn other_axes_orders_and_readers_stay() {
        for text in [
            "graph { input %x: f32[2,2] %a = Concat(%x, %x) {axis = 0} %b = Concat(%x, %x) {axis = 0}
                %y = Concat(%a, %b) {axis = 1} output %y }",
            "graph { input %x: f32[2,2] %a = Concat(%x, %x) {axis = 0} %y = Concat(%a, %x) {axis = 0}
                output %y output %a }",
            "graph { input %x: f32[N,4] %a, %b = Split(%x) {axis = 1, num_outputs = 2}
                %y = Concat(%b, %a) {axis = 1} output %y }",
            "graph { input %x: f32[N,4] %a, %b = Split(%x) {axis = 1, num_outputs = 2}
                %y = Concat(%a, %b) {axis = 0} output %y }",
        ] {
            assert_unchanged(|| Rewriter(MergeConcats), text, None);
        }
    }
}
