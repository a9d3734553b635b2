//! `ReduceSumSquare`: <https://onnx.ai/onnx/operators/onnx__ReduceSumSquare.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues,
    Signature, WriteCx, declare_op,
};

use crate::mul::Mul;
use crate::reduce_sum::ReduceSum;
use crate::reduction::{self, Modes, Reduction};

declare_op! {
    /// The sum of squares over axes.
    pub struct ReduceSumSquare("", "ReduceSumSquare", 18) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// Reduced axes stay with size 1.
        keepdims: bool = true,
        /// An absent or empty list of axes means none, instead of all.
        noop_with_empty_axes: bool = false,
    }
}

impl ReduceSumSquare {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        reduction::read(cx, op)
    }

    fn modes(&self) -> Modes {
        Modes { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes }
    }
}

impl Op for ReduceSumSquare {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        reduction::infer(cx, self.modes())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        reduction::eval(
            cx,
            self.modes(),
            &Reduction {
                float: |group| group.iter().map(|x| x * x).sum(),
                signed: |group| Some(group.iter().fold(0, |sum, x| sum.wrapping_add(x.wrapping_mul(*x)))),
                unsigned: |group| Some(group.iter().fold(0, |sum, x| sum.wrapping_add(x.wrapping_mul(*x)))),
                truth: None,
            },
        )
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let x = builder.call(Mul {}, &[x, x])?;
        let op = ReduceSum { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes };
        let y = reduction::call(builder, op, x)?;
        builder.output(0, y);
        Ok(true)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        reduction::write(cx, self.modes(), 18)
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
        Case::new(ReduceSumSquare { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .constant(row.clone())
            .expect(f32s(&[2, 1], &[14.0, 77.0]));
        Case::new(ReduceSumSquare { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .input(row)
            .expect(f32s(&[2, 1], &[14.0, 77.0]));
        Case::new(ReduceSumSquare { keepdims: false, noop_with_empty_axes: false })
            .input(x.clone())
            .expect(f32s(&[], &[91.0]));
        Case::new(ReduceSumSquare { keepdims: true, noop_with_empty_axes: true })
            .input(x)
            .expect(f32s(&[2, 3], &[1.0, 4.0, 9.0, 16.0, 25.0, 36.0]));
    }
}
