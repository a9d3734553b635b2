//! `Hardmax`: <https://onnx.ai/onnx/operators/onnx__Hardmax.html>

use lehr_graph::{
    AxisMap, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature, declare_op,
};

use crate::elementwise::infer_same;
use crate::renamed_axes::along_axis;
use crate::softmax_axis;

declare_op! {
    /// 1 where the first of the greatest elements along the axis is, else 0.
    pub struct Hardmax("", "Hardmax", 13) inputs(1, 1) outputs(1, 1) flags()
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = -1,
    }
}

impl Hardmax {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        softmax_axis::read(cx, |axis| Self { axis })
    }
}

impl Op for Hardmax {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        softmax_axis::eval(cx, self.axis, hardmax)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        softmax_axis::axes(io, self.axis)
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_axis(io, order, self.axis, |axis| Self { axis })
    }
}

/// A NaN counts as greatest, as in numpy.
fn hardmax(line: &mut [f64]) {
    let beats = |a: f64, b: f64| a > b || (a.is_nan() && !b.is_nan());
    let best = (1..line.len()).fold(0, |best, k| if beats(line[k], line[best]) { k } else { best });
    line.iter_mut().enumerate().for_each(|(k, x)| *x = if k == best { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn marks_the_first_greatest() {
        let x = f32s(&[2, 3], &[1.0, 3.0, 3.0, 4.0, -1.0, 2.0]);
        Case::new(Hardmax { axis: -1 })
            .input(x.clone())
            .expect(f32s(&[2, 3], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]));
        Case::new(Hardmax { axis: 0 }).input(x).expect(f32s(&[2, 3], &[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]));
    }
}
