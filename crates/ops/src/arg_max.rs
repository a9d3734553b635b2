//! `ArgMax`: <https://onnx.ai/onnx/operators/onnx__ArgMax.html>

use std::cmp::Ordering;

use lehr_graph::{AxisMap, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Signature, declare_op};

use crate::arg_reduction::{self, Modes};

declare_op! {
    /// Where along `axis` the greatest element is; a NaN counts as greatest.
    pub struct ArgMax("", "ArgMax", 13) inputs(1, 1) outputs(1, 1) flags() {
        /// Axis; may be negative.
        axis: i64 = 0,
        /// The axis stays with size 1.
        keepdims: bool = true,
        /// Among equals the last one is taken, instead of the first.
        select_last_index: bool = false,
    }
}

impl Op for ArgMax {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        arg_reduction::infer(cx, self.modes())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        arg_reduction::eval(cx, self.modes(), Ordering::Greater)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        arg_reduction::axes(io, self.modes())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        arg_reduction::permuted(io, order, self.modes(), |axis| Self { axis, ..self.clone() })
    }
}

impl ArgMax {
    fn modes(&self) -> Modes {
        Modes { axis: self.axis, keepdims: self.keepdims, last: self.select_last_index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    #[test]
    fn first_and_last_of_equals() {
        let x = Tensor::from_slice(&[2, 3], &[1.0f32, 3.0, 3.0, -1.0, -1.0, f32::NAN]).unwrap();
        let first = Tensor::from_slice(&[2], &[1i64, 2]).unwrap();
        let last = Tensor::from_slice(&[2, 1], &[2i64, 2]).unwrap();
        Case::new(ArgMax { axis: -1, keepdims: false, select_last_index: false })
            .input(x.clone())
            .expect(first);
        Case::new(ArgMax { axis: 1, keepdims: true, select_last_index: true }).input(x.clone()).expect(last);
        Case::new(ArgMax { axis: 2, keepdims: true, select_last_index: true })
            .input(x)
            .expect_error("axis 2");
        let nothing = Tensor::from_slice::<f32>(&[0, 2], &[]).unwrap();
        Case::new(ArgMax { axis: 0, keepdims: true, select_last_index: false })
            .input(nothing)
            .expect_error("size 0");
    }
}
