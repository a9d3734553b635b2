//! `Min`: <https://onnx.ai/onnx/operators/onnx__Min.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::variadic::{eval_fold, infer_known_fold};

declare_op! {
    /// The least of the broadcast inputs; a NaN wins.
    pub struct Min("", "Min", 13) inputs(1, usize::MAX) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE) {}
}

impl Op for Min {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_fold(cx, |a, b| a.minimum(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_fold(
            cx,
            &Binary {
                float: |a, b| if a <= b || a.is_nan() { a } else { b },
                signed: |a, b| Some(a.min(b)),
                unsigned: |a, b| Some(a.min(b)),
            },
        )
    }
}

cpu_op!(Min, two_f32, |_op| ArithmeticKernel(BinaryOp::Min));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn of_one_two_and_three() {
        let a = Tensor::vector(vec![3.0f32, 2.0, f32::NAN]);
        let (b, c) = (Tensor::vector(vec![2.0f32, 5.0, 1.0]), Tensor::scalar(9.0f32));
        let y = Tensor::vector(vec![2.0, 2.0, f32::NAN]);
        Case::new(Min {}).input(a.clone()).input(b.clone()).input(c).expect(y.clone());
        Case::new(Min {}).input(b).input(a.clone()).expect(y);
        Case::new(Min {}).input(a.clone()).expect(a);
        let (b, c) = (Tensor::vector(vec![-3i64, 4]), Tensor::scalar(0i64));
        Case::new(Min {}).constant(b).constant(c).expect(Tensor::vector(vec![-3i64, 0]));
    }
}
