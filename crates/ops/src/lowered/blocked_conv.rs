//! `BlockedConv`: Conv (<https://onnx.ai/onnx/operators/onnx__Conv.html>) of blocked maps, with what follows it.

use std::sync::Arc;

use lehr_graph::{AxisMap, Cost, Dim, EvalCx, InferCx, Op, OpError, Signature, ValueType, declare_op};
use lehr_kernels::blocked::{
    self, BLOCK, BlockedDepthwise, BlockedEpilogue, BlockedInput, BlockedWinograd, WinogradTile,
};
use lehr_kernels::conv::ConvShape;
use lehr_kernels::isa::Isa;
use lehr_kernels::{AlignedVec, gemm};
use lehr_tensor::Tensor;

use super::Activation;
use super::blocks::{blocked_of, blocked_shape, from_blocks, plain_shape, plain_sizes, to_blocks};
use super::geometry::{bias_lanes, check_one_block, packing_shape, plain_of, shape_of, weights_of};
use super::last_plan::LastPlan;
use super::without_terms::{Following, has_no_terms};
use crate::convolution::{ConvAttributes, Convolution, conv_cost, conv_of, group_count};
use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::operand::{
    bounded_len, check_dtype, check_shape, floats, optional_floats, present_dtype, rounded,
};
use crate::window::AutoPad;

declare_op! {
    /// `activation(conv(X · S, W) + B + Z)`: X and Z are blocked maps, W is `[M, C / group, kh, kw]`, B has M values; S is
    /// one factor for each channel of each image, as blocked maps of one pixel.
    pub struct BlockedConv("lehr", "BlockedConv", 1) inputs(2, 5) outputs(1, 1) flags() {
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

impl BlockedConv {
    fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }

    fn parameters(&self) -> &[f32] {
        self.activation_params.as_deref().unwrap_or_default()
    }

    fn kernel_activation(&self) -> Result<gemm::Activation, OpError> {
        self.activation.map_or(Ok(gemm::Activation::None), |activation| activation.kernel(self.parameters()))
    }

    /// The convolution for blocked maps and weights of the given sizes.
    fn fit(&self, x: &[usize], w: &[usize]) -> Result<Convolution, OpError> {
        let per_group = w.get(1).copied().unwrap_or(0);
        let channels = per_group.saturating_mul(group_count("group", self.group)?);
        self.geometry().fit(&plain_sizes(x, channels)?, w)
    }
}

impl Op for BlockedConv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let groups = Dim::from(group_count("group", self.group)?);
        let weights = cx.shape(1);
        let channels = weights.and_then(|w| w.dims().get(1)).map_or(Dim::Unknown, |c| c.mul(&groups));
        let plain = cx.shape(0).map(|shape| plain_shape(shape, channels)).transpose()?;
        let (Some(plain), Some(dtype)) = (plain, dtype) else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let plain = ValueType::tensor(dtype, plain);
        let inner = InferCx::new(vec![Some(&plain), cx.ty(1)], vec![None, cx.constant(1)], 1);
        let shape = self.geometry().infer(&inner, 0, 1)?;
        let shape = shape.as_ref().map(blocked_shape).transpose()?;
        cx.set_tensor(0, Some(dtype), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        check_dtype(1, w, x.dtype())?;
        let dtype = x.dtype();
        let conv = self.fit(x.shape(), w.shape())?;
        let plain = plain_of(&conv)?;
        let sizes = blocked_of(plain);
        bounded_len(cx, dtype, &sizes)?;
        let source = plain_sizes(x.shape(), conv.in_channels)?;
        let mut x = from_blocks(&floats(cx, 0)?, source);
        if let Some(factors) = optional_floats(cx, 4)? {
            let [batch, channels, height, width] = source;
            check_shape(4, cx.tensor(4)?, &factor_sizes(batch, channels))?;
            let factors = from_blocks(&factors, [batch, channels, 1, 1]);
            x.iter_mut().enumerate().for_each(|(i, x)| *x *= factors[i / (height * width)]);
        }
        let mut y = conv.sums(&x, &floats(cx, 1)?);
        if let Some(bias) = optional_floats(cx, 2)? {
            check_shape(2, cx.tensor(2)?, &[conv.out_channels])?;
            conv.add_bias(&mut y, &bias);
        }
        let mut y = to_blocks(&y, plain);
        if let Some(added) = optional_floats(cx, 3)? {
            check_shape(3, cx.tensor(3)?, &sizes)?;
            y.iter_mut().zip(added).for_each(|(y, z)| *y += z);
        }
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

/// Sizes of the factors of the input.
fn factor_sizes(batch: usize, channels: usize) -> [usize; 5] {
    blocked_of([batch, channels, 1, 1])
}

/// Ways to compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Product,
    Depthwise,
    Winograd(WinogradTile),
}

impl Algorithm {
    const ALL: [(&'static str, Algorithm); 4] = [
        ("blocked_product", Algorithm::Product),
        ("blocked_depthwise", Algorithm::Depthwise),
        ("blocked_winograd_2", Algorithm::Winograd(WinogradTile::Two)),
        ("blocked_winograd_4", Algorithm::Winograd(WinogradTile::Four)),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| name)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == name).map(|(_, algorithm)| *algorithm)
    }
}

/// Bytes that one core reads from memory while it does one multiply-add with a vector: weights that do not stay in the
/// cache cost at least that much.
const BYTES_PER_VECTOR: f64 = 3.0;
/// Weights that stay in the caches from run to run.
const CACHED_BYTES: f64 = 8e6;
/// Part of the arithmetic that the transforms of tiles leave to the products.
const TRANSFORM_SHARE: f64 = 0.75;

impl CpuOp for BlockedConv {
    fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
        self.kernel_activation().ok()?;
        let weights = io.constants.get(1).copied().flatten()?;
        if !are_f32(io, &[0, 1, 2, 3, 4]) || weights.rank() != 4 || weights.is_empty() {
            return None;
        }
        let sizes = <[usize; 4]>::try_from(weights.shape()).ok()?;
        let output: Option<Vec<usize>> =
            io.output_shape(0).and_then(|shape| shape.dims().get(2..4)?.iter().map(Dim::as_fixed).collect());
        let algorithm = match io.inputs.get(4).copied().flatten() {
            Some(_) if self.algorithm(sizes, output.as_deref())? == Algorithm::Depthwise => return None,
            Some(_) => Algorithm::Product,
            None => self.algorithm(sizes, output.as_deref())?,
        };
        Some(with_sizes(Recipe::new(algorithm.name()), "w", &sizes))
    }

    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
        let (weights, sizes) = weights_of(recipe, constants)?;
        let plan = Plan::new(algorithm_of(recipe)?, packing_shape(&sizes, self.group)?)?;
        Ok(Packed { blocks: vec![plan.pack(&weights.as_slice::<f32>()?)?] })
    }

    fn packed_inputs(&self, _recipe: &Recipe) -> Vec<usize> {
        vec![1]
    }

    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
        check_one_block(&packed)?;
        Ok(Box::new(BlockedConvKernel {
            op: self.clone(),
            activation: self.kernel_activation()?,
            algorithm: algorithm_of(recipe)?,
            weights: sizes_of(recipe, "w"),
            packed,
            plans: LastPlan::default(),
        }))
    }
}

impl BlockedConv {
    /// The way that costs least by arithmetic and by the weights that have to be read.
    fn algorithm(
        &self,
        [outs, per_group, kernel_h, kernel_w]: [usize; 4],
        output: Option<&[usize]>,
    ) -> Option<Algorithm> {
        let groups = group_count("group", self.group).ok()?;
        if groups > 1 && per_group == 1 && outs == groups {
            return Some(Algorithm::Depthwise);
        }
        if groups > 1 && !(per_group.is_multiple_of(BLOCK) && (outs / groups).is_multiple_of(BLOCK)) {
            return None;
        }
        let ones = |list: &Option<Vec<i64>>| list.iter().flatten().all(|&x| x == 1);
        let small = per_group < 2 * BLOCK || outs < 2 * BLOCK;
        if groups > 1
            || (kernel_h, kernel_w) != (3, 3)
            || !ones(&self.strides)
            || !ones(&self.dilations)
            || small
        {
            return Some(Algorithm::Product);
        }
        let Some(&[height, width]) = output else { return Some(Algorithm::Winograd(WinogradTile::Four)) };
        let channels = (per_group * outs) as f64;
        let cost = |multiplications: f64, bytes: f64| {
            let memory = if bytes > CACHED_BYTES { bytes / BYTES_PER_VECTOR } else { 0.0 };
            (multiplications / BLOCK as f64).max(memory)
        };
        let winograd = |tile: WinogradTile| {
            let matrices = (tile.inputs() * tile.inputs()) as f64;
            let tiles = (height.div_ceil(tile.outputs()) * width.div_ceil(tile.outputs())) as f64;
            cost(matrices * tiles * channels / TRANSFORM_SHARE, 4.0 * matrices * channels)
        };
        let direct = cost(9.0 * (height * width) as f64 * channels, 36.0 * channels);
        let candidates = [
            (Algorithm::Product, direct),
            (Algorithm::Winograd(WinogradTile::Two), winograd(WinogradTile::Two)),
            (Algorithm::Winograd(WinogradTile::Four), winograd(WinogradTile::Four)),
        ];
        candidates.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(algorithm, _)| algorithm)
    }
}

fn algorithm_of(recipe: &Recipe) -> Result<Algorithm, OpError> {
    Algorithm::named(&recipe.algorithm)
        .ok_or_else(|| OpError::value(format!("no way to convolve is called '{}'", recipe.algorithm)))
}

/// A way to compute it, with its geometry.
enum Plan {
    Product(blocked::BlockedConv),
    Depthwise(BlockedDepthwise),
    Winograd(BlockedWinograd),
}

impl Plan {
    fn new(algorithm: Algorithm, shape: ConvShape<2>) -> Result<Self, OpError> {
        Ok(match algorithm {
            Algorithm::Product => Plan::Product(blocked::BlockedConv::new(shape).map_err(refused)?),
            Algorithm::Depthwise => Plan::Depthwise(BlockedDepthwise::new(shape).map_err(refused)?),
            Algorithm::Winograd(tile) => Plan::Winograd(BlockedWinograd::new(shape, tile).map_err(refused)?),
        })
    }

    fn pack(&self, weights: &[f32]) -> Result<AlignedVec, OpError> {
        match self {
            Plan::Product(plan) => plan.pack(weights),
            Plan::Depthwise(plan) => plan.pack(weights),
            Plan::Winograd(plan) => plan.pack(weights),
        }
        .map_err(refused)
    }

    fn scratch_len(&self, cx: &RunCx<'_>) -> usize {
        match self {
            Plan::Product(plan) => blocked::conv_blocked_scratch_len(cx.team, plan),
            Plan::Depthwise(plan) => blocked::depthwise_blocked_scratch_len(plan),
            Plan::Winograd(plan) => blocked::winograd_blocked_scratch_len(cx.team, plan),
        }
    }
}

struct BlockedConvKernel {
    op: BlockedConv,
    activation: gemm::Activation,
    algorithm: Algorithm,
    /// Sizes of the packed weights.
    weights: Vec<usize>,
    packed: Arc<Packed>,
    plans: LastPlan<Fitted>,
}

/// A plan, and the sizes of its output; none where there is nothing to sum up.
type Fitted = (Option<Plan>, [usize; 5]);

impl BlockedConvKernel {
    /// The plan for an input of the given sizes.
    fn plan(&self, x: &[usize]) -> Result<Arc<Fitted>, OpError> {
        self.plans.get(x, || {
            let conv = self.op.fit(x, &self.weights)?;
            let sizes = blocked_of(plain_of(&conv)?);
            let has_terms = !has_no_terms(x, &sizes);
            let plan = has_terms.then(|| Plan::new(self.algorithm, shape_of(&conv)?)).transpose()?;
            Ok((plan, sizes))
        })
    }
}

impl BlockedConvKernel {
    /// What follows the sums.
    fn following(&self) -> Following<'_> {
        Following {
            channels: self.weights.first().copied().unwrap_or(0),
            residual: Some(3),
            activation: self.op.activation,
            parameters: self.op.parameters(),
        }
    }
}

impl Kernel for BlockedConvKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let plan = self.plan(cx.tensor(0)?.shape())?;
        let (plan, sizes) = (plan.0.as_ref(), plan.1);
        let Some(plan) = plan else { return self.following().set(cx, &sizes) };
        let x = cx.tensor(0)?.as_slice::<f32>()?;
        let residual = cx.optional_tensor(3)?;
        if let Some(residual) = residual {
            check_shape(3, residual, &sizes)?;
        }
        let residual = residual.map(Tensor::as_slice::<f32>).transpose()?;
        let factors = cx.optional_tensor(4)?;
        if let Some(factors) = factors {
            let channels = self.weights.get(1).copied().unwrap_or(0) * group_count("group", self.op.group)?;
            check_shape(4, factors, &factor_sizes(sizes[0], channels))?;
        }
        let factors = factors.map(Tensor::as_slice::<f32>).transpose()?;
        let bias = bias_lanes(cx, 2, self.weights.first().copied().unwrap_or(0))?;
        let mut y = cx.buffers.take(lehr_tensor::checked_len(&sizes)?);
        let mut scratch = cx.buffers.take(plan.scratch_len(cx));
        let packed = self.packed.blocks.first().map(AlignedVec::as_slice).unwrap_or_default();
        let epilogue = BlockedEpilogue {
            bias: bias.as_deref(),
            residual: residual.as_deref(),
            activation: self.activation,
        };
        let (team, isa, images) = (cx.team, cx.isa, sizes[0]);
        match plan {
            Plan::Product(plan) => {
                let input = BlockedInput { maps: &x, factors: factors.as_deref() };
                blocked::conv_blocked(team, isa, plan, images, packed, input, &mut y, &epilogue, &mut scratch)
            }
            Plan::Depthwise(plan) => blocked::depthwise_blocked(
                team,
                isa,
                plan,
                images,
                packed,
                &x,
                &mut y,
                &epilogue,
                &mut scratch,
            ),
            Plan::Winograd(plan) => blocked::winograd_blocked(
                team,
                isa,
                plan,
                images,
                packed,
                &x,
                &mut y,
                &epilogue,
                &mut scratch,
            ),
        }
        cx.buffers.give(scratch);
        bias.into_iter().for_each(|bias| cx.buffers.give(bias));
        drop((x, residual, factors));
        cx.set(0, Tensor::from_vec(&sizes, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn conv() -> BlockedConv {
        BlockedConv {
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

    /// The kernel must agree with the definition, whatever the way it chose.
    #[test]
    fn every_way_agrees_with_the_definition() {
        let padded = Some(vec![1, 1, 1, 1]);
        let cases = [
            (conv(), 9, 5, [1, 1], "blocked_product"),
            (
                BlockedConv { strides: Some(vec![2, 2]), pads: padded.clone(), ..conv() },
                16,
                16,
                [3, 3],
                "blocked_product",
            ),
            (BlockedConv { pads: padded.clone(), ..conv() }, 16, 24, [3, 3], "blocked_winograd_4"),
            (BlockedConv { pads: padded, group: 11, ..conv() }, 1, 11, [3, 3], "blocked_depthwise"),
        ];
        for (op, per_group, outs, [kh, kw], algorithm) in cases {
            let channels = per_group * usize::try_from(op.group).unwrap();
            let x = values(&[1, channels.div_ceil(BLOCK), 8, 8, BLOCK]);
            let weights = values(&[outs, per_group, kh, kw]);
            let recipe = op.algorithm([outs, per_group, kh, kw], Some(&[8, 8])).unwrap();
            assert_eq!(recipe.name(), algorithm);
            let activated = BlockedConv { activation: Some(Activation::HardSwish), ..op };
            Case::new(activated)
                .input(x)
                .constant(weights)
                .constant(values(&[outs]))
                .tolerance(1e-4, 1e-4)
                .agree();
        }
    }

    /// Padding makes maps of maps without pixels.
    #[test]
    fn nothing_to_convolve() {
        let op = |pad: i64, group: i64| BlockedConv {
            activation: Some(Activation::Sigmoid),
            pads: Some(vec![pad; 4]),
            group,
            ..conv()
        };
        for (batch, height, width) in [(0, 5, 5), (0, 0, 0), (2, 0, 5), (2, 5, 0), (2, 0, 0)] {
            for (pad, group, per_group, outs) in
                [(3, 1, 16, 20), (2, 1, 16, 20), (2, 11, 1, 11), (2, 1, 11, 3)]
            {
                let blocks = (per_group * usize::try_from(group).unwrap()).div_ceil(BLOCK);
                let case = || {
                    Case::new(op(pad, group))
                        .input(values(&[batch, blocks, height, width, BLOCK]))
                        .constant(values(&[outs, per_group, 3, 3]))
                };
                case().constant(values(&[outs])).tolerance(1e-6, 1e-6).agree();
                let size = |size: usize| (size + 2 * usize::try_from(pad).unwrap()).saturating_sub(2);
                let residual = [batch, outs.div_ceil(BLOCK), size(height), size(width), BLOCK];
                case().absent().input(values(&residual)).tolerance(1e-6, 1e-6).agree();
            }
        }
    }

    #[test]
    fn factors_of_the_input() {
        let case = |factors: &[usize]| {
            let case = Case::new(conv()).input(values(&[2, 2, 4, 4, 8])).constant(values(&[24, 12, 1, 1]));
            case.absent().absent().input(values(factors)).tolerance(1e-4, 1e-4)
        };
        case(&[2, 2, 1, 1, 8]).agree();
        case(&[1, 2, 1, 1, 8]).expect_error("[2, 2, 1, 1, 8]");
    }

    #[test]
    fn misfits() {
        let x = values(&[1, 1, 4, 4, 8]);
        Case::new(conv()).input(x.clone()).constant(values(&[2, 9, 1, 1])).expect_error("9 channels");
        let op = BlockedConv { activation: Some(Activation::Clip), ..conv() };
        Case::new(op).input(x).constant(values(&[2, 8, 1, 1])).expect_error("expected 2 of them, got 0");
    }
}
