//! `ReduceMin`: <https://onnx.ai/onnx/operators/onnx__ReduceMin.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    AxisMap, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature,
    WriteCx, declare_op,
};

use crate::reduction::{self, Modes, Reduction};

declare_op! {
    /// The least element over axes; a NaN wins. Of nothing: the greatest value of the type.
    pub struct ReduceMin("", "ReduceMin", 20) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// Reduced axes stay with size 1.
        keepdims: bool = true,
        /// An absent or empty list of axes means none, instead of all.
        noop_with_empty_axes: bool = false,
    }
}

impl ReduceMin {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        reduction::read(cx, op)
    }

    fn modes(&self) -> Modes {
        Modes { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes }
    }
}

impl Op for ReduceMin {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        reduction::infer(cx, self.modes())?;
        reduction::infer_known(cx, &SymInt::Unknown, SymInt::minimum);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        reduction::eval(
            cx,
            self.modes(),
            &Reduction {
                float: least,
                signed: |group| Some(group.iter().copied().min().unwrap_or(i64::MAX)),
                unsigned: |group| Some(group.iter().copied().min().unwrap_or(u64::MAX)),
                truth: Some(|group| !group.contains(&false)),
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

fn least(group: &[f64]) -> f64 {
    group.iter().fold(f64::INFINITY, |best, &x| if best <= x || best.is_nan() { best } else { x })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};
    use lehr_tensor::Tensor;

    #[test]
    fn over_one_all_and_no_axes() {
        let x = f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]);
        let row = i64s(&[1], &[-1]);
        Case::new(ReduceMin { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .constant(row.clone())
            .expect(f32s(&[2, 1], &[-2.0, -6.0]));
        Case::new(ReduceMin { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .input(row)
            .expect(f32s(&[2, 1], &[-2.0, -6.0]));
        Case::new(ReduceMin { keepdims: false, noop_with_empty_axes: false })
            .input(x.clone())
            .expect(f32s(&[], &[-6.0]));
        Case::new(ReduceMin { keepdims: true, noop_with_empty_axes: true })
            .input(x)
            .expect(f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]));
        let none = || Case::new(ReduceMin { keepdims: false, noop_with_empty_axes: false });
        none().input(f32s(&[0], &[])).expect(f32s(&[], &[f32::INFINITY]));
        none().input(Tensor::vector(Vec::<u8>::new())).expect(Tensor::scalar(u8::MAX));
        none().input(Tensor::vector(vec![false, true])).expect(Tensor::scalar(false));
    }
}
