//! `Add(BlockedConv(x), z) = BlockedConv(x, z)` for maps of one shape, where nobody else reads the convolution.

use std::sync::Arc;

use lehr_graph::{Graph, NodeId, PatchBuilder, PatchValue, ValueId};
use lehr_ops::add::Add;
use lehr_ops::lowered::blocked_conv::BlockedConv;

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct FuseResidual;

impl Rewrite for FuseResidual {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_residual",
            doc: "lets convolutions add what is added to them",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Add>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(a), Some(b)) = (node.input(0), node.input(1)) else { return Err(Reject::NoEffect) };
        let y = result(found, graph)?;
        let shape = graph.value(y).ty().shape().ok_or(Reject::NoEffect)?;
        let is_whole = |v: ValueId| {
            let own = graph.value(v).ty().shape();
            own.is_some_and(|own| {
                own.rank() == 5 && own.iter().zip(shape).all(|(a, b)| a.equal(b) == Some(true))
            })
        };
        if a == b || !is_whole(a) || !is_whole(b) {
            return Err(Reject::NoEffect);
        }
        let (conv, residual) = match (bare_conv(graph, a), bare_conv(graph, b)) {
            (Some(conv), _) => (conv, b),
            (None, Some(conv)) => (conv, a),
            (None, None) => return Err(Reject::NoEffect),
        };
        let conv = graph.node(conv);
        let mut inputs: Vec<_> = (0..3).map(|index| conv.input(index).map(PatchValue::from)).collect();
        inputs.push(Some(residual.into()));
        let sums = patch.node(Arc::clone(conv.op_ref()), &inputs, 1)?;
        patch.replace(y, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The convolution that makes `value` for one reader, to which nothing is done yet.
fn bare_conv(graph: &Graph, value: ValueId) -> Option<NodeId> {
    let id = graph.producer(value)?;
    let node = graph.node(id);
    let conv = node.op().downcast_ref::<BlockedConv>()?;
    let is_bare =
        conv.activation.is_none() && node.input(3).is_none() && graph.value(value).uses().len() == 1;
    is_bare.then_some(id)
}
