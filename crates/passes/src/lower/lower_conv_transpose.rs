//! Makes a `BlockedConvTranspose` of a ConvTranspose of one group with constant weights of 32 bits; where its windows do not
//! overlap and make few channels, a Conv and a DepthToSpace, which need no lanes for the channels that are not there.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::conv::Conv;
use lehr_ops::conv_transpose::ConvTranspose;
use lehr_ops::depth_to_space::{DepthOrder, DepthToSpace};
use lehr_ops::lowered::blocked_conv_transpose::BlockedConvTranspose;
use lehr_ops::window::AutoPad;
use lehr_tensor::{DataType, Tensor};

use super::blocked_maps::{BLOCK, Maps, map_shape, to_blocks};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct LowerConvTranspose;

impl Rewrite for LowerConvTranspose {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "lower_conv_transpose",
            doc: "convolves maps in blocks of channels, transposed",
            level: OptLevel::O1,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<ConvTranspose>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let conv = node.op().downcast_ref::<ConvTranspose>().ok_or(Reject::NoEffect)?;
        let x = node.input(0).ok_or(Reject::NoEffect)?;
        let weights = weights(graph, node, conv, x)?;
        let &[_, channels, height, width] = weights.shape() else { return Err(Reject::NoEffect) };
        let y = result(found, graph)?;
        if channels < BLOCK && tiles(conv, [height, width]) {
            return as_depth(node, weights, x, y, patch);
        }
        if conv
            .strides
            .iter()
            .flatten()
            .zip([height, width])
            .any(|(&step, size)| !i64::try_from(size).is_ok_and(|s| s >= step))
        {
            return Err(Reject::because("its windows leave gaps"));
        }
        let lowered = BlockedConvTranspose {
            activation: None,
            activation_params: None,
            auto_pad: conv.auto_pad,
            kernel_shape: conv.kernel_shape.clone(),
            output_padding: conv.output_padding.clone(),
            output_shape: conv.output_shape.clone(),
            pads: conv.pads.clone(),
            strides: conv.strides.clone(),
        };
        let mut inputs = vec![Some(to_blocks(patch, x)?)];
        inputs.extend(node.inputs().iter().skip(1).map(|v| v.map(PatchValue::from)));
        let maps = patch.node(Arc::new(lowered), &inputs, 1)?;
        Maps { value: maps.first().copied().ok_or(Reject::NoEffect)?, channels }.replace(patch, y)
    }
}

/// The weights.
///
/// # Errors
/// [`Reject::Because`] when the kernels do not take it.
fn weights<'g>(
    graph: &'g Graph,
    node: &Node,
    conv: &ConvTranspose,
    x: ValueId,
) -> Result<&'g Tensor, Reject> {
    let shape =
        map_shape(graph, x).ok_or_else(|| Reject::because("it has other than two axes of 32-bit floats"))?;
    if shape.iter().skip(1).any(|dim| dim.as_fixed().is_none_or(|size| size == 0)) {
        return Err(Reject::because("its sizes are not known"));
    }
    let weights = node.input(1).and_then(|w| graph.constant(w));
    let weights = weights.ok_or_else(|| Reject::because("the weights are not constant"))?;
    if weights.dtype() != DataType::F32 || weights.is_empty() {
        return Err(Reject::because("the weights are not 32-bit floats"));
    }
    if conv.group != 1 || conv.dilations.iter().flatten().any(|&step| step != 1) {
        return Err(Reject::because("it has groups or dilations"));
    }
    Ok(weights)
}

/// Whether each output is one product: windows as large as the square step, nothing padded.
fn tiles(conv: &ConvTranspose, kernel: [usize; 2]) -> bool {
    let zeros = |list: &Option<Vec<i64>>| list.iter().flatten().all(|&x| x == 0);
    let steps = conv.strides.as_deref().unwrap_or(&[1, 1]);
    let own = kernel.map(|size| i64::try_from(size).unwrap_or(0));
    conv.auto_pad == AutoPad::NotSet
        && conv.output_shape.is_none()
        && zeros(&conv.pads)
        && zeros(&conv.output_padding)
        && steps == own
        && kernel[0] == kernel[1]
}

/// A pointwise Conv to the channels of all taps, and a DepthToSpace.
fn as_depth(
    node: &Node,
    weights: &Tensor,
    x: ValueId,
    y: ValueId,
    patch: &mut PatchBuilder<'_>,
) -> Result<(), Reject> {
    let &[inputs, outputs, side, _] = weights.shape() else { return Err(Reject::NoEffect) };
    let failed = |error: lehr_tensor::TensorError| Reject::because(error.to_string());
    let own = weights.as_slice::<f32>().map_err(failed)?;
    let taps = side * side;
    let mut data = vec![0.0; own.len()];
    for (index, &weight) in own.iter().enumerate() {
        let (channel, rest) = (index / (outputs * taps), index % (outputs * taps));
        let (out, tap) = (rest / taps, rest % taps);
        // Depth is taps first, then channels.
        if let Some(place) = data.get_mut((tap * outputs + out) * inputs + channel) {
            *place = weight;
        }
    }
    let weights = Tensor::from_vec(&[taps * outputs, inputs, 1, 1], data).map_err(failed)?;
    let weights = patch.constant(weights);
    let mut operands = vec![Some(x.into()), Some(weights)];
    if let Some(bias) = node.input(2) {
        let bias = patch.graph().constant(bias).ok_or_else(|| Reject::because("the bias is not constant"))?;
        let bias = bias.as_slice::<f32>().map_err(failed)?;
        let repeated: Vec<f32> = bias.iter().copied().cycle().take(bias.len() * taps).collect();
        let bias = Tensor::from_vec(&[repeated.len()], repeated).map_err(failed)?;
        operands.push(Some(patch.constant(bias)));
    }
    let conv = Conv {
        auto_pad: AutoPad::NotSet,
        dilations: None,
        group: 1,
        kernel_shape: Some(vec![1, 1]),
        pads: None,
        strides: None,
    };
    let depth = patch.node(Arc::new(conv), &operands, 1)?;
    let blocksize = i64::try_from(side).map_err(|_| Reject::NoEffect)?;
    let shuffle = DepthToSpace { blocksize, mode: DepthOrder::DepthLast };
    let space = patch.call(shuffle, &[depth.first().copied().ok_or(Reject::NoEffect)?])?;
    patch.replace(y, space);
    Ok(())
}
