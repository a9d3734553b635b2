//! `BlockedConv(Mul(x, s)) = BlockedConv(x, s)` for pointwise convolutions and one factor per channel, as in squeeze-excite
//! blocks: the factors go into the weights, of which there are fewer than of pixels.

use std::sync::Arc;

use lehr_graph::{Dim, Graph, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_ops::mul::Mul;

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct FuseFactors;

impl Rewrite for FuseFactors {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_factors",
            doc: "lets pointwise convolutions multiply their input by one factor per channel",
            level: OptLevel::O1,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<BlockedConv>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let scaled = node.input(0).ok_or(Reject::NoEffect)?;
        let weights = node.input(1).and_then(|w| graph.constant(w)).ok_or(Reject::NoEffect)?;
        let &[outs, channels, 1, 1] = weights.shape() else { return Err(Reject::NoEffect) };
        let mul = graph.node(graph.producer(scaled).ok_or(Reject::NoEffect)?);
        // One channel to each of several groups is a depthwise convolution.
        if !mul.op().is::<Mul>() || node.input(4).is_some() || (channels == 1 && outs > 1) {
            return Err(Reject::NoEffect);
        }
        if graph.value(scaled).uses().len() != 1 {
            return Err(Reject::because("the product is also read elsewhere"));
        }
        let (Some(a), Some(b)) = (mul.input(0), mul.input(1)) else { return Err(Reject::NoEffect) };
        let (x, factors) = match (are_factors(graph, a, b), are_factors(graph, b, a)) {
            (_, true) => (a, b),
            (true, _) => (b, a),
            _ => return Err(Reject::NoEffect),
        };
        let mut inputs: Vec<_> = (0..4).map(|index| node.input(index).map(PatchValue::from)).collect();
        inputs[0] = Some(x.into());
        inputs.push(Some(factors.into()));
        let sums = patch.node(Arc::clone(node.op_ref()), &inputs, 1)?;
        patch.replace(result(found, graph)?, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// Whether `factors` are blocked maps of one pixel for the images and channels of `maps`.
fn are_factors(graph: &Graph, factors: ValueId, maps: ValueId) -> bool {
    fn shape(graph: &Graph, value: ValueId) -> Option<&Shape> {
        graph.value(value).ty().shape().filter(|shape| shape.rank() == 5)
    }
    let (Some(factors), Some(maps)) = (shape(graph, factors), shape(graph, maps)) else { return false };
    let same = |axis: usize| factors.dims()[axis].equal(&maps.dims()[axis]) == Some(true);
    let one = |axis: usize| factors.dims()[axis] == Dim::Fixed(1);
    same(0) && same(1) && one(2) && one(3) && same(4)
}
