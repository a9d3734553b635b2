//! The fast way of ConvTranspose over one or two axes: one matrix product per image and group, whose rows are then added
//! to the output where their kernel element says.

use std::sync::Arc;

use lehr_graph::{OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::gemm::{Epilogue, MatRef, PackedB, gemm, gemm_scratch_len};
use lehr_tensor::{Tensor, checked_len};

use crate::conv_transpose::{ConvTranspose, Transposed};
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, Shares, are_f32, run_reference};
use crate::operand::check_shape;
use crate::window::WindowAxis;

impl CpuOp for ConvTranspose {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        let rank = io.input_shape(0).or(io.input_shape(1))?.rank();
        (are_f32(io, &[0, 1, 2]) && matches!(rank, 3 | 4)).then(|| Recipe::new("scattered product"))
    }

    fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        // The product reads the weights as they are; what it packs is the image.
        Ok(Packed::default())
    }

    fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        Ok(Box::new(TransposedKernel(self.clone())))
    }
}

struct TransposedKernel(ConvTranspose);

impl Kernel for TransposedKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        let op = self.0.fit(x.shape(), w.shape())?;
        let axes = match op.window.axes[..] {
            [w] => [ONE, w],
            [h, w] => [h, w],
            _ => return run_reference(&self.0, cx),
        };
        if x.is_empty() || w.is_empty() {
            return run_reference(&self.0, cx);
        }
        let shape = op.output();
        let len = checked_len(&shape)?;
        let bias = cx.optional_tensor(2)?;
        if let Some(bias) = bias {
            check_shape(2, bias, &[op.out_channels])?;
        }
        let mut y = cx.buffers.take(len);
        fill_planes(&mut y, bias.map(Tensor::as_slice::<f32>).transpose()?.as_deref(), op.window.input_len());
        if len > 0 {
            scatter_all(cx, &op, axes, &x.as_slice::<f32>()?, &w.as_slice::<f32>()?, &mut y)?;
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

/// The axis that a one-dimensional operation lacks.
const ONE: WindowAxis =
    WindowAxis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0 };

fn fill_planes(y: &mut [f32], bias: Option<&[f32]>, plane: usize) {
    match bias {
        Some(bias) => {
            for (plane, &bias) in y.chunks_exact_mut(plane.max(1)).zip(bias.iter().cycle()) {
                plane.fill(bias);
            }
        }
        None => y.fill(0.0),
    }
}

fn scatter_all(
    cx: &RunCx<'_>,
    op: &Transposed,
    axes: [WindowAxis; 2],
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) -> Result<(), OpError> {
    let (c_in, c_out) = (op.in_channels / op.groups, op.out_channels / op.groups);
    let (pixels, plane, taps) = (op.window.output_len(), op.window.input_len(), op.window.kernel_len());
    let rows = c_out * taps;
    let too_large = || OpError::shape("the unfolded output is too large for the address space");
    let b_len = PackedB::len_of(c_in, pixels).ok_or_else(too_large)?;
    let columns_len = rows.checked_mul(pixels).ok_or_else(too_large)?;
    let a_len = gemm_scratch_len(cx.team, c_in, rows);
    let mut scratch = cx
        .buffers
        .take(b_len.checked_add(a_len).and_then(|len| len.checked_add(columns_len)).ok_or_else(too_large)?);
    let (for_b, rest) = scratch.split_at_mut(b_len);
    let (for_a, columns) = rest.split_at_mut(a_len);
    for (index, y) in y.chunks_exact_mut(c_out * plane).enumerate() {
        let group = index % op.groups;
        let image = &x[index * c_in * pixels..][..c_in * pixels];
        let b = PackedB::pack_into(c_in, pixels, MatRef::rows(image, pixels), for_b);
        let a = MatRef::transposed(&w[group * c_in * rows..][..c_in * rows], rows);
        gemm(cx.team, cx.isa, rows, pixels, c_in, a, b, columns, pixels, &Epilogue::default(), for_a);
        let planes = Shares::new(y, plane);
        let columns = &*columns;
        cx.team.parallel_for(c_out, |channel| {
            planes.with(channel, |y| {
                for tap in 0..taps {
                    add_tap(axes, tap, &columns[(channel * taps + tap) * pixels..][..pixels], y);
                }
            });
        });
    }
    cx.buffers.give(scratch);
    Ok(())
}

/// Adds what kernel element `tap` makes of each input element to the output plane.
fn add_tap([h, w]: [WindowAxis; 2], tap: usize, values: &[f32], y: &mut [f32]) {
    let (tap_y, tap_x) = (tap / w.kernel, tap % w.kernel);
    let (from, to) = inside(&w, tap_x);
    if from >= to {
        return;
    }
    let (first_y, end_y) = inside(&h, tap_y);
    let start = from * w.stride + tap_x * w.dilation - w.begin;
    for row in first_y..end_y {
        let out_row = row * h.stride + tap_y * h.dilation - h.begin;
        let out = &mut y[out_row * w.input + start..(out_row + 1) * w.input];
        let values = &values[row * w.output..][from..to];
        if w.stride == 1 {
            out.iter_mut().zip(values).for_each(|(y, v)| *y += v);
        } else {
            out.iter_mut().step_by(w.stride).zip(values).for_each(|(y, v)| *y += v);
        }
    }
}

/// The positions of the input whose kernel element `tap` lands in the output.
fn inside(axis: &WindowAxis, tap: usize) -> (usize, usize) {
    let shift = tap * axis.dilation;
    let first = axis.begin.saturating_sub(shift).div_ceil(axis.stride);
    let end = (axis.begin + axis.input).saturating_sub(shift).div_ceil(axis.stride);
    (first, end.min(axis.output))
}
