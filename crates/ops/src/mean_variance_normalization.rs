//! `MeanVarianceNormalization`: <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};

use crate::axis::resolve_axes;
use crate::elementwise::{BroadcastIndex, infer_same};
use crate::normalization::{norm_axes, norm_cost};
use crate::operand::{floats, rounded};

declare_op! {
    /// `(x - mean) / (deviation + 1e-9)` with the statistics over `axes`.
    pub struct MeanVarianceNormalization("", "MeanVarianceNormalization", 13)
    inputs(1, 1) outputs(1, 1) flags() {
        /// Axes of the statistics.
        axes: Vec<i64> = vec![0, 2, 3],
    }
}

impl Op for MeanVarianceNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        if let Some(rank) = cx.rank(0) {
            resolve_axes(&self.axes, rank)?;
        }
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axes = resolve_axes(&self.axes, x.rank())?;
        let shared: Vec<usize> =
            x.shape().iter().enumerate().map(|(i, &size)| if axes.contains(&i) { 1 } else { size }).collect();
        let group_of: Vec<usize> = BroadcastIndex::new(&shared, x.shape()).collect();
        let mut y = floats(cx, 0)?;
        let groups = group_of.iter().max().map_or(0, |last| last + 1);
        let mut counts = vec![0.0; groups];
        let mut sums = vec![0.0; groups];
        for (y, &group) in y.iter().zip(&group_of) {
            counts[group] += 1.0;
            sums[group] += y;
        }
        let mut squares = vec![0.0; groups];
        for (y, &group) in y.iter_mut().zip(&group_of) {
            *y -= sums[group] / counts[group];
            squares[group] += *y * *y;
        }
        for (y, &group) in y.iter_mut().zip(&group_of) {
            let variance: f64 = squares[group] / counts[group];
            *y /= variance.sqrt() + 1e-9;
        }
        let y = rounded(x.dtype(), x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let rank = io.input_shape(0).map_or(0, Shape::rank);
        let mixed = resolve_axes(&self.axes, rank).ok();
        norm_axes(io, |axis| mixed.as_ref().is_some_and(|mixed| !mixed.contains(&axis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn per_channel_by_default() {
        let op = MeanVarianceNormalization { axes: vec![0, 2, 3] };
        let x = f32s(&[2, 2, 1, 1], &[1., 10., 3., 30.]);
        Case::new(op).input(x).expect(f32s(&[2, 2, 1, 1], &[-1., -1., 1., 1.]));
    }
}
