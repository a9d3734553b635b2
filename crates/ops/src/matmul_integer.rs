//! `MatMulInteger`: <https://onnx.ai/onnx/operators/onnx__MatMulInteger.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::elementwise::BroadcastIndex;
use crate::matrix_product::{ProductShape, infer_product, product, product_axes, product_cost};

declare_op! {
    /// Product of 8-bit matrices with 32-bit sums, each operand less its zero point.
    pub struct MatMulInteger("", "MatMulInteger", 10) inputs(2, 4) outputs(1, 1) flags() {}
}

impl Op for MatMulInteger {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let shape = infer_product(cx, 0, 1)?;
        cx.set_tensor(0, Some(DataType::I32), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, sums) = centered_product(cx, (0, 2), (1, 3))?;
        let y: Vec<i32> = sums.into_iter().map(|s| s as i32).collect();
        cx.set(0, Tensor::from_vec(&shape.output, y)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        product_cost(io, 0)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        product_axes(io, 0, 1).if_single_values(io, &[2, 3])
    }
}

/// A parameter of one operand of a product, one value per element of the operand: one for all, one per row (A) or per
/// column (B), or of the operand's shape with ones where it is shared.
pub(crate) fn spread<T: Copy>(
    values: &[T],
    shape: &[usize],
    operand: &[usize],
    rows: bool,
) -> Result<Vec<T>, OpError> {
    let len = lehr_tensor::checked_len(operand)?;
    if let [only] = values {
        return Ok(vec![*only; len]);
    }
    let aligned: Vec<usize> = match *shape {
        // A vector belongs to the rows of A, or to the columns of B, which broadcasting aligns.
        [n] if rows && operand.len() > 1 => vec![n, 1],
        _ => shape.to_vec(),
    };
    if lehr_tensor::broadcast_shapes(&[&aligned, operand]).ok().as_deref() != Some(operand) {
        return Err(OpError::shape(format!(
            "a quantisation parameter of shape {shape:?} does not fit an operand of shape {operand:?}"
        )));
    }
    Ok(BroadcastIndex::new(&aligned, operand).map(|at| values[at]).collect())
}

/// An integer operand less its zero points.
fn centered_operand(cx: &EvalCx<'_>, operand: usize, zero: usize, rows: bool) -> Result<Vec<i64>, OpError> {
    let tensor = cx.tensor(operand)?;
    let mut values = tensor.to_i64s()?;
    if let Some(zero) = cx.optional_tensor(zero)? {
        let zeros = spread(&zero.to_i64s()?, zero.shape(), tensor.shape(), rows)?;
        values.iter_mut().zip(zeros).for_each(|(value, zero)| *value -= zero);
    }
    Ok(values)
}

/// The product of two integer inputs less their zero points (`(input, zero point)`), and its shape.
pub(crate) fn centered_product(
    cx: &EvalCx<'_>,
    (a, a_zero): (usize, usize),
    (b, b_zero): (usize, usize),
) -> Result<(ProductShape, Vec<i64>), OpError> {
    let shape = ProductShape::new(cx.tensor(a)?.shape(), cx.tensor(b)?.shape())?;
    let a = centered_operand(cx, a, a_zero, true)?;
    let b = centered_operand(cx, b, b_zero, false)?;
    let sums = product(&shape, &a, &b, |sum: i64, a, b| sum + a * b);
    Ok((shape, sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn zero_points_for_all_rows_and_columns() {
        let a = Tensor::from_slice(&[4, 3], &[11u8, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0]).unwrap();
        let b = Tensor::from_slice(&[3, 2], &[1u8, 4, 2, 5, 3, 6]).unwrap();
        let y = Tensor::from_slice(&[4, 2], &[-38, -83, -44, -98, -50, -113, -56, -128]).unwrap();
        Case::new(MatMulInteger {})
            .input(a.clone())
            .input(b.clone())
            .input(Tensor::vector(vec![12u8]))
            .input(Tensor::vector(vec![0u8]))
            .expect(y);
        Case::new(MatMulInteger {})
            .input(a)
            .input(b)
            .input(Tensor::vector(vec![11u8, 10, 9, 8]))
            .input(Tensor::vector(vec![1u8, 2]))
            .expect(Tensor::from_slice(&[4, 2], &[-20i32, -44, -20, -44, -20, -44, -20, -44]).unwrap());
    }
}
