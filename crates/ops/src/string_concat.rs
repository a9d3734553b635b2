//! `StringConcat`: <https://onnx.ai/onnx/operators/onnx__StringConcat.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor, broadcast_shapes};

use crate::elementwise::{BroadcastIndex, infer_broadcast_as};
use crate::movement::check_size;

declare_op! {
    /// The texts of input 0, each followed by that of input 1, with numpy-style broadcasting.
    pub struct StringConcat("", "StringConcat", 20) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, ASSOCIATIVE) {}
}

impl Op for StringConcat {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast_as(cx, Some(DataType::String))
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
        let shape = broadcast_shapes(&[a.shape(), b.shape()])?;
        let len = check_size(cx.environment(), DataType::String, &shape)?;
        let (left, right) = (a.strings()?, b.strings()?);
        let places = BroadcastIndex::new(a.shape(), &shape).zip(BroadcastIndex::new(b.shape(), &shape));
        let limit = cx.environment().max_value_bytes();
        let (mut out, mut bytes) = (Vec::with_capacity(len), 0usize);
        for (i, j) in places.take(len) {
            bytes = bytes.saturating_add(left[i].len()).saturating_add(right[j].len());
            if bytes > limit {
                return Err(OpError::value(format!("the texts exceed the limit of {limit} bytes")));
            }
            out.push([left[i].as_str(), right[j].as_str()].concat());
        }
        cx.set(0, Tensor::from_strings(&shape, out)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, texts};

    #[test]
    fn broadcasts() {
        Case::new(StringConcat {})
            .input(texts(&[2], &["a", "é"]))
            .input(texts(&[1], &["!"]))
            .expect(texts(&[2], &["a!", "é!"]));
    }
}
