//! Slices and Splits of blocked maps: along height and width as they are, along channels in whole blocks.

use std::sync::Arc;

use lehr_graph::{Graph, Node, NodeId, PatchBuilder, PatchValue};
use lehr_ops::slice::Slice;
use lehr_ops::split::Split;
use lehr_tensor::Tensor;

use super::blocked_maps::{BLOCK, Maps, fixed, map_shape};
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
            Some(split) => apply_split(split, node, maps, patch),
            None => {
                let (bounds, channels) = bounds(graph, found.root(), maps.channels)?;
                let mut inputs = vec![Some(maps.value)];
                for list in bounds {
                    inputs.push(Some(constant(patch, list)?));
                }
                let value = patch.node(Arc::new(Slice {}), &inputs, 1)?;
                let value = value.first().copied().ok_or(Reject::NoEffect)?;
                Maps { value, channels }.replace(patch, result(found, graph)?)
            }
        }
    }
}

fn constant(patch: &mut PatchBuilder<'_>, numbers: Vec<i64>) -> Result<PatchValue, Reject> {
    let tensor = Tensor::from_vec(&[numbers.len()], numbers);
    Ok(patch.constant(tensor.map_err(|error| Reject::because(error.to_string()))?))
}

/// Starts, ends, axes and steps for blocks, and the number of channels that are left.
fn bounds(graph: &Graph, id: NodeId, channels: usize) -> Result<([Vec<i64>; 4], usize), Reject> {
    let io = graph.signature(id);
    let (Some(mut starts), Some(mut ends)) = (ints(&io, 1), ints(&io, 2)) else {
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
    let mut left = channels;
    if let Some(place) = axes.iter().position(|&axis| axis == 1) {
        let size = i64::try_from(channels).map_err(|_| Reject::NoEffect)?;
        let resolved =
            |bound: i64| (if bound < 0 { bound.saturating_add(size) } else { bound }).clamp(0, size);
        let (start, end) = (resolved(starts[place]), resolved(ends[place]));
        let block = BLOCK.cast_signed() as i64;
        let is_whole = start % block == 0 && (end % block == 0 || end == size);
        if steps[place] != 1 || start >= end || !is_whole {
            return Err(Reject::because("it does not cut between whole blocks"));
        }
        left = usize::try_from(end - start).map_err(|_| Reject::NoEffect)?;
        (starts[place], ends[place]) = (start / block, (end + block - 1) / block);
    }
    let axes = axes.into_iter().filter_map(|axis| i64::try_from(axis).ok()).collect();
    Ok(([starts, ends, axes, steps], left))
}

fn apply_split(split: &Split, node: &Node, maps: Maps, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let graph = patch.graph();
    let axis = resolve_axis(split.axis, 4).filter(|&axis| axis > 0).ok_or(Reject::NoEffect)?;
    let sizes = |&value| map_shape(graph, value).and_then(|shape| fixed(shape, axis));
    let sizes: Option<Vec<usize>> = node.outputs().iter().map(sizes).collect();
    let sizes = sizes.ok_or_else(|| Reject::because("the sizes of its parts are not known"))?;
    if axis == 1
        && !sizes.split_last().is_some_and(|(_, others)| others.iter().all(|s| s.is_multiple_of(BLOCK)))
    {
        return Err(Reject::because("it does not cut between whole blocks"));
    }
    let parts = sizes.iter().map(|&size| if axis == 1 { size.div_ceil(BLOCK) } else { size });
    let parts: Vec<i64> = parts.filter_map(|size| i64::try_from(size).ok()).collect();
    let parts = constant(patch, parts)?;
    let op = Split { axis: i64::try_from(axis).unwrap_or_default(), num_outputs: None };
    let values = patch.node(Arc::new(op), &[Some(maps.value), Some(parts)], sizes.len())?;
    for ((value, &old), &size) in values.into_iter().zip(node.outputs()).zip(&sizes) {
        let channels = if axis == 1 { size } else { maps.channels };
        Maps { value, channels }.replace(patch, old)?;
    }
    Ok(())
}
