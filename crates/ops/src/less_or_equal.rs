//! `LessOrEqual`: <https://onnx.ai/onnx/operators/onnx__LessOrEqual.html>

use std::cmp::Ordering;

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};

use crate::comparison::{eval_comparison, infer_comparison};
use crate::comparison_kernel::{ComparisonKernel, IsLessOrEqual, comparable};
use crate::elementwise_cpu::cpu_op;
use crate::equal::Equal;
use crate::less::Less;
use crate::or::Or;

declare_op! {
    /// a ≤ b; false when either is a NaN.
    pub struct LessOrEqual("", "LessOrEqual", 16) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for LessOrEqual {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_comparison(cx, ORDER)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_comparison(cx, ORDER)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (a, b) = (builder.require(0)?, builder.require(1)?);
        let strict = builder.call(Less {}, &[a, b])?;
        let equal = builder.call(Equal {}, &[a, b])?;
        let y = builder.call(Or {}, &[strict, equal])?;
        builder.output(0, y);
        Ok(true)
    }
}

cpu_op!(LessOrEqual, comparable, |op| ComparisonKernel::new(op.clone(), IsLessOrEqual));

const ORDER: fn(Option<Ordering>) -> bool = |order| matches!(order, Some(Ordering::Less | Ordering::Equal));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn orders_and_nan() {
        let a = Tensor::vector(vec![1.0f32, 2.0, 3.0, f32::NAN]);
        Case::new(LessOrEqual {})
            .input(a)
            .input(Tensor::scalar(2.0f32))
            .expect(Tensor::vector(vec![true, true, false, false]));
        Case::new(LessOrEqual {})
            .constant(Tensor::vector(vec![1i64, 2, 3]))
            .constant(Tensor::vector(vec![2i64]))
            .expect(Tensor::vector(vec![true, true, false]));
    }
}
