//! `LRN`: <https://onnx.ai/onnx/operators/onnx__LRN.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::elementwise::infer_same;
use crate::normalization::{Planes, norm_axes, norm_cost};
use crate::operand::{floats, rounded};

declare_op! {
    /// `x / (bias + alpha / size · Σ x²)^beta` with the sum over `size` neighbouring channels.
    pub struct Lrn("", "LRN", 13) inputs(1, 1) outputs(1, 1) flags() {
        /// Factor of the mean square.
        alpha: f32 = 1e-4,
        /// Exponent.
        beta: f32 = 0.75,
        /// Added to the mean square.
        bias: f32 = 1.0,
        /// Number of channels in a sum.
        size: i64,
    }
}

impl Op for Lrn {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let size = usize::try_from(self.size)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| OpError::attribute("size", format!("expected at least 1, got {}", self.size)))?;
        let planes = Planes::of(x.shape())?;
        let values = floats(cx, 0)?;
        let (before, after) = ((size - 1) / 2, size / 2);
        let (alpha, beta, bias) = (f64::from(self.alpha), f64::from(self.beta), f64::from(self.bias));
        let mut y = values.clone();
        let stride = planes.plane;
        for (at, y) in y.iter_mut().enumerate() {
            let c = at / stride % planes.channels;
            let channels = c.saturating_sub(before)..c.saturating_add(after + 1).min(planes.channels);
            let squares: f64 = channels.map(|other| values[at + other * stride - c * stride].powi(2)).sum();
            *y /= (bias + alpha / size as f64 * squares).powf(beta);
        }
        let y = rounded(x.dtype(), x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        norm_axes(io, |axis| axis != 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn neighbouring_channels() {
        let op = Lrn { alpha: 2.0, beta: 1.0, bias: 1.0, size: 2 };
        // An even window reaches one channel farther ahead.
        let x = f32s(&[1, 3, 1, 1], &[1., 2., 3.]);
        Case::new(op).input(x).expect(f32s(&[1, 3, 1, 1], &[1. / 6., 2. / 14., 0.3]));
    }
}
