//! `EyeLike`: <https://onnx.ai/onnx/operators/onnx__EyeLike.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::operand::bounded_len;

declare_op! {
    /// A matrix of the shape of input 0 with ones on a diagonal and zeros elsewhere.
    pub struct EyeLike("", "EyeLike", 22) inputs(1, 1) outputs(1, 1) flags(SHAPE_ONLY) {
        /// Element type; that of the input without it.
        dtype: Option<DataType> = None,
        /// Which diagonal: 0 is the main one, positive ones lie above.
        k: i64 = 0,
    }
}

impl Op for EyeLike {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = self.dtype.or(cx.dtype(0)?);
        if let Some(shape) = cx.shape(0).filter(|s| s.rank() != 2) {
            return Err(OpError::shape(format!("expected a matrix, got {shape}")));
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let &[rows, columns] = x.shape() else {
            return Err(OpError::shape(format!("expected a matrix, got {:?}", x.shape())));
        };
        let dtype = self.dtype.unwrap_or(x.dtype());
        bounded_len(cx, DataType::U64, x.shape())?;
        let mut ones = vec![0u8; rows * columns];
        for row in 0..rows {
            let column = i64::try_from(row).ok().and_then(|r| r.checked_add(self.k));
            if let Some(column) = column.and_then(|c| usize::try_from(c).ok()).filter(|&c| c < columns) {
                ones[row * columns + column] = 1;
            }
        }
        let y = Tensor::from_vec(x.shape(), ones)?.cast(dtype, Default::default())?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn diagonals() {
        let x = i64s(&[2, 3], &[9; 6]);
        Case::new(EyeLike { dtype: None, k: 1 }).input(x.clone()).expect(i64s(&[2, 3], &[0, 1, 0, 0, 0, 1]));
        Case::new(EyeLike { dtype: Some(DataType::F32), k: -1 })
            .input(x)
            .expect(f32s(&[2, 3], &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]));
        Case::new(EyeLike { dtype: None, k: i64::MIN })
            .input(i64s(&[1, 1], &[1]))
            .expect(i64s(&[1, 1], &[0]));
        Case::new(EyeLike { dtype: None, k: 0 }).input(i64s(&[1], &[1])).expect_error("matrix");
    }
}
