//! `SplitToSequence`: <https://onnx.ai/onnx/operators/onnx__SplitToSequence.html>

use lehr_graph::{Datum, Dim, EvalCx, InferCx, Op, OpError, Shape, TensorType, ValueType, declare_op};

use crate::axis::resolve_axis;
use crate::split::{checked_parts, split};

declare_op! {
    /// The input cut along `axis` into a sequence: parts of the sizes in input 1, or of one size when it is a scalar,
    /// or single slices without it.
    pub struct SplitToSequence("", "SplitToSequence", 24) inputs(1, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Axis; may be negative.
        axis: i64 = 0,
        /// Single slices keep the axis, with size 1.
        keepdims: bool = true,
    }
}

impl Op for SplitToSequence {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => {
                let axis = resolve_axis(self.axis, shape.rank())?;
                let mut dims = shape.dims().to_vec();
                if cx.has_input(1) {
                    dims[axis] = Dim::Unknown;
                } else if self.keepdims {
                    dims[axis] = Dim::Fixed(1);
                } else {
                    dims.remove(axis);
                }
                Some(Shape::from(dims))
            }
            None => None,
        };
        let item = TensorType { dtype, shape, known: None };
        cx.set(0, ValueType::Sequence(Box::new(ValueType::Tensor(item))));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axis = resolve_axis(self.axis, x.rank())?;
        let size = x.shape()[axis];
        let sizes = cx.optional_tensor(1)?;
        let parts: Vec<usize> = match sizes {
            None => vec![1; size],
            Some(sizes) if sizes.rank() == 0 => {
                let chunk = match sizes.to_i64s()?[..] {
                    [chunk] if chunk > 0 => usize::try_from(chunk).unwrap_or(usize::MAX),
                    ref other => {
                        return Err(OpError::value(format!(
                            "the part size is {other:?}, expected 1 or more"
                        )));
                    }
                };
                (0..size.div_ceil(chunk)).map(|i| chunk.min(size - i * chunk)).collect()
            }
            Some(sizes) => checked_parts(&sizes.to_i64s()?, size)?,
        };
        let mut items = split(x, axis, &parts)?;
        if sizes.is_none() && !self.keepdims {
            let mut shape = x.shape().to_vec();
            shape.remove(axis);
            items = items.iter().map(|item| item.reshape(&shape)).collect::<Result<_, _>>()?;
        }
        cx.set(0, Datum::Sequence(items.into_iter().map(Datum::Tensor).collect()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn single_equal_and_given_parts() {
        let x = f32s(&[3, 1], &[1.0, 2.0, 3.0]);
        let items = |v: Vec<lehr_tensor::Tensor>| Datum::Sequence(v.into_iter().map(Datum::Tensor).collect());
        Case::new(SplitToSequence { axis: 0, keepdims: false }).input(x.clone()).expect(items(vec![
            f32s(&[1], &[1.0]),
            f32s(&[1], &[2.0]),
            f32s(&[1], &[3.0]),
        ]));
        let parts = items(vec![f32s(&[2, 1], &[1.0, 2.0]), f32s(&[1, 1], &[3.0])]);
        for sizes in [i64s(&[], &[2]), i64s(&[2], &[2, 1])] {
            Case::new(SplitToSequence { axis: 0, keepdims: true })
                .input(x.clone())
                .input(sizes)
                .expect(parts.clone());
        }
    }
}
