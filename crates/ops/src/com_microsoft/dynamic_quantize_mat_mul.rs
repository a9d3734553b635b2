//! `DynamicQuantizeMatMul`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeMatMul>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::matrix_product::{ProductShape, infer_product, product, product_cost};
use crate::operand::{floats, optional_floats};

declare_op! {
    /// Quantises A to 8 bits by its own range, multiplies by the 8-bit B, and brings the product back to real numbers.
    ///
    /// Inputs: A, B, scale of B, zero point of B (one or one per column), bias.
    pub struct DynamicQuantizeMatMul("com.microsoft", "DynamicQuantizeMatMul", 1) inputs(3, 5) outputs(1, 1) flags() {}
}

/// Scale and zero point that `DynamicQuantizeLinear` gives: the range is widened to hold zero.
fn range_of(values: &[f64]) -> (f32, f32) {
    let low = values.iter().fold(0f64, |a, &b| a.min(b)) as f32;
    let high = values.iter().fold(0f64, |a, &b| a.max(b)) as f32;
    if low == high {
        return (1.0, 0.0);
    }
    let scale = (high - low) / 255.0;
    (scale, (-low / scale).clamp(0.0, 255.0).round_ties_even())
}

impl Op for DynamicQuantizeMatMul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let shape = infer_product(cx, 0, 1)?;
        cx.set_tensor(0, Some(DataType::F32), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let shape = ProductShape::new(cx.tensor(0)?.shape(), cx.tensor(1)?.shape())?;
        crate::operand::bounded_len(cx, DataType::F32, &shape.output)?;
        let a = floats(cx, 0)?;
        let (scale, zero) = range_of(&a);
        let quantize = |x: f64| ((x as f32 / scale).round_ties_even() + zero).clamp(0.0, 255.0) - zero;
        let a: Vec<i64> = a.into_iter().map(|x| quantize(x) as i64).collect();
        let columns = shape.n.max(1);
        let per_column = |len: usize, index: usize| {
            if len == 1 || len == shape.n {
                return Ok(());
            }
            Err(OpError::shape(format!("input {index}: expected 1 or {} numbers, got {len}", shape.n)))
        };
        let b_scale = floats(cx, 2)?;
        per_column(b_scale.len(), 2)?;
        let b_zero = cx.optional_ints(3)?.unwrap_or_else(|| vec![0]);
        per_column(b_zero.len(), 3)?;
        let b = cx.ints(1)?.into_iter().enumerate();
        let b: Vec<i64> = b.map(|(at, x)| x - b_zero[at % columns % b_zero.len()]).collect();
        let bias = optional_floats(cx, 4)?.unwrap_or_else(|| vec![0.0]);
        per_column(bias.len(), 4)?;
        let sums =
            product(&shape, &a, &b, |c: i64, a, b| c.wrapping_add(a.wrapping_mul(b))).into_iter().enumerate();
        let real = |(at, sum): (usize, i64)| {
            let column = at % columns;
            let factor = scale * b_scale[column % b_scale.len()] as f32;
            sum as f32 * factor + bias[column % bias.len()] as f32
        };
        let y: Vec<f32> = sums.map(real).collect();
        cx.set(0, Tensor::from_vec(&shape.output, y)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        product_cost(io, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn quantises_by_the_range() {
        Case::new(DynamicQuantizeMatMul {})
            .tolerance(1e-5, 1e-5)
            .input(f32s(&[2, 3], &[1.0, -2.0, 0.5, 3.0, 0.0, 1.0]))
            .input(Tensor::from_slice(&[3, 2], &[1i8, -2, 3, 4, -5, 6]).unwrap())
            .input(f32s(&[2], &[0.2, 0.3]))
            .input(Tensor::vector(vec![1i8, 0]))
            .input(f32s(&[2], &[1.0, 2.0]))
            .expect(f32s(&[2, 2], &[-0.41176474, -0.08235311, -0.20000005, 2.0]));
    }
}
