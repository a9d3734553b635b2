//! `CumSum`: <https://onnx.ai/onnx/operators/onnx__CumSum.html>

use lehr_graph::{AxisMap, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Signature, declare_op};

use crate::cumulative::{self, Accumulation, Modes};
use crate::elementwise::infer_same;
use crate::renamed_axes::along_input_axes;

declare_op! {
    /// The sum of all elements up to each, along the axis in input 1.
    pub struct CumSum("", "CumSum", 14) inputs(2, 2) outputs(1, 1) flags() {
        /// An element does not count for its own place.
        exclusive: bool = false,
        /// From the end of the axis.
        reverse: bool = false,
    }
}

impl Op for CumSum {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let f = Accumulation {
            start: 0,
            float: |a, b| a + b,
            signed: i64::wrapping_add,
            unsigned: u64::wrapping_add,
        };
        cumulative::eval(cx, Modes { exclusive: self.exclusive, reverse: self.reverse }, &f)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        cumulative::axes(io)
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_input_axes(io, order, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn both_ways() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        Case::new(CumSum { exclusive: false, reverse: false })
            .input(x.clone())
            .constant(i64s(&[], &[-1]))
            .expect(f32s(&[2, 3], &[1.0, 3.0, 6.0, 4.0, 9.0, 15.0]));
        Case::new(CumSum { exclusive: true, reverse: true })
            .input(x)
            .constant(i64s(&[], &[0]))
            .expect(f32s(&[2, 3], &[4.0, 5.0, 6.0, 0.0, 0.0, 0.0]));
        Case::new(CumSum { exclusive: true, reverse: false })
            .input(i64s(&[3], &[2, 3, 4]))
            .constant(i64s(&[1], &[0]))
            .expect(i64s(&[3], &[0, 2, 5]));
        Case::new(CumSum { exclusive: false, reverse: false })
            .input(i64s(&[1], &[1]))
            .input(i64s(&[], &[1]))
            .expect_error("axis 1");
    }
}
