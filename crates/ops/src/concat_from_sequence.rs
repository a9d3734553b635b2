//! `ConcatFromSequence`: <https://onnx.ai/onnx/operators/onnx__ConcatFromSequence.html>

use lehr_graph::{Datum, Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::Tensor;

use crate::axis::resolve_axis;
use crate::concat::concat;
use crate::sequence_position::item_type;

declare_op! {
    /// All tensors of a sequence one after the other along `axis`.
    pub struct ConcatFromSequence("", "ConcatFromSequence", 11) inputs(1, 1) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Axis; may be negative.
        axis: i64,
        /// The axis is a new one.
        new_axis: bool = false,
    }
}

impl Op for ConcatFromSequence {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let item = item_type(cx, 0)?;
        let shape = match item.shape() {
            Some(shape) => {
                let axis = resolve_axis(self.axis, shape.rank() + usize::from(self.new_axis))?;
                let mut dims = shape.dims().to_vec();
                if self.new_axis {
                    dims.insert(axis, Dim::Unknown);
                } else {
                    dims[axis] = Dim::Unknown;
                }
                Some(Shape::from(dims))
            }
            None => None,
        };
        cx.set_tensor(0, item.dtype(), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let mut tensors: Vec<Tensor> =
            cx.sequence(0)?.iter().map(|item| item.as_tensor().cloned()).collect::<Option<_>>().ok_or(
                OpError::InputKind { index: 0, expected: "a sequence of tensors", got: "others".into() },
            )?;
        if self.new_axis {
            tensors = tensors.iter().map(|t| with_axis(t, self.axis)).collect::<Result<_, _>>()?;
        }
        if tensors.is_empty() {
            return Err(OpError::value("an empty sequence has nothing to concatenate"));
        }
        let y = concat(&tensors.iter().collect::<Vec<_>>(), self.axis)?;
        cx.set(0, Datum::Tensor(y));
        Ok(())
    }
}

/// The tensor with a new axis of size 1, counted in the result.
pub(crate) fn with_axis(t: &Tensor, axis: i64) -> Result<Tensor, OpError> {
    let mut shape = t.shape().to_vec();
    shape.insert(resolve_axis(axis, t.rank() + 1)?, 1);
    Ok(t.reshape(&shape)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn along_an_old_or_new_axis() {
        let items = Datum::Sequence(vec![f32s(&[2], &[1.0, 2.0]).into(), f32s(&[2], &[3.0, 4.0]).into()]);
        for (axis, new_axis, want) in [
            (0, false, f32s(&[4], &[1.0, 2.0, 3.0, 4.0])),
            (0, true, f32s(&[2, 2], &[1.0, 2.0, 3.0, 4.0])),
            (-1, true, f32s(&[2, 2], &[1.0, 3.0, 2.0, 4.0])),
        ] {
            Case::new(ConcatFromSequence { axis, new_axis }).input(items.clone()).expect(want);
        }
    }
}
