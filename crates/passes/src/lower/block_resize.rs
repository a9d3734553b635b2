//! Resize of blocked maps along height and width.

use std::sync::Arc;

use lehr_graph::{Graph, NodeId, PatchBuilder};
use lehr_ops::resize::Resize;

use super::blocked_maps::{Maps, list};
use crate::constants::{ints, resolve_axes};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockResize;

impl Rewrite for BlockResize {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_resize",
            doc: "resizes blocked maps",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Resize>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let resize = node.op().downcast_ref::<Resize>().ok_or(Reject::NoEffect)?;
        let maps = Maps::input(graph, node.input(0))?;
        let targets = targets(graph, found.root(), resize)?;
        let resize = Resize { axes: Some(vec![2, 3]), ..resize.clone() };
        let mut inputs = vec![Some(maps.value), None];
        match targets {
            Targets::Scales(scales) => inputs.push(Some(list(patch, scales)?)),
            Targets::Sizes(sizes) => {
                inputs.extend([None, Some(list(patch, sizes)?)]);
            }
        }
        let resized = patch.node(Arc::new(resize), &inputs, 1)?;
        let value = resized.first().copied().ok_or(Reject::NoEffect)?;
        Maps { value, ..maps }.replace(patch, result(found, graph)?)
    }
}

/// What height and width become.
enum Targets {
    Scales(Vec<f32>),
    Sizes(Vec<i64>),
}

/// # Errors
/// [`Reject::Because`] when they are not constant, or others than height and width change.
fn targets(graph: &Graph, id: NodeId, resize: &Resize) -> Result<Targets, Reject> {
    let io = graph.signature(id);
    if io
        .inputs
        .get(1)
        .copied()
        .flatten()
        .is_some_and(|roi| roi.shape().is_none_or(|s| s.numel().as_fixed() != Some(0)))
    {
        return Err(Reject::because("it resizes a region"));
    }
    let axes = match &resize.axes {
        Some(axes) => resolve_axes(axes, 4).ok_or(Reject::NoEffect)?,
        None => vec![0, 1, 2, 3],
    };
    let place = |axis: usize| axes.iter().position(|&own| own == axis);
    let (Some(height), Some(width)) = (place(2), place(3)) else {
        return Err(Reject::because("it resizes one axis"));
    };
    if let Some(sizes) = ints(&io, 3).filter(|sizes| sizes.len() == axes.len()) {
        let before = io.input_shape(0).ok_or(Reject::NoEffect)?;
        let stays = |axis: usize| {
            let size =
                before.get(axis).and_then(|dim| dim.as_fixed()).and_then(|size| i64::try_from(size).ok());
            place(axis).is_none_or(|place| sizes.get(place).copied() == size)
        };
        if !stays(0) || !stays(1) {
            return Err(Reject::because("it resizes other axes than height and width"));
        }
        return Ok(Targets::Sizes(vec![sizes[height], sizes[width]]));
    }
    let scales = io.constants.get(2).copied().flatten().and_then(|scales| scales.as_slice::<f32>().ok());
    let scales = scales.filter(|scales| scales.len() == axes.len());
    let scales = scales.ok_or_else(|| Reject::because("its target is not constant"))?;
    if [0, 1].into_iter().filter_map(place).any(|place| scales[place] != 1.0) {
        return Err(Reject::because("it resizes other axes than height and width"));
    }
    Ok(Targets::Scales(vec![scales[height], scales[width]]))
}
