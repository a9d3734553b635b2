//! `SimplifiedLayerNormalization`: an operator that ONNX Runtime adds to the default domain,
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>

use lehr_graph::{AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::DataType;

use crate::layer_normalization::{layer_axes, statistics_shape};
use crate::normalization::norm_cost;
use crate::operand::rounded;
use crate::rms_normalization::{decompose_root_mean_square, root_mean_square};

declare_op! {
    /// `x / √(mean(x²) + epsilon) · scale` with the mean over all axes from `axis` on; output 1 is the inverse root.
    pub struct SimplifiedLayerNormalization("", "SimplifiedLayerNormalization", 1)
    inputs(2, 2) outputs(1, 2) flags() {
        /// First axis of the mean; may be negative.
        axis: i64 = -1,
        /// Added to the mean.
        epsilon: f32 = 1e-5,
        /// Type of the mean.
        stash_type: DataType = DataType::F32,
    }
}

impl Op for SimplifiedLayerNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let dtype = cx.dtype(1)?;
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        let statistics = cx.shape(0).map(|shape| statistics_shape(shape, self.axis)).transpose()?;
        cx.set_tensor(1, Some(self.stash_type), statistics);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (y, inverses, statistics) = root_mean_square(cx, self.axis, self.epsilon)?;
        let y = rounded(cx.tensor(1)?.dtype(), cx.tensor(0)?.shape(), y)?;
        cx.set(0, y);
        if cx.wanted(1) {
            cx.set(1, rounded(self.stash_type, &statistics, inverses)?);
        }
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        decompose_root_mean_square(builder, self.axis, self.epsilon, self.stash_type)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        layer_axes(io, self.axis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn rows_and_inverse_roots() {
        let op = SimplifiedLayerNormalization { axis: -1, epsilon: 0.0, stash_type: DataType::F32 };
        let x = f32s(&[2, 2], &[1., 7., -2., 2.]);
        Case::new(op)
            .input(x)
            .constant(f32s(&[2], &[1., 2.]))
            .expect_all(vec![f32s(&[2, 2], &[0.2, 2.8, -1., 2.]).into(), f32s(&[2, 1], &[0.2, 0.5]).into()]);
    }
}
