//! `Det`: <https://onnx.ai/onnx/operators/onnx__Det.html>

use lehr_graph::{AxisMap, AxisRole, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};
use lehr_tensor::{Tensor, Wide};

declare_op! {
    /// Determinants of the square matrices in the last two axes.
    pub struct Det("", "Det", 22) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for Det {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0).map(|s| (s, s.dims())) {
            Some((shape, [batch @ .., rows, columns])) => {
                if rows.equal(columns) == Some(false) {
                    return Err(OpError::shape(format!("expected square matrices, got {shape}")));
                }
                Some(batch.iter().cloned().collect::<Shape>())
            }
            Some((shape, _)) => return Err(OpError::shape(format!("expected square matrices, got {shape}"))),
            None => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let [batch @ .., n, m] = x.shape() else {
            return Err(OpError::shape(format!("expected square matrices, got {:?}", x.shape())));
        };
        if n != m {
            return Err(OpError::shape(format!("expected square matrices, got {:?}", x.shape())));
        }
        let Wide::F(values) = x.widen() else {
            return Err(OpError::input_type(0, "a floating-point type", x.dtype()));
        };
        let count: usize = batch.iter().product();
        let y = (0..count).map(|i| determinant(values[i * n * n..(i + 1) * n * n].to_vec(), *n)).collect();
        cx.set(0, Tensor::narrow(x.dtype(), batch, Wide::F(y))?);
        Ok(())
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        if let Some(rank) = io.input_shape(0).map(Shape::rank) {
            let batch = 0..rank.saturating_sub(2);
            map.outputs = vec![batch.map(|a| AxisRole::Independent(vec![(0, a)])).collect()];
        }
        map
    }
}

/// By elimination with the greatest pivot of each column.
fn determinant(mut a: Vec<f64>, n: usize) -> f64 {
    let mut product = 1.0;
    for column in 0..n {
        let greater = |p: usize, q: usize| a[q * n + column].abs() > a[p * n + column].abs();
        let pivot = (column + 1..n).fold(column, |p, q| if greater(p, q) { q } else { p });
        if a[pivot * n + column] == 0.0 {
            return 0.0;
        }
        if pivot != column {
            (0..n).for_each(|k| a.swap(pivot * n + k, column * n + k));
            product = -product;
        }
        let head = a[column * n + column];
        product *= head;
        for row in column + 1..n {
            let factor = a[row * n + column] / head;
            (column..n).for_each(|k| a[row * n + k] -= factor * a[column * n + k]);
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn of_one_and_of_a_batch() {
        Case::new(Det {}).input(f32s(&[2, 2], &[0.0, 1.0, 2.0, 3.0])).expect(f32s(&[], &[-2.0]));
        let x = f32s(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 2.0, 4.0]);
        Case::new(Det {}).input(x).expect(f32s(&[2], &[-2.0, 0.0]));
        Case::new(Det {}).input(f32s(&[1, 0, 0], &[])).expect(f32s(&[1], &[1.0]));
        Case::new(Det {}).input(f32s(&[2, 1], &[0.0, 1.0])).expect_error("square");
    }
}
