//! Removes poolings and reductions over single elements: windows of one element with steps of one, global poolings of maps
//! of size 1, and reductions of axes of size 1, of which a Squeeze is left where the axes vanish.

use lehr_graph::{Dim, Graph, Node, NodeId, Op, PatchBuilder};
use lehr_ops::average_pool::AveragePool;
use lehr_ops::global_average_pool::GlobalAveragePool;
use lehr_ops::global_max_pool::GlobalMaxPool;
use lehr_ops::max_pool::MaxPool;
use lehr_ops::reduce_max::ReduceMax;
use lehr_ops::reduce_mean::ReduceMean;
use lehr_ops::reduce_min::ReduceMin;
use lehr_ops::reduce_prod::ReduceProd;
use lehr_ops::reduce_sum::ReduceSum;
use lehr_ops::squeeze::Squeeze;
use lehr_tensor::Tensor;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct RemoveUnitWindows;

impl Rewrite for RemoveUnitWindows {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "remove_unit_windows",
            doc: "removes poolings and reductions over single elements",
            level: OptLevel::O2,
            // Sums that start from 0.0 have no negative zero.
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| is_reduction(op) || op.is::<MaxPool>() || op.is::<AveragePool>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(input), [output, others @ ..]) = (node.input(0), node.outputs()) else {
            return Err(Reject::NoEffect);
        };
        if others.iter().any(|&other| !graph.value(other).uses().is_empty()) {
            return Err(Reject::NoEffect);
        }
        if !is_reduction(node.op()) {
            if !has_unit_windows(node) {
                return Err(Reject::NoEffect);
            }
            patch.replace(*output, input);
            return Ok(());
        }
        let axes = reduced_axes(graph, found.root())?;
        if graph.signature(found.root()).output_shape(0).map(lehr_graph::Shape::rank) == rank(graph, node) {
            patch.replace(*output, input);
            return Ok(());
        }
        let axes = patch.constant(Tensor::vector(axes));
        let squeezed = patch.call(Squeeze {}, &[input.into(), axes])?;
        patch.replace(*output, squeezed);
        Ok(())
    }
}

/// Operators whose result for a single element is that element.
fn is_reduction(op: &dyn Op) -> bool {
    op.is::<GlobalAveragePool>()
        || op.is::<GlobalMaxPool>()
        || op.is::<ReduceMean>()
        || op.is::<ReduceMax>()
        || op.is::<ReduceMin>()
        || op.is::<ReduceSum>()
        || op.is::<ReduceProd>()
}

fn rank(graph: &Graph, node: &Node) -> Option<usize> {
    node.input(0).and_then(|input| graph.value(input).ty().shape()).map(lehr_graph::Shape::rank)
}

/// The reduced axes, if all of them have size 1.
fn reduced_axes(graph: &Graph, id: NodeId) -> Result<Vec<i64>, Reject> {
    let io = graph.signature(id);
    let shape = io.input_shape(0).ok_or(Reject::NoEffect)?;
    let reduced = graph.node(id).op().axes(&io).reduced;
    // No axes at all may also mean that they are not known.
    let is_unit = |&(_, axis): &(usize, usize)| shape.get(axis) == Some(&Dim::Fixed(1));
    if reduced.is_empty() || !reduced.iter().all(is_unit) {
        return Err(Reject::NoEffect);
    }
    reduced.iter().map(|&(_, axis)| i64::try_from(axis).map_err(|_| Reject::NoEffect)).collect()
}

/// Whether each window is one element, and there is one for each.
fn has_unit_windows(node: &Node) -> bool {
    let is_unit = |kernel: &[i64], strides: &Option<Vec<i64>>, pads: &Option<Vec<i64>>| {
        kernel.iter().chain(strides.iter().flatten()).all(|&size| size == 1)
            && pads.iter().flatten().all(|&pad| pad == 0)
    };
    let op = node.op();
    op.downcast_ref::<MaxPool>().is_some_and(|pool| is_unit(&pool.kernel_shape, &pool.strides, &pool.pads))
        || op
            .downcast_ref::<AveragePool>()
            .is_some_and(|pool| is_unit(&pool.kernel_shape, &pool.strides, &pool.pads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn single_elements_stay_as_they_are() {
        for node in [
            "MaxPool(%x) {kernel_shape = [1, 1]}",
            "AveragePool(%x) {kernel_shape = [1, 1], pads = [0, 0, 0, 0], count_include_pad = true}",
            "GlobalAveragePool(%r)",
            "GlobalMaxPool(%r)",
            "ReduceMean(%r, %axes)",
            "ReduceSum(%r, %axes)",
        ] {
            let text = |head: &str, value: &str| {
                format!(
                    "graph {{ input %x: f32[N,2,3,4] const %axes = i64[2] [2, -1] const %all = i64[2] [2, 3]
                    %r = ReduceMax(%x, %all) {head} %y = Abs({value}) output %y }}"
                )
            };
            let input = if node.contains("%x") { "%x" } else { "%r" };
            assert_rewrites_within(
                || Rewriter(RemoveUnitWindows),
                &text(&format!("%h = {node}"), "%h"),
                &text("", input),
            );
        }
    }

    #[test]
    fn vanishing_axes_are_squeezed() {
        assert_rewrites_within(
            || Rewriter(RemoveUnitWindows),
            "graph { input %x: f32[N,2,1,1] const %axes = i64[2] [-1, 2]
            %y = ReduceMean(%x, %axes) {keepdims = false} output %y }",
            "graph { input %x: f32[N,2,1,1] const %axes = i64[2] [3, 2] %y = Squeeze(%x, %axes) output %y }",
        );
    }

    #[test]
    fn others_stay() {
        for node in [
            "MaxPool(%x) {kernel_shape = [1, 1], strides = [2, 1]}",
            "AveragePool(%x) {kernel_shape = [1, 2]}",
            "GlobalAveragePool(%x)",
            "ReduceMean(%x, %axes)",
            "ReduceMean(%x, %given)",
            "ReduceL2(%x, %given)",
        ] {
            let text = format!(
                "graph {{ input %x: f32[1,2,1,H] input %given: i64[1] const %axes = i64[2] [2, 3]
                %y = {node} output %y }}"
            );
            assert_unchanged(|| Rewriter(RemoveUnitWindows), &text, None);
        }
    }
}
