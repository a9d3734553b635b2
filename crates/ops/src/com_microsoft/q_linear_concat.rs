//! `QLinearConcat`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearConcat>

use lehr_graph::{Builder, Dim, InferCx, Op, OpError, declare_op};

use super::quantized::{dequantized, quantized};
use crate::axis::resolve_axis;
use crate::concat::Concat;

declare_op! {
    /// 8-bit tensors one after the other along an axis, in the scale of the result.
    ///
    /// Inputs: scale and zero point of the result, then each tensor with its scale and zero point.
    pub struct QLinearConcat("com.microsoft", "QLinearConcat", 1) inputs(3, usize::MAX) outputs(1, 1) flags() {
        /// Axis; may be negative.
        axis: i64,
    }
}

/// Positions of the tensors among the inputs.
fn tensors(n_inputs: usize) -> Result<std::iter::StepBy<std::ops::Range<usize>>, OpError> {
    match n_inputs.checked_sub(2) {
        Some(rest) if rest > 0 && rest.is_multiple_of(3) => Ok((2..n_inputs).step_by(3)),
        _ => Err(OpError::shape(format!("expected 2 inputs and a multiple of 3 more, got {n_inputs}"))),
    }
}

impl Op for QLinearConcat {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(1)?;
        let shapes: Option<Vec<_>> = tensors(cx.n_inputs())?.map(|at| cx.shape(at)).collect();
        let Some(shapes) = shapes else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let mut shape = shapes[0].clone();
        let axis = resolve_axis(self.axis, shape.rank())?;
        let parts = shapes.iter().map(|s| s.get(axis).cloned().unwrap_or(Dim::Unknown));
        shape.dims_mut()[axis] = parts.fold(Dim::Fixed(0), |a, b| a.add(&b));
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let zero = builder.require(1)?;
        let dtype = builder.dtype(zero)?;
        let mut parts = Vec::new();
        for at in tensors(builder.n_inputs())? {
            parts.push(dequantized(builder, at, at + 1, at + 2, 1)?);
        }
        let y = builder.call(Concat { axis: self.axis }, &parts)?;
        let y = quantized(builder, y, 0, 1, dtype)?;
        builder.output(0, y);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn brings_parts_to_one_scale() {
        Case::new(QLinearConcat { axis: 0 })
            .input(Tensor::scalar(0.5f32))
            .input(Tensor::scalar(10u8))
            .input(Tensor::vector(vec![0u8, 10, 200]))
            .input(Tensor::scalar(0.1f32))
            .input(Tensor::scalar(5u8))
            .input(Tensor::vector(vec![3u8, 250]))
            .input(Tensor::scalar(0.2f32))
            .input(Tensor::scalar(128u8))
            .expect(Tensor::vector(vec![9u8, 11, 49, 0, 59]));
    }
}
