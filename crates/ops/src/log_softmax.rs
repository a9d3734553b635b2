//! `LogSoftmax`: <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues,
    Signature, declare_op,
};
use lehr_kernels::norm;

use crate::elementwise::infer_same;
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::formula::Formula;
use crate::log::Log;
use crate::renamed_axes::along_axis;
use crate::softmax_axis;
use crate::softmax_kernel::SoftmaxKernel;

declare_op! {
    /// The natural logarithm of softmax along the axis.
    pub struct LogSoftmax("", "LogSoftmax", 13) inputs(1, 1) outputs(1, 1) flags()
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = -1,
    }
}

impl LogSoftmax {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        softmax_axis::read(cx, |axis| Self { axis })
    }
}

impl Op for LogSoftmax {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        softmax_axis::eval(cx, self.axis, log_softmax)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let shifted = f.minus_greatest(x, self.axis)?;
        let e = f.exp(shifted)?;
        let sum = f.sum_along(e, self.axis)?;
        let log = f.apply(Log {}, sum)?;
        let y = f.sub(shifted, log)?;
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

fn log_softmax(line: &mut [f64]) {
    let greatest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = line.iter().map(|x| (x - greatest).exp()).sum::<f64>().ln();
    line.iter_mut().for_each(|x| *x = *x - greatest - log);
}

cpu_op!(LogSoftmax, all_f32, |op| SoftmaxKernel { kind: norm::Softmax::Log, axis: op.axis });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn along_either_axis() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 0.5, -1.0, 2.0]);
        let rows = [-2.407_606, -1.407_606, -0.407_605_98, -1.741_311_3, -3.241_311_3, -0.241_311_3];
        let columns = [-0.474_077, -0.048_587_352, -0.313_261_7, -0.974_077, -3.048_587_3, -1.313_261_6];
        Case::new(LogSoftmax { axis: 1 }).input(x.clone()).expect(f32s(&[2, 3], &rows));
        Case::new(LogSoftmax { axis: -2 }).input(x).tolerance(1e-5, 1e-6).expect(f32s(&[2, 3], &columns));
    }
}
