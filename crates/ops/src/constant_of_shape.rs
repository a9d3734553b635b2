//! `ConstantOfShape`: <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, SymValues, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::operand::bounded_len;

declare_op! {
    /// A tensor of the shape in input 0, filled with one value.
    pub struct ConstantOfShape("", "ConstantOfShape", 25) inputs(1, 1) outputs(1, 1) flags() {
        /// The value: a tensor of one element.
        value: Tensor = Tensor::vector(vec![0.0f32]),
    }
}

impl Op for ConstantOfShape {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let shape = match cx.known(0).and_then(|k| k.to_shape()) {
            Some(shape) => Some(shape),
            None => {
                let rank = cx.shape(0).and_then(|s| s.get(0)).and_then(|d| d.as_fixed());
                rank.filter(|&r| r <= 64).map(Shape::unknown)
            }
        };
        let fixed = shape.as_ref().and_then(Shape::as_fixed);
        cx.set_tensor(0, Some(self.value.dtype()), shape);
        if let Some(fixed) = fixed {
            cx.set_known(0, known_fill(&self.value, &fixed));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let shape = cx
            .ints(0)?
            .into_iter()
            .map(|n| {
                usize::try_from(n).map_err(|_| OpError::value(format!("size {n} in the shape is negative")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let len = bounded_len(cx, self.value.dtype(), &shape)?;
        let y = filled(&self.value, &shape, len)?;
        cx.set(0, y);
        Ok(())
    }
}

fn known_fill(value: &Tensor, shape: &[usize]) -> Option<SymValues> {
    if !matches!(value.dtype(), DataType::I64 | DataType::I32) {
        return None;
    }
    let value = value.to_i64s().ok()?.first().copied()?;
    SymValues::filled(shape, &SymInt::constant(value)).ok()
}

fn filled(value: &Tensor, shape: &[usize], len: usize) -> Result<Tensor, OpError> {
    if value.len() != 1 {
        return Err(OpError::attribute("value", format!("expected one element, got {}", value.len())));
    }
    if let Ok([text]) = value.strings() {
        return Ok(Tensor::from_strings(shape, vec![text.clone(); len])?);
    }
    if let (true, [code]) = (value.dtype().is_sub_byte(), &*value.codes().unwrap_or_default()) {
        return Ok(Tensor::from_codes(value.dtype(), shape, &vec![*code; len])?);
    }
    Ok(Tensor::from_bytes(value.dtype(), shape, value.bytes().repeat(len).into())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s, numbers};

    #[test]
    fn fills_any_type() {
        let op = |value: Tensor| Case::new(ConstantOfShape { value });
        op(f32s(&[1], &[1.5])).constant(i64s(&[2], &[1, 2])).expect(f32s(&[1, 2], &[1.5, 1.5]));
        op(i64s(&[1], &[7])).constant(i64s(&[1], &[2])).expect(i64s(&[2], &[7, 7]));
        op(i64s(&[], &[7])).input(i64s(&[0], &[])).expect(i64s(&[], &[7]));
        let small = |n: usize| numbers(DataType::I4, &[n], &vec![-3.0; n]);
        op(small(1)).input(i64s(&[1], &[3])).expect(small(3));
        op(f32s(&[1], &[1.5])).input(i64s(&[1], &[-2])).expect_error("negative");
        op(f32s(&[1], &[1.5])).input(i64s(&[2], &[1 << 40, 1 << 40])).expect_error("element");
        op(f32s(&[1], &[1.5])).input(i64s(&[1], &[1 << 40])).expect_error("allowed");
    }
}
