//! `Gather`: <https://onnx.ai/onnx/operators/onnx__Gather.html>

use std::sync::Arc;

use lehr_graph::{
    AxisMap, AxisRole, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, Signature, SymValues,
    declare_op,
};
use lehr_kernels::Isa;
use lehr_tensor::{Tensor, checked_len};

use crate::axis::resolve_axis;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32};
use crate::movement::{Blocks, check_size, count, move_elements, resolve_index};
use crate::renamed_axes::along_axis;

declare_op! {
    /// Slices of input 0 along `axis`, chosen by the indices in input 1, whose shape takes the place of the axis.
    pub struct Gather("", "Gather", 13) inputs(2, 2) outputs(1, 1) flags(DATA_MOVEMENT) {
        /// Axis; may be negative.
        axis: i64 = 0,
    }
}

impl Op for Gather {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        let data = cx.shape(0);
        let axis = data.map(|data| resolve_axis(self.axis, data.rank())).transpose()?;
        let shape = match (data, axis, cx.shape(1)) {
            (Some(data), Some(axis), Some(indices)) => {
                let dims = data.dims();
                Some(dims[..axis].iter().chain(indices.dims()).chain(&dims[axis + 1..]).cloned().collect())
            }
            _ => None,
        };
        cx.set_tensor(0, dtype, shape);
        if let (Some(data), Some(indices)) = (cx.known(0), cx.known(1)) {
            cx.set_known(0, gather_known(&data, &indices)?);
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (data, indices) = (cx.tensor(0)?, cx.tensor(1)?);
        let axis = resolve_axis(self.axis, data.rank())?;
        let shape: Vec<_> = [&data.shape()[..axis], indices.shape(), &data.shape()[axis + 1..]].concat();
        check_size(cx.environment(), data.dtype(), &shape)?;
        let y = gather(data, indices, axis, &shape)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        Cost::of_picking(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let (Some(data), Some(indices)) = (io.input_shape(0), io.input_shape(1)) else { return map };
        let Ok(axis) = resolve_axis(self.axis, data.rank()) else { return map };
        for (i, role) in map.outputs.iter_mut().flatten().enumerate() {
            *role = AxisRole::Independent(vec![if i < axis {
                (0, i)
            } else if i < axis + indices.rank() {
                (1, i - axis)
            } else {
                (0, i + 1 - indices.rank())
            }]);
        }
        map
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let mut permuted = along_axis(io, order, self.axis, |axis| Self { axis })?;
        match io.input_shape(1)?.rank() {
            0 => permuted.outputs = vec![order.without(&[resolve_axis(self.axis, order.rank()).ok()?])],
            1 => {}
            _ => return None,
        }
        Some(permuted)
    }
}

fn gather_known(data: &SymValues, indices: &SymValues) -> Result<Option<SymValues>, OpError> {
    let (&[size], Some(numbers)) = (data.shape(), indices.as_constants()) else { return Ok(None) };
    let mut values = Vec::with_capacity(numbers.len());
    for index in numbers {
        values.push(data.values()[resolve_index(index, size)?].clone());
    }
    Ok(SymValues::new(indices.shape(), values).ok())
}

/// Indices counted from the front of an axis of that size.
fn resolved(indices: &Tensor, size: usize) -> Result<Vec<usize>, OpError> {
    indices.to_i64s()?.into_iter().map(|index| resolve_index(index, size)).collect()
}

fn gather(data: &Tensor, indices: &Tensor, axis: usize, shape: &[usize]) -> Result<Tensor, OpError> {
    let size = data.shape()[axis];
    let indices = resolved(indices, size)?;
    if shape.contains(&0) {
        return Ok(Tensor::zeros(data.dtype(), shape)?);
    }
    let outer: usize = count(&data.shape()[..axis]);
    let block: usize = count(&data.shape()[axis + 1..]);
    let starts: Vec<usize> =
        (0..outer).flat_map(|o| indices.iter().map(move |&i| (o * size + i) * block)).collect();
    move_elements(&[data], shape, &Blocks { starts: &starts, block })
}

/// For 32-bit floats, whose memory goes around between nodes; other types are copied in whole blocks as well.
impl CpuOp for Gather {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        are_f32(io, &[0]).then(|| Recipe::new("blocks"))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        Ok(Packed::default())
    }

    fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(GatherKernel(self.clone())))
    }
}

struct GatherKernel(Gather);

impl Kernel for GatherKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (data, indices) = (cx.tensor(0)?, cx.tensor(1)?);
        let axis = resolve_axis(self.0.axis, data.rank())?;
        let (outer, size, inner) = (&data.shape()[..axis], data.shape()[axis], &data.shape()[axis + 1..]);
        let shape: Vec<_> = [outer, indices.shape(), inner].concat();
        check_size(cx.environment, data.dtype(), &shape)?;
        let (block, indices) = (count(inner), resolved(indices, size)?);
        let mut y = cx.buffers.take(checked_len(&shape)?);
        if !y.is_empty() {
            let data = data.as_slice::<f32>()?;
            let planes = data.chunks_exact(size * block).zip(y.chunks_exact_mut(indices.len() * block));
            for (plane, y) in planes {
                for (&index, y) in indices.iter().zip(y.chunks_exact_mut(block)) {
                    y.copy_from_slice(&plane[index * block..(index + 1) * block]);
                }
            }
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn along_an_inner_axis_with_negative_indices() {
        let x = f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        Case::new(Gather { axis: 1 })
            .input(x.clone())
            .input(i64s(&[1, 2], &[-1, 0]))
            .expect(f32s(&[2, 1, 2], &[3.0, 1.0, 6.0, 4.0]));
        Case::new(Gather { axis: 0 })
            .input(x.clone())
            .input(Tensor::scalar(1i32))
            .expect(f32s(&[3], &[4.0, 5.0, 6.0]));
        Case::new(Gather { axis: 0 }).input(x).input(i64s(&[1], &[2])).expect_error("index 2");
    }

    #[test]
    fn moves_packed_codes() {
        let x = Tensor::from_codes(lehr_tensor::DataType::I4, &[3], &[1, 2, 15]).unwrap();
        let y = Tensor::from_codes(lehr_tensor::DataType::I4, &[2], &[15, 1]).unwrap();
        Case::new(Gather { axis: 0 }).input(x).input(i64s(&[2], &[2, 0])).expect(y);
    }
}
