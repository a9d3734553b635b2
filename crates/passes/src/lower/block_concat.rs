//! Concat of channels on blocked maps, where all parts but the last fill whole blocks.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, ValueId};
use lehr_ops::concat::Concat;

use super::blocked_maps::{BLOCK, Maps, fixed, map_shape, to_blocks};
use crate::constants::resolve_axis;
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockConcat;

impl Rewrite for BlockConcat {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_concat",
            doc: "joins channels in whole blocks",
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
        let concat = node.op().downcast_ref::<Concat>().ok_or(Reject::NoEffect)?;
        let axis = resolve_axis(concat.axis, 4).ok_or(Reject::NoEffect)?;
        if axis == 0 {
            return Err(Reject::NoEffect);
        }
        let parts = parts(graph, node)?;
        if !parts.iter().any(|&(value, _)| Maps::behind(graph, value).is_some()) {
            return Err(Reject::NoEffect);
        }
        let blocked = |&&(value, _): &&(ValueId, usize)| Maps::beside(graph, value).is_some();
        let in_blocks: usize = parts.iter().filter(blocked).map(|(_, channels)| channels).sum();
        let all: usize = parts.iter().map(|(_, channels)| channels).sum();
        if 2 * in_blocks < all {
            return Err(Reject::because("most of it is in plain maps"));
        }
        let whole = |&(_, channels): &(ValueId, usize)| channels.is_multiple_of(BLOCK);
        if axis == 1 && !parts.split_last().is_some_and(|(_, others)| others.iter().all(whole)) {
            return Err(Reject::because("its parts do not fill whole blocks"));
        }
        let mut inputs = Vec::with_capacity(parts.len());
        for &(value, _) in &parts {
            inputs.push(Some(match Maps::beside(graph, value) {
                Some(maps) => maps.value,
                None => to_blocks(patch, value)?,
            }));
        }
        let channels = if axis == 1 { all } else { parts.first().map_or(0, |&(_, channels)| channels) };
        let axis = i64::try_from(axis).unwrap_or_default();
        let joined = patch.node(Arc::new(Concat { axis }), &inputs, 1)?;
        let value = joined.first().copied().ok_or(Reject::NoEffect)?;
        Maps { value, channels }.replace(patch, result(found, graph)?)
    }
}

/// The inputs with their numbers of channels.
fn parts(graph: &Graph, node: &Node) -> Result<Vec<(ValueId, usize)>, Reject> {
    let part = |value: &Option<ValueId>| {
        let value = (*value)?;
        Some((value, fixed(map_shape(graph, value)?, 1)?))
    };
    node.inputs().iter().map(part).collect::<Option<Vec<_>>>().ok_or(Reject::NoEffect)
}
