//! `Flatten`: <https://onnx.ai/onnx/operators/onnx__Flatten.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};

use crate::axis::resolve_axis;

declare_op! {
    /// The same elements as a matrix: the axes before `axis` become rows, the others columns.
    pub struct Flatten("", "Flatten", 25) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT, SAME_ORDER) {
        /// First axis of the columns, up to the rank; may be negative.
        axis: i64 = 1,
    }
}

impl Flatten {
    fn split(&self, rank: usize) -> Result<usize, OpError> {
        if usize::try_from(self.axis) == Ok(rank) { Ok(rank) } else { resolve_axis(self.axis, rank) }
    }
}

impl Op for Flatten {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => {
                let (rows, columns) = shape.dims().split_at(self.split(shape.rank())?);
                let product = |dims: &[Dim]| dims.iter().fold(Dim::Fixed(1), |a, b| a.mul(b));
                Shape::from([product(rows), product(columns)])
            }
            None => Shape::unknown(2),
        };
        cx.set_tensor(0, dtype, Some(shape));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let (rows, columns) = x.shape().split_at(self.split(x.rank())?);
        let y = x.reshape(&[lehr_tensor::checked_len(rows)?, lehr_tensor::checked_len(columns)?])?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn splits_at_the_axis() {
        let x = f32s(&[2, 3, 4], &[0.0; 24]);
        for (axis, want) in [(1, [2, 12]), (0, [1, 24]), (3, [24, 1]), (-1, [6, 4])] {
            Case::new(Flatten { axis }).input(x.clone()).expect(x.reshape(&want).unwrap());
        }
        Case::new(Flatten { axis: 4 }).input(x).expect_error("axis 4");
        let scalar = f32s(&[], &[1.0]);
        Case::new(Flatten { axis: 0 }).input(scalar.clone()).expect(scalar.reshape(&[1, 1]).unwrap());
    }
}
