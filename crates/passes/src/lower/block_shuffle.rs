//! Shuffles of channels on blocked maps: `Reshape(Transpose(Reshape(x)))` that reads `g` groups of channels in turn becomes
//! `Interleave` of the groups, which are the parts of a Concat or whole blocks of one value.

use std::sync::Arc;

use lehr_graph::{Dim, Graph, NodeId, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::concat::Concat;
use lehr_ops::lowered::interleave::Interleave;
use lehr_ops::reshape::Reshape;
use lehr_ops::slice::Slice;
use lehr_ops::transpose::Transpose;

use super::blocked_maps::{BLOCK, Maps, fixed, map_shape, one_size};
use crate::constants::resolve_axis;
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockShuffle;

impl Rewrite for BlockShuffle {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_shuffle",
            doc: "shuffles channels of blocked maps",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Reshape>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let (x, groups) = shuffled(graph, found.root(), y).ok_or(Reject::NoEffect)?;
        let channels = fixed(map_shape(graph, x).ok_or(Reject::NoEffect)?, 1).ok_or(Reject::NoEffect)?;
        let each = channels / groups;
        let parts = match parts(graph, x, groups, each) {
            Some(parts) => parts,
            None => cut(graph, x, groups, each, patch)?,
        };
        let inputs: Vec<_> = parts.into_iter().map(Some).collect();
        let op = Interleave { channels: i64::try_from(each).map_err(|_| Reject::NoEffect)? };
        let values = patch.node(Arc::new(op), &inputs, 1)?;
        Maps { value: values.first().copied().ok_or(Reject::NoEffect)?, channels }.replace(patch, y)
    }
}

/// What is shuffled, and in how many groups.
fn shuffled(graph: &Graph, last: NodeId, y: ValueId) -> Option<(ValueId, usize)> {
    let transpose = graph.node(graph.producer(graph.node(last).input(0)?)?);
    let perm = transpose.op().downcast_ref::<Transpose>()?.perm.as_deref()?;
    let first = graph.node(graph.producer(transpose.input(0)?)?);
    if perm != [0, 2, 1, 3, 4] || !first.op().is::<Reshape>() {
        return None;
    }
    let (x, split) = (first.input(0)?, *first.outputs().first()?);
    let (before, after) = (map_shape(graph, x)?, map_shape(graph, y)?);
    let split: &Shape = graph.value(split).ty().shape()?;
    let groups = fixed(split, 1)?;
    let same = |a: &Dim, b: &Dim| a == b || a.equal(b) == Some(true);
    let whole = before.iter().zip(after).all(|(a, b)| same(a, b));
    let rest = [(0, 0), (3, 2), (4, 3)].into_iter().all(|(a, b)| same(&split.dims()[a], &before.dims()[b]));
    let channels = fixed(split, 2)?.checked_mul(groups)? == fixed(before, 1)?;
    (whole && rest && channels && groups > 0).then_some((x, groups))
}

/// The groups, where they are the parts of a Concat.
fn parts(graph: &Graph, x: ValueId, groups: usize, each: usize) -> Option<Vec<PatchValue>> {
    let concat = graph.node(graph.producer(x)?);
    let axis = concat.op().downcast_ref::<Concat>()?.axis;
    if resolve_axis(axis, 4) != Some(1) || concat.inputs().len() != groups {
        return None;
    }
    let part = |value: &Option<ValueId>| {
        Maps::beside(graph, (*value)?).filter(|maps| maps.channels == each).map(|maps| maps.value)
    };
    concat.inputs().iter().map(part).collect()
}

/// The groups as whole blocks of one value.
fn cut(
    graph: &Graph,
    x: ValueId,
    groups: usize,
    each: usize,
    patch: &mut PatchBuilder<'_>,
) -> Result<Vec<PatchValue>, Reject> {
    let maps = Maps::behind(graph, x).ok_or(Reject::NoEffect)?;
    if !each.is_multiple_of(BLOCK) {
        return Err(Reject::because("its groups do not fill whole blocks"));
    }
    let axis = one_size(patch, 1)?;
    let bounds: Result<Vec<_>, Reject> =
        (0..=groups).map(|group| one_size(patch, group * each / BLOCK)).collect();
    let bounds = bounds?;
    let pairs = bounds.iter().zip(bounds.iter().skip(1));
    pairs.map(|(&from, &to)| Ok(patch.call(Slice {}, &[maps.value, from, to, axis])?)).collect()
}
