//! `LpNormalization`: <https://onnx.ai/onnx/operators/onnx__LpNormalization.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};
use lehr_tensor::checked_len;

use crate::axis::resolve_axis;
use crate::elementwise::infer_same;
use crate::lp_pool::norm;
use crate::normalization::{norm_axes, norm_cost};
use crate::operand::{floats, rounded};

declare_op! {
    /// `x` over its p-norm along an axis; zeros where the norm is zero.
    pub struct LpNormalization("", "LpNormalization", 22) inputs(1, 1) outputs(1, 1) flags() {
        /// Axis of the norm; may be negative.
        axis: i64 = -1,
        /// Which norm, 1 or 2.
        p: i64 = 2,
    }
}

impl Op for LpNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        if let Some(rank) = cx.rank(0) {
            resolve_axis(self.axis, rank)?;
        }
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let axis = resolve_axis(self.axis, x.rank())?;
        let inner = checked_len(&x.shape()[axis + 1..])?;
        let group = checked_len(&x.shape()[axis..])?;
        let mut y = floats(cx, 0)?;
        for block in y.chunks_exact_mut(group.max(1)) {
            for lane in 0..inner {
                let length = norm(block.iter().skip(lane).step_by(inner).copied(), self.p);
                let scale = |y: &mut f64| *y = if length == 0.0 { 0.0 } else { *y / length };
                block.iter_mut().skip(lane).step_by(inner).for_each(scale);
            }
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
        let mixed = resolve_axis(self.axis, rank).ok();
        norm_axes(io, |axis| mixed.is_some_and(|mixed| mixed != axis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn along_an_outer_axis() {
        let x = f32s(&[2, 2], &[3., 0., -4., 0.]);
        Case::new(LpNormalization { axis: 0, p: 2 })
            .input(x.clone())
            .expect(f32s(&[2, 2], &[0.6, 0., -0.8, 0.]));
        Case::new(LpNormalization { axis: -1, p: 1 }).input(x).expect(f32s(&[2, 2], &[1., 0., -1., 0.]));
    }
}
