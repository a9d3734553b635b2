//! `QLinearLeakyRelu`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearLeakyRelu>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::quantized::through_reals;
use crate::elementwise::infer_same;
use crate::leaky_relu::LeakyRelu;

declare_op! {
    /// `x`, or `α·x` below zero, of 8-bit values.
    ///
    /// Inputs: X, its scale and zero point, scale and zero point of the result.
    pub struct QLinearLeakyRelu("com.microsoft", "QLinearLeakyRelu", 1) inputs(4, 5) outputs(1, 1) flags() {
        /// The α.
        alpha: f32 = 0.01,
    }
}

impl Op for QLinearLeakyRelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        through_reals(builder, |builder, x| builder.call(LeakyRelu { alpha: self.alpha }, &[x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn eight_bits() {
        Case::new(QLinearLeakyRelu { alpha: 0.1 })
            .input(Tensor::vector(vec![0u8, 100, 255]))
            .input(Tensor::scalar(0.05f32))
            .input(Tensor::scalar(128u8))
            .input(Tensor::scalar(0.04f32))
            .input(Tensor::scalar(50u8))
            .expect(Tensor::vector(vec![34u8, 46, 209]));
    }
}
