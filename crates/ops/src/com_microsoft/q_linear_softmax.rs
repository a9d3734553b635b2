//! `QLinearSoftmax`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearSoftmax>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::quantized::through_reals;
use crate::axis::resolve_axis;
use crate::div::Div;
use crate::elementwise::infer_same;
use crate::exp::Exp;
use crate::reduce_max::ReduceMax;
use crate::reduce_sum::ReduceSum;
use crate::softmax::Softmax;
use crate::sub::Sub;

declare_op! {
    /// Softmax of 8-bit values along an axis; before version 13 of Softmax along it and all behind it together.
    ///
    /// Inputs: X, its scale and zero point, scale and zero point of the result.
    pub struct QLinearSoftmax("com.microsoft", "QLinearSoftmax", 1) inputs(5, 5) outputs(1, 1) flags() {
        /// Axis; may be negative.
        axis: i64 = -1,
        /// Opset whose Softmax is meant.
        opset: i64,
    }
}

impl Op for QLinearSoftmax {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        if self.opset >= 13 {
            return through_reals(builder, |builder, x| builder.call(Softmax { axis: self.axis }, &[x]));
        }
        let x = builder.require(0)?;
        let rank = builder.rank(x)?;
        let axes: Vec<i64> = (resolve_axis(self.axis, rank)?..rank).map(|a| a as i64).collect();
        through_reals(builder, |builder, x| {
            let axes = builder.vector(&axes);
            let max = builder.call(ReduceMax { keepdims: true, noop_with_empty_axes: false }, &[x, axes])?;
            let shifted = builder.call(Sub {}, &[x, max])?;
            let powers = builder.call(Exp {}, &[shifted])?;
            let sum =
                builder.call(ReduceSum { keepdims: true, noop_with_empty_axes: false }, &[powers, axes])?;
            builder.call(Div {}, &[powers, sum])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn one_axis_or_all_behind_it() {
        let data = [0u8, 100, 130, 10, 20, 30];
        let out = [0u8, 47, 209, 48, 79, 130];
        for (opset, axis, shape) in [(13, -1, vec![2, 3]), (11, 1, vec![2, 3, 1])] {
            Case::new(QLinearSoftmax { axis, opset })
                .input(Tensor::from_slice(&shape, &data).unwrap())
                .input(Tensor::scalar(0.05f32))
                .input(Tensor::scalar(128u8))
                .input(Tensor::scalar(1f32 / 256.0))
                .input(Tensor::scalar(0u8))
                .expect(Tensor::from_slice(&shape, &out).unwrap());
        }
    }
}
