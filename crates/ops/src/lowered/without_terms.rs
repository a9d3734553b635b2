//! What a convolution gives whose input or output has no elements: sums of no terms, with what follows them.

use lehr_graph::OpError;
use lehr_kernels::blocked::BLOCK;
use lehr_tensor::{Tensor, checked_len};

use super::Activation;
use super::geometry::bias_lanes;
use crate::cpu::RunCx;
use crate::operand::check_shape;

/// Whether an input or output of these sizes leaves nothing to sum up. The kernels refuse such sizes.
pub(super) fn has_no_terms(input: &[usize], output: &[usize]) -> bool {
    input.contains(&0) || output.contains(&0)
}

/// What follows the sums.
pub(super) struct Following<'a> {
    /// Channels of the output; input 2 has one bias for each, if it is there.
    pub(super) channels: usize,
    /// The input that is added, if the operator has one and it is there.
    pub(super) residual: Option<usize>,
    pub(super) activation: Option<Activation>,
    pub(super) parameters: &'a [f32],
}

impl Following<'_> {
    /// Sets output 0, blocked maps of the given sizes, to `activation(0 + bias + residual)`.
    pub(super) fn set(self, cx: &mut RunCx<'_>, sizes: &[usize; 5]) -> Result<(), OpError> {
        let mut y = cx.buffers.take(checked_len(sizes)?);
        y.fill(0.0);
        if let Some(bias) = bias_lanes(cx, 2, self.channels)? {
            let plane = sizes[2].saturating_mul(sizes[3]).saturating_mul(BLOCK);
            for (map, bias) in y.chunks_exact_mut(plane.max(1)).zip(bias.chunks_exact(BLOCK).cycle()) {
                map.chunks_exact_mut(BLOCK).for_each(|pixel| pixel.copy_from_slice(bias));
            }
            cx.buffers.give(bias);
        }
        let residual = self.residual.map(|index| cx.optional_tensor(index)).transpose()?.flatten();
        if let (Some(residual), Some(index)) = (residual, self.residual) {
            check_shape(index, residual, sizes)?;
            y.iter_mut().zip(residual.as_slice::<f32>()?.iter()).for_each(|(y, added)| *y += added);
        }
        if let Some(activation) = self.activation {
            let function = activation.function(self.parameters)?;
            y.iter_mut().for_each(|y| *y = function(f64::from(*y)) as f32);
        }
        cx.set(0, Tensor::from_vec(sizes, y)?);
        Ok(())
    }
}
