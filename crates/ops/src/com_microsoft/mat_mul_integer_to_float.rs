//! `MatMulIntegerToFloat`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulIntegerToFloat>

use lehr_graph::{Builder, Cost, InferCx, Op, OpError, Signature, declare_op};

use super::quantized::dequantized;
use crate::add::Add;
use crate::matmul::MatMul;
use crate::matrix_product::{infer_product, product_cost};

declare_op! {
    /// `(A − a_zero)·(B − b_zero)·a_scale·b_scale + bias` of 8-bit matrices; scales and zero points of B may be one per
    /// column.
    ///
    /// Inputs: A, B, scale of A, scale of B, zero point of A, zero point of B, bias.
    pub struct MatMulIntegerToFloat("com.microsoft", "MatMulIntegerToFloat", 1) inputs(4, 7) outputs(1, 1) flags() {}
}

impl Op for MatMulIntegerToFloat {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(2)?;
        let shape = infer_product(cx, 0, 1)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let a = dequantized(builder, 0, 2, 4, -1)?;
        let b = dequantized(builder, 1, 3, 5, -1)?;
        let mut y = builder.call(MatMul {}, &[a, b])?;
        if let Some(bias) = builder.input(6) {
            y = builder.call(Add {}, &[y, bias])?;
        }
        builder.output(0, y);
        Ok(true)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        product_cost(io, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn scales_per_column() {
        Case::new(MatMulIntegerToFloat {})
            .tolerance(1e-5, 1e-5)
            .input(Tensor::from_slice(&[2, 3], &[1u8, 200, 30, 4, 50, 60]).unwrap())
            .input(Tensor::from_slice(&[3, 2], &[1i8, -2, 3, 4, -5, 6]).unwrap())
            .input(Tensor::scalar(0.1f32))
            .input(f32s(&[2], &[0.2, 0.3]))
            .input(Tensor::scalar(10u8))
            .input(Tensor::vector(vec![1i8, 0]))
            .input(f32s(&[2], &[1.0, 2.0]))
            .expect(f32s(&[2, 2], &[6.2, 28.94, -3.4, 16.16]));
    }
}
