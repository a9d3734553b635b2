//! `BlockedConvTranspose`: ConvTranspose (<https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>) of blocked maps in one
//! group, with what follows it.

use std::sync::Arc;

use lehr_graph::{AxisMap, Cost, Dim, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_kernels::AlignedVec;
use lehr_kernels::blocked::{self, BlockedEpilogue, BlockedTransposed, TransposedParams};
use lehr_kernels::gemm;
use lehr_tensor::Tensor;

use super::Activation;
use super::blocks::{blocked_shape, blocked_sizes, from_blocks, plain_shape, plain_sizes, to_blocks};
use super::geometry::{bias_lanes, check_one_block, weights_of};
use super::last_plan::LastPlan;
use super::without_terms::{Following, has_no_terms};
use crate::conv_transpose::ConvTranspose;
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::operand::{bounded_len, check_shape, floats, optional_floats, present_dtype, rounded};
use crate::window::AutoPad;

declare_op! {
    /// `activation(conv_transpose(X, W) + B)`: X is blocked maps, W is `[C, M, kh, kw]`, B has M values.
    pub struct BlockedConvTranspose("lehr", "BlockedConvTranspose", 1) inputs(2, 3) outputs(1, 1) flags() {
        /// Applied last.
        activation: Option<Activation> = None,
        /// Parameters of the activation.
        activation_params: Option<Vec<f32>> = None,
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// What is added at the end of each axis.
        output_padding: Option<Vec<i64>> = None,
        /// Sizes of the output; computed when absent.
        output_shape: Option<Vec<i64>> = None,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Distances of the elements of the input.
        strides: Option<Vec<i64>> = None,
    }
}

impl BlockedConvTranspose {
    /// The operator on plain maps.
    fn plain(&self) -> ConvTranspose {
        ConvTranspose {
            auto_pad: self.auto_pad,
            dilations: None,
            group: 1,
            kernel_shape: self.kernel_shape.clone(),
            output_padding: self.output_padding.clone(),
            output_shape: self.output_shape.clone(),
            pads: self.pads.clone(),
            strides: self.strides.clone(),
        }
    }

    fn parameters(&self) -> &[f32] {
        self.activation_params.as_deref().unwrap_or_default()
    }

    fn kernel_activation(&self) -> Result<gemm::Activation, OpError> {
        self.activation.map_or(Ok(gemm::Activation::None), |activation| activation.kernel(self.parameters()))
    }

    /// The kernel's plan for blocked maps and weights of the given sizes, and the sizes of the output.
    fn plan(&self, x: &[usize], w: &[usize]) -> Result<Fitted, OpError> {
        let channels = w.first().copied().unwrap_or(0);
        let source = plain_sizes(x, channels)?;
        let fitted = self.plain().fit(&source, w)?;
        let sizes = blocked_sizes(&fitted.output())?;
        if has_no_terms(x, &sizes) {
            return Ok((None, sizes));
        }
        let two = |f: fn(&crate::window::WindowAxis) -> usize| {
            let values: Vec<usize> = fitted.window.axes.iter().map(f).collect();
            <[usize; 2]>::try_from(values)
                .map_err(|axes| OpError::shape(format!("expected two axes, got {}", axes.len())))
        };
        let params = TransposedParams {
            in_channels: fitted.in_channels,
            out_channels: fitted.out_channels,
            input: two(|axis| axis.output)?,
            output: two(|axis| axis.input)?,
            kernel: two(|axis| axis.kernel)?,
            strides: two(|axis| axis.stride)?,
            pads_begin: two(|axis| axis.begin)?,
        };
        let plan = BlockedTransposed::new(params).map_err(refused)?;
        Ok((Some(plan), sizes))
    }
}

/// A plan, and the sizes of its output; none where there is nothing to sum up.
type Fitted = (Option<BlockedTransposed>, [usize; 5]);

impl Op for BlockedConvTranspose {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let weights = cx.shape(1);
        let channels = weights.and_then(|w| w.dims().first().cloned()).unwrap_or(Dim::Unknown);
        let plain = cx.shape(0).map(|shape| plain_shape(shape, channels)).transpose()?;
        let shape =
            plain.map(|plain| blocked_shape(&self.plain().output_shape(&plain, weights)?)).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        let (dtype, channels) = (x.dtype(), w.shape().first().copied().unwrap_or(0));
        let source = plain_sizes(x.shape(), channels)?;
        let fitted = self.plain().fit(&source, w.shape())?;
        let plain = <[usize; 4]>::try_from(fitted.output())
            .map_err(|sizes| OpError::shape(format!("expected two axes, got {sizes:?}")))?;
        let sizes = blocked_sizes(&plain)?;
        bounded_len(cx, dtype, &sizes)?;
        let mut y = fitted.sums(&from_blocks(&floats(cx, 0)?, source), &floats(cx, 1)?);
        if let Some(bias) = optional_floats(cx, 2)? {
            check_shape(2, cx.tensor(2)?, &[fitted.out_channels])?;
            let pixels = (plain[2] * plain[3]).max(1);
            y.chunks_exact_mut(pixels).zip(bias.iter().cycle()).for_each(|(row, bias)| {
                row.iter_mut().for_each(|y| *y += bias);
            });
        }
        let mut y = to_blocks(&y, plain);
        if let Some(activation) = self.activation {
            let f = activation.function(self.parameters())?;
            y.iter_mut().for_each(|y| *y = f(*y));
        }
        let y: Tensor = rounded(dtype, &sizes, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        self.plain().cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        AxisMap::opaque(io)
    }
}

impl CpuOp for BlockedConvTranspose {
    fn choose(&self, io: &Signature<'_>, _isa: lehr_kernels::isa::Isa) -> Option<Recipe> {
        self.kernel_activation().ok()?;
        let weights = io.constants.get(1).copied().flatten()?;
        if !are_f32(io, &[0, 1, 2]) || weights.rank() != 4 || weights.is_empty() {
            return None;
        }
        // Batch sizes are left to the run.
        let mut sizes = vec![1];
        for dim in io.input_shape(0)?.dims().get(1..)? {
            sizes.push(dim.as_fixed()?);
        }
        self.plan(&sizes, weights.shape()).ok()?.0?;
        let recipe = with_sizes(Recipe::new("blocked_phases"), "w", weights.shape());
        Some(with_sizes(recipe, "x", &sizes))
    }

    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        let (weights, sizes) = weights_of(recipe, constants)?;
        let (plan, _) = self.plan(&sizes_of(recipe, "x"), &sizes)?;
        let plan = plan.ok_or_else(|| OpError::value("the recipe is one for maps without elements"))?;
        Ok(Packed { blocks: vec![plan.pack(&weights.as_slice::<f32>()?).map_err(refused)?] })
    }

    fn packed_inputs(&self, _recipe: &Recipe) -> Vec<usize> {
        vec![1]
    }

    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        check_one_block(&packed)?;
        Ok(Box::new(TransposedKernel {
            op: self.clone(),
            activation: self.kernel_activation()?,
            weights: sizes_of(recipe, "w"),
            packed,
            plan: LastPlan::default(),
        }))
    }
}

struct TransposedKernel {
    op: BlockedConvTranspose,
    activation: gemm::Activation,
    /// Sizes of the packed weights.
    weights: Vec<usize>,
    packed: Arc<Packed>,
    plan: LastPlan<Fitted>,
}

impl TransposedKernel {
    /// What follows the sums.
    fn following(&self) -> Following<'_> {
        Following {
            channels: self.weights.get(1).copied().unwrap_or(0),
            residual: None,
            activation: self.op.activation,
            parameters: self.op.parameters(),
        }
    }
}

impl Kernel for TransposedKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let shape = cx.tensor(0)?.shape();
        let plan = self.plan.get(shape, || self.op.plan(shape, &self.weights))?;
        let (plan, sizes) = (plan.0.as_ref(), plan.1);
        let Some(plan) = plan else { return self.following().set(cx, &sizes) };
        let x = cx.tensor(0)?.as_slice::<f32>()?;
        let bias = bias_lanes(cx, 2, self.weights.get(1).copied().unwrap_or(0))?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&sizes)?);
        let mut scratch = cx.buffers.take(blocked::transposed_blocked_scratch_len(cx.team, plan));
        let packed = self.packed.blocks.first().map(AlignedVec::as_slice).unwrap_or_default();
        let epilogue = BlockedEpilogue { bias: bias.as_deref(), residual: None, activation: self.activation };
        let images = sizes[0];
        blocked::transposed_blocked(
            cx.team,
            cx.isa,
            plan,
            images,
            packed,
            &x,
            &mut y,
            &epilogue,
            &mut scratch,
        );
        cx.buffers.give(scratch);
        bias.into_iter().for_each(|bias| cx.buffers.give(bias));
        drop(x);
        cx.set(0, Tensor::from_vec(&sizes, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_kernels::blocked::BLOCK;

    fn op(stride: i64, pad: i64) -> BlockedConvTranspose {
        BlockedConvTranspose {
            activation: None,
            activation_params: None,
            auto_pad: AutoPad::NotSet,
            kernel_shape: None,
            output_padding: None,
            output_shape: None,
            pads: Some(vec![pad; 4]),
            strides: Some(vec![stride; 2]),
        }
    }

    fn values(shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| (i * 7 % 23) as f32 / 8.0 - 1.25).collect::<Vec<_>>())
    }

    #[test]
    fn phases_agree_with_the_definition() {
        for (op, kernel) in [(op(2, 0), 2), (op(2, 1), 4), (op(2, 1), 3), (op(1, 1), 3), (op(3, 1), 4)] {
            let op = BlockedConvTranspose { activation: Some(Activation::Sigmoid), ..op };
            Case::new(op)
                .input(values(&[2, 2, 5, 6, BLOCK]))
                .constant(values(&[11, 9, kernel, kernel]))
                .constant(values(&[9]))
                .tolerance(1e-4, 1e-4)
                .agree();
        }
    }

    #[test]
    fn no_images() {
        let case = Case::new(op(2, 1)).input(values(&[0, 2, 5, 6, BLOCK])).constant(values(&[11, 9, 4, 4]));
        case.constant(values(&[9])).agree();
    }

    #[test]
    fn misfits() {
        let x = values(&[1, 1, 4, 4, BLOCK]);
        Case::new(op(2, 0)).input(x).constant(values(&[9, 2, 2, 2])).expect_error("9 channels");
    }
}
