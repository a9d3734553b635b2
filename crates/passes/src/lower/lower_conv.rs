//! Makes a `BlockedConv` of a Conv over two axes with constant weights of 32 bits.
//!
//! Few channels fill few lanes: where most of them would stay empty, the Conv stays.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue};
use lehr_ops::conv::Conv;
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_tensor::DataType;

use super::blocked_maps::{BLOCK, Maps, map_shape, to_blocks};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct LowerConv;

impl Rewrite for LowerConv {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "lower_conv",
            doc: "convolves maps in blocks of channels",
            level: OptLevel::O1,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Conv>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let conv = node.op().downcast_ref::<Conv>().ok_or(Reject::NoEffect)?;
        let channels = out_channels(graph, node, conv)?;
        let x = node.input(0).ok_or(Reject::NoEffect)?;
        let lowered = BlockedConv {
            activation: None,
            activation_params: None,
            auto_pad: conv.auto_pad,
            dilations: conv.dilations.clone(),
            group: conv.group,
            kernel_shape: conv.kernel_shape.clone(),
            pads: conv.pads.clone(),
            strides: conv.strides.clone(),
        };
        let mut inputs = vec![Some(to_blocks(patch, x)?)];
        inputs.extend(node.inputs().iter().skip(1).map(|v| v.map(PatchValue::from)));
        let maps = patch.node(Arc::new(lowered), &inputs, 1)?;
        let value = maps.first().copied().ok_or(Reject::NoEffect)?;
        Maps { value, channels }.replace(patch, result(found, graph)?)
    }
}

/// Channels of the output.
///
/// # Errors
/// [`Reject::Because`] when the kernels do not take it, or it does not pay.
fn out_channels(graph: &Graph, node: &Node, conv: &Conv) -> Result<usize, Reject> {
    let x = node.input(0).ok_or(Reject::NoEffect)?;
    let shape =
        map_shape(graph, x).ok_or_else(|| Reject::because("it has other than two axes of 32-bit floats"))?;
    if shape.iter().any(|dim| dim.as_fixed() == Some(0)) {
        return Err(Reject::because("there is nothing to convolve"));
    }
    let weights = node.input(1).and_then(|w| graph.constant(w));
    let weights = weights.ok_or_else(|| Reject::because("the weights are not constant"))?;
    let &[outs, per_group, kernel_h, kernel_w] = weights.shape() else { return Err(Reject::NoEffect) };
    if weights.dtype() != DataType::F32 || weights.is_empty() {
        return Err(Reject::because("the weights are not 32-bit floats"));
    }
    let groups = usize::try_from(conv.group).unwrap_or(0);
    if groups == 0 {
        return Err(Reject::NoEffect);
    }
    let is_depthwise = per_group == 1 && outs == groups && groups > 1;
    let whole = |channels: usize| channels.is_multiple_of(BLOCK);
    if groups > 1 && !is_depthwise && !(whole(per_group) && whole(outs / groups)) {
        return Err(Reject::because("its groups do not fill whole blocks"));
    }
    // Sums of few terms for few channels are bound by reading and writing, which blocks make more of.
    let terms = per_group * kernel_h * kernel_w;
    if outs < BLOCK / 2 && !(is_depthwise || terms >= 2 * BLOCK) {
        return Err(Reject::because("it would leave most lanes empty"));
    }
    Ok(outs)
}
