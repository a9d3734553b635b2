//! Poolings of blocked maps: windows of one lane; global ones are reductions over height and width.

use std::sync::Arc;

use lehr_graph::{Graph, Node, NodeId, OpRef, PatchBuilder};
use lehr_ops::average_pool::AveragePool;
use lehr_ops::global_average_pool::GlobalAveragePool;
use lehr_ops::global_max_pool::GlobalMaxPool;
use lehr_ops::max_pool::MaxPool;
use lehr_ops::reduce_max::ReduceMax;
use lehr_ops::reduce_mean::ReduceMean;
use lehr_ops::squeeze::Squeeze;

use super::blocked_maps::{Maps, list};
use crate::constants::{ints, resolve_axes};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockPools;

impl Rewrite for BlockPools {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_pools",
            doc: "pools blocked maps",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            op.is::<MaxPool>()
                || op.is::<AveragePool>()
                || op.is::<GlobalAveragePool>()
                || op.is::<GlobalMaxPool>()
                || op.is::<ReduceMean>()
                || op.is::<ReduceMax>()
        })
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let maps = Maps::input(graph, node.input(0))?;
        if node.outputs().iter().skip(1).any(|&other| !graph.value(other).uses().is_empty()) {
            return Err(Reject::because("the positions of the largest elements are read"));
        }
        let y = result(found, graph)?;
        if let Some(pool) = window(node) {
            let pooled = patch.node(pool, &[Some(maps.value)], 1)?;
            let value = pooled.first().copied().ok_or(Reject::NoEffect)?;
            return Maps { value, ..maps }.replace(patch, y);
        }
        let keepdims = keepdims(graph, found.root())?;
        let is_mean = node.op().is::<GlobalAveragePool>() || node.op().is::<ReduceMean>();
        let axes = list(patch, vec![2_i64, 3])?;
        let value =
            match is_mean {
                true => patch
                    .call(ReduceMean { keepdims: true, noop_with_empty_axes: false }, &[maps.value, axes])?,
                false => patch
                    .call(ReduceMax { keepdims: true, noop_with_empty_axes: false }, &[maps.value, axes])?,
            };
        if keepdims {
            return Maps { value, ..maps }.replace(patch, y);
        }
        let plain = Maps { value, ..maps }.to_plain(patch)?;
        let squeezed = patch.call(Squeeze {}, &[plain, axes])?;
        patch.replace(y, squeezed);
        Ok(())
    }
}

/// The same pooling of blocked maps, unless it is a global one.
fn window(node: &Node) -> Option<OpRef> {
    let behind = |list: &Option<Vec<i64>>, last: i64| {
        list.as_ref().filter(|list| !list.is_empty()).map(|list| list.iter().copied().chain([last]).collect())
    };
    let kernel = |list: &[i64]| list.iter().copied().chain([1]).collect();
    let pads = |list: &Option<Vec<i64>>| {
        list.as_ref().filter(|list| !list.is_empty()).map(|list| {
            let half = list.len() / 2;
            let (begin, end) = list.split_at(half);
            begin.iter().copied().chain([0]).chain(end.iter().copied()).chain([0]).collect()
        })
    };
    if let Some(pool) = node.op().downcast_ref::<MaxPool>() {
        return Some(Arc::new(MaxPool {
            kernel_shape: kernel(&pool.kernel_shape),
            strides: behind(&pool.strides, 1),
            dilations: behind(&pool.dilations, 1),
            pads: pads(&pool.pads),
            ..pool.clone()
        }));
    }
    let pool = node.op().downcast_ref::<AveragePool>()?;
    Some(Arc::new(AveragePool {
        kernel_shape: kernel(&pool.kernel_shape),
        strides: behind(&pool.strides, 1),
        dilations: behind(&pool.dilations, 1),
        pads: pads(&pool.pads),
        ..pool.clone()
    }))
}

/// Whether what is reduced over height and width keeps these axes.
///
/// # Errors
/// [`Reject::NoEffect`] when it is reduced over others.
fn keepdims(graph: &Graph, id: NodeId) -> Result<bool, Reject> {
    let op = graph.node(id).op();
    let keepdims = match (op.downcast_ref::<ReduceMean>(), op.downcast_ref::<ReduceMax>()) {
        (Some(reduce), _) => reduce.keepdims,
        (_, Some(reduce)) => reduce.keepdims,
        _ => return Ok(true),
    };
    let axes = ints(&graph.signature(id), 1).and_then(|axes| resolve_axes(&axes, 4));
    let mut axes = axes.ok_or(Reject::NoEffect)?;
    axes.sort_unstable();
    if axes == [2, 3] { Ok(keepdims) } else { Err(Reject::NoEffect) }
}
