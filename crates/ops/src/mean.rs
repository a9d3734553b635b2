//! `Mean`: <https://onnx.ai/onnx/operators/onnx__Mean.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::{infer_broadcast, map_float};
use crate::variadic::wide_sum;

declare_op! {
    /// The arithmetic mean of the broadcast inputs.
    pub struct Mean("", "Mean", 13) inputs(1, usize::MAX) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE) {}
}

impl Op for Mean {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (sum, dtype) = wide_sum(cx)?;
        let count = cx.n_inputs() as f64;
        let mean = map_float(&sum, |x| x / count)?;
        cx.set(0, mean.cast(dtype, Default::default())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn of_three() {
        let (a, b) = (Tensor::vector(vec![1.0f32, 2.0]), Tensor::vector(vec![3.0f32, 5.0]));
        let y = Tensor::vector(vec![2.0f32, 3.0]);
        Case::new(Mean {}).input(a.clone()).input(b).input(Tensor::scalar(2.0f32)).expect(y);
        Case::new(Mean {}).input(a.clone()).expect(a);
    }
}
