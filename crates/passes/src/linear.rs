//! What Conv, ConvTranspose, Gemm and MatMul have in common for rewrites: weights that take input channels to output
//! channels, and a bias per output channel. A MatMul and the constant that is added behind it count as one.

use std::sync::Arc;

use lehr_graph::verify::describe_value;
use lehr_graph::{Graph, NodeId, Op, PatchBuilder, PatchValue, Use, ValueId};
use lehr_ops::{
    add::Add, concat::Concat, conv::Conv, conv_transpose::ConvTranspose, gemm::Gemm, matmul::MatMul,
    window::AutoPad,
};
use lehr_tensor::{DataType, Tensor};

use crate::affine::{Affine, ScaleShift, rank_of};
use crate::constants::{along_axis, finite, floats};
use crate::rewrite::Reject;

/// Most bytes of weights that are copied because somebody else reads them as they are.
const MAX_COPIED: usize = 4 << 10;

/// A linear operator.
#[derive(Clone, Debug)]
pub struct Linear<'g> {
    graph: &'g Graph,
    node: NodeId,
    kind: Kind,
    /// What it is applied to.
    pub input: ValueId,
    /// Its result, the bias added.
    pub output: ValueId,
    /// Rank of the result.
    pub rank: usize,
    /// Number of output channels.
    pub channels: usize,
    weights: ValueId,
    sizes: Sizes,
    bias: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Conv,
    ConvTranspose,
    Gemm,
    /// The weights are the right operand: the last axis of the result are the channels.
    Right,
    /// The weights are the left operand: the last but one axis of the result are the channels.
    Left,
}

/// Weights as `batch` times `rows` times `columns` times `inner`, where rows and columns stand for channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    batch: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    groups: usize,
    /// Rows are output channels (else columns are).
    rows_out: bool,
}

impl Sizes {
    fn product(shape: &[usize], rows_out: bool) -> Option<Self> {
        let [batch @ .., rows, columns] = shape else { return None };
        let batch = batch.iter().product();
        Some(Self { batch, rows: *rows, columns: *columns, inner: 1, groups: 1, rows_out })
    }

    fn convolution(shape: &[usize], groups: i64, rows_out: bool) -> Option<Self> {
        let [rows, columns, kernel @ ..] = shape else { return None };
        let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0 && rows % groups == 0)?;
        Some(Self {
            batch: 1,
            rows: *rows,
            columns: *columns,
            inner: kernel.iter().product(),
            groups,
            rows_out,
        })
    }

    /// Columns are counted within the group of their row.
    fn all_columns(&self) -> Option<usize> {
        self.columns.checked_mul(self.groups)
    }

    fn outputs(&self) -> Option<usize> {
        if self.rows_out { Some(self.rows) } else { self.all_columns() }
    }

    fn inputs(&self) -> Option<usize> {
        if self.rows_out { self.all_columns() } else { Some(self.rows) }
    }

    /// Output and input channel of a row and a column.
    fn channels(&self, row: usize, column: usize) -> (usize, usize) {
        let per_group = (self.rows / self.groups).max(1);
        let column = row / per_group * self.columns + column;
        if self.rows_out { (row, column) } else { (column, row) }
    }

    /// Calls `f(output channel, input channel, weights)` for each pair that is connected.
    fn for_each(&self, numbers: &mut [f64], mut f: impl FnMut(usize, usize, &mut [f64])) {
        let pairs = (self.rows * self.columns).max(1);
        for (at, taps) in numbers.chunks_mut(self.inner.max(1)).enumerate() {
            let pair = at % pairs;
            let (output, input) = self.channels(pair / self.columns.max(1), pair % self.columns.max(1));
            f(output, input, taps);
        }
    }
}

impl<'g> Linear<'g> {
    /// The operator behind `value`, which nobody but one reader may read.
    ///
    /// # Errors
    /// [`Reject::NoEffect`] when there is none, [`Reject::Because`] when what it is rules it out.
    pub fn behind(graph: &'g Graph, value: ValueId) -> Result<Self, Reject> {
        let producer = graph.producer(value).ok_or(Reject::NoEffect)?;
        let linear = if graph.node(producer).op().is::<Add>() {
            let product = Affine::of(graph, producer).and_then(|add| graph.producer(add.input));
            let is_product = |id: &NodeId| graph.node(*id).op().is::<MatMul>();
            Self::at(graph, product.filter(is_product).ok_or(Reject::NoEffect)?)?
        } else {
            Self::without_bias_behind(graph, producer)?
        };
        if linear.output != value {
            return Err(Reject::NoEffect);
        }
        only_reader(graph, value)?;
        Ok(linear)
    }

    /// The operator at a node.
    ///
    /// # Errors
    /// Those of [`Linear::behind`].
    pub fn at(graph: &'g Graph, node: NodeId) -> Result<Self, Reject> {
        let mut linear = Self::without_bias_behind(graph, node)?;
        linear.take_bias_behind();
        Ok(linear)
    }

    fn without_bias_behind(graph: &'g Graph, node: NodeId) -> Result<Self, Reject> {
        let (inputs, op) = (graph.node(node).inputs(), graph.node(node).op());
        let (&[Some(first), Some(second), ..], [output, ..]) = (inputs, graph.node(node).outputs()) else {
            return Err(Reject::NoEffect);
        };
        let kind = kind_of(op, graph.constant(first).is_some()).ok_or(Reject::NoEffect)?;
        let (input, weights) = if kind == Kind::Left { (second, first) } else { (first, second) };
        if kind == Kind::Left && rank_of(graph, input)? < 2 {
            return Err(Reject::because("a product with a vector has no channels"));
        }
        let shape = graph.value(weights).ty().shape().and_then(|shape| shape.as_fixed());
        let shape = shape.ok_or_else(|| Reject::because("the sizes of its weights are not known"))?;
        let sizes = sizes_of(op, kind, &shape).ok_or_else(|| Reject::because("its weights are no matrix"))?;
        let channels = sizes.outputs().ok_or(Reject::NoEffect)?;
        let rank = rank_of(graph, *output)?;
        let mut linear =
            Self { graph, node, kind, input, output: *output, rank, channels, weights, sizes, bias: None };
        if let Some(bias) = inputs.get(2).copied().flatten() {
            linear.bias = Some(linear.own_bias(bias)?);
        }
        Ok(linear)
    }

    /// The operator itself.
    pub fn op(&self) -> &'g dyn Op {
        self.graph.node(self.node).op()
    }

    /// Axis of the result along which the output channels lie.
    pub fn channel_axis(&self) -> usize {
        match self.kind {
            Kind::Conv | Kind::ConvTranspose | Kind::Gemm => 1,
            Kind::Right => self.rank.saturating_sub(1),
            Kind::Left => self.rank.saturating_sub(2),
        }
    }

    /// Axis of the input along which the input channels lie, and their number; nothing for a Gemm of a transposed matrix.
    pub fn input_channels(&self) -> Result<(usize, usize, usize), Reject> {
        let rank = rank_of(self.graph, self.input)?;
        let axis = match self.kind {
            Kind::Conv | Kind::ConvTranspose => Some(1),
            Kind::Gemm => {
                let transposed = self.op().downcast_ref::<Gemm>().is_some_and(|gemm| gemm.transA);
                Some(if transposed { 0 } else { 1 })
            }
            Kind::Right => rank.checked_sub(1),
            Kind::Left => rank.checked_sub(2),
        };
        axis.zip(self.sizes.inputs())
            .map(|(axis, inputs)| (rank, axis, inputs))
            .ok_or_else(|| Reject::because("its input has no channels"))
    }

    /// Whether a bias costs a node of its own.
    pub fn adds_bias_separately(&self) -> bool {
        matches!(self.kind, Kind::Right | Kind::Left) && !self.is_plain_product()
    }

    /// Whether there is a bias.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// Whether every output sees every weight once, so that a constant in front of the operator can move behind it.
    pub fn sees_all_weights(&self) -> bool {
        match self.kind {
            Kind::Gemm | Kind::Left | Kind::Right => true,
            Kind::ConvTranspose => false,
            Kind::Conv => self.op().downcast_ref::<Conv>().is_some_and(|conv| match conv.auto_pad {
                AutoPad::NotSet => conv.pads.iter().flatten().all(|&pad| pad == 0),
                AutoPad::Valid => true,
                AutoPad::SameUpper | AutoPad::SameLower => self.sizes.inner == 1,
            }),
        }
    }

    /// The same with `step` behind it.
    ///
    /// # Errors
    /// [`Reject::Because`] when weights or bias do not allow it.
    pub fn followed_by(&self, step: &ScaleShift, patch: &mut PatchBuilder<'_>) -> Result<PatchValue, Reject> {
        let bias = self.bias.iter().flatten().copied().chain(std::iter::repeat(0.0));
        let bias = bias.zip(step.scale.iter().zip(&step.shift)).map(|(bias, (s, t))| bias * s + t).collect();
        let mut weights = self.weights.into();
        if !step.is_shift() {
            let mut numbers = self.weight_numbers()?;
            self.sizes.for_each(&mut numbers, |output, _, taps| multiply(taps, step.scale.get(output)));
            weights = patch.constant(self.new_weights(numbers)?);
        }
        self.rebuild(self.input.into(), weights, bias, patch)
    }

    /// The same on `input`, with `step` between the two.
    ///
    /// # Errors
    /// [`Reject::Because`] when weights or bias do not allow it.
    pub fn preceded_by(
        &self,
        step: &ScaleShift,
        input: PatchValue,
        patch: &mut PatchBuilder<'_>,
    ) -> Result<PatchValue, Reject> {
        let mut bias = self.bias.clone().unwrap_or_else(|| vec![0.0; self.channels]);
        let mut numbers = self.weight_numbers()?;
        if !step.is_scale() {
            if !self.sees_all_weights() || self.sizes.batch != 1 {
                return Err(Reject::because("a constant in front does not reach all its outputs alike"));
            }
            let alpha = self.op().downcast_ref::<Gemm>().map_or(1.0, |gemm| f64::from(gemm.alpha));
            self.sizes.for_each(&mut numbers, |output, input, taps| {
                if let (Some(bias), Some(shift)) = (bias.get_mut(output), step.shift.get(input)) {
                    *bias += alpha * shift * taps.iter().sum::<f64>();
                }
            });
        }
        let mut weights = self.weights.into();
        if !step.is_shift() {
            self.sizes.for_each(&mut numbers, |_, input, taps| multiply(taps, step.scale.get(input)));
            weights = patch.constant(self.new_weights(numbers)?);
        }
        self.rebuild(input, weights, bias, patch)
    }

    /// Whether [`Linear::side_by_side`] may take both: the same operator on the same input, with matrices that can be put
    /// side by side and that nobody else reads.
    pub fn goes_with(&self, other: &Self) -> bool {
        let same_op = match (self.op().downcast_ref::<Gemm>(), other.op().downcast_ref::<Gemm>()) {
            (Some(own), Some(other)) => {
                Gemm { beta: 1.0, ..own.clone() } == Gemm { beta: 1.0, ..other.clone() }
            }
            _ => match (self.op().downcast_ref::<Conv>(), other.op().downcast_ref::<Conv>()) {
                (Some(own), Some(other)) => own == other,
                _ => self.kind == Kind::Right && other.kind == Kind::Right,
            },
        };
        let is_alone = |linear: &Self| linear.graph.value(linear.weights).uses().len() == 1;
        let is_constant = |linear: &Self| linear.graph.constant(linear.weights).is_some();
        let (Ok(dtype), Ok(other_dtype)) = (self.dtype(), other.dtype()) else { return false };
        same_op
            && self.input == other.input
            && self.rank == other.rank
            && dtype == other_dtype
            && (self.sizes.batch, self.sizes.groups, self.sizes.inner) == (1, 1, other.sizes.inner)
            && (other.sizes.batch, other.sizes.groups) == (1, 1)
            && self.sizes.inputs() == other.sizes.inputs()
            && self.weight_rank() == other.weight_rank()
            && [self, other].iter().all(|linear| is_alone(linear) && is_constant(linear))
    }

    fn weight_rank(&self) -> usize {
        self.graph.constant(self.weights).map_or(0, Tensor::rank)
    }

    /// One operator with the output channels of all: those of `self`, then those of `others`.
    ///
    /// # Errors
    /// [`Reject::Because`] when the biases do not fit the type.
    pub fn side_by_side(&self, others: &[Self], patch: &mut PatchBuilder<'_>) -> Result<PatchValue, Reject> {
        let all = || std::iter::once(self).chain(others);
        let weights: Vec<PatchValue> = all().map(|linear| linear.weights.into()).collect();
        let axis = match (self.kind, self.sizes.rows_out) {
            (Kind::Conv, _) | (_, true) => 0,
            _ => -1,
        };
        let weights = patch.call(Concat { axis }, &weights)?;
        let terms = |linear: &Self| linear.bias.clone().unwrap_or_else(|| vec![0.0; linear.channels]);
        let bias = all().flat_map(terms).collect();
        self.rebuild(self.input.into(), weights, bias, patch)
    }

    fn weight_numbers(&self) -> Result<Vec<f64>, Reject> {
        let weights = self.graph.constant(self.weights);
        finite(weights.ok_or_else(|| Reject::because("its weights are not constant"))?)
    }

    /// Other numbers in the place of the weights, unless somebody else needs the old ones.
    fn new_weights(&self, numbers: Vec<f64>) -> Result<Tensor, Reject> {
        let weights = self.graph.constant(self.weights).ok_or(Reject::NoEffect)?;
        if self.graph.value(self.weights).uses().len() > 1 && weights.byte_len() > MAX_COPIED {
            return Err(Reject::because("its weights are also read elsewhere"));
        }
        floats(weights.dtype(), weights.shape(), numbers)
    }

    fn dtype(&self) -> Result<DataType, Reject> {
        self.graph.value(self.weights).ty().dtype().ok_or_else(|| Reject::because("its type is not known"))
    }

    /// A matrix times a matrix, for which there is Gemm.
    fn is_plain_product(&self) -> bool {
        let matrix = |value| self.graph.value(value).ty().shape().is_some_and(|shape| shape.rank() == 2);
        self.kind == Kind::Right && matrix(self.input) && matrix(self.weights)
    }

    fn rebuild(
        &self,
        input: PatchValue,
        weights: PatchValue,
        bias: Vec<f64>,
        patch: &mut PatchBuilder<'_>,
    ) -> Result<PatchValue, Reject> {
        let needed = self.bias.is_some() || bias.iter().any(|&term| term != 0.0);
        let shape = if self.kind == Kind::Left { &[bias.len(), 1][..] } else { &[bias.len()] };
        let bias = match needed {
            true => {
                let bias = floats(self.dtype()?, shape, bias)?;
                Some(patch.constant(bias))
            }
            false => None,
        };
        let op = self.graph.node(self.node).op_ref().clone();
        if self.kind == Kind::Left
            || (self.kind == Kind::Right && (bias.is_none() || !self.is_plain_product()))
        {
            let operands = if self.kind == Kind::Left { [weights, input] } else { [input, weights] };
            let product = patch.call(MatMul {}, &operands)?;
            return match bias {
                Some(bias) => Ok(patch.call(Add {}, &[product, bias])?),
                None => Ok(product),
            };
        }
        let inputs: Vec<_> = [input, weights].into_iter().chain(bias).map(Some).collect();
        let outputs = match self.kind {
            Kind::Conv | Kind::ConvTranspose => patch.node(op, &inputs, 1)?,
            _ => {
                let plain = Gemm { alpha: 1.0, beta: 1.0, transA: false, transB: false };
                let gemm = Gemm { beta: 1.0, ..op.downcast_ref::<Gemm>().cloned().unwrap_or(plain) };
                patch.node(Arc::new(gemm), &inputs, 1)?
            }
        };
        outputs.first().copied().ok_or(Reject::NoEffect)
    }

    /// The operator's bias, per output channel.
    fn own_bias(&self, value: ValueId) -> Result<Vec<f64>, Reject> {
        let bias = self.graph.constant(value).ok_or_else(|| Reject::because("its bias is not constant"))?;
        finite(bias)?;
        let beta = match self.op().downcast_ref::<Gemm>() {
            Some(gemm) => f64::from(gemm.beta),
            None => 1.0,
        };
        let (rank, axis) = if self.kind == Kind::Gemm { (2, 1) } else { (1, 0) };
        let numbers = along_axis(bias, rank, axis, self.channels);
        let numbers =
            numbers.ok_or_else(|| Reject::because("its bias is more than one number per channel"))?;
        Ok(numbers.into_iter().map(|number| number * beta).collect())
    }

    /// Makes the constant that is added to a MatMul, and nothing else, part of it.
    fn take_bias_behind(&mut self) {
        if !matches!(self.kind, Kind::Left | Kind::Right) {
            return;
        }
        let &[Use::Node { node, .. }] = self.graph.value(self.output).uses() else { return };
        if !self.graph.node(node).op().is::<Add>() {
            return;
        }
        let Some(add) = Affine::of(self.graph, node) else { return };
        if let Ok(step) = add.along(self.rank, self.channel_axis(), self.channels) {
            self.bias = Some(step.shift);
            self.output = add.output;
        }
    }
}

fn multiply(taps: &mut [f64], factor: Option<&f64>) {
    if let Some(factor) = factor {
        taps.iter_mut().for_each(|tap| *tap *= factor);
    }
}

/// # Errors
/// [`Reject::Because`] when more than one input or output reads the value.
fn only_reader(graph: &Graph, value: ValueId) -> Result<(), Reject> {
    if graph.value(value).uses().len() == 1 {
        return Ok(());
    }
    Err(Reject::because(format!("value {} inside is also read elsewhere", describe_value(graph, value))))
}

fn kind_of(op: &dyn Op, is_left: bool) -> Option<Kind> {
    if op.is::<Conv>() {
        return Some(Kind::Conv);
    }
    if op.is::<ConvTranspose>() {
        return Some(Kind::ConvTranspose);
    }
    if op.is::<Gemm>() {
        return Some(Kind::Gemm);
    }
    let side = if is_left { Kind::Left } else { Kind::Right };
    op.is::<MatMul>().then_some(side)
}

fn sizes_of(op: &dyn Op, kind: Kind, shape: &[usize]) -> Option<Sizes> {
    match kind {
        Kind::Conv => Sizes::convolution(shape, op.downcast_ref::<Conv>()?.group, true),
        Kind::ConvTranspose => Sizes::convolution(shape, op.downcast_ref::<ConvTranspose>()?.group, false),
        Kind::Gemm => Sizes::product(shape, op.downcast_ref::<Gemm>()?.transB),
        Kind::Right => Sizes::product(shape, false),
        Kind::Left => Sizes::product(shape, true),
    }
}
