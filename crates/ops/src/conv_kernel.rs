//! The fast way of Conv and FusedConv: packed weights and the `f32` convolution kernels for one to three axes.

use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::AlignedVec;
use lehr_kernels::conv::{
    ConvEpilogue, ConvParams, ConvShape, PackedConv, PackedConvRef, conv_direct, conv2d, conv2d_scratch_len,
};
use lehr_kernels::gemm::Activation;
use lehr_tensor::Tensor;

use crate::convolution::{ConvAttributes, Convolution};
use crate::cpu::{Kernel, Packed, Recipe, RunCx, are_f32, refused, run_reference, sizes_of, with_sizes};
use crate::operand::check_shape;

/// An operator that is a convolution with something applied to its sums.
pub(crate) trait FastConv: Op + Clone {
    /// The convolution.
    fn geometry(&self) -> ConvAttributes<'_>;

    /// What is applied to the sums.
    fn activation(&self) -> Result<Activation, OpError>;
}

/// Algorithms: `direct` for three axes, else `packed`; `w` holds the sizes of constant weights.
pub(crate) fn choose_conv(op: &impl FastConv, io: &Signature<'_>) -> Option<Recipe> {
    if !are_f32(io, &[0, 1, 2, 3]) || op.activation().is_err() {
        return None;
    }
    let rank = io.input_shape(0).or(io.input_shape(1))?.rank();
    if !(3..=5).contains(&rank) {
        return None;
    }
    let recipe = Recipe::new(if rank == 5 { "direct" } else { "packed" });
    let constant =
        io.constants.get(1).copied().flatten().filter(|w| rank < 5 && w.rank() == rank && !w.is_empty());
    let Some(weights) = constant else { return Some(recipe) };
    let groups = usize::try_from(op.geometry().group).ok()?;
    packing_shape(weights.shape(), groups).ok()?;
    Some(with_sizes(recipe, "w", weights.shape()))
}

/// Packs constant weights, if the recipe says that there are any.
pub(crate) fn pack_conv(
    op: &impl FastConv,
    recipe: &Recipe,
    constants: &[Option<&Tensor>],
) -> Result<Packed, OpError> {
    let sizes = sizes_of(recipe, "w");
    if sizes.is_empty() {
        return Ok(Packed::default());
    }
    let weights = constants.get(1).copied().flatten().ok_or(OpError::MissingInput { index: 1 })?;
    check_shape(1, weights, &sizes)?;
    let groups = usize::try_from(op.geometry().group).unwrap_or(0);
    let packed = pack_weights(&sizes, groups, &weights.as_slice::<f32>()?)?;
    Ok(Packed { blocks: vec![AlignedVec::from_slice(packed.view().as_slice())] })
}

/// The kernel of a recipe.
pub(crate) fn bind_conv(
    op: &impl FastConv,
    recipe: &Recipe,
    packed: Arc<Packed>,
) -> Result<Box<dyn Kernel>, OpError> {
    let weights = sizes_of(recipe, "w");
    if weights.is_empty() != packed.blocks.is_empty() {
        return Err(OpError::value("the packed weights do not belong to this recipe"));
    }
    Ok(Box::new(ConvKernel { op: op.clone(), activation: op.activation()?, weights, packed }))
}

/// The inputs that the packed weights replace.
pub(crate) fn conv_packed_inputs(recipe: &Recipe) -> Vec<usize> {
    if recipe.get("w") > 0 { vec![1] } else { Vec::new() }
}

fn pack_weights(sizes: &[usize], groups: usize, weights: &[f32]) -> Result<PackedConv, OpError> {
    PackedConv::pack(&packing_shape(sizes, groups)?, weights).map_err(refused)
}

/// A geometry for packing: the packed form depends on channels and kernel alone.
fn packing_shape(sizes: &[usize], groups: usize) -> Result<ConvShape<2>, OpError> {
    let [out_channels, per_group, ref kernel @ ..] = *sizes else {
        return Err(OpError::shape(format!("weights of shape {sizes:?}: expected at least rank 3")));
    };
    let kernel = planar(kernel, 1)?;
    let params = ConvParams {
        batch: 1,
        in_channels: per_group.saturating_mul(groups),
        out_channels,
        groups,
        input: kernel,
        kernel,
        strides: [1; 2],
        dilations: [1; 2],
        pads_begin: [0; 2],
        pads_end: [0; 2],
    };
    ConvShape::new(params).map_err(refused)
}

/// One or two values as two, the first one `filler` when there is one.
fn planar(values: &[usize], filler: usize) -> Result<[usize; 2], OpError> {
    match *values {
        [w] => Ok([filler, w]),
        [h, w] => Ok([h, w]),
        _ => Err(OpError::shape(format!("expected one or two axes, got {}", values.len()))),
    }
}

struct ConvKernel<T> {
    op: T,
    activation: Activation,
    /// Sizes of the packed weights; empty when the weights come at run time.
    weights: Vec<usize>,
    packed: Arc<Packed>,
}

impl<T: FastConv> Kernel for ConvKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let at_run_time = self.weights.is_empty();
        let sizes = if at_run_time { cx.tensor(1)?.shape().to_vec() } else { self.weights.clone() };
        let conv = self.op.geometry().fit(cx.tensor(0)?.shape(), &sizes)?;
        let shape = conv.output();
        let len = lehr_tensor::checked_len(&shape)?;
        if at_run_time && sizes.contains(&0) {
            return run_reference(&self.op, cx);
        }
        let added = cx.optional_tensor(3)?.is_some();
        let mut y = if added {
            check_shape(3, cx.tensor(3)?, &shape)?;
            cx.take_f32(3)?
        } else {
            cx.buffers.take(len)
        };
        if len > 0 {
            self.compute(cx, &conv, added, &mut y)?;
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

impl<T: FastConv> ConvKernel<T> {
    fn compute(&self, cx: &RunCx<'_>, conv: &Convolution, added: bool, y: &mut [f32]) -> Result<(), OpError> {
        let x = cx.tensor(0)?.as_slice::<f32>()?;
        let bias = cx.optional_tensor(2)?;
        if let Some(bias) = bias {
            check_shape(2, bias, &[conv.out_channels])?;
        }
        let bias = bias.map(Tensor::as_slice::<f32>).transpose()?;
        let beta = if added { 1.0 } else { 0.0 };
        let epilogue = ConvEpilogue { bias: bias.as_deref(), beta, activation: self.activation };
        // An axis without elements is all padding, and kernels want elements: it becomes an axis of zeros.
        let hollow = conv.window.axes.iter().any(|a| a.input == 0);
        let zeros = if hollow { vec![0.0; hollow_len(conv)?] } else { Vec::new() };
        let x: &[f32] = if hollow { &zeros } else { &x };
        if conv.window.axes.len() == 3 {
            let weights = cx.tensor(1)?.as_slice::<f32>()?;
            let shape = ConvShape::new(params::<3>(conv, hollow, |v| <[usize; 3]>::try_from(v).ok())?);
            conv_direct(cx.team, cx.isa, &shape.map_err(refused)?, &weights, x, y, &epilogue);
            return Ok(());
        }
        let params = params::<2>(conv, hollow, |v| match *v {
            [w] => Some([1, w]),
            [h, w] => Some([h, w]),
            _ => None,
        })?;
        let shape = ConvShape::new(flat_padding(params, conv)).map_err(refused)?;
        let repacked;
        let weights = match self.packed.blocks.first() {
            Some(block) => PackedConvRef::new(&shape, block.as_slice()).map_err(refused)?,
            None => {
                let weights = cx.tensor(1)?;
                repacked = pack_weights(weights.shape(), conv.groups, &weights.as_slice::<f32>()?)?;
                repacked.view()
            }
        };
        let mut scratch = cx.buffers.take(conv2d_scratch_len(cx.team, &shape));
        conv2d(cx.team, cx.isa, &shape, weights, x, y, &epilogue, &mut scratch);
        cx.buffers.give(scratch);
        Ok(())
    }
}

/// Elements of the input with its padding.
fn hollow_len(conv: &Convolution) -> Result<usize, OpError> {
    let axes = conv.window.axes.iter().map(|a| a.begin + a.input + a.end);
    let sizes: Vec<usize> = [conv.batch, conv.in_channels].into_iter().chain(axes).collect();
    Ok(lehr_tensor::checked_len(&sizes)?)
}

/// One axis more than the convolution has must not be padded; the filler 1 of `spread` fits everything else.
fn flat_padding(mut params: ConvParams<2>, conv: &Convolution) -> ConvParams<2> {
    if conv.window.axes.len() == 1 {
        (params.pads_begin[0], params.pads_end[0]) = (0, 0);
    }
    params
}

fn params<const D: usize>(
    conv: &Convolution,
    hollow: bool,
    spread: impl Fn(&[usize]) -> Option<[usize; D]>,
) -> Result<ConvParams<D>, OpError> {
    let axes = &conv.window.axes;
    let list = |f: fn(&crate::window::WindowAxis) -> usize| {
        let values: Vec<usize> = axes.iter().map(f).collect();
        spread(&values)
            .ok_or_else(|| OpError::shape(format!("expected at most {D} axes, got {}", axes.len())))
    };
    Ok(ConvParams {
        batch: conv.batch,
        in_channels: conv.in_channels,
        out_channels: conv.out_channels,
        groups: conv.groups,
        input: if hollow { list(|a| a.begin + a.input + a.end)? } else { list(|a| a.input)? },
        kernel: list(|a| a.kernel)?,
        strides: list(|a| a.stride)?,
        dilations: list(|a| a.dilation)?,
        pads_begin: if hollow { [0; D] } else { list(|a| a.begin)? },
        pads_end: if hollow { [0; D] } else { list(|a| a.end)? },
    })
}

/// The fast way of an operator that implements [`FastConv`].
macro_rules! conv_cpu_op {
    ($op:ty) => {
        impl $crate::cpu::CpuOp for $op {
            fn choose(
                &self,
                io: &lehr_graph::Signature<'_>,
                _isa: lehr_kernels::Isa,
            ) -> Option<$crate::cpu::Recipe> {
                $crate::conv_kernel::choose_conv(self, io)
            }

            fn pack(
                &self,
                recipe: &$crate::cpu::Recipe,
                constants: &[Option<&lehr_tensor::Tensor>],
            ) -> Result<$crate::cpu::Packed, lehr_graph::OpError> {
                $crate::conv_kernel::pack_conv(self, recipe, constants)
            }

            fn packed_inputs(&self, recipe: &$crate::cpu::Recipe) -> Vec<usize> {
                $crate::conv_kernel::conv_packed_inputs(recipe)
            }

            fn bind(
                &self,
                recipe: &$crate::cpu::Recipe,
                packed: std::sync::Arc<$crate::cpu::Packed>,
            ) -> Result<Box<dyn $crate::cpu::Kernel>, lehr_graph::OpError> {
                $crate::conv_kernel::bind_conv(self, recipe, packed)
            }
        }
    };
}
pub(crate) use conv_cpu_op;
