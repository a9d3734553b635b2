//! `Identity`: <https://onnx.ai/onnx/operators/onnx__Identity.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

declare_op! {
    /// The input, of whatever kind.
    pub struct Identity("", "Identity", 25) inputs(1, 1) outputs(1, 1)
    flags(ELEMENTWISE, MONOTONE, ODD, IDEMPOTENT, DATA_MOVEMENT, SAME_ORDER) {}
}

impl Op for Identity {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let ty = cx.require(0)?.clone();
        cx.set(0, ty);
        let known = cx.known(0);
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.require(0)?.clone();
        cx.set(0, x);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn passes_through() {
        Case::new(Identity {}).input(Tensor::vector(vec![1i64, 2])).expect(Tensor::vector(vec![1i64, 2]));
    }
}
