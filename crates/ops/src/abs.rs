//! `Abs`: <https://onnx.ai/onnx/operators/onnx__Abs.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::UnaryOp;

use crate::elementwise::{Unary, eval_unary, infer_same};
use crate::elementwise_cpu::{UnaryKernel, all_f32, cpu_op};

declare_op! {
    /// |x|; the most negative integer stays what it is.
    pub struct Abs("", "Abs", 13) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE, EVEN, IDEMPOTENT) {}
}

impl Op for Abs {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_unary(cx, &Unary { float: f64::abs, signed: i64::wrapping_abs, unsigned: |x| x })
    }
}

cpu_op!(Abs, all_f32, |_op| UnaryKernel(UnaryOp::Abs));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn floats_and_integers() {
        Case::new(Abs {})
            .input(Tensor::vector(vec![-1.5f32, 0.0, 2.0]))
            .expect(Tensor::vector(vec![1.5f32, 0.0, 2.0]));
        Case::new(Abs {})
            .input(Tensor::vector(vec![-128i8, -3, 7]))
            .expect(Tensor::vector(vec![-128i8, 3, 7]));
    }
}
