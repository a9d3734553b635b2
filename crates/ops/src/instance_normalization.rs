//! `InstanceNormalization`: <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::elementwise::infer_same;
use crate::normalization::{Planes, moments, norm_axes, norm_cost};
use crate::operand::{check_shape, floats, rounded};

declare_op! {
    /// `(x - mean) / √(var + epsilon) · scale + bias` with the statistics of each channel of each sample.
    pub struct InstanceNormalization("", "InstanceNormalization", 22) inputs(3, 3) outputs(1, 1) flags() {
        /// Added to the variance.
        epsilon: f32 = 1e-5,
    }
}

impl Op for InstanceNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let planes = Planes::of(x.shape())?;
        let mut y = floats(cx, 0)?;
        let (scale, bias) = (floats(cx, 1)?, floats(cx, 2)?);
        check_shape(1, cx.tensor(1)?, &[planes.channels])?;
        check_shape(2, cx.tensor(2)?, &[planes.channels])?;
        let epsilon = f64::from(self.epsilon);
        planes.for_each_mut(&mut y, |c, plane| {
            let (mean, var) = moments(plane.iter().copied());
            let factor = scale[c] / (var + epsilon).sqrt();
            plane.iter_mut().for_each(|y| *y = (*y - mean) * factor + bias[c]);
        });
        let y = rounded(x.dtype(), x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        norm_axes(io, |axis| axis < 2).with_values_along(io, 1, &[1, 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn each_plane_by_itself() {
        let x = f32s(&[1, 2, 1, 3], &[-1., 0., 1., 2., 3., 4.]);
        let y = [-1.224_735_7, 0., 1.224_735_7, -0.837_103_6, 1., 2.837_103_6];
        Case::new(InstanceNormalization { epsilon: 1e-5 })
            .input(x)
            .constant(f32s(&[2], &[1.0, 1.5]))
            .constant(f32s(&[2], &[0., 1.]))
            .tolerance(1e-5, 1e-6)
            .expect(f32s(&[1, 2, 1, 3], &y));
    }
}
