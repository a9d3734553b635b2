//! `Inverse`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Inverse>

use lehr_graph::{AxisMap, AxisRole, Shape};
use lehr_graph::{EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{Tensor, Wide};

declare_op! {
    /// Inverses of the square matrices in the last two axes; a singular matrix is an error.
    pub struct Inverse("com.microsoft", "Inverse", 1) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for Inverse {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        if let Some(shape) = cx.shape(0) {
            let square = matches!(shape.dims(), [.., rows, columns] if rows.equal(columns) != Some(false));
            if !square {
                return Err(OpError::shape(format!("expected square matrices, got {shape}")));
            }
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let &[.., n, m] = x.shape() else {
            return Err(OpError::shape(format!("expected square matrices, got {:?}", x.shape())));
        };
        if n != m {
            return Err(OpError::shape(format!("expected square matrices, got {:?}", x.shape())));
        }
        let Wide::F(values) = x.widen() else {
            return Err(OpError::input_type(0, "a floating-point type", x.dtype()));
        };
        let mut inverses = Vec::with_capacity(values.len());
        for matrix in values.chunks_exact((n * n).max(1)) {
            inverses.extend(inverse(matrix, n).ok_or_else(|| OpError::value("a matrix is singular"))?);
        }
        cx.set(0, Tensor::narrow(x.dtype(), x.shape(), Wide::F(inverses))?);
        Ok(())
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        if let Some(rank) = io.input_shape(0).map(Shape::rank) {
            let role =
                |axis| if axis + 2 < rank { AxisRole::Independent(vec![(0, axis)]) } else { AxisRole::Mixed };
            map.outputs = vec![(0..rank).map(role).collect()];
        }
        map
    }
}

/// Gauss–Jordan elimination with the greatest pivot of each column.
fn inverse(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut left = matrix.to_vec();
    let mut right: Vec<f64> = (0..n * n).map(|i| f64::from(i / n == i % n)).collect();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&p, &q| left[p * n + column].abs().total_cmp(&left[q * n + column].abs()))?;
        let head = left[pivot * n + column];
        if head == 0.0 || head.is_nan() {
            return None;
        }
        for side in [&mut left, &mut right] {
            (0..n).for_each(|k| side.swap(pivot * n + k, column * n + k));
            side[column * n..(column + 1) * n].iter_mut().for_each(|v| *v /= head);
        }
        for row in (0..n).filter(|&row| row != column) {
            let factor = left[row * n + column];
            for side in [&mut left, &mut right] {
                (0..n).for_each(|k| side[row * n + k] -= factor * side[column * n + k]);
            }
        }
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn of_a_batch() {
        let x = f32s(&[2, 2, 2], &[4.0, 7.0, 2.0, 6.0, 1.0, 2.0, 3.0, 4.0]);
        let y = f32s(&[2, 2, 2], &[0.6, -0.7, -0.2, 0.4, -2.0, 1.0, 1.5, -0.5]);
        Case::new(Inverse {}).input(x).expect(y);
        Case::new(Inverse {}).input(f32s(&[2, 2], &[1.0, 2.0, 2.0, 4.0])).expect_error("singular");
        Case::new(Inverse {}).input(f32s(&[2, 1], &[1.0, 2.0])).expect_error("square");
        Case::new(Inverse {}).input(f32s(&[3, 0, 0], &[])).expect(f32s(&[3, 0, 0], &[]));
    }
}
