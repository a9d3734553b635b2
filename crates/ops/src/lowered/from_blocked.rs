//! `FromBlocked`: blocks of channels back to plain maps, from the layout `nChw8c` of
//! <https://uxlfoundation.github.io/oneDNN/dev_guide_understanding_memory_formats.html>.

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_kernels::blocked::{self, Maps};
use lehr_tensor::Tensor;

use super::blocks::{from_blocks, plain_shape, plain_sizes};
use crate::convolution::group_count;
use crate::cpu::{Kernel, RunCx, refused};
use crate::elementwise_cpu::{all_f32, cpu_op};
use crate::operand::{floats, present_dtype, rounded};

declare_op! {
    /// `[N, ceil(C / 8), H, W, 8]` as `[N, C, H, W]`.
    pub struct FromBlocked("lehr", "FromBlocked", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// C.
        channels: i64,
    }
}

impl Op for FromBlocked {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let channels = Dim::from(group_count("channels", self.channels)?);
        let shape = cx.shape(0).map(|shape| plain_shape(shape, channels)).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let sizes = plain_sizes(x.shape(), group_count("channels", self.channels)?)?;
        let y: Tensor = rounded(x.dtype(), &sizes, from_blocks(&floats(cx, 0)?, sizes))?;
        cx.set(0, y);
        Ok(())
    }
}

struct FromBlockedKernel(i64);

impl Kernel for FromBlockedKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let sizes = plain_sizes(x.shape(), group_count("channels", self.0)?)?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&sizes)?);
        if y.is_empty() {
            cx.set(0, Tensor::from_vec(&sizes, y)?);
            return Ok(());
        }
        let [n, c, h, w] = sizes;
        let maps = Maps::new(c, h.saturating_mul(w)).map_err(refused)?;
        blocked::from_blocked(cx.team, cx.isa, maps, n, &x.as_slice::<f32>()?, &mut y);
        cx.set(0, Tensor::from_vec(&sizes, y)?);
        Ok(())
    }
}

cpu_op!(FromBlocked, all_f32, |op| FromBlockedKernel(op.channels));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn spare_lanes_are_left_out() {
        let x: Vec<f32> = (0..2 * 3 * 8).map(|i| i as f32).collect();
        let y: Vec<f32> = (0..9 * 3).map(|i| ((i / 3 / 8 * 3 + i % 3) * 8 + i / 3 % 8) as f32).collect();
        let op = FromBlocked { channels: 9 };
        Case::new(op.clone()).input(f32s(&[1, 2, 3, 1, 8], &x)).expect(f32s(&[1, 9, 3, 1], &y));
        Case::new(op).input(f32s(&[1, 1, 3, 2, 8], &x)).expect_error("9 channels");
        Case::new(FromBlocked { channels: 0 }).input(f32s(&[1, 2, 3, 1, 8], &x)).expect_error("at least 1");
    }

    #[test]
    fn blocks_of_nothing() {
        for shape in [[0, 2, 2, 2, 8], [2, 2, 0, 2, 8], [2, 2, 2, 0, 8]] {
            Case::new(FromBlocked { channels: 9 }).input(f32s(&shape, &[])).agree();
        }
    }
}
