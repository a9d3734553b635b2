//! Channels that begin inside a block: a convolution of `Slice(x, start, end)` reads the whole blocks around them, with
//! weights of zero for the channels in front. That holds for finite values: an infinity or NaN in one of the channels in
//! front, which the Slice left out, becomes NaN in every sum over its pixel.

use std::sync::Arc;

use lehr_graph::{Graph, PatchBuilder, PatchValue, ValueId};
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_ops::lowered::to_blocked::ToBlocked;
use lehr_ops::slice::Slice;
use lehr_ops::split::Split;
use lehr_tensor::Tensor;

use super::block_slices::{channel_range, part_of_split};
use super::blocked_maps::{BLOCK, Maps, one_size};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct AbsorbOffset;

impl Rewrite for AbsorbOffset {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "absorb_offset",
            doc: "lets convolutions skip the first channels of a block",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<BlockedConv>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let conv = node.op().downcast_ref::<BlockedConv>().filter(|conv| conv.group == 1);
        let (Some(_), None) = (conv, node.input(4)) else { return Err(Reject::NoEffect) };
        let way_in = node.input(0).and_then(|x| graph.producer(x)).ok_or(Reject::NoEffect)?;
        let way_in = graph.node(way_in);
        if !way_in.op().is::<ToBlocked>() {
            return Err(Reject::NoEffect);
        }
        let (maps, range) = way_in.input(0).and_then(|v| cut(graph, v)).ok_or(Reject::NoEffect)?;
        let weights = node.input(1).and_then(|w| graph.constant(w)).ok_or(Reject::NoEffect)?;
        let skipped = range.start % BLOCK;
        let weights = behind_zeros(weights, skipped)?;
        let [from, to] = [range.start / BLOCK, range.end.div_ceil(BLOCK)].map(|block| one_size(patch, block));
        let (from, to, axis) = (from?, to?, one_size(patch, 1)?);
        let x = patch.call(Slice {}, &[maps.value, from, to, axis])?;
        let weights = patch.constant(weights);
        let mut inputs = vec![Some(x), Some(weights)];
        inputs.extend(node.inputs().iter().skip(2).map(|v| v.map(PatchValue::from)));
        let sums = patch.node(Arc::clone(node.op_ref()), &inputs, 1)?;
        patch.replace(result(found, graph)?, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The blocked maps of which `value` is some channels, and which.
fn cut(graph: &Graph, value: ValueId) -> Option<(Maps, std::ops::Range<usize>)> {
    let id = graph.producer(value)?;
    let node = graph.node(id);
    let maps = Maps::behind(graph, node.input(0)?)?;
    let range = if node.op().is::<Slice>() {
        channel_range(graph, id, maps.channels)?
    } else if node.op().is::<Split>() {
        part_of_split(graph, id, value)?
    } else {
        return None;
    };
    (!range.is_empty() && range.end <= maps.channels).then_some((maps, range))
}

/// `[M, C, kh, kw]` as `[M, skipped + C, kh, kw]`.
fn behind_zeros(weights: &Tensor, skipped: usize) -> Result<Tensor, Reject> {
    let &[outs, channels, height, width] = weights.shape() else { return Err(Reject::NoEffect) };
    let own = weights.as_slice::<f32>().map_err(|error| Reject::because(error.to_string()))?;
    let taps = height * width;
    let mut data = Vec::with_capacity(outs * (skipped + channels) * taps);
    for filter in own.chunks_exact((channels * taps).max(1)) {
        data.resize(data.len() + skipped * taps, 0.0);
        data.extend_from_slice(filter);
    }
    Tensor::from_vec(&[outs, skipped + channels, height, width], data)
        .map_err(|error| Reject::because(error.to_string()))
}
