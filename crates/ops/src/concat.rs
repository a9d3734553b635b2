//! `Concat`: <https://onnx.ai/onnx/operators/onnx__Concat.html>

use std::sync::Arc;

use lehr_graph::dim::SymInt;
use lehr_graph::{
    AxisMap, AxisRole, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, PermutedInput, ReadCx,
    ReadValues, Shape, Signature, SymValues, declare_op,
};
use lehr_tensor::{DataType, Tensor, checked_len};

use crate::axis::resolve_axis;
use crate::cpu::{Kernel, RunCx};
use crate::elementwise::common_dtype;
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::renamed_axes::renamed_axis;

declare_op! {
    /// The inputs one after the other along `axis`; all other sizes are equal.
    pub struct Concat("", "Concat", 13) inputs(1, usize::MAX) outputs(1, 1) flags(DATA_MOVEMENT)
    read(Self::read) {
        /// Axis; may be negative.
        axis: i64,
    }
}

impl Concat {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        // Before opset 4 the axis had a default.
        let axis = match cx.attribute("axis")? {
            Some(axis) => axis,
            None if cx.opset() < 4 => 1,
            None => return Err(OpError::attribute("axis", "is required and missing")),
        };
        cx.emit_same(Self { axis })
    }
}

impl Op for Concat {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let shapes: Option<Vec<_>> = (0..cx.n_inputs()).map(|i| cx.shape(i)).collect();
        let shape = shapes.map(|shapes| concat_shapes(&shapes, self.axis)).transpose()?;
        cx.set_tensor(0, dtype, shape);
        let known = concat_known(cx);
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let tensors: Vec<&Tensor> = (0..cx.n_inputs()).map(|i| cx.tensor(i)).collect::<Result<_, _>>()?;
        let y = concat(&tensors, self.axis)?;
        cx.set(0, y);
        Ok(())
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let rank = map.outputs.first().map_or(0, Vec::len);
        let Ok(axis) = resolve_axis(self.axis, rank) else { return map };
        for (i, role) in map.outputs[0].iter_mut().enumerate().filter(|(i, _)| *i != axis) {
            *role = AxisRole::Independent((0..io.inputs.len()).map(|input| (input, i)).collect());
        }
        map
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let op = Self { axis: renamed_axis(self.axis, order)? };
        let inputs = vec![PermutedInput::ordered(order); io.inputs.len()];
        Some(Permuted { op: Some(Arc::new(op)), inputs, outputs: vec![order.clone()] })
    }
}

fn concat_shapes(shapes: &[&Shape], axis: i64) -> Result<Shape, OpError> {
    let Some(first) = shapes.first() else { return Err(OpError::MissingInput { index: 0 }) };
    let axis = resolve_axis(axis, first.rank())?;
    let mut dims = first.dims().to_vec();
    for (index, shape) in shapes.iter().enumerate().skip(1) {
        if shape.rank() != dims.len() {
            return Err(OpError::shape(format!("input {index}: expected rank {}, got {shape}", dims.len())));
        }
        for (at, (dim, other)) in dims.iter_mut().zip(shape.dims()).enumerate() {
            if at == axis {
                *dim = dim.add(other);
            } else if dim.equal(other) == Some(false) {
                return Err(OpError::shape(format!(
                    "input {index}, axis {at}: expected size {dim}, got {other}"
                )));
            } else if matches!(other, Dim::Fixed(_)) {
                *dim = other.clone();
            }
        }
    }
    Ok(dims.into_iter().collect())
}

fn concat_known(cx: &InferCx<'_>) -> Option<SymValues> {
    let mut all: Vec<SymInt> = Vec::new();
    for index in 0..cx.n_inputs() {
        let known = cx.known(index)?;
        if known.shape().len() != 1 {
            return None;
        }
        all.extend(known.values().iter().cloned());
    }
    SymValues::vector(all).ok()
}

/// The tensors one after the other along `axis`.
pub(crate) fn concat(tensors: &[&Tensor], axis: i64) -> Result<Tensor, OpError> {
    let Some(first) = tensors.first() else { return Err(OpError::MissingInput { index: 0 }) };
    let (shape, axis) = joined_shape(tensors, axis)?;
    let outer: usize = shape[..axis].iter().product();
    if first.dtype() == DataType::String {
        let parts: Vec<_> = tensors.iter().map(|t| t.strings()).collect::<Result<_, _>>()?;
        return Ok(Tensor::from_strings(&shape, interleave(&parts, outer))?);
    }
    if first.dtype().is_sub_byte() {
        let codes = tensors.iter().map(|t| t.codes()).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<_> = codes.iter().map(|c| &**c).collect();
        return Ok(Tensor::from_codes(first.dtype(), &shape, &interleave(&parts, outer))?);
    }
    let parts: Vec<_> = tensors.iter().map(|t| t.bytes()).collect();
    Ok(Tensor::from_bytes(first.dtype(), &shape, interleave(&parts, outer).into())?)
}

/// The shape of the tensors one after the other, and which axis they follow each other along.
fn joined_shape(tensors: &[&Tensor], axis: i64) -> Result<(Vec<usize>, usize), OpError> {
    let Some(first) = tensors.first() else { return Err(OpError::MissingInput { index: 0 }) };
    let axis = resolve_axis(axis, first.rank())?;
    let mut shape = first.shape().to_vec();
    for (index, t) in tensors.iter().enumerate().skip(1) {
        if t.dtype() != first.dtype() {
            return Err(OpError::input_type(index, first.dtype().name(), t.dtype()));
        }
        let fits = t.rank() == shape.len() && (0..shape.len()).all(|i| i == axis || t.shape()[i] == shape[i]);
        if !fits {
            return Err(OpError::shape(format!(
                "input {index}: expected a shape like {:?} but for axis {axis}, got {:?}",
                first.shape(),
                t.shape()
            )));
        }
        shape[axis] += t.shape()[axis];
    }
    Ok((shape, axis))
}

/// Takes an equal share of each part in turn, `outer` times.
fn interleave<T: Clone>(parts: &[&[T]], outer: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(parts.iter().map(|p| p.len()).sum());
    for i in 0..outer {
        for part in parts {
            let share = part.len() / outer;
            out.extend_from_slice(&part[i * share..(i + 1) * share]);
        }
    }
    out
}

struct ConcatKernel(i64);

impl Kernel for ConcatKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let tensors: Vec<&Tensor> = (0..cx.inputs().len()).map(|i| cx.tensor(i)).collect::<Result<_, _>>()?;
        let (shape, axis) = joined_shape(&tensors, self.0)?;
        let parts = tensors.iter().map(|t| t.as_slice::<f32>()).collect::<Result<Vec<_>, _>>()?;
        let outer = checked_len(&shape[..axis])?;
        let mut y = cx.buffers.take(checked_len(&shape)?);
        let row = y.len().checked_div(outer).unwrap_or(0);
        // Where the share of each part begins in a row.
        let mut begin = 0;
        let shares: Vec<_> = parts
            .iter()
            .map(|part| {
                let share = part.len().checked_div(outer).unwrap_or(0);
                begin += share;
                (part, begin - share, share)
            })
            .collect();
        let body = |start: usize, y: &mut [f32]| {
            let mut at = 0;
            while at < y.len() {
                let (index, column) = ((start + at) / row, (start + at) % row);
                let share = shares.partition_point(|(_, begin, share)| begin + share <= column);
                let Some((part, begin, share)) = shares.get(share) else { return };
                let from = index * share + column - begin;
                let len = (begin + share - column).min(y.len() - at);
                y[at..at + len].copy_from_slice(&part[from..from + len]);
                at += len;
            }
        };
        match y.len() < 2 * TASK {
            true => body(0, &mut y),
            false => cx.team.parallel_chunks(&mut y, TASK, body),
        }
        drop(shares);
        drop(parts);
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

/// Elements that a task copies.
const TASK: usize = 8192;

cpu_op!(Concat, all_f32, |op| ConcatKernel(op.axis));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn along_an_inner_axis() {
        let a = Tensor::from_slice(&[2, 1], &[1.0f32, 2.0]).unwrap();
        let b = Tensor::from_slice(&[2, 2], &[3.0f32, 4.0, 5.0, 6.0]).unwrap();
        let y = Tensor::from_slice(&[2, 3], &[1.0f32, 3.0, 4.0, 2.0, 5.0, 6.0]).unwrap();
        Case::new(Concat { axis: -1 }).input(a.clone()).input(b).expect(y);
        Case::new(Concat { axis: 2 }).input(a).expect_error("axis 2");
    }

    #[test]
    fn along_every_axis_of_large_tensors() {
        for axis in 0..3 {
            let mut shapes = [[3, 40, 70]; 3];
            [17, 0, 55].iter().zip(&mut shapes).for_each(|(size, shape)| shape[axis] = *size);
            let fill = |case: Case, shape: &[usize; 3]| {
                let len: usize = shape.iter().product();
                case.input(Tensor::from_vec(shape, (0..len).map(|i| i as f32).collect()).unwrap())
            };
            shapes.iter().fold(Case::new(Concat { axis: axis as i64 }), fill).agree();
        }
    }
}
