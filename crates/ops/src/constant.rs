//! `Constant`: <https://onnx.ai/onnx/operators/onnx__Constant.html>
//!
//! Exists while reading only: in the graph a constant is a value, not a node.

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, TensorType, ValueType, declare_op};
use lehr_tensor::Tensor;

declare_op! {
    /// A tensor that is known beforehand.
    pub struct Constant("", "Constant", 25) inputs(0, 0) outputs(1, 1) flags()
    read(Self::read) {
        /// The tensor.
        value: Tensor,
    }
}

impl Constant {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let tensor = constant_tensor(cx)?;
        Ok(vec![cx.constant(tensor)])
    }
}

fn constant_tensor(cx: &ReadCx<'_>) -> Result<Tensor, OpError> {
    if let Some(value) = cx.attribute::<Tensor>("value")?.or(cx.attribute("sparse_value")?) {
        return Ok(value);
    }
    if let Some(value) = cx.attribute::<f32>("value_float")? {
        return Ok(Tensor::scalar(value));
    }
    if let Some(value) = cx.attribute::<i64>("value_int")? {
        return Ok(Tensor::scalar(value));
    }
    if let Some(values) = cx.attribute::<Vec<f32>>("value_floats")? {
        return Ok(Tensor::vector(values));
    }
    if let Some(values) = cx.attribute::<Vec<i64>>("value_ints")? {
        return Ok(Tensor::vector(values));
    }
    if let Some(value) = cx.attribute::<String>("value_string")? {
        return Ok(Tensor::from_strings(&[], vec![value])?);
    }
    if let Some(values) = cx.attribute::<Vec<String>>("value_strings")? {
        return Ok(Tensor::from_strings(&[values.len()], values)?);
    }
    Err(OpError::attribute("value", "is missing, and so is every other form of it"))
}

impl Op for Constant {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.set(0, ValueType::Tensor(TensorType::of(&self.value)));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        cx.set(0, self.value.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn is_its_value() {
        Case::new(Constant { value: Tensor::vector(vec![1i64, 2]) }).expect(Tensor::vector(vec![1i64, 2]));
    }
}
