//! `FirstConv`: Conv (<https://onnx.ai/onnx/operators/onnx__Conv.html>) from plain maps of few channels to blocked maps, with
//! what follows it.

use std::sync::Arc;

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_kernels::blocked::{self, BlockedEpilogue, conv_first, conv_first_scratch_len};
use lehr_kernels::isa::Isa;
use lehr_kernels::{AlignedVec, gemm};
use lehr_tensor::{Tensor, checked_len};

use super::Activation;
use super::blocks::{blocked_of, blocked_shape, to_blocks};
use super::geometry::{bias_lanes, check_one_block, packing_shape, plain_of, shape_of, weights_of};
use super::last_plan::LastPlan;
use super::without_terms::{Following, has_no_terms};
use crate::convolution::{ConvAttributes, conv_cost, conv_of};
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::operand::{bounded_len, check_dtype, check_shape, floats, optional_floats, rounded};
use crate::window::AutoPad;

declare_op! {
    /// `activation(conv(X, W) + B)` as blocked maps: X is `[N, C, H, W]`, W is `[M, C, kh, kw]`, B has M values. Meant for
    /// the few channels of an image, which would leave most lanes of a block empty.
    pub struct FirstConv("lehr", "FirstConv", 1) inputs(2, 3) outputs(1, 1) flags() {
        /// Applied last.
        activation: Option<Activation> = None,
        /// Parameters of the activation.
        activation_params: Option<Vec<f32>> = None,
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl FirstConv {
    fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }

    fn parameters(&self) -> &[f32] {
        self.activation_params.as_deref().unwrap_or_default()
    }

    fn kernel_activation(&self) -> Result<gemm::Activation, OpError> {
        self.activation.map_or(Ok(gemm::Activation::None), |activation| activation.kernel(self.parameters()))
    }
}

impl Op for FirstConv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = self.geometry().infer(cx, 0, 1)?;
        let shape = shape.as_ref().map(blocked_shape).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        check_dtype(1, w, x.dtype())?;
        let dtype = x.dtype();
        let conv = self.geometry().fit(x.shape(), w.shape())?;
        let plain = plain_of(&conv)?;
        let sizes = blocked_of(plain);
        bounded_len(cx, dtype, &sizes)?;
        let mut y = conv.sums(&floats(cx, 0)?, &floats(cx, 1)?);
        if let Some(bias) = optional_floats(cx, 2)? {
            check_shape(2, cx.tensor(2)?, &[conv.out_channels])?;
            conv.add_bias(&mut y, &bias);
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
        conv_cost(io, 1)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        AxisMap::opaque(io)
    }
}

impl CpuOp for FirstConv {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        self.kernel_activation().ok()?;
        let weights = io.constants.get(1).copied().flatten()?;
        let fits = are_f32(io, &[0, 1, 2]) && weights.rank() == 4 && !weights.is_empty() && self.group == 1;
        fits.then(|| with_sizes(Recipe::new("first_product"), "w", weights.shape()))
    }

    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        let (weights, sizes) = weights_of(recipe, constants)?;
        let plan = blocked::FirstConv::new(packing_shape(&sizes, self.group)?).map_err(refused)?;
        Ok(Packed { blocks: vec![plan.pack(&weights.as_slice::<f32>()?).map_err(refused)?] })
    }

    fn packed_inputs(&self, _recipe: &Recipe) -> Vec<usize> {
        vec![1]
    }

    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        check_one_block(&packed)?;
        Ok(Box::new(FirstConvKernel {
            op: self.clone(),
            activation: self.kernel_activation()?,
            weights: sizes_of(recipe, "w"),
            packed,
            plans: LastPlan::default(),
        }))
    }
}

struct FirstConvKernel {
    op: FirstConv,
    activation: gemm::Activation,
    /// Sizes of the packed weights.
    weights: Vec<usize>,
    packed: Arc<Packed>,
    /// With the sizes of the output; none where there is nothing to sum up.
    plans: LastPlan<(Option<blocked::FirstConv>, [usize; 5])>,
}

impl FirstConvKernel {
    /// What follows the sums.
    fn following(&self) -> Following<'_> {
        Following {
            channels: self.weights.first().copied().unwrap_or(0),
            residual: None,
            activation: self.op.activation,
            parameters: self.op.parameters(),
        }
    }
}

impl Kernel for FirstConvKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let plan = self.plans.get(x.shape(), || {
            let conv = self.op.geometry().fit(x.shape(), &self.weights)?;
            let sizes = blocked_of(plain_of(&conv)?);
            let has_terms = !has_no_terms(x.shape(), &sizes);
            let plan = has_terms.then(|| blocked::FirstConv::new(shape_of(&conv)?).map_err(refused));
            Ok((plan.transpose()?, sizes))
        })?;
        let (plan, sizes) = (plan.0.as_ref(), plan.1);
        let Some(plan) = plan else { return self.following().set(cx, &sizes) };
        let x = x.as_slice::<f32>()?;
        let bias = bias_lanes(cx, 2, self.weights.first().copied().unwrap_or(0))?;
        let mut y = cx.buffers.take(checked_len(&sizes)?);
        let mut scratch = cx.buffers.take(conv_first_scratch_len(cx.team, plan));
        let packed = self.packed.blocks.first().map(AlignedVec::as_slice).unwrap_or_default();
        let epilogue = BlockedEpilogue { bias: bias.as_deref(), residual: None, activation: self.activation };
        conv_first(cx.team, cx.isa, plan, sizes[0], packed, &x, &mut y, &epilogue, &mut scratch);
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

    fn conv() -> FirstConv {
        FirstConv {
            activation: None,
            activation_params: None,
            auto_pad: AutoPad::NotSet,
            dilations: None,
            group: 1,
            kernel_shape: None,
            pads: None,
            strides: None,
        }
    }

    fn values(shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| (i * 7 % 23) as f32 / 8.0 - 1.25).collect::<Vec<_>>())
    }

    #[test]
    fn windows_of_several_sizes() {
        let padded = |pad: i64, stride: i64| FirstConv {
            pads: Some(vec![pad; 4]),
            strides: Some(vec![stride; 2]),
            ..conv()
        };
        let dilated = FirstConv { dilations: Some(vec![2, 2]), ..padded(1, 1) };
        for (op, channels, kernel) in
            [(padded(1, 2), 3, 3), (padded(3, 2), 3, 7), (padded(0, 4), 1, 4), (dilated, 4, 3)]
        {
            let op = FirstConv { activation: Some(Activation::HardSwish), ..op };
            let x = values(&[2, channels, 19, 23]);
            let case = Case::new(op).input(x).constant(values(&[21, channels, kernel, kernel]));
            case.constant(values(&[21])).tolerance(1e-4, 1e-4).agree();
        }
    }

    /// Padding makes maps of images without pixels.
    #[test]
    fn nothing_to_convolve() {
        let op = FirstConv { activation: Some(Activation::HardSigmoid), pads: Some(vec![2; 4]), ..conv() };
        let op = FirstConv { activation_params: Some(vec![0.2, 0.5]), ..op };
        for (batch, height, width) in [(0, 5, 5), (0, 0, 0), (2, 0, 5), (2, 5, 0), (2, 0, 0)] {
            let case = Case::new(op.clone()).input(values(&[batch, 3, height, width]));
            let case = case.constant(values(&[11, 3, 3, 3])).constant(values(&[11]));
            case.tolerance(1e-6, 1e-6).agree();
        }
    }

    #[test]
    fn misfits() {
        let x = values(&[1, 3, 4, 4]);
        Case::new(conv()).input(x.clone()).constant(values(&[2, 2, 1, 1])).expect_error("channels");
        let op = FirstConv { activation: Some(Activation::Clip), ..conv() };
        Case::new(op).input(x).constant(values(&[2, 3, 1, 1])).expect_error("expected 2 of them, got 0");
    }
}
