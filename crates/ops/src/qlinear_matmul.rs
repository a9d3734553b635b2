//! `QLinearMatMul`: <https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::elementwise::BroadcastIndex;
use crate::matmul_integer::centered_product;
use crate::matrix_product::{product_axes, product_cost, product_dims};
use crate::quantization::{integer_range, integers, requantization_factor, requantized};

declare_op! {
    /// Product of two quantised matrices, requantised: scales and zero points per tensor, per row of a, per column of b.
    pub struct QLinearMatMul("", "QLinearMatMul", 21) inputs(8, 8) outputs(1, 1) flags() {}
}

impl Op for QLinearMatMul {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = match (cx.shape(0), cx.shape(3)) {
            (Some(a), Some(b)) => Some(product_dims(a, b)?),
            _ => None,
        };
        let dtype = if cx.has_input(7) { cx.dtype(7)? } else { cx.dtype(0)? };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, sums) = centered_product(cx, (0, 2), (3, 5))?;
        let dtype = cx.optional_tensor(7)?.map_or(cx.tensor(0)?.dtype(), |zero| zero.dtype());
        let range = integer_range(dtype).ok_or_else(|| OpError::input_type(7, "an integer type", dtype))?;
        let full: Vec<usize> = shape.batch.iter().copied().chain([shape.m, shape.n]).collect();
        let a_scale = parameter(cx, 1, &full, true)?;
        let b_scale = parameter(cx, 4, &full, false)?;
        let y_scale = parameter(cx, 6, &full, true)?;
        let y_zero = if cx.optional_tensor(7)?.is_some() {
            parameter(cx, 7, &full, true)?
        } else {
            vec![0.0; sums.len()]
        };
        let y = sums.iter().enumerate().map(|(i, &sum)| {
            requantized(sum, requantization_factor(a_scale[i], b_scale[i], y_scale[i]), y_zero[i], range)
        });
        let y = integers(dtype, &shape.output, y.collect())?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        product_cost(io, 0)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        product_axes(io, 0, 3).if_single_values(io, &[1, 2, 4, 5, 6, 7])
    }
}

/// A scale or zero point for each element of the result: a vector goes along the rows (of a and the result) or along the
/// columns (of b), anything longer is broadcast.
fn parameter(cx: &EvalCx<'_>, index: usize, output: &[usize], rows: bool) -> Result<Vec<f64>, OpError> {
    let tensor = cx.tensor(index)?;
    let values = tensor.to_f64s()?;
    if let [only] = values[..] {
        return Ok(vec![only; output.iter().product()]);
    }
    let mut shape = tensor.shape().to_vec();
    if shape.len() == 1 && rows {
        shape.push(1);
    }
    if lehr_tensor::broadcast_shapes(&[&shape, output]).ok().as_deref() != Some(output) {
        return Err(OpError::shape(format!(
            "input {index}: {:?} does not fit a product of shape {output:?}",
            tensor.shape()
        )));
    }
    Ok(BroadcastIndex::new(&shape, output).map(|at| values[at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn as_in_the_specification() {
        let a = Tensor::from_slice(&[2, 4], &[208u8, 236, 0, 238, 3, 214, 255, 29]).unwrap();
        let b =
            Tensor::from_slice(&[4, 3], &[152u8, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247]).unwrap();
        let y = Tensor::from_slice(&[2, 3], &[168u8, 115, 255, 1, 66, 151]).unwrap();
        let f = |v: f32| Tensor::vector(vec![v]);
        let u = |v: u8| Tensor::vector(vec![v]);
        Case::new(QLinearMatMul {})
            .input(a)
            .input(f(0.0066))
            .input(u(113))
            .input(b)
            .input(f(0.00705))
            .input(u(114))
            .input(f(0.0107))
            .input(u(118))
            .expect(y);
    }
}
