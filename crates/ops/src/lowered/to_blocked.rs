//! `ToBlocked`: plain maps into blocks of channels, the layout `nChw8c` of
//! <https://uxlfoundation.github.io/oneDNN/dev_guide_understanding_memory_formats.html>.

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::blocked::{self, Maps};
use lehr_tensor::Tensor;

use super::blocks::{blocked_shape, blocked_sizes, to_blocks};
use crate::cpu::{Kernel, RunCx, refused};
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::operand::{bounded_len, floats, present_dtype, rounded};

declare_op! {
    /// `[N, C, H, W]` as `[N, ceil(C / 8), H, W, 8]`; the spare lanes are zero.
    pub struct ToBlocked("lehr", "ToBlocked", 1) inputs(1, 1) outputs(1, 1) flags() {}
}

impl Op for ToBlocked {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let shape = cx.shape(0).map(blocked_shape).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let sizes = blocked_sizes(x.shape())?;
        bounded_len(cx, x.dtype(), &sizes)?;
        let &[n, c, h, w] = x.shape() else { return Err(OpError::shape("expected rank 4")) };
        let y: Tensor = rounded(x.dtype(), &sizes, to_blocks(&floats(cx, 0)?, [n, c, h, w]))?;
        cx.set(0, y);
        Ok(())
    }
}

struct ToBlockedKernel;

impl Kernel for ToBlockedKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let sizes = blocked_sizes(x.shape())?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&sizes)?);
        if y.is_empty() {
            cx.set(0, Tensor::from_vec(&sizes, y)?);
            return Ok(());
        }
        let &[n, c, h, w] = x.shape() else { return Err(OpError::shape("expected rank 4")) };
        let maps = Maps::new(c, h.saturating_mul(w)).map_err(refused)?;
        blocked::to_blocked(cx.team, cx.isa, maps, n, &x.as_slice::<f32>()?, &mut y);
        cx.set(0, Tensor::from_vec(&sizes, y)?);
        Ok(())
    }
}

cpu_op!(ToBlocked, all_f32, |_op| ToBlockedKernel);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn channels_become_the_last_axis_in_blocks_of_eight() {
        let x: Vec<f32> = (0..2 * 9 * 2).map(|i| i as f32).collect();
        let at = |n: usize, c: usize, x: usize| if c < 9 { ((n * 9 + c) * 2 + x) as f32 } else { 0.0 };
        let mut y = Vec::new();
        for n in 0..2 {
            for block in 0..2 {
                for x in 0..2 {
                    y.extend((0..8).map(|lane| at(n, block * 8 + lane, x)));
                }
            }
        }
        Case::new(ToBlocked {}).input(f32s(&[2, 9, 1, 2], &x)).expect(f32s(&[2, 2, 1, 2, 8], &y));
        Case::new(ToBlocked {}).input(f32s(&[2, 9, 2], &x)).expect_error("rank 4");
    }

    #[test]
    fn nothing_in_blocks() {
        for shape in [[0, 9, 2, 2], [2, 0, 2, 2], [2, 9, 0, 2], [2, 9, 2, 0], [0; 4]] {
            Case::new(ToBlocked {}).input(f32s(&shape, &[])).agree();
        }
    }
}
