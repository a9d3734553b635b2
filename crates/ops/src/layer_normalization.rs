//! `LayerNormalization`: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>

use lehr_graph::{
    AxisMap, Builder, Cost, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Shape, Signature,
    declare_op,
};
use lehr_tensor::{DataType, broadcast_shapes, checked_len};

use crate::add::Add;
use crate::axis::resolve_axis;
use crate::elementwise::{BroadcastIndex, infer_same};
use crate::mul::Mul;
use crate::normalization::{moments, norm_axes, norm_cost};
use crate::operand::{floats, optional_floats, rounded};
use crate::standardize::{cast, standardized, trailing_axes};

declare_op! {
    /// `(x - mean) / √(var + epsilon) · scale + bias` with the statistics of all axes from `axis` on; outputs 1 and 2 are
    /// the mean and `1 / √(var + epsilon)`.
    pub struct LayerNormalization("", "LayerNormalization", 17) inputs(2, 3) outputs(1, 3) flags() {
        /// First axis of the statistics; may be negative.
        axis: i64 = -1,
        /// Added to the variance.
        epsilon: f32 = 1e-5,
        /// Type of the statistics.
        stash_type: DataType = DataType::F32,
    }
}

impl Op for LayerNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)?;
        let statistics = cx.shape(0).map(|shape| statistics_shape(shape, self.axis)).transpose()?;
        cx.set_tensor(1, Some(self.stash_type), statistics.clone());
        cx.set_tensor(2, Some(self.stash_type), statistics);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let layers = Layers::new(x.shape(), self.axis)?;
        let mut y = floats(cx, 0)?;
        let scale = Spread::of(cx, 1, x.shape())?;
        let bias = if cx.optional_tensor(2)?.is_some() { Some(Spread::of(cx, 2, x.shape())?) } else { None };
        let epsilon = f64::from(self.epsilon);
        let (mut means, mut inverses) = (Vec::new(), Vec::new());
        layers.for_each(&mut y, |row| {
            let (mean, var) = moments(row.iter().copied());
            let inverse = 1.0 / (var + epsilon).sqrt();
            row.iter_mut().for_each(|y| *y = (*y - mean) * inverse);
            means.push(mean);
            inverses.push(inverse);
        });
        scale.apply(&mut y, |y, s| y * s);
        if let Some(bias) = bias {
            bias.apply(&mut y, |y, b| y + b);
        }
        let y = rounded(x.dtype(), x.shape(), y)?;
        let statistics = layers.statistics(x.shape());
        cx.set(0, y);
        if layers.len > 0 {
            cx.set(1, rounded(self.stash_type, &statistics, means)?);
            cx.set(2, rounded(self.stash_type, &statistics, inverses)?);
        }
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (x, scale) = (builder.require(0)?, builder.require(1)?);
        let dtype = builder.dtype(x)?;
        let Some(axes) = trailing_axes(builder, x, self.axis) else { return Ok(false) };
        let parts = standardized(builder, x, &axes, self.epsilon, self.stash_type, true)?;
        let y = cast(builder, parts.y, dtype)?;
        let mut y = builder.call(Mul {}, &[y, scale])?;
        if let Some(bias) = builder.input(2) {
            y = builder.call(Add {}, &[y, bias])?;
        }
        builder.output(0, y);
        if let Some(mean) = parts.mean {
            builder.output(1, mean);
        }
        builder.output(2, parts.inverse);
        Ok(true)
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

/// The axes before `axis` are independent.
pub(crate) fn layer_axes(io: &Signature<'_>, axis: i64) -> AxisMap {
    let rank = io.input_shape(0).map_or(0, Shape::rank);
    let first = resolve_axis(axis, rank).unwrap_or(0);
    norm_axes(io, |axis| axis < first).with_broadcast(io, &[1, 2])
}

/// The shape with ones from `axis` on.
pub(crate) fn statistics_shape(shape: &Shape, axis: i64) -> Result<Shape, OpError> {
    let axis = resolve_axis(axis, shape.rank())?;
    let dims = shape.dims().iter().enumerate();
    Ok(dims.map(|(i, dim)| if i < axis { dim.clone() } else { Dim::Fixed(1) }).collect())
}

/// A tensor as rows of the elements that are normalised together.
pub(crate) struct Layers {
    axis: usize,
    /// Elements of a row.
    pub(crate) len: usize,
}

impl Layers {
    pub(crate) fn new(shape: &[usize], axis: i64) -> Result<Self, OpError> {
        let axis = resolve_axis(axis, shape.len())?;
        Ok(Self { axis, len: checked_len(&shape[axis..])? })
    }

    pub(crate) fn for_each(&self, data: &mut [f64], f: impl FnMut(&mut [f64])) {
        data.chunks_exact_mut(self.len.max(1)).for_each(f);
    }

    /// Shape of one value per row.
    pub(crate) fn statistics(&self, shape: &[usize]) -> Vec<usize> {
        shape.iter().enumerate().map(|(i, &size)| if i < self.axis { size } else { 1 }).collect()
    }
}

/// A parameter that broadcasts to the normalised tensor.
pub(crate) struct Spread {
    values: Vec<f64>,
    shape: Vec<usize>,
    to: Vec<usize>,
}

impl Spread {
    pub(crate) fn of(cx: &EvalCx<'_>, index: usize, to: &[usize]) -> Result<Self, OpError> {
        let shape = cx.tensor(index)?.shape();
        if broadcast_shapes(&[shape, to]).ok().as_deref() != Some(to) {
            return Err(OpError::shape(format!("input {index}: {shape:?} does not broadcast to {to:?}")));
        }
        let values = optional_floats(cx, index)?.unwrap_or_default();
        Ok(Self { values, shape: shape.to_vec(), to: to.to_vec() })
    }

    pub(crate) fn apply(&self, y: &mut [f64], f: impl Fn(f64, f64) -> f64) {
        for (y, at) in y.iter_mut().zip(BroadcastIndex::new(&self.shape, &self.to)) {
            *y = f(*y, self.values[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn rows_and_statistics() {
        let op = LayerNormalization { axis: -1, epsilon: 0.0, stash_type: DataType::F32 };
        let x = f32s(&[2, 2], &[1., 3., 10., 2.]);
        let (scale, bias) = (f32s(&[2], &[1., 2.]), f32s(&[2], &[0.5, 0.]));
        let y = f32s(&[2, 2], &[-0.5, 2., 1.5, -2.]);
        Case::new(op.clone())
            .input(x.clone())
            .constant(scale.clone())
            .constant(bias.clone())
            .expect(y.clone());
        Case::new(op.clone()).input(x.clone()).input(scale.clone()).input(bias).expect_all(vec![
            y.into(),
            f32s(&[2, 1], &[2., 6.]).into(),
            f32s(&[2, 1], &[1., 0.25]).into(),
        ]);
        let all = LayerNormalization { axis: 0, ..op };
        let y = [-0.848_528_1, -0.565_685_4, 1.697_056_3, -1.131_370_8];
        Case::new(all).input(x).constant(scale).expect(f32s(&[2, 2], &y));
    }
}
