//! `GroupNormalization`: <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Signature, ValueId, WriteCx,
    WriteInput, declare_op,
};
use lehr_tensor::DataType;

use crate::add::Add;
use crate::concat::Concat;
use crate::convolution::group_count;
use crate::downgrade::drop_attribute;
use crate::elementwise::infer_same;
use crate::mul::Mul;
use crate::normalization::{Planes, moments, norm_axes, norm_cost};
use crate::operand::{check_shape, floats, rounded};
use crate::reshape::Reshape;
use crate::shape::Shape;
use crate::standardize::{cast, standardized};
use crate::unsqueeze::Unsqueeze;

declare_op! {
    /// `(x - mean) / √(var + epsilon)` with the statistics of each group of channels of each sample, then `· scale + bias`
    /// per channel.
    pub struct GroupNormalization("", "GroupNormalization", 21) inputs(3, 3) outputs(1, 1) flags()
    read(Self::read) {
        /// Added to the variance.
        epsilon: f32 = 1e-5,
        /// Number of groups, a divisor of the number of channels.
        num_groups: i64,
        /// Type of the statistics.
        stash_type: DataType = DataType::F32,
    }
}

impl GroupNormalization {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        if cx.opset() >= 21 {
            return cx.emit_same(op);
        }
        // Before opset 21, scale and bias had one value per group.
        let x = cx.require(0)?;
        let channels = cx.ty(x).shape().and_then(|shape| shape.get(1)?.as_fixed()).ok_or_else(|| {
            OpError::Unsupported("scales per group (opset 18) with an unknown number of channels".into())
        })?;
        let groups = group_count("num_groups", op.num_groups)?;
        let repeats = channels / groups;
        let scale = per_channel(cx, 1, repeats)?;
        let bias = per_channel(cx, 2, repeats)?;
        cx.emit(op, vec![Some(x), Some(scale), Some(bias)], 1)
    }
}

/// Input `index`, each value repeated.
fn per_channel(cx: &mut ReadCx<'_>, index: usize, repeats: usize) -> Result<ValueId, OpError> {
    let values = cx.require(index)?;
    if repeats <= 1 {
        return Ok(values);
    }
    let (axis, flat) = (cx.ints(&[1]), cx.ints(&[-1]));
    let column = cx.emit_one(Unsqueeze {}, &[values, axis])?;
    let table = cx.emit_one(Concat { axis: 1 }, &vec![column; repeats])?;
    cx.emit_one(Reshape { allowzero: false }, &[table, flat])
}

impl Op for GroupNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        group_count("num_groups", self.num_groups)?;
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let planes = Planes::of(x.shape())?;
        let groups = group_count("num_groups", self.num_groups)?;
        if planes.channels % groups != 0 {
            return Err(OpError::shape(format!(
                "{} channels do not divide into {groups} groups",
                planes.channels
            )));
        }
        let mut y = floats(cx, 0)?;
        let (scale, bias) = (floats(cx, 1)?, floats(cx, 2)?);
        check_shape(1, cx.tensor(1)?, &[planes.channels])?;
        check_shape(2, cx.tensor(2)?, &[planes.channels])?;
        let epsilon = f64::from(self.epsilon);
        let group = (planes.channels / groups).saturating_mul(planes.plane);
        for values in y.chunks_exact_mut(group.max(1)) {
            let (mean, var) = moments(values.iter().copied());
            let factor = 1.0 / (var + epsilon).sqrt();
            values.iter_mut().for_each(|y| *y = (*y - mean) * factor);
        }
        planes.for_each_mut(&mut y, |c, plane| plane.iter_mut().for_each(|y| *y = *y * scale[c] + bias[c]));
        let y = rounded(x.dtype(), x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let dtype = builder.dtype(x)?;
        let Some(inner) = builder.rank(x).ok().and_then(|rank| rank.checked_sub(2)) else { return Ok(false) };
        let reshape = Reshape { allowzero: false };
        let sizes = builder.call(Shape { start: 0, end: None }, &[x])?;
        let groups = builder.vector(&[0, self.num_groups, -1]);
        let grouped = builder.call(reshape.clone(), &[x, groups])?;
        let parts = standardized(builder, grouped, &[2], self.epsilon, self.stash_type, true)?;
        let y = cast(builder, parts.y, dtype)?;
        let y = builder.call(reshape.clone(), &[y, sizes])?;
        let column: Vec<i64> = std::iter::once(-1).chain(std::iter::repeat_n(1, inner)).collect();
        let column = builder.vector(&column);
        let (scale, bias) = (builder.require(1)?, builder.require(2)?);
        let scale = builder.call(reshape.clone(), &[scale, column])?;
        let bias = builder.call(reshape, &[bias, column])?;
        let y = builder.call(Mul {}, &[y, scale])?;
        let y = builder.call(Add {}, &[y, bias])?;
        builder.output(0, y);
        Ok(true)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        norm_cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        norm_axes(io, |axis| axis == 0)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 21 {
            return Ok(());
        }
        let groups = group_count("num_groups", self.num_groups)?;
        for index in [1, 2] {
            let per_group =
                cx.io().constants.get(index).copied().flatten().and_then(|t| first_of_group(t, groups));
            let Some(per_group) = per_group else {
                return Err(OpError::Unsupported(format!(
                    "before opset 21 input {index} has one constant value per group, expected equal values in each"
                )));
            };
            if let Some(slot) = cx.inputs_mut().get_mut(index) {
                *slot = WriteInput::Constant(per_group);
            }
        }
        drop_attribute(cx, "stash_type", 21, self.stash_type == DataType::F32)
    }
}

/// One value per group, if all values of each group are equal.
fn first_of_group(tensor: &lehr_tensor::Tensor, groups: usize) -> Option<lehr_tensor::Tensor> {
    let values = tensor.to_f64s().ok()?;
    let each = values.len().checked_div(groups).filter(|&each| each > 0 && each * groups == values.len())?;
    let equal = values.chunks_exact(each).all(|group| group.iter().all(|v| *v == group[0]));
    let firsts: Vec<f64> = values.iter().copied().step_by(each).collect();
    if equal { rounded(tensor.dtype(), &[groups], firsts).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn groups_of_channels() {
        let op = GroupNormalization { epsilon: 0.0, num_groups: 1, stash_type: DataType::F32 };
        let x = f32s(&[1, 2, 2], &[1., 3., 1., 3.]);
        let (scale, bias) = (f32s(&[2], &[1., 2.]), f32s(&[2], &[0., 0.5]));
        let y = f32s(&[1, 2, 2], &[-1., 1., -1.5, 2.5]);
        Case::new(op).input(x).constant(scale).constant(bias).expect(y);
    }
}
