//! `Softmax`: <https://onnx.ai/onnx/operators/onnx__Softmax.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues,
    Signature, declare_op,
};
use lehr_kernels::norm;

use crate::elementwise::infer_same;
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::formula::Formula;
use crate::renamed_axes::along_axis;
use crate::softmax_axis;
use crate::softmax_kernel::SoftmaxKernel;

declare_op! {
    /// e^x divided by the sum of e^x along the axis.
    pub struct Softmax("", "Softmax", 13) inputs(1, 1) outputs(1, 1) flags()
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = -1,
    }
}

impl Softmax {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        softmax_axis::read(cx, |axis| Self { axis })
    }
}

impl Op for Softmax {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        softmax_axis::eval(cx, self.axis, softmax)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let shifted = f.minus_greatest(x, self.axis)?;
        let e = f.exp(shifted)?;
        let sum = f.sum_along(e, self.axis)?;
        let y = f.div(e, sum)?;
        f.finish(y)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        softmax_axis::axes(io, self.axis)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        softmax_axis::cost(io)
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_axis(io, order, self.axis, |axis| Self { axis })
    }
}

/// Softmax of one line, in place.
pub(crate) fn softmax(line: &mut [f64]) {
    let greatest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    line.iter_mut().for_each(|x| *x = (*x - greatest).exp());
    let sum: f64 = line.iter().sum();
    line.iter_mut().for_each(|x| *x /= sum);
}

cpu_op!(Softmax, all_f32, |op| SoftmaxKernel { kind: norm::Softmax::Plain, axis: op.axis });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn along_either_axis() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 0.5, -1.0, 2.0]);
        let rows = [0.090_030_57, 0.244_728_48, 0.665_240_94, 0.175_290_4, 0.039_112_57, 0.785_597];
        let columns = [0.622_459_35, 0.952_574_13, 0.731_058_6, 0.377_540_68, 0.047_425_87, 0.268_941_43];
        Case::new(Softmax { axis: -1 }).input(x.clone()).expect(f32s(&[2, 3], &rows));
        Case::new(Softmax { axis: 0 }).input(x.clone()).expect(f32s(&[2, 3], &columns));
        Case::new(Softmax { axis: 2 }).input(x).expect_error("axis 2");
        Case::new(Softmax { axis: 1 }).input(f32s(&[2, 0], &[])).expect(f32s(&[2, 0], &[]));
    }
}
