//! `ReduceMean`: <https://onnx.ai/onnx/operators/onnx__ReduceMean.html>

use lehr_graph::{
    AxisMap, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature,
    WriteCx, declare_op,
};

use crate::reduction::{self, Modes, Reduction};

declare_op! {
    /// The arithmetic mean over axes; integers are divided toward zero.
    pub struct ReduceMean("", "ReduceMean", 18) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// Reduced axes stay with size 1.
        keepdims: bool = true,
        /// An absent or empty list of axes means none, instead of all.
        noop_with_empty_axes: bool = false,
    }
}

impl ReduceMean {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        reduction::read(cx, op)
    }

    fn modes(&self) -> Modes {
        Modes { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes }
    }
}

impl Op for ReduceMean {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        reduction::infer(cx, self.modes())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        reduction::eval(
            cx,
            self.modes(),
            &Reduction {
                float: |group| group.iter().sum::<f64>() / group.len() as f64,
                signed: |group| {
                    let sum = group.iter().fold(0i64, |sum, x| sum.wrapping_add(*x));
                    sum.checked_div(i64::try_from(group.len()).ok()?)
                },
                unsigned: |group| {
                    let sum = group.iter().fold(0u64, |sum, x| sum.wrapping_add(*x));
                    sum.checked_div(u64::try_from(group.len()).ok()?)
                },
                truth: None,
            },
        )
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
        Case::new(ReduceMean { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .constant(row.clone())
            .expect(f32s(&[2, 1], &[0.666_666_7, 1.0]));
        Case::new(ReduceMean { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .input(row)
            .expect(f32s(&[2, 1], &[0.666_666_7, 1.0]));
        Case::new(ReduceMean { keepdims: false, noop_with_empty_axes: false })
            .input(x.clone())
            .expect(f32s(&[], &[0.833_333_3]));
        Case::new(ReduceMean { keepdims: true, noop_with_empty_axes: true })
            .input(x)
            .expect(f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]));
    }
}
