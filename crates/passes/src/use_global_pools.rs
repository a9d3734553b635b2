//! Replaces poolings whose one window is the whole map, and ReduceMean and ReduceMax over all spatial axes, by
//! GlobalAveragePool and GlobalMaxPool: one way to say it, whatever the size of the map.

use std::sync::Arc;

use lehr_graph::{Graph, Node, NodeId, Op, OpRef, PatchBuilder, Signature};
use lehr_ops::average_pool::AveragePool;
use lehr_ops::global_average_pool::GlobalAveragePool;
use lehr_ops::global_max_pool::GlobalMaxPool;
use lehr_ops::max_pool::MaxPool;
use lehr_ops::reduce_max::ReduceMax;
use lehr_ops::reduce_mean::ReduceMean;
use lehr_ops::window::AutoPad;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct UseGlobalPools;

impl Rewrite for UseGlobalPools {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "use_global_pools",
            doc: "turns poolings and reductions over whole maps into global poolings",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            op.is::<AveragePool>() || op.is::<MaxPool>() || op.is::<ReduceMean>() || op.is::<ReduceMax>()
        })
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
        let is_float = graph.value(input).ty().dtype().is_some_and(|dtype| dtype.is_float());
        if !is_float || !sees_whole_maps(graph, found.root()) {
            return Err(Reject::NoEffect);
        }
        let is_mean = node.op().is::<AveragePool>() || node.op().is::<ReduceMean>();
        let global: OpRef = if is_mean { Arc::new(GlobalAveragePool {}) } else { Arc::new(GlobalMaxPool {}) };
        let pooled = patch.node(global, &[Some(input.into())], 1)?;
        pooled.first().into_iter().for_each(|&pooled| patch.replace(*output, pooled));
        Ok(())
    }
}

fn sees_whole_maps(graph: &Graph, id: NodeId) -> bool {
    let (node, io): (&Node, Signature<'_>) = (graph.node(id), graph.signature(id));
    let op: &dyn Op = node.op();
    if let Some(pool) = op.downcast_ref::<AveragePool>() {
        let lists = [&pool.pads, &pool.dilations];
        return is_one_window(&io, pool.auto_pad, &pool.kernel_shape, lists);
    }
    if let Some(pool) = op.downcast_ref::<MaxPool>() {
        let lists = [&pool.pads, &pool.dilations];
        return is_one_window(&io, pool.auto_pad, &pool.kernel_shape, lists);
    }
    let (Some(before), Some(after)) = (io.input_shape(0), io.output_shape(0)) else { return false };
    let mut axes: Vec<usize> = op.axes(&io).reduced.into_iter().map(|(_, axis)| axis).collect();
    axes.sort_unstable();
    before.rank() > 2 && before.rank() == after.rank() && axes.into_iter().eq(2..before.rank())
}

/// Whether the kernel is as large as the map, without padding and gaps.
fn is_one_window(
    io: &Signature<'_>,
    auto_pad: AutoPad,
    kernel: &[i64],
    [pads, dilations]: [&Option<Vec<i64>>; 2],
) -> bool {
    let Some(shape) = io.input_shape(0) else { return false };
    let spatial = shape.dims().get(2..).unwrap_or_default();
    let fits = |(size, kernel): (&lehr_graph::Dim, &i64)| {
        size.as_fixed().and_then(|size| i64::try_from(size).ok()) == Some(*kernel)
    };
    matches!(auto_pad, AutoPad::NotSet | AutoPad::Valid)
        && pads.iter().flatten().all(|&pad| pad == 0)
        && dilations.iter().flatten().all(|&dilation| dilation == 1)
        && !spatial.is_empty()
        && spatial.len() == kernel.len()
        && spatial.iter().zip(kernel).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    fn text(node: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,2,3,4] input %i: i32[N,2,3,4] const %axes = i64[2] [-1, 2]
            const %one = i64[1] [3] %y = {node} output %y }}"
        )
    }

    #[test]
    fn windows_as_large_as_the_map_and_reductions_of_it() {
        for (before, after) in [
            ("AveragePool(%x) {kernel_shape = [3, 4], strides = [3, 4]}", "GlobalAveragePool(%x)"),
            ("MaxPool(%x) {kernel_shape = [3, 4], auto_pad = \"VALID\"}", "GlobalMaxPool(%x)"),
            ("ReduceMean(%x, %axes)", "GlobalAveragePool(%x)"),
            ("ReduceMax(%x, %axes)", "GlobalMaxPool(%x)"),
        ] {
            assert_rewrites_within(|| Rewriter(UseGlobalPools), &text(before), &text(after));
        }
    }

    #[test]
    fn others_stay() {
        for node in [
            "AveragePool(%x) {kernel_shape = [3, 3]}",
            "AveragePool(%x) {kernel_shape = [3, 4], pads = [0, 0, 0, 1]}",
            "MaxPool(%x) {kernel_shape = [3, 4], auto_pad = \"SAME_UPPER\"}",
            "ReduceMean(%x, %one)",
            "ReduceMean(%x)",
            "ReduceMean(%x, %axes) {keepdims = false}",
            "ReduceMax(%i, %axes)",
        ] {
            assert_unchanged(|| Rewriter(UseGlobalPools), &text(node), None);
        }
    }
}
