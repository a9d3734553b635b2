//! `Slice`: <https://onnx.ai/onnx/operators/onnx__Slice.html>

use lehr_graph::dim::SymInt;
use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues,
    Shape, Signature, SymValues, declare_op,
};
use lehr_tensor::{CastOptions, Tensor};

use crate::axis::resolve_axes;
use crate::movement::{AxisPicks, pick};
use crate::pick_kernel::Picking;
use crate::renamed_axes::{along_input_axes, has_input, renamed_axes};

declare_op! {
    /// Along some axes (input 3, by default the first ones) the indices from starts (input 1) until before ends
    /// (input 2) by steps (input 4, by default 1).
    pub struct Slice("", "Slice", 13) inputs(3, 5) outputs(1, 1) flags(DATA_MOVEMENT)
    read(Self::read) {}
}

impl Slice {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 10 {
            return cx.emit_same(Self {});
        }
        let mut inputs = vec![Some(cx.require(0)?)];
        for name in ["starts", "ends"] {
            let values: Vec<i64> = cx.attributes().require(name)?;
            inputs.push(Some(cx.ints(&values)));
        }
        if let Some(axes) = cx.attribute::<Vec<i64>>("axes")? {
            inputs.push(Some(cx.ints(&axes)));
        }
        cx.emit(Self {}, inputs, 1)
    }
}

impl Op for Slice {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let Some(shape) = cx.shape(0) else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let (shape, known) = infer_slice(cx, shape)?;
        cx.set_tensor(0, dtype, Some(shape));
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        for picks in self.picks(cx)? {
            let y = pick(cx.tensor(0)?, &picks, None)?;
            cx.set(0, y);
        }
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        Cost::of_picking(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let (Some(input), Some(output)) = (io.input_shape(0), io.output_shape(0)) else { return map };
        let constant =
            |index: usize| io.constants.get(index).copied().flatten().and_then(|t| t.to_i64s().ok());
        let sliced = match (io.inputs.get(3).copied().flatten(), constant(3), constant(1)) {
            (Some(_), Some(axes), _) => resolve_axes(&axes, input.rank()),
            (None, _, Some(starts)) => default_axes(starts.len(), input.rank()),
            _ => return map,
        };
        let Ok(sliced) = sliced else { return map };
        if output.rank() == input.rank() {
            for (axis, role) in map.outputs.iter_mut().flatten().enumerate() {
                *role = if sliced.contains(&axis) {
                    AxisRole::Window { input: 0, axis }
                } else {
                    AxisRole::Independent(vec![(0, axis)])
                };
            }
        }
        map
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        if has_input(io, 3) {
            return along_input_axes(io, order, 3);
        }
        // By default the first axes are meant, which are others now.
        let count = io.input_shape(1)?.get(0)?.as_fixed()?;
        let axes: Vec<i64> = (0..i64::try_from(count.min(order.rank() + 1)).ok()?).collect();
        let axes = Tensor::vector(renamed_axes(&axes, order)?);
        let axes = axes.cast(io.input_dtype(1)?, CastOptions::default()).ok()?;
        Some(Permuted::unary(io, None, order).with_constant(3, axes))
    }
}

impl Picking for Slice {
    fn picks(&self, cx: &EvalCx<'_>) -> Result<Vec<Vec<AxisPicks>>, OpError> {
        let x = cx.tensor(0)?;
        let (starts, ends) = (cx.ints(1)?, cx.ints(2)?);
        let axes = match cx.optional_ints(3)? {
            Some(axes) => resolve_axes(&axes, x.rank())?,
            None => default_axes(starts.len(), x.rank())?,
        };
        let steps = cx.optional_ints(4)?.unwrap_or_else(|| vec![1; axes.len()]);
        if starts.len() != axes.len() || ends.len() != axes.len() || steps.len() != axes.len() {
            return Err(counts_differ(axes.len(), starts.len(), ends.len(), steps.len()));
        }
        let mut picks: Vec<_> = x.shape().iter().map(|&size| AxisPicks::identity(size)).collect();
        for (at, &axis) in axes.iter().enumerate() {
            let span = Span::new(x.shape()[axis], starts[at], ends[at], steps[at])?;
            picks[axis] = AxisPicks::default();
            picks[axis].stretch(span.start, span.step, span.len);
        }
        Ok(vec![picks])
    }
}

#[cold]
fn counts_differ(axes: usize, starts: usize, ends: usize, steps: usize) -> OpError {
    OpError::shape(format!(
        "{axes} axes are sliced, but there are {starts} starts, {ends} ends, {steps} steps"
    ))
}

fn default_axes(count: usize, rank: usize) -> Result<Vec<usize>, OpError> {
    if count > rank {
        return Err(OpError::shape(format!("{count} starts for an input of rank {rank}")));
    }
    Ok((0..count).collect())
}

/// Which indices of an axis a slice takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    /// First index.
    pub start: usize,
    /// Step.
    pub step: i64,
    /// How many.
    pub len: usize,
}

impl Span {
    /// Start and end may be negative and are clamped, as in the specification.
    pub(crate) fn new(size: usize, start: i64, end: i64, step: i64) -> Result<Self, OpError> {
        if step == 0 {
            return Err(OpError::value("a slice has step 0"));
        }
        let wide = |v: i64| i128::from(v);
        let n = size as i128;
        let wrap = |v: i64| if v < 0 { wide(v) + n } else { wide(v) };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let (start, end) =
            (wrap(start).clamp(if step > 0 { 0 } else { low }, high), wrap(end).clamp(low, high));
        let distance = if step > 0 { end - start } else { start - end };
        let len = if distance <= 0 { 0 } else { (distance - 1) / wide(step).abs() + 1 };
        let fits = |v: i128| usize::try_from(v).unwrap_or(0);
        Ok(Self { start: fits(start), step: if len <= 1 { 1 } else { step }, len: fits(len) })
    }
}

fn infer_slice(cx: &InferCx<'_>, shape: &Shape) -> Result<(Shape, Option<SymValues>), OpError> {
    let unknown = || Ok((Shape::unknown(shape.rank()), None));
    let vector = |index| cx.known(index).filter(|v| v.rank() == 1);
    let (starts, ends) = (vector(1), vector(2));
    let axes = if cx.has_input(3) {
        match vector(3).and_then(|v| v.as_constants()) {
            Some(axes) => resolve_axes(&axes, shape.rank())?,
            None => return unknown(),
        }
    } else {
        let count = [1, 2].into_iter().find_map(|i| cx.shape(i)?.get(0)?.as_fixed());
        match count {
            Some(count) => default_axes(count, shape.rank())?,
            None => return unknown(),
        }
    };
    let steps = match cx.has_input(4) {
        true => vector(4).map(|v| v.values().to_vec()),
        false => Some(vec![SymInt::constant(1); axes.len()]),
    };
    let mut sliced = shape.clone();
    let mut known = None;
    for (at, &axis) in axes.iter().enumerate() {
        let entry = |v: &Option<SymValues>| v.as_ref().and_then(|v| v.values().get(at).cloned());
        let step = steps.as_ref().and_then(|s| s.get(at)).and_then(SymInt::as_constant);
        let (Some(start), Some(end), Some(step)) = (entry(&starts), entry(&ends), step) else {
            sliced.dims_mut()[axis] = Dim::Unknown;
            continue;
        };
        sliced.dims_mut()[axis] = sliced_dim(&shape.dims()[axis], &start, &end, step)?;
        if let (Some(data), Some(start), Some(end)) = (cx.known(0), start.as_constant(), end.as_constant()) {
            known = slice_known(&data, start, end, step)?;
        }
    }
    Ok((sliced, known))
}

fn slice_known(data: &SymValues, start: i64, end: i64, step: i64) -> Result<Option<SymValues>, OpError> {
    let &[size] = data.shape() else { return Ok(None) };
    let span = Span::new(size, start, end, step)?;
    let at = |i: usize| span.start as i64 + span.step * i as i64;
    let values = (0..span.len).filter_map(|i| data.values().get(usize::try_from(at(i)).ok()?).cloned());
    Ok(SymValues::vector(values.collect()).ok())
}

/// The size that a slice of an axis of size `dim` has.
pub(crate) fn sliced_dim(dim: &Dim, start: &SymInt, end: &SymInt, step: i64) -> Result<Dim, OpError> {
    if step == 0 {
        return Err(OpError::value("a slice has step 0"));
    }
    if let (Some(size), Some(start), Some(end)) = (dim.as_fixed(), start.as_constant(), end.as_constant()) {
        return Ok(Dim::from(Span::new(size, start, end, step)?.len));
    }
    let size = SymInt::from(dim);
    let zero = SymInt::constant(0);
    if step < 0 {
        let huge = i64::from(i32::MAX);
        let from_end = start.as_constant().is_some_and(|s| s == -1 || s >= huge);
        let to_front = end.as_constant().is_some_and(|e| e <= -huge);
        return Ok(if from_end && to_front {
            size.ceil_div(&SymInt::constant(step.saturating_neg())).to_dim()
        } else {
            Dim::Unknown
        });
    }
    // The start needs no clamping from above where the result is clamped from below.
    let from = if is_at_least(start, 0) { start.clone() } else { clamped(start, &size) };
    let length = clamped(end, &size).sub(&from).maximum(&zero);
    Ok(length.ceil_div(&SymInt::constant(step)).to_dim())
}

fn is_at_least(value: &SymInt, minimum: i64) -> bool {
    value.as_expr().is_some_and(|e| e.is_at_least(minimum))
}

/// A start or end wrapped and clamped into an axis, for positive steps.
fn clamped(bound: &SymInt, size: &SymInt) -> SymInt {
    let zero = SymInt::constant(0);
    // The specification recommends the largest integer of either width for "until the end" of an unknown size.
    if bound.as_constant().is_some_and(|b| b >= i64::from(i32::MAX)) {
        return size.clone();
    }
    if is_at_least(bound, 0) {
        bound.minimum(size)
    } else if is_at_least(&bound.neg(), 1) {
        size.add(bound).maximum(&zero)
    } else {
        SymInt::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn forwards_backwards_and_clamped() {
        let x = f32s(&[2, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let vector = |v: i64| i64s(&[1], &[v]);
        for (start, end, step, want) in [
            (1, 1000, 2, vec![1.0, 3.0, 5.0, 7.0]),
            (-1, -1000, -2, vec![3.0, 1.0, 7.0, 5.0]),
            (0, -1, 3, vec![0.0, 4.0]),
            (3, 1, 1, vec![]),
        ] {
            Case::new(Slice {})
                .input(x.clone())
                .constant(vector(start))
                .constant(vector(end))
                .constant(vector(-1))
                .constant(vector(step))
                .expect(f32s(&[2, want.len() / 2], &want));
        }
    }

    #[test]
    fn symbolic_sizes() {
        let n = Dim::symbol("N");
        for (start, end, step, want) in [
            (0, i64::MAX, 1, "N"),
            (0, -1, 1, "max(N - 1, 0)"),
            (-1, i64::MIN, -1, "N"),
            (1, i64::from(i32::MAX), 1, "max(N - 1, 0)"),
        ] {
            let got = sliced_dim(&n, &SymInt::constant(start), &SymInt::constant(end), step).unwrap();
            assert_eq!(got, want.parse().unwrap(), "[{start}:{end}:{step}]");
        }
    }
}
