//! `Equal`: <https://onnx.ai/onnx/operators/onnx__Equal.html>

use std::cmp::Ordering;

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::comparison::{eval_comparison, infer_comparison};
use crate::comparison_kernel::{ComparisonKernel, IsEqual, comparable};
use crate::elementwise_cpu::cpu_op;
use crate::legacy_broadcast::align_legacy_operands;

declare_op! {
    /// a = b; a NaN equals nothing.
    pub struct Equal("", "Equal", 19) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE, COMMUTATIVE)
    read(Self::read) {}
}

impl Equal {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let inputs = align_legacy_operands(cx)?;
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Equal {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_comparison(cx, ORDER)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_comparison(cx, ORDER)
    }
}

cpu_op!(Equal, comparable, |op| ComparisonKernel::new(op.clone(), IsEqual));

const ORDER: fn(Option<Ordering>) -> bool = |order| order == Some(Ordering::Equal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn orders_and_nan() {
        let a = Tensor::vector(vec![1.0f32, 2.0, 3.0, f32::NAN]);
        Case::new(Equal {})
            .input(a)
            .input(Tensor::scalar(2.0f32))
            .expect(Tensor::vector(vec![false, true, false, false]));
        Case::new(Equal {})
            .constant(Tensor::vector(vec![1i64, 2, 3]))
            .constant(Tensor::vector(vec![2i64]))
            .expect(Tensor::vector(vec![false, true, false]));
        let text =
            |t: &[&str]| Tensor::from_strings(&[t.len()], t.iter().map(|s| s.to_string()).collect()).unwrap();
        Case::new(Equal {})
            .input(text(&["a", "b"]))
            .input(text(&["a"]))
            .expect(Tensor::vector(vec![true, false]));
    }
}
