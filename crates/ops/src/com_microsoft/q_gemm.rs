//! `QGemm`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QGemm>

use lehr_graph::{Builder, Dim, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::DataType;

use super::normalized::cast;
use super::quantized::{dequantized, quantized};
use crate::add::Add;
use crate::matmul::MatMul;
use crate::mul::Mul;
use crate::transpose::Transpose;

declare_op! {
    /// `alpha·(A·B + C)` of 8-bit matrices; C has the scale of the product.
    ///
    /// Inputs: A, its scale and zero point, B, its scale and zero point (one or one per column), C (`i32`, optional),
    /// scale and zero point of the result, which is `f32` without them.
    #[allow(non_snake_case, reason = "the attribute names of the specification")]
    pub struct QGemm("com.microsoft", "QGemm", 1) inputs(6, 9) outputs(1, 1) flags() {
        /// Factor of the result.
        alpha: f32 = 1.0,
        /// A is transposed.
        transA: bool = false,
        /// B is transposed.
        transB: bool = false,
    }
}

impl Op for QGemm {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dim = |index: usize, axis: bool| -> Dim {
            cx.shape(index).and_then(|s| s.get(usize::from(axis))).cloned().unwrap_or(Dim::Unknown)
        };
        let shape: Shape = [dim(0, self.transA), dim(3, !self.transB)].into_iter().collect();
        let dtype = match (cx.has_input(8), cx.has_input(7)) {
            (true, _) => cx.dtype(8)?,
            (false, true) => cx.dtype(0)?,
            (false, false) => Some(DataType::F32),
        };
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let input = builder.require(0)?;
        let dtype = builder.dtype(input)?;
        let swap = || Transpose { perm: Some(vec![1, 0]) };
        let mut a = dequantized(builder, 0, 1, 2, 1)?;
        if self.transA {
            a = builder.call(swap(), &[a])?;
        }
        let columns = if self.transB { 0 } else { 1 };
        let mut b = dequantized(builder, 3, 4, 5, columns)?;
        if self.transB {
            b = builder.call(swap(), &[b])?;
        }
        let mut y = builder.call(MatMul {}, &[a, b])?;
        if let Some(c) = builder.input(6) {
            let (a_scale, b_scale) = (builder.require(1)?, builder.require(4)?);
            let scale = builder.call(Mul {}, &[a_scale, b_scale])?;
            let c = cast(builder, c, DataType::F32)?;
            let c = builder.call(Mul {}, &[c, scale])?;
            y = builder.call(Add {}, &[y, c])?;
        }
        if self.alpha != 1.0 {
            let alpha = builder.scalar(DataType::F32, self.alpha.into())?;
            y = builder.call(Mul {}, &[y, alpha])?;
        }
        if builder.input(7).is_some() {
            y = quantized(builder, y, 7, 8, dtype)?;
        }
        builder.output(0, y);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn quantised_and_real_results() {
        let a = Tensor::from_slice(&[2, 3], &[1u8, 200, 30, 4, 50, 60]).unwrap();
        let case = |op, b: &[i8], shape: &[usize]| {
            Case::new(op)
                .tolerance(1e-5, 1e-5)
                .input(a.clone())
                .input(Tensor::scalar(0.1f32))
                .input(Tensor::scalar(10u8))
                .input(Tensor::from_slice(shape, b).unwrap())
        };
        let c = Tensor::vector(vec![10i32, -20]);
        case(QGemm { alpha: 1.5, transA: false, transB: false }, &[1, -2, 3, 4, -5, 6], &[3, 2])
            .input(Tensor::vector(vec![0.2f32, 0.3]))
            .input(Tensor::vector(vec![1i8, 0]))
            .input(c.clone())
            .input(Tensor::scalar(0.5f32))
            .input(Tensor::scalar(100u8))
            .expect(Tensor::from_slice(&[2, 2], &[116u8, 179, 87, 141]).unwrap());
        case(QGemm { alpha: 1.0, transA: false, transB: true }, &[1, 3, -5, -2, 4, 6], &[2, 3])
            .input(Tensor::scalar(0.2f32))
            .input(Tensor::scalar(1i8))
            .input(c)
            .expect(f32s(&[2, 2], &[5.4, 13.54, -4.2, 7.36]));
    }
}
