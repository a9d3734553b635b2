//! `Split`: <https://onnx.ai/onnx/operators/onnx__Split.html>

use lehr_graph::{
    AxisMap, AxisRole, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Shape,
    Signature, SymValues, WriteCx, WriteInput, declare_op,
};
use lehr_tensor::{DataType, Tensor};

use crate::axis::resolve_axis;
use crate::cast::Cast;
use crate::movement::{AxisPicks, pick};
use crate::pick_kernel::Picking;
use crate::renamed_axes::along_axis;

declare_op! {
    /// The input cut along `axis` into parts of the sizes in input 1, or else into `num_outputs` equal parts of which
    /// the last one may be smaller.
    pub struct Split("", "Split", 18) inputs(1, 2) outputs(1, usize::MAX) flags(DATA_MOVEMENT)
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64 = 0,
        /// How many equal parts; needed when the sizes are not given.
        num_outputs: Option<i64> = None,
    }
}

impl Split {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let axis = cx.attribute("axis")?.unwrap_or(0);
        let mut inputs =
            if cx.opset() < 13 { cx.inputs_with_ints(1, "split")? } else { cx.inputs().to_vec() };
        if let (true, Some(Some(sizes))) = (cx.opset() < 2, inputs.get_mut(1)) {
            // In opset 1 an input of sizes has the type of the data.
            *sizes = cx.emit_one(Cast::to(DataType::I64), &[*sizes])?;
        }
        let has_sizes = matches!(inputs.get(1), Some(Some(_)));
        let mut num_outputs = cx.attribute("num_outputs")?;
        if num_outputs.is_none() && !has_sizes {
            num_outputs = i64::try_from(cx.n_outputs()).ok();
        }
        let n = cx.n_outputs();
        cx.emit(Self { axis, num_outputs }, inputs, n)
    }

    fn parts(&self, n_outputs: usize) -> Result<usize, OpError> {
        match self.num_outputs.map(usize::try_from) {
            None => Ok(n_outputs),
            Some(Ok(parts)) if parts == n_outputs && parts > 0 => Ok(parts),
            _ => Err(OpError::attribute(
                "num_outputs",
                format!("is {:?}, but the node has {n_outputs} outputs", self.num_outputs),
            )),
        }
    }
}

impl Op for Split {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let n = cx.n_outputs();
        let Some(shape) = cx.shape(0) else {
            (0..n).for_each(|i| cx.set_tensor(i, dtype, None));
            return Ok(());
        };
        let axis = resolve_axis(self.axis, shape.rank())?;
        let parts = if cx.has_input(1) {
            match cx.known(1).and_then(|v| v.to_shape()) {
                Some(sizes) if sizes.rank() == n => given_parts(&shape.dims()[axis], sizes)?,
                Some(sizes) => {
                    return Err(OpError::shape(format!("{} sizes for {n} outputs", sizes.rank())));
                }
                None => vec![Dim::Unknown; n],
            }
        } else {
            equal_parts(&shape.dims()[axis], self.parts(n)?)
        };
        let known = cx.known(0);
        let mut at = 0;
        for (i, part) in parts.into_iter().enumerate() {
            let mut part_shape: Shape = shape.clone();
            part_shape.dims_mut()[axis] = part.clone();
            cx.set_tensor(i, dtype, Some(part_shape));
            let Some(len) = part.as_fixed() else { continue };
            let values = known.as_ref().filter(|k| k.rank() == 1).and_then(|k| k.values().get(at..at + len));
            cx.set_known(i, values.and_then(|v| SymValues::vector(v.to_vec()).ok()));
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        for (i, picks) in self.picks(cx)?.into_iter().enumerate() {
            let part = pick(cx.tensor(0)?, &picks, None)?;
            cx.set(i, part);
        }
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 18 || self.num_outputs.is_none() {
            return Ok(());
        }
        cx.attributes_mut().remove("num_outputs");
        let sizes = |cx: &WriteCx<'_>| -> Option<Vec<i64>> {
            let axis = resolve_axis(self.axis, cx.io().input_shape(0)?.rank()).ok()?;
            let part = |i| cx.io().output_shape(i)?.get(axis)?.as_fixed().and_then(|s| i64::try_from(s).ok());
            (0..cx.io().outputs.len()).map(part).collect()
        };
        match sizes(cx) {
            Some(sizes) if sizes.iter().any(|s| *s != sizes[0]) => {
                let sizes = WriteInput::Constant(Tensor::vector(sizes));
                cx.inputs_mut().truncate(1);
                cx.inputs_mut().push(sizes);
            }
            // Older forms demand equal parts, which nobody can promise of an unknown size; it is the usual case.
            _ => {}
        }
        Ok(())
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        for output in &mut map.outputs {
            let Ok(axis) = resolve_axis(self.axis, output.len()) else { continue };
            for (i, role) in output.iter_mut().enumerate().filter(|(i, _)| *i != axis) {
                *role = AxisRole::Independent(vec![(0, i)]);
            }
        }
        map
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_axis(io, order, self.axis, |axis| Self { axis, ..self.clone() })
    }
}

impl Picking for Split {
    fn picks(&self, cx: &EvalCx<'_>) -> Result<Vec<Vec<AxisPicks>>, OpError> {
        let x = cx.tensor(0)?;
        let axis = resolve_axis(self.axis, x.rank())?;
        let size = x.shape()[axis];
        let n = cx.n_outputs();
        let parts = match cx.optional_ints(1)? {
            Some(parts) => checked_parts(&parts, size)?,
            None => {
                let parts = self.parts(n)?;
                let chunk = size.div_ceil(parts);
                (0..parts).map(|i| size.saturating_sub(i * chunk).min(chunk)).collect()
            }
        };
        if parts.len() != n {
            return Err(OpError::shape(format!("{} sizes for {n} outputs", parts.len())));
        }
        let mut at = 0;
        let range = |part: usize| {
            at += part;
            narrowed(x.shape(), axis, at - part, part)
        };
        parts.into_iter().map(range).collect()
    }
}

fn given_parts(dim: &Dim, sizes: Shape) -> Result<Vec<Dim>, OpError> {
    let total = sizes.iter().fold(Dim::Fixed(0), |a, b| a.add(b));
    if total.equal(dim) == Some(false) {
        return Err(OpError::shape(format!("the parts have size {total} together, expected {dim}")));
    }
    Ok(sizes.into_iter().collect())
}

fn equal_parts(dim: &Dim, parts: usize) -> Vec<Dim> {
    let count = Dim::from(parts);
    if let Some(size) = dim.as_fixed() {
        let chunk = size.div_ceil(parts);
        return (0..parts).map(|i| Dim::from(size.saturating_sub(i * chunk).min(chunk))).collect();
    }
    if parts == 1 {
        return vec![dim.clone()];
    }
    if dim.is_multiple_of(&count) == Some(true) {
        return vec![dim.div_exact(&count); parts];
    }
    vec![Dim::Unknown; parts]
}

/// Sizes that are not negative and make up `size` together.
pub(crate) fn checked_parts(parts: &[i64], size: usize) -> Result<Vec<usize>, OpError> {
    let sizes: Option<Vec<usize>> = parts.iter().map(|&p| usize::try_from(p).ok()).collect();
    let total = sizes.as_ref().and_then(|s| s.iter().try_fold(0usize, |a, &b| a.checked_add(b)));
    match (sizes, total) {
        (Some(sizes), Some(total)) if total == size => Ok(sizes),
        _ => Err(OpError::value(format!("the parts {parts:?} do not make up size {size}"))),
    }
}

/// `x` cut along `axis` into parts whose sizes make up that of the axis.
pub(crate) fn split(x: &Tensor, axis: usize, parts: &[usize]) -> Result<Vec<Tensor>, OpError> {
    let mut at = 0;
    let mut out = Vec::with_capacity(parts.len());
    for &part in parts {
        out.push(narrow(x, axis, at, part)?);
        at += part;
    }
    Ok(out)
}

/// `len` indices of `axis` from `start` on.
pub(crate) fn narrow(x: &Tensor, axis: usize, start: usize, len: usize) -> Result<Tensor, OpError> {
    pick(x, &narrowed(x.shape(), axis, start, len)?, None)
}

fn narrowed(shape: &[usize], axis: usize, start: usize, len: usize) -> Result<Vec<AxisPicks>, OpError> {
    let mut picks: Vec<_> = shape.iter().map(|&size| AxisPicks::identity(size)).collect();
    let Some(own) = picks.get_mut(axis) else {
        return Err(OpError::value(format!("axis {axis} is out of range for rank {}", shape.len())));
    };
    *own = AxisPicks::default();
    own.stretch(start, 1, len);
    Ok(picks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn equal_and_given_parts() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let parts = || vec![f32s(&[2, 2], &[1.0, 2.0, 4.0, 5.0]).into(), f32s(&[2, 1], &[3.0, 6.0]).into()];
        Case::new(Split { axis: 1, num_outputs: Some(2) }).input(x.clone()).expect_all(parts());
        Case::new(Split { axis: -1, num_outputs: None })
            .input(x.clone())
            .constant(i64s(&[2], &[2, 1]))
            .expect_all(parts());
        Case::new(Split { axis: 1, num_outputs: None })
            .input(x)
            .input(i64s(&[1], &[2]))
            .expect_error("make up size 3");
    }
}
