//! Slices and Splits of blocked maps: along height and width as they are, along channels from the beginning of a block.
//! Where they end inside of one, its last lanes are spare ones that hold channels which are left out: convolutions give them
//! weights of zero, which make nothing of finite values only.

use std::ops::Range;
use std::sync::Arc;

use lehr_graph::{Graph, NodeId, PatchBuilder, ValueId};
use lehr_ops::slice::Slice;
use lehr_ops::split::Split;

use super::blocked_maps::{BLOCK, Maps, fixed, list, map_shape, one_size};
use crate::constants::{ints, is_present, resolve_axes, resolve_axis};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockSlices;

impl Rewrite for BlockSlices {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_slices",
            doc: "cuts blocked maps",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Slice>() || op.is::<Split>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let maps = Maps::input(graph, node.input(0))?;
        match node.op().downcast_ref::<Split>() {
            Some(split) => apply_split(split, found.root(), maps, patch),
            None => {
                let (bounds, channels) = bounds(graph, found.root(), maps.channels)?;
                let mut inputs = vec![Some(maps.value)];
                for numbers in bounds {
                    inputs.push(Some(list(patch, numbers)?));
                }
                let value = patch.node(Arc::new(Slice {}), &inputs, 1)?;
                let value = value.first().copied().ok_or(Reject::NoEffect)?;
                Maps { value, channels }.replace(patch, result(found, graph)?)
            }
        }
    }
}

/// A Slice along known axes.
struct Bounds {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Vec<usize>,
    steps: Vec<i64>,
}

impl Bounds {
    fn of(graph: &Graph, id: NodeId) -> Result<Self, Reject> {
        let io = graph.signature(id);
        let (Some(starts), Some(ends)) = (ints(&io, 1), ints(&io, 2)) else {
            return Err(Reject::because("its bounds are not constant"));
        };
        let axes = match ints(&io, 3) {
            Some(axes) => axes,
            None if is_present(&io, 3) => return Err(Reject::because("its axes are not constant")),
            None => (0..4).take(starts.len()).collect(),
        };
        let steps = match ints(&io, 4) {
            Some(steps) => steps,
            None if is_present(&io, 4) => return Err(Reject::because("its steps are not constant")),
            None => vec![1; starts.len()],
        };
        let axes = resolve_axes(&axes, 4).ok_or(Reject::NoEffect)?;
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(Reject::NoEffect);
        }
        Ok(Self { starts, ends, axes, steps })
    }

    /// Where in the lists the channels are, and which of `channels` are left.
    fn channels(&self, channels: usize) -> Result<Option<(usize, Range<usize>)>, Reject> {
        let Some(place) = self.axes.iter().position(|&axis| axis == 1) else { return Ok(None) };
        let size = i64::try_from(channels).map_err(|_| Reject::NoEffect)?;
        let resolved =
            |bound: i64| (if bound < 0 { bound.saturating_add(size) } else { bound }).clamp(0, size);
        let range = resolved(self.starts[place])..resolved(self.ends[place]);
        if self.steps[place] != 1 || range.is_empty() {
            return Err(Reject::because("it skips channels"));
        }
        let at = |bound: i64| usize::try_from(bound).map_err(|_| Reject::NoEffect);
        Ok(Some((place, at(range.start)?..at(range.end)?)))
    }
}

/// Starts, ends, axes and steps for blocks, and the number of channels that are left.
fn bounds(graph: &Graph, id: NodeId, channels: usize) -> Result<([Vec<i64>; 4], usize), Reject> {
    let mut own = Bounds::of(graph, id)?;
    let mut left = channels;
    if let Some((place, range)) = own.channels(channels)? {
        if !range.start.is_multiple_of(BLOCK) {
            return Err(Reject::because("it begins inside a block"));
        }
        let at = |block: usize| i64::try_from(block).map_err(|_| Reject::NoEffect);
        own.starts[place] = at(range.start / BLOCK)?;
        own.ends[place] = at(range.end.div_ceil(BLOCK))?;
        left = range.len();
    }
    let axes = own.axes.into_iter().filter_map(|axis| i64::try_from(axis).ok()).collect();
    Ok(([own.starts, own.ends, axes, own.steps], left))
}

/// The channels that a Slice along them alone leaves.
pub(super) fn channel_range(graph: &Graph, id: NodeId, channels: usize) -> Option<Range<usize>> {
    let bounds = Bounds::of(graph, id).ok().filter(|bounds| bounds.axes == [1])?;
    bounds.channels(channels).ok()?.map(|(_, range)| range)
}

/// The channels that an output of a Split along them holds.
pub(super) fn part_of_split(graph: &Graph, id: NodeId, output: ValueId) -> Option<Range<usize>> {
    let node = graph.node(id);
    let split = node.op().downcast_ref::<Split>()?;
    if resolve_axis(split.axis, 4) != Some(1) {
        return None;
    }
    let mut from = 0;
    for &value in node.outputs() {
        let to = from + fixed(map_shape(graph, value)?, 1)?;
        if value == output {
            return Some(from..to);
        }
        from = to;
    }
    None
}

/// Parts of whole blocks become slices; others are left to who reads them.
fn apply_split(split: &Split, id: NodeId, maps: Maps, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let graph = patch.graph();
    let axis = resolve_axis(split.axis, 4).filter(|&axis| axis > 0).ok_or(Reject::NoEffect)?;
    let mut from = 0;
    for &old in graph.node(id).outputs() {
        let size = map_shape(graph, old).and_then(|shape| fixed(shape, axis));
        let size = size.ok_or_else(|| Reject::because("the sizes of its parts are not known"))?;
        let range = from..from + size;
        from = range.end;
        let is_whole = axis != 1 || range.start.is_multiple_of(BLOCK);
        if size == 0 || !is_whole || graph.value(old).uses().is_empty() {
            continue;
        }
        let unit = if axis == 1 { BLOCK } else { 1 };
        let mut inputs = vec![maps.value];
        for size in [range.start / unit, range.end.div_ceil(unit), axis] {
            inputs.push(one_size(patch, size)?);
        }
        let value = patch.call(Slice {}, &inputs)?;
        let channels = if axis == 1 { size } else { maps.channels };
        Maps { value, channels }.replace(patch, old)?;
    }
    Ok(())
}
