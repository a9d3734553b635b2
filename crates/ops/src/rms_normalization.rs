//! `RMSNormalization`: <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Signature, declare_op,
};
use lehr_tensor::DataType;

use crate::axis::resolve_axis;
use crate::layer_normalization::{Layers, Spread, layer_axes};
use crate::mul::Mul;
use crate::normalization::norm_cost;
use crate::operand::{floats, rounded};
use crate::standardize::{cast, standardized, trailing_axes};

declare_op! {
    /// `x / √(mean(x²) + epsilon) · scale` with the mean over all axes from `axis` on; the result has the type of the scale.
    pub struct RmsNormalization("", "RMSNormalization", 23) inputs(2, 2) outputs(1, 1) flags() {
        /// First axis of the mean; may be negative.
        axis: i64 = -1,
        /// Added to the mean.
        epsilon: f32 = 1e-5,
        /// Type of the mean.
        stash_type: DataType = DataType::F32,
    }
}

impl Op for RmsNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        if let Some(rank) = cx.rank(0) {
            resolve_axis(self.axis, rank)?;
        }
        let dtype = cx.dtype(1)?;
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (y, _, _) = root_mean_square(cx, self.axis, self.epsilon)?;
        let y = rounded(cx.tensor(1)?.dtype(), cx.tensor(0)?.shape(), y)?;
        cx.set(0, y);
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

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let first = resolve_axis(self.axis, order.rank()).ok()?;
        let stays = order.axes().iter().enumerate().skip(first).all(|(place, &axis)| place == axis);
        stays.then(|| Permuted::unary(io, None, order))
    }
}

/// Normalised values, the inverse roots and the shape of these.
type RootMeanSquare = (Vec<f64>, Vec<f64>, Vec<usize>);

/// Input 0 over its root mean square, times input 1; and the inverse roots with their shape.
pub(crate) fn root_mean_square(cx: &EvalCx<'_>, axis: i64, epsilon: f32) -> Result<RootMeanSquare, OpError> {
    let x = cx.tensor(0)?;
    let layers = Layers::new(x.shape(), axis)?;
    let mut y = floats(cx, 0)?;
    let scale = Spread::of(cx, 1, x.shape())?;
    let mut inverses = Vec::new();
    layers.for_each(&mut y, |row| {
        let squares: f64 = row.iter().map(|v| v * v).sum();
        let inverse = 1.0 / (squares / row.len() as f64 + f64::from(epsilon)).sqrt();
        row.iter_mut().for_each(|y| *y *= inverse);
        inverses.push(inverse);
    });
    scale.apply(&mut y, |y, s| y * s);
    Ok((y, inverses, layers.statistics(x.shape())))
}

/// The same as standard operators; output 1 is the inverse root.
pub(crate) fn decompose_root_mean_square(
    builder: &mut Builder,
    axis: i64,
    epsilon: f32,
    stash_type: DataType,
) -> Result<bool, OpError> {
    let (x, scale) = (builder.require(0)?, builder.require(1)?);
    let dtype = builder.dtype(scale)?;
    let Some(axes) = trailing_axes(builder, x, axis) else { return Ok(false) };
    let parts = standardized(builder, x, &axes, epsilon, stash_type, false)?;
    let y = cast(builder, parts.y, dtype)?;
    let y = builder.call(Mul {}, &[y, scale])?;
    builder.output(0, y);
    builder.output(1, parts.inverse);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn rows() {
        let op = RmsNormalization { axis: -1, epsilon: 0.5, stash_type: DataType::F32 };
        let x = f32s(&[2, 2], &[1., 2., 4., 3.]);
        let y = [0.577_350_3, 2.309_401, 1.109_400_4, 1.664_100_6];
        Case::new(op).input(x).constant(f32s(&[2], &[1., 2.])).expect(f32s(&[2, 2], &y));
    }
}
