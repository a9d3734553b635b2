//! What the convolutions of lowered graphs share: the kernels' form of their geometry, their weights, and biases in lanes.

use lehr_graph::OpError;
use lehr_kernels::blocked::BLOCK;
use lehr_kernels::conv::{ConvParams, ConvShape};
use lehr_tensor::Tensor;

use crate::convolution::{Convolution, group_count};
use crate::cpu::{Packed, Recipe, RunCx, refused, sizes_of};
use crate::operand::check_shape;
use crate::window::WindowAxis;

/// Sizes of the output as plain maps.
pub(super) fn plain_of(conv: &Convolution) -> Result<[usize; 4], OpError> {
    <[usize; 4]>::try_from(conv.output())
        .map_err(|sizes| OpError::shape(format!("expected two axes, got {sizes:?}")))
}

/// The kernels' form of a convolution over two axes; of one image.
pub(super) fn shape_of(conv: &Convolution) -> Result<ConvShape<2>, OpError> {
    let two = |f: fn(&WindowAxis) -> usize| {
        let values: Vec<usize> = conv.window.axes.iter().map(f).collect();
        <[usize; 2]>::try_from(values)
            .map_err(|axes| OpError::shape(format!("expected two axes, got {}", axes.len())))
    };
    let params = ConvParams {
        batch: 1,
        in_channels: conv.in_channels,
        out_channels: conv.out_channels,
        groups: conv.groups,
        input: two(|a| a.input)?,
        kernel: two(|a| a.kernel)?,
        strides: two(|a| a.stride)?,
        dilations: two(|a| a.dilation)?,
        pads_begin: two(|a| a.begin)?,
        pads_end: two(|a| a.end)?,
    };
    ConvShape::new(params).map_err(refused)
}

/// A geometry for packing: the packed form depends on channels and kernel alone.
pub(super) fn packing_shape(sizes: &[usize], group: i64) -> Result<ConvShape<2>, OpError> {
    let groups = group_count("group", group)?;
    let &[out_channels, per_group, kernel_h, kernel_w] = sizes else {
        return Err(OpError::shape(format!("weights of shape {sizes:?}: expected rank 4")));
    };
    let in_channels = per_group.saturating_mul(groups);
    let (input, ones) = ([kernel_h, kernel_w], [1; 2]);
    let params = ConvParams {
        batch: 1,
        in_channels,
        out_channels,
        groups,
        input,
        kernel: input,
        strides: ones,
        dilations: ones,
        pads_begin: [0; 2],
        pads_end: [0; 2],
    };
    ConvShape::new(params).map_err(refused)
}

/// The constant weights, input 1, of the sizes that a recipe was made for.
pub(super) fn weights_of<'a>(
    recipe: &Recipe,
    constants: &[Option<&'a Tensor>],
) -> Result<(&'a Tensor, Vec<usize>), OpError> {
    let weights = constants.get(1).copied().flatten().ok_or(OpError::MissingInput { index: 1 })?;
    let sizes = sizes_of(recipe, "w");
    check_shape(1, weights, &sizes)?;
    Ok((weights, sizes))
}

/// # Errors
/// Unless the weights are packed in one block.
pub(super) fn check_one_block(packed: &Packed) -> Result<(), OpError> {
    match packed.blocks.len() {
        1 => Ok(()),
        _ => Err(OpError::value("the packed weights do not belong to this recipe")),
    }
}

/// One bias for each lane of the output's blocks, zeros in the spare ones, in a buffer to be given back; from input `index`,
/// if that is there.
pub(super) fn bias_lanes(cx: &RunCx<'_>, index: usize, channels: usize) -> Result<Option<Vec<f32>>, OpError> {
    let Some(bias) = cx.optional_tensor(index)? else { return Ok(None) };
    check_shape(index, bias, &[channels])?;
    let bias = bias.as_slice::<f32>()?;
    let mut lanes = cx.buffers.take(channels.next_multiple_of(BLOCK));
    lanes.fill(0.0);
    lanes.iter_mut().zip(bias.iter()).for_each(|(lane, bias)| *lane = *bias);
    Ok(Some(lanes))
}
