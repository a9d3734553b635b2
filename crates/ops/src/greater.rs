//! `Greater`: <https://onnx.ai/onnx/operators/onnx__Greater.html>

use std::cmp::Ordering;

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::comparison::{eval_comparison, infer_comparison};
use crate::comparison_kernel::{ComparisonKernel, IsGreater, comparable};
use crate::elementwise_cpu::cpu_op;
use crate::legacy_broadcast::align_legacy_operands;

declare_op! {
    /// a > b.
    pub struct Greater("", "Greater", 13) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {}
}

impl Greater {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Greater {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_comparison(cx, ORDER)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_comparison(cx, ORDER)
    }
}

cpu_op!(Greater, comparable, |op| ComparisonKernel::new(op.clone(), IsGreater));

const ORDER: fn(Option<Ordering>) -> bool = |order| order == Some(Ordering::Greater);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn orders_and_nan() {
        let a = Tensor::vector(vec![1.0f32, 2.0, 3.0, f32::NAN]);
        Case::new(Greater {})
            .input(a)
            .input(Tensor::scalar(2.0f32))
            .expect(Tensor::vector(vec![false, false, true, false]));
        Case::new(Greater {})
            .constant(Tensor::vector(vec![1i64, 2, 3]))
            .constant(Tensor::vector(vec![2i64]))
            .expect(Tensor::vector(vec![false, false, true]));
    }
}
