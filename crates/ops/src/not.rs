//! `Not`: <https://onnx.ai/onnx/operators/onnx__Not.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::logical::infer_logical;

declare_op! {
    /// The opposite truth value.
    pub struct Not("", "Not", 1) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for Not {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_logical(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        if x.dtype() != DataType::Bool {
            return Err(OpError::input_type(0, DataType::Bool.name(), x.dtype()));
        }
        let y: Vec<bool> = x.as_slice::<bool>()?.iter().map(|v| !v).collect();
        cx.set(0, Tensor::from_vec(x.shape(), y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn flips() {
        Case::new(Not {}).input(Tensor::vector(vec![true, false])).expect(Tensor::vector(vec![false, true]));
        Case::new(Not {}).input(Tensor::vector(vec![1i32])).expect_error("bool");
    }
}
