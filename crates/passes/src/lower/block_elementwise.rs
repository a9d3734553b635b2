//! Functions of single elements on blocked maps: `f(FromBlocked(x), y) = FromBlocked(f(x, ToBlocked(y)))`.
//!
//! Only functions that are finite near zero: the lanes behind the last channel must stay finite.

use std::sync::Arc;

use lehr_graph::{Graph, Node, Op, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::add::Add;
use lehr_ops::clip::Clip;
use lehr_ops::elu::Elu;
use lehr_ops::gelu::Gelu;
use lehr_ops::hard_sigmoid::HardSigmoid;
use lehr_ops::hard_swish::HardSwish;
use lehr_ops::leaky_relu::LeakyRelu;
use lehr_ops::max::Max;
use lehr_ops::min::Min;
use lehr_ops::mish::Mish;
use lehr_ops::mul::Mul;
use lehr_ops::neg::Neg;
use lehr_ops::p_relu::PRelu;
use lehr_ops::relu::Relu;
use lehr_ops::sigmoid::Sigmoid;
use lehr_ops::softplus::Softplus;
use lehr_ops::sub::Sub;
use lehr_ops::swish::Swish;
use lehr_ops::tanh::Tanh;
use lehr_ops::unsqueeze::Unsqueeze;
use lehr_tensor::{DataType, Tensor};

use super::blocked_maps::{Maps, constant_in_blocks, fixed, list, map_shape, to_blocks};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct BlockElementwise;

impl Rewrite for BlockElementwise {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "block_elementwise",
            doc: "applies functions of single elements to blocked maps",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| is_function(op) || is_binary(op))
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let y = result(found, graph)?;
        let (inputs, channels) = match is_function(node.op()) {
            true => of_function(graph, node)?,
            false => of_operands(graph, node, y, patch)?,
        };
        let values = patch.node(Arc::clone(node.op_ref()), &inputs, 1)?;
        let value = values.first().copied().ok_or(Reject::NoEffect)?;
        Maps { value, channels }.replace(patch, y)
    }
}

/// Whether it is a function of its first input; others are its parameters.
fn is_function(op: &dyn Op) -> bool {
    op.is::<Relu>()
        || op.is::<Clip>()
        || op.is::<Sigmoid>()
        || op.is::<HardSigmoid>()
        || op.is::<HardSwish>()
        || op.is::<Swish>()
        || op.is::<LeakyRelu>()
        || op.is::<Tanh>()
        || op.is::<Gelu>()
        || op.is::<Elu>()
        || op.is::<Mish>()
        || op.is::<Softplus>()
        || op.is::<Neg>()
}

fn is_binary(op: &dyn Op) -> bool {
    op.is::<Add>() || op.is::<Mul>() || op.is::<Sub>() || op.is::<Max>() || op.is::<Min>() || op.is::<PRelu>()
}

/// Inputs for blocks, and the number of channels.
type Inputs = (Vec<Option<PatchValue>>, usize);

fn of_function(graph: &Graph, node: &Node) -> Result<Inputs, Reject> {
    let maps = Maps::input(graph, node.input(0))?;
    let rest = node.inputs().iter().skip(1).map(|v| v.map(PatchValue::from));
    Ok((std::iter::once(Some(maps.value)).chain(rest).collect(), maps.channels))
}

fn of_operands(
    graph: &Graph,
    node: &Node,
    y: ValueId,
    patch: &mut PatchBuilder<'_>,
) -> Result<Inputs, Reject> {
    let operands: Option<Vec<ValueId>> = node.inputs().iter().copied().collect();
    let operands = operands.filter(|o| o.len() == 2).ok_or(Reject::NoEffect)?;
    let shape = map_shape(graph, y).ok_or(Reject::NoEffect)?;
    let channels = fixed(shape, 1).ok_or(Reject::NoEffect)?;
    let is_full = |v: ValueId| map_shape(graph, v).is_some_and(|own| is_same(own, shape));
    if !operands.iter().any(|&v| is_full(v) && Maps::behind(graph, v).is_some()) {
        return Err(Reject::NoEffect);
    }
    let inputs: Result<Vec<_>, Reject> =
        operands.iter().map(|&v| operand(graph, v, channels, is_full(v), patch).map(Some)).collect();
    Ok((inputs?, channels))
}

fn is_same(a: &Shape, b: &Shape) -> bool {
    a.rank() == b.rank() && a.iter().zip(b).all(|(a, b)| a == b || a.equal(b) == Some(true))
}

/// An operand as it broadcasts against blocked maps of `channels` channels.
fn operand(
    graph: &Graph,
    value: ValueId,
    channels: usize,
    is_full: bool,
    patch: &mut PatchBuilder<'_>,
) -> Result<PatchValue, Reject> {
    if let Some(maps) = Maps::beside(graph, value).filter(|maps| maps.channels == channels) {
        return Ok(maps.value);
    }
    if let Some(tensor) = graph.constant(value) {
        let tensor = constant_operand(tensor, channels)?;
        return Ok(patch.constant(tensor));
    }
    let ty = graph.value(value).ty();
    let shape = ty.shape().filter(|shape| shape.rank() <= 4 && ty.dtype() == Some(DataType::F32));
    let shape = shape.ok_or_else(|| Reject::because("an operand is of unknown shape"))?;
    let own = if shape.rank() > 2 { fixed(shape, shape.rank() - 3) } else { Some(1) };
    match own {
        Some(1) => {
            let axis = list(patch, vec![-1_i64])?;
            Ok(patch.call(Unsqueeze {}, &[value.into(), axis])?)
        }
        Some(own) if own == channels && shape.rank() == 4 && !is_full => to_blocks(patch, value),
        _ => Err(Reject::because("the other operand is in plain maps")),
    }
}

fn constant_operand(tensor: &Tensor, channels: usize) -> Result<Tensor, Reject> {
    if tensor.dtype() != DataType::F32 || tensor.rank() > 4 {
        return Err(Reject::NoEffect);
    }
    let failed = |error: lehr_tensor::TensorError| Reject::because(error.to_string());
    let mut sizes = vec![1; 4 - tensor.rank()];
    sizes.extend_from_slice(tensor.shape());
    let own = sizes.get(1).copied().unwrap_or(1);
    if own == 1 {
        sizes.push(1);
        return tensor.reshape(&sizes).map_err(failed);
    }
    if own != channels {
        return Err(Reject::NoEffect);
    }
    constant_in_blocks(&tensor.reshape(&sizes).map_err(failed)?)
}
