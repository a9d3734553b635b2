//! The fast way of the poolings over one or two axes.

use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::Isa;
use lehr_kernels::pool::{Divisor, PoolParams, PoolShape, average_pool, global_average_pool, max_pool};
use lehr_tensor::{Tensor, checked_len};

use crate::average_pool::AveragePool;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, run_reference};
use crate::global_average_pool::GlobalAveragePool;
use crate::global_max_pool::GlobalMaxPool;
use crate::max_pool::MaxPool;
use crate::pooling::Pooling;
use crate::window::WindowAttributes;

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
    let planar = matches!(op.windows().1.len(), 1 | 2);
    (planar && are_f32(io, &[0]) && io.outputs.len() == 1).then(|| Recipe::new("windows"))
}

struct PoolKernel<T>(T);

impl<T: FastPool> Kernel for PoolKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (window, kernel) = self.0.windows();
        let x = cx.tensor(0)?;
        let pooling = Pooling::new(&window, kernel, x.shape())?;
        if x.is_empty() {
            return run_reference(&self.0, cx);
        }
        let mut y = cx.buffers.take(checked_len(&pooling.output)?);
        let input = x.as_slice::<f32>()?;
        if !y.is_empty() {
            let shape = PoolShape::new(params(&pooling)).map_err(refused)?;
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

/// One axis is two with height 1.
fn params(pooling: &Pooling) -> PoolParams {
    let axes = &pooling.window.axes;
    let list = |f: fn(&crate::window::WindowAxis) -> usize, filler: usize| match axes[..] {
        [h, w] => [f(&h), f(&w)],
        [w] => [filler, f(&w)],
        _ => [filler; 2],
    };
    PoolParams {
        planes: pooling.planes,
        input: list(|a| a.input, 1),
        output: list(|a| a.output, 1),
        kernel: list(|a| a.kernel, 1),
        strides: list(|a| a.stride, 1),
        dilations: list(|a| a.dilation, 1),
        pads_begin: list(|a| a.begin, 0),
        pads_end: list(|a| a.end, 0),
    }
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
    average: bool,
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
        if self.average {
            global_average_pool(cx.team, cx.isa, plane, &input, &mut y);
        } else {
            let params = PoolParams {
                planes,
                input: [1, plane],
                output: [1; 2],
                kernel: [1, plane],
                strides: [1; 2],
                dilations: [1; 2],
                pads_begin: [0; 2],
                pads_end: [0; 2],
            };
            max_pool(cx.team, cx.isa, &PoolShape::new(params).map_err(refused)?, &input, &mut y);
        }
        let y = Tensor::from_vec(&shape, y)?;
        cx.set(0, y);
        Ok(())
    }
}

macro_rules! global_cpu_op {
    ($($op:ty, $average:literal);*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                are_f32(io, &[0]).then(|| Recipe::new("planes"))
            }

            fn pack(&self, _recipe: &Recipe, _constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                Ok(Packed::default())
            }

            fn bind(&self, _recipe: &Recipe, _packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                Ok(Box::new(GlobalKernel { op: self.clone(), average: $average }))
            }
        }
    )*};
}
global_cpu_op!(GlobalAveragePool, true; GlobalMaxPool, false);
