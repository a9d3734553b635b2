//! `QLinearWhere`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearWhere>

use lehr_graph::infer::broadcast_inputs;
use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::quantized::{dequantized, quantized};
use crate::r#where::Where;

declare_op! {
    /// 8-bit elements of X where the condition is true, else of Y, in the scale of the result.
    ///
    /// Inputs: condition, X with scale and zero point, Y with scale and zero point, scale and zero point of the result.
    pub struct QLinearWhere("com.microsoft", "QLinearWhere", 1) inputs(9, 9) outputs(1, 1) flags() {}
}

impl Op for QLinearWhere {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = broadcast_inputs(cx, &[0, 1, 4])?;
        let dtype = cx.dtype(1)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (condition, input) = (builder.require(0)?, builder.require(1)?);
        let dtype = builder.dtype(input)?;
        let x = dequantized(builder, 1, 2, 3, 1)?;
        let y = dequantized(builder, 4, 5, 6, 1)?;
        let z = builder.call(Where {}, &[condition, x, y])?;
        let z = quantized(builder, z, 7, 8, dtype)?;
        builder.output(0, z);
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
        Case::new(QLinearWhere {})
            .input(Tensor::vector(vec![true, false, true]))
            .input(Tensor::vector(vec![0u8, 10, 200]))
            .input(Tensor::scalar(0.1f32))
            .input(Tensor::scalar(5u8))
            .input(Tensor::vector(vec![3u8, 250, 4]))
            .input(Tensor::scalar(0.2f32))
            .input(Tensor::scalar(128u8))
            .input(Tensor::scalar(0.3f32))
            .input(Tensor::scalar(100u8))
            .expect(Tensor::vector(vec![98u8, 181, 165]));
    }
}
