//! `ReduceSum`: <https://onnx.ai/onnx/operators/onnx__ReduceSum.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    AxisMap, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature,
    WriteCx, declare_op,
};

use crate::reduction::{self, Modes, Reduction};

declare_op! {
    /// The sum over axes.
    pub struct ReduceSum("", "ReduceSum", 13) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// Reduced axes stay with size 1.
        keepdims: bool = true,
        /// An absent or empty list of axes means none, instead of all.
        noop_with_empty_axes: bool = false,
    }
}

impl ReduceSum {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        reduction::read(cx, op)
    }

    fn modes(&self) -> Modes {
        Modes { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes }
    }
}

impl Op for ReduceSum {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        reduction::infer(cx, self.modes())?;
        reduction::infer_known(cx, &SymInt::constant(0), SymInt::add);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        reduction::eval(
            cx,
            self.modes(),
            &Reduction {
                float: |group| group.iter().sum(),
                signed: |group| Some(group.iter().fold(0, |sum, x| sum.wrapping_add(*x))),
                unsigned: |group| Some(group.iter().fold(0, |sum, x| sum.wrapping_add(*x))),
                truth: None,
            },
        )
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        reduction::write(cx, self.modes(), 13)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        reduction::cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        reduction::axes(io, self.modes())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        reduction::permuted(io, order, self.modes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn over_one_all_and_no_axes() {
        let x = f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]);
        let row = i64s(&[1], &[-1]);
        Case::new(ReduceSum { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .constant(row.clone())
            .expect(f32s(&[2, 1], &[2.0, 3.0]));
        Case::new(ReduceSum { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .input(row)
            .expect(f32s(&[2, 1], &[2.0, 3.0]));
        Case::new(ReduceSum { keepdims: false, noop_with_empty_axes: false })
            .input(x.clone())
            .expect(f32s(&[], &[5.0]));
        Case::new(ReduceSum { keepdims: true, noop_with_empty_axes: true })
            .input(x)
            .expect(f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]));
        let none = f32s(&[0, 2], &[]);
        let over = |axis| {
            Case::new(ReduceSum { keepdims: false, noop_with_empty_axes: false })
                .input(none.clone())
                .constant(i64s(&[1], &[axis]))
        };
        over(0).expect(f32s(&[2], &[0.0, 0.0]));
        over(1).expect(f32s(&[0], &[]));
        over(2).expect_error("axis 2");
    }
}
