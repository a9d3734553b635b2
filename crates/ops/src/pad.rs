//! `Pad`: <https://onnx.ai/onnx/operators/onnx__Pad.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape, Signature, WriteCx,
    WriteInput, attribute_enum, declare_op,
};
use lehr_tensor::Tensor;

use crate::axis::resolve_axes;
use crate::movement::{AxisPicks, check_size, pick};
use crate::pick_kernel::Picking;
use crate::renamed_axes::{along_input_axes, constant_ints, has_input, ints_like};

attribute_enum! {
    /// What stands in the padding.
    pub enum PadMode {
        /// One value.
        Constant = "constant",
        /// The elements mirrored at the border, which is not repeated.
        Reflect = "reflect",
        /// The border.
        Edge = "edge",
        /// The elements from the other end.
        Wrap = "wrap",
    }
}

declare_op! {
    /// Adds elements before and behind axes (input 3, by default all): input 1 holds all counts before, then all
    /// counts behind; negative ones remove. Input 2 is the constant, by default 0.
    pub struct Pad("", "Pad", 25) inputs(2, 4) outputs(1, 1) flags(DATA_MOVEMENT)
    read(Self::read) {
        /// What stands in the padding.
        mode: PadMode = PadMode::Constant,
    }
}

impl Pad {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let mode = cx.attribute("mode")?.unwrap_or(PadMode::Constant);
        if cx.opset() >= 11 {
            return cx.emit_same(Self { mode });
        }
        let data = cx.require(0)?;
        let pads: Vec<i64> = cx.attributes().require(if cx.opset() < 2 { "paddings" } else { "pads" })?;
        let mut inputs = vec![Some(data), Some(cx.ints(&pads))];
        let value = cx.attribute::<f32>("value")?.unwrap_or(0.0);
        if value != 0.0 {
            let Some(dtype) = cx.ty(data).dtype() else {
                return Err(OpError::Unsupported("Pad before opset 11 with unknown element type".into()));
            };
            let value = Tensor::scalar(value).cast(dtype, Default::default())?;
            inputs.push(Some(cx.constant(value)));
        }
        cx.emit(Self { mode }, inputs, 1)
    }
}

impl Op for Pad {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = cx.shape(0).map(|shape| padded_shape(cx, shape)).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let fill = match cx.optional_tensor(2)? {
            Some(fill) if !fill.is_empty() => fill.clone(),
            _ => Tensor::zeros(x.dtype(), &[])?,
        };
        for picks in self.picks(cx)? {
            let y = pick(x, &picks, Some(&fill))?;
            cx.set(0, y);
        }
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() < 19 && self.mode == PadMode::Wrap {
            return Err(OpError::Unsupported("before opset 19, Pad has no mode 'wrap'".into()));
        }
        if cx.opset() < 18 && cx.inputs_mut().len() > 3 {
            let pads = pads_of_all_axes(cx)?;
            cx.inputs_mut().truncate(3);
            cx.inputs_mut()[1] = WriteInput::Constant(Tensor::vector(pads));
            if cx.inputs_mut()[2] == WriteInput::Absent {
                cx.inputs_mut().truncate(2);
            }
        }
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        if has_input(io, 3) {
            return along_input_axes(io, order, 3);
        }
        let pads = constant_ints(io, 1)?;
        let (before, behind) = halves(&pads, order.rank()).ok()?;
        let pads = ints_like(io, 1, [order.apply(before)?, order.apply(behind)?].concat())?;
        Some(Permuted::unary(io, None, order).with_constant(1, pads))
    }
}

impl Picking for Pad {
    fn picks(&self, cx: &EvalCx<'_>) -> Result<Vec<Vec<AxisPicks>>, OpError> {
        let x = cx.tensor(0)?;
        let axes = match cx.optional_ints(3)? {
            Some(axes) => resolve_axes(&axes, x.rank())?,
            None => (0..x.rank()).collect(),
        };
        let pads = cx.ints(1)?;
        let (before, behind) = halves(&pads, axes.len())?;
        let mut shape = x.shape().to_vec();
        for ((&axis, &b), &e) in axes.iter().zip(before).zip(behind) {
            let size = shape[axis] as i128 + i128::from(b) + i128::from(e);
            shape[axis] = usize::try_from(size)
                .map_err(|_| OpError::value(format!("padding leaves axis {axis} with size {size}")))?;
        }
        if check_size(cx.environment(), x.dtype(), &shape)? == 0 {
            let nothing = |&size: &usize| {
                let mut picks = AxisPicks::default();
                picks.fill(size);
                picks
            };
            return Ok(vec![shape.iter().map(nothing).collect()]);
        }
        let mut picks: Vec<_> = x.shape().iter().map(|&size| AxisPicks::identity(size)).collect();
        for ((&axis, &b), &e) in axes.iter().zip(before).zip(behind) {
            picks[axis] = padded_axis(x.shape()[axis], b, e, self.mode)?;
        }
        Ok(vec![picks])
    }

    fn fill(&self, cx: &EvalCx<'_>) -> Result<f32, OpError> {
        let Some(fill) = cx.optional_tensor(2)? else { return Ok(0.0) };
        Ok(fill.as_slice::<f32>()?.first().copied().unwrap_or(0.0))
    }
}

fn pads_of_all_axes(cx: &WriteCx<'_>) -> Result<Vec<i64>, OpError> {
    let io = cx.io();
    let constant = |index: usize| io.constants.get(index).copied().flatten().map(Tensor::to_i64s).transpose();
    let (Some(pads), Some(axes), Some(shape)) = (constant(1)?, constant(3)?, io.input_shape(0)) else {
        return Err(OpError::Unsupported("before opset 18, Pad with computed pads needs all axes".into()));
    };
    let rank = shape.rank();
    let axes = resolve_axes(&axes, rank)?;
    let (before, behind) = halves(&pads, axes.len())?;
    let mut all = vec![0; 2 * rank];
    for ((&axis, &b), &e) in axes.iter().zip(before).zip(behind) {
        all[axis] = b;
        all[axis + rank] = e;
    }
    Ok(all)
}

fn halves(pads: &[i64], axes: usize) -> Result<(&[i64], &[i64]), OpError> {
    if pads.len() != 2 * axes {
        return Err(OpError::shape(format!("{} pads for {axes} axes, expected {}", pads.len(), 2 * axes)));
    }
    Ok(pads.split_at(axes))
}

fn padded_shape(cx: &InferCx<'_>, shape: &Shape) -> Result<Shape, OpError> {
    let axes = match (cx.has_input(3), cx.known(3).and_then(|v| v.as_constants())) {
        (false, _) => (0..shape.rank()).collect(),
        (true, Some(axes)) => resolve_axes(&axes, shape.rank())?,
        (true, None) => return Ok(Shape::unknown(shape.rank())),
    };
    let mut padded = shape.clone();
    let Some(pads) = cx.known(1).filter(|p| p.rank() == 1) else {
        axes.iter().for_each(|&axis| padded.dims_mut()[axis] = Dim::Unknown);
        return Ok(padded);
    };
    if pads.len() != 2 * axes.len() {
        return Err(OpError::shape(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    for (at, &axis) in axes.iter().enumerate() {
        let total = pads.values()[at].add(&pads.values()[at + axes.len()]);
        padded.dims_mut()[axis] = SymInt::from(&shape.dims()[axis]).add(&total).to_dim();
    }
    Ok(padded)
}

/// The picks of one axis; the padded size is not negative.
fn padded_axis(size: usize, before: i64, behind: i64, mode: PadMode) -> Result<AxisPicks, OpError> {
    let magnitude = |v: i64| usize::try_from(v.unsigned_abs()).unwrap_or(usize::MAX);
    let cut = |v: i64| if v < 0 { magnitude(v) } else { 0 };
    let grow = |v: i64| if v > 0 { magnitude(v) } else { 0 };
    let mut picks = AxisPicks::default();
    let start = cut(before).min(size);
    let kept = size.saturating_sub(cut(before)).saturating_sub(cut(behind));
    if mode == PadMode::Constant {
        // What is removed beyond the axis is removed from the other side's padding.
        let missing = cut(before).saturating_sub(size);
        let lost = (cut(behind) + start).saturating_sub(size).min(cut(behind));
        picks.fill(grow(before).saturating_sub(if kept == 0 { lost } else { 0 }));
        picks.stretch(start, 1, kept);
        picks.fill(grow(behind).saturating_sub(missing));
        return Ok(picks);
    }
    if kept == 0 {
        return Err(OpError::value("there are no elements to pad with"));
    }
    let (first, n) = (start as i128, kept as i128);
    let total = grow(before).saturating_add(kept).saturating_add(grow(behind));
    for i in 0..total {
        let at = i as i128 - grow(before) as i128;
        let inside = match mode {
            PadMode::Edge | PadMode::Constant => at.clamp(0, n - 1),
            PadMode::Wrap => at.rem_euclid(n),
            PadMode::Reflect if n == 1 => 0,
            PadMode::Reflect => {
                let phase = at.rem_euclid(2 * (n - 1));
                phase.min(2 * (n - 1) - phase)
            }
        };
        picks.push(usize::try_from(first + inside).unwrap_or(0));
    }
    Ok(picks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn modes() {
        let x = f32s(&[1, 3], &[1.0, 2.0, 3.0]);
        for (mode, want) in [
            (PadMode::Constant, [9.0, 9.0, 1.0, 2.0, 3.0, 9.0]),
            (PadMode::Reflect, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
            (PadMode::Edge, [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
            (PadMode::Wrap, [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]),
        ] {
            Case::new(Pad { mode })
                .input(x.clone())
                .constant(i64s(&[2], &[2, 1]))
                .input(f32s(&[], &[9.0]))
                .constant(i64s(&[1], &[-1]))
                .expect(f32s(&[1, 6], &want));
        }
    }

    #[test]
    fn negative_pads_remove() {
        Case::new(Pad { mode: PadMode::Constant })
            .input(f32s(&[3], &[1.0, 2.0, 3.0]))
            .input(i64s(&[2], &[-1, 2]))
            .expect(f32s(&[4], &[2.0, 3.0, 0.0, 0.0]));
        Case::new(Pad { mode: PadMode::Constant })
            .input(f32s(&[3], &[1.0, 2.0, 3.0]))
            .input(i64s(&[2], &[-4, 1]))
            .expect(f32s(&[0], &[]));
    }
}
