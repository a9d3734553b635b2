//! `Max`: <https://onnx.ai/onnx/operators/onnx__Max.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::elementwise::BinaryOp;

use crate::elementwise::{Binary, infer_broadcast};
use crate::elementwise_cpu::{ArithmeticKernel, cpu_op, two_f32};
use crate::variadic::{eval_fold, infer_known_fold};

declare_op! {
    /// The greatest of the broadcast inputs; a NaN wins.
    pub struct Max("", "Max", 13) inputs(1, usize::MAX) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE, ASSOCIATIVE) {}
}

impl Op for Max {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_broadcast(cx)?;
        infer_known_fold(cx, |a, b| a.maximum(b));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_fold(
            cx,
            &Binary {
                float: |a, b| if a >= b || a.is_nan() { a } else { b },
                signed: |a, b| Some(a.max(b)),
                unsigned: |a, b| Some(a.max(b)),
            },
        )
    }
}

cpu_op!(Max, two_f32, |_op| ArithmeticKernel(BinaryOp::Max));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn of_one_two_and_three() {
        let a = Tensor::vector(vec![3.0f32, 2.0, f32::NAN]);
        let (b, c) = (Tensor::vector(vec![2.0f32, 5.0, 1.0]), Tensor::scalar(0.0f32));
        let y = Tensor::vector(vec![3.0, 5.0, f32::NAN]);
        Case::new(Max {}).input(a.clone()).input(b.clone()).input(c).expect(y.clone());
        Case::new(Max {}).input(b).input(a.clone()).expect(y);
        Case::new(Max {}).input(a.clone()).expect(a);
        let (b, c) = (Tensor::vector(vec![-3i64, 4]), Tensor::scalar(0i64));
        Case::new(Max {}).constant(b).constant(c).expect(Tensor::vector(vec![0i64, 4]));
    }
}
