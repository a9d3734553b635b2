//! The fast way of the poolings over one or two axes, behind which others may follow that the windows leave alone.

use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::pool::{Divisor, PoolParams, PoolShape, average_pool, max_pool};
use lehr_kernels::reduce::{Reduction, reduce};
use lehr_tensor::{Tensor, checked_len};

use crate::average_pool::AveragePool;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, run_reference};
use crate::global_average_pool::GlobalAveragePool;
use crate::global_max_pool::GlobalMaxPool;
use crate::max_pool::MaxPool;
use crate::pooling::Pooling;
use crate::window::{WindowAttributes, WindowAxis, kernel_sizes};

#[derive(Clone, Copy)]
enum Kind {
    Max,
    Average(Divisor),
}

/// A pooling with windows.
trait FastPool: Op + Clone {
    fn kind(&self) -> Kind;
    fn windows(&self) -> (WindowAttributes<'_>, &[i64]);
}

impl FastPool for MaxPool {
    fn kind(&self) -> Kind {
        Kind::Max
    }

    fn windows(&self) -> (WindowAttributes<'_>, &[i64]) {
        (self.window(), &self.kernel_shape)
    }
}

impl FastPool for AveragePool {
    fn kind(&self) -> Kind {
        Kind::Average(if self.count_include_pad { Divisor::Padded } else { Divisor::Valid })
    }

    fn windows(&self) -> (WindowAttributes<'_>, &[i64]) {
        (self.window(), &self.kernel_shape)
    }
}

/// Windows over one or two axes; positions of maxima are left to the reference.
fn choose(op: &impl FastPool, io: &Signature<'_>) -> Option<Recipe> {
    let (attributes, kernel) = op.windows();
    let rules = attributes.rules(&kernel_sizes(kernel).ok()?).ok()?;
    let axes = rules.iter().rposition(|rule| !rule.is_identity()).map_or(0, |last| last + 1);
    (axes <= 2 && are_f32(io, &[0]) && io.outputs.len() == 1).then(|| Recipe::new("windows"))
}

struct PoolKernel<T>(T);

impl<T: FastPool> Kernel for PoolKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (window, kernel) = self.0.windows();
        let x = cx.tensor(0)?;
        let pooling = Pooling::new(&window, kernel, x.shape())?;
        let Some(params) = params(&pooling).filter(|_| !x.is_empty()) else {
            return run_reference(&self.0, cx);
        };
        let mut y = cx.buffers.take(checked_len(&pooling.output)?);
        let input = x.as_slice::<f32>()?;
        if !y.is_empty() {
            let shape = PoolShape::new(params).map_err(refused)?;
            match self.0.kind() {
                Kind::Max => max_pool(cx.team, cx.isa, &shape, &input, &mut y),
                Kind::Average(divisor) => average_pool(cx.team, cx.isa, &shape, divisor, &input, &mut y),
            }
        }
        let y = Tensor::from_vec(&pooling.output, y)?;
        cx.set(0, y);
        Ok(())
    }
}

/// One axis is two with height 1; `None` for more than two. Last axes that windows leave alone make a pixel.
fn params(pooling: &Pooling) -> Option<PoolParams> {
    let mut axes = pooling.window.axes.as_slice();
    let mut lanes = 1_usize;
    while let Some((last, rest)) = axes.split_last().filter(|(last, _)| last.is_identity()) {
        lanes = lanes.checked_mul(last.input)?;
        axes = rest;
    }
    if axes.len() > 2 {
        return None;
    }
    let list = |f: fn(&WindowAxis) -> usize, filler: usize| match axes {
        [h, w] => [f(h), f(w)],
        [w] => [filler, f(w)],
        _ => [filler; 2],
    };
    Some(PoolParams {
        planes: pooling.planes,
        lanes,
        input: list(|a| a.input, 1),
        output: list(|a| a.output, 1),
        kernel: list(|a| a.kernel, 1),
        strides: list(|a| a.stride, 1),
        dilations: list(|a| a.dilation, 1),
        pads_begin: list(|a| a.begin, 0),
        pads_end: list(|a| a.end, 0),
    })
}

macro_rules! window_cpu_op {
    ($($op:ty),*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                choose(self, io)
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(PoolKernel(self.clone())))
            }
        }
    )*};
}
window_cpu_op!(MaxPool, AveragePool);

struct GlobalKernel<T> {
    op: T,
    reduction: Reduction,
}

impl<T: Op> Kernel for GlobalKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let [batch, channels, spatial @ ..] = x.shape() else { return run_reference(&self.op, cx) };
        if x.is_empty() {
            return run_reference(&self.op, cx);
        }
        let (planes, plane) = (checked_len(&[*batch, *channels])?, checked_len(spatial)?);
        let shape: Vec<usize> = [*batch, *channels].into_iter().chain(spatial.iter().map(|_| 1)).collect();
        let mut y = cx.buffers.take(planes);
        let input = x.as_slice::<f32>()?;
        reduce(cx.team, cx.isa, self.reduction, [planes, plane, 1], &input, &mut y);
        let y = Tensor::from_vec(&shape, y)?;
        cx.set(0, y);
        Ok(())
    }
}

macro_rules! global_cpu_op {
    ($($op:ty, $reduction:expr);*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                are_f32(io, &[0]).then(|| Recipe::new("planes"))
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(GlobalKernel { op: self.clone(), reduction: $reduction }))
            }
        }
    )*};
}
global_cpu_op!(GlobalAveragePool, Reduction::Mean; GlobalMaxPool, Reduction::Max);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use crate::window::AutoPad;

    #[test]
    fn axes_behind_the_windows_are_pixels() {
        let x: Vec<f32> = (0..2 * 3 * 9 * 7 * 8).map(|i| (i * 7 % 23) as f32 / 4.0 - 2.0).collect();
        let x = f32s(&[2, 3, 9, 7, 8], &x);
        for (stride, pad, ceil_mode) in [(1, 1, false), (2, 1, true), (2, 0, false)] {
            let max = MaxPool {
                auto_pad: AutoPad::NotSet,
                ceil_mode,
                dilations: None,
                kernel_shape: vec![3, 3, 1],
                pads: Some(vec![pad, pad, 0, pad, pad, 0]),
                storage_order: 0,
                strides: Some(vec![stride, stride, 1]),
            };
            Case::new(max.clone()).input(x.clone()).agree();
            for count_include_pad in [false, true] {
                let average = AveragePool {
                    auto_pad: AutoPad::NotSet,
                    ceil_mode,
                    count_include_pad,
                    dilations: None,
                    kernel_shape: max.kernel_shape.clone(),
                    pads: max.pads.clone(),
                    strides: max.strides.clone(),
                };
                Case::new(average).input(x.clone()).tolerance(1e-5, 1e-6).agree();
            }
        }
    }
}
