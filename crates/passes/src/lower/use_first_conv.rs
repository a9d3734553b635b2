//! Convolves the few channels of an image from plain maps: `BlockedConv(ToBlocked(x)) = FirstConv(x)`.

use std::sync::Arc;

use lehr_graph::{PatchBuilder, PatchValue};
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_ops::lowered::first_conv::FirstConv;
use lehr_ops::lowered::to_blocked::ToBlocked;

use super::blocked_maps::BLOCK;
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, op_if};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct UseFirstConv;

impl Rewrite for UseFirstConv {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "use_first_conv",
            doc: "convolves few channels without bringing them into blocks",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        op_if::<BlockedConv>(|conv| conv.group == 1, []).and_more()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let conv = node.op().downcast_ref::<BlockedConv>().ok_or(Reject::NoEffect)?;
        let weights = node.input(1).and_then(|w| graph.constant(w)).ok_or(Reject::NoEffect)?;
        let way_in = graph.node(node.input(0).and_then(|x| graph.producer(x)).ok_or(Reject::NoEffect)?);
        let few = weights.shape().get(1).is_some_and(|&channels| channels <= BLOCK / 2);
        if !way_in.op().is::<ToBlocked>() || !few || node.input(3).is_some() || node.input(4).is_some() {
            return Err(Reject::NoEffect);
        }
        let first = FirstConv {
            activation: conv.activation,
            activation_params: conv.activation_params.clone(),
            auto_pad: conv.auto_pad,
            dilations: conv.dilations.clone(),
            group: 1,
            kernel_shape: conv.kernel_shape.clone(),
            pads: conv.pads.clone(),
            strides: conv.strides.clone(),
        };
        let inputs = [way_in.input(0), node.input(1), node.input(2)].map(|v| v.map(PatchValue::from));
        let maps = patch.node(Arc::new(first), &inputs, 1)?;
        patch.replace(result(found, graph)?, maps.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}
