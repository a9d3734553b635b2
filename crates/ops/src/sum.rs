//! `Sum`: <https://onnx.ai/onnx/operators/onnx__Sum.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};

use crate::elementwise::infer_broadcast;
use crate::variadic::wide_sum;

declare_op! {
    /// The sum of the broadcast inputs.
    pub struct Sum("", "Sum", 13) inputs(1, usize::MAX) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE) {}
}

impl Op for Sum {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (sum, dtype) = wide_sum(cx)?;
        cx.set(0, sum.cast(dtype, Default::default())?);
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
        let y = Tensor::vector(vec![6.0f32, 9.0]);
        Case::new(Sum {}).input(a.clone()).input(b).input(Tensor::scalar(2.0f32)).expect(y);
        Case::new(Sum {}).input(a.clone()).expect(a);
    }
}
