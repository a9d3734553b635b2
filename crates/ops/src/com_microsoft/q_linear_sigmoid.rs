//! `QLinearSigmoid`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearSigmoid>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::quantized::through_reals;
use crate::elementwise::infer_same;
use crate::sigmoid::Sigmoid;

declare_op! {
    /// The logistic function of 8-bit values.
    ///
    /// Inputs: X, its scale and zero point, scale and zero point of the result.
    pub struct QLinearSigmoid("com.microsoft", "QLinearSigmoid", 1) inputs(4, 5) outputs(1, 1) flags() {}
}

impl Op for QLinearSigmoid {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        through_reals(builder, |builder, x| builder.call(Sigmoid {}, &[x]))
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
        Case::new(QLinearSigmoid {})
            .input(Tensor::vector(vec![0u8, 100, 255]))
            .input(Tensor::scalar(0.05f32))
            .input(Tensor::scalar(128u8))
            .input(Tensor::scalar(0.00390625f32))
            .input(Tensor::scalar(0u8))
            .expect(Tensor::vector(vec![0u8, 51, 255]));
    }
}
