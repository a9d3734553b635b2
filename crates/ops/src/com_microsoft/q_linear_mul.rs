//! `QLinearMul`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearMul>

use lehr_graph::infer::broadcast_inputs;
use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::quantized::{dequantized, quantized};
use crate::mul::Mul;

declare_op! {
    /// The product of 8-bit values, with broadcasting.
    ///
    /// Inputs: A, its scale and zero point, B, its scale and zero point, scale and zero point of the result.
    pub struct QLinearMul("com.microsoft", "QLinearMul", 1) inputs(7, 8) outputs(1, 1) flags() {}
}

impl Op for QLinearMul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = broadcast_inputs(cx, &[0, 3])?;
        let dtype = cx.dtype(0)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let input = builder.require(0)?;
        let dtype = builder.dtype(input)?;
        let a = dequantized(builder, 0, 1, 2, 1)?;
        let b = dequantized(builder, 3, 4, 5, 1)?;
        let y = builder.call(Mul {}, &[a, b])?;
        let y = quantized(builder, y, 6, 7, dtype)?;
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
    fn eight_bits() {
        Case::new(QLinearMul {})
            .input(Tensor::vector(vec![0u8, 10, 200]))
            .input(Tensor::scalar(0.1f32))
            .input(Tensor::scalar(5u8))
            .input(Tensor::vector(vec![3u8, 250, 4]))
            .input(Tensor::scalar(0.2f32))
            .input(Tensor::scalar(128u8))
            .input(Tensor::scalar(0.3f32))
            .input(Tensor::scalar(100u8))
            .expect(Tensor::vector(vec![142u8, 141, 0]));
    }
}
