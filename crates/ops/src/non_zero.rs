//! `NonZero`: <https://onnx.ai/onnx/operators/onnx__NonZero.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor, Wide, row_major_strides};

declare_op! {
    /// The indices of all elements that are not zero: one column each, in row-major order, one row for each axis.
    pub struct NonZero("", "NonZero", 13) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for NonZero {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let rank = cx.rank(0).map_or(Dim::Unknown, Dim::from);
        cx.set_tensor(0, Some(DataType::I64), Some(Shape::from([rank, Dim::Unknown])));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let found: Vec<usize> = match x.widen() {
            Wide::F(v) => places(&v, |&v| v != 0.0),
            Wide::I(v) => places(&v, |&v| v != 0),
            Wide::U(v) => places(&v, |&v| v != 0),
            Wide::B(v) => places(&v, |&v| v),
            Wide::S(v) => places(&v, |v| !v.is_empty()),
            Wide::C(v) => places(&v, |&v| v != [0.0, 0.0]),
        };
        let mut indices = Vec::with_capacity(found.len() * x.rank());
        for (&size, stride) in x.shape().iter().zip(row_major_strides(x.shape())) {
            indices.extend(found.iter().map(|&at| i64::try_from(at / stride % size).unwrap_or(i64::MAX)));
        }
        cx.set(0, Tensor::from_vec::<i64>(&[x.rank(), found.len()], indices)?);
        Ok(())
    }
}

fn places<T>(values: &[T], is_nonzero: impl Fn(&T) -> bool) -> Vec<usize> {
    values.iter().enumerate().filter(|(_, v)| is_nonzero(v)).map(|(i, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn one_column_per_element() {
        Case::new(NonZero {})
            .input(f32s(&[2, 2], &[1.0, 0.0, f32::NAN, -1.0]))
            .expect(i64s(&[2, 3], &[0, 1, 1, 0, 0, 1]));
        Case::new(NonZero {}).input(f32s(&[], &[3.0])).expect(i64s(&[0, 1], &[]));
    }
}
