//! `Relu(BlockedConv(x)) = BlockedConv(x)` with the activation, where nobody else reads the convolution; likewise the other
//! operators that sum.

use std::sync::Arc;

use lehr_graph::{Graph, Node, OpRef, PatchBuilder, PatchValue};
use lehr_ops::clip::Clip;
use lehr_ops::elu::Elu;
use lehr_ops::gelu::{Approximation, Gelu};
use lehr_ops::hard_sigmoid::HardSigmoid;
use lehr_ops::hard_swish::HardSwish;
use lehr_ops::leaky_relu::LeakyRelu;
use lehr_ops::lowered::Activation;
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_ops::lowered::blocked_conv_transpose::BlockedConvTranspose;
use lehr_ops::lowered::first_conv::FirstConv;
use lehr_ops::lowered::linear::Linear;
use lehr_ops::relu::Relu;
use lehr_ops::sigmoid::Sigmoid;
use lehr_ops::swish::Swish;
use lehr_ops::tanh::Tanh;

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct FuseActivation;

impl Rewrite for FuseActivation {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_activation",
            doc: "lets convolutions and products apply the function behind them",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            op.is::<Relu>()
                || op.is::<Clip>()
                || op.is::<LeakyRelu>()
                || op.is::<HardSigmoid>()
                || op.is::<HardSwish>()
                || op.is::<Sigmoid>()
                || op.is::<Tanh>()
                || op.is::<Swish>()
                || op.is::<Gelu>()
                || op.is::<Elu>()
        })
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let x = node.input(0).ok_or(Reject::NoEffect)?;
        let kernel = graph.node(graph.producer(x).ok_or(Reject::NoEffect)?);
        let fused = fused(graph, node, kernel)?;
        if graph.value(x).uses().len() != 1 {
            return Err(Reject::because("its sums have another reader"));
        }
        let inputs: Vec<_> = kernel.inputs().iter().map(|v| v.map(PatchValue::from)).collect();
        let sums = patch.node(fused, &inputs, 1)?;
        patch.replace(result(found, graph)?, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The operator of `kernel` with the function of `node` behind its sums.
fn fused(graph: &Graph, node: &Node, kernel: &Node) -> Result<OpRef, Reject> {
    macro_rules! one_of {
        ($($op:ident),+) => {
            $(if let Some(op) = kernel.op().downcast_ref::<$op>() {
                if op.activation.is_some() {
                    return Err(Reject::because("its sums have another function behind them"));
                }
                let (activation, parameters) = activation(graph, node)?;
                let activation_params = (!parameters.is_empty()).then_some(parameters);
                return Ok(Arc::new($op { activation: Some(activation), activation_params, ..op.clone() }));
            })+
        };
    }
    one_of!(BlockedConv, FirstConv, BlockedConvTranspose, Linear);
    Err(Reject::NoEffect)
}

/// The function of a node and its parameters.
fn activation(graph: &Graph, node: &Node) -> Result<(Activation, Vec<f32>), Reject> {
    let op = node.op();
    if op.is::<Clip>() {
        return Ok((Activation::Clip, vec![bound(graph, node, 1)?, bound(graph, node, 2)?]));
    }
    if let Some(op) = op.downcast_ref::<LeakyRelu>() {
        return Ok((Activation::LeakyRelu, vec![op.alpha]));
    }
    if let Some(op) = op.downcast_ref::<HardSigmoid>() {
        return Ok((Activation::HardSigmoid, vec![op.alpha, op.beta]));
    }
    if let Some(op) = op.downcast_ref::<Swish>() {
        return Ok((Activation::Swish, vec![op.alpha]));
    }
    if let Some(op) = op.downcast_ref::<Elu>() {
        return Ok((Activation::Elu, vec![op.alpha]));
    }
    if let Some(op) = op.downcast_ref::<Gelu>() {
        let activation = match op.approximate {
            Approximation::None => Activation::Gelu,
            Approximation::Tanh => Activation::GeluTanh,
        };
        return Ok((activation, Vec::new()));
    }
    let plain = [
        (op.is::<Relu>(), Activation::Relu),
        (op.is::<HardSwish>(), Activation::HardSwish),
        (op.is::<Sigmoid>(), Activation::Sigmoid),
        (op.is::<Tanh>(), Activation::Tanh),
    ];
    let found = plain.into_iter().find(|(is, _)| *is).ok_or(Reject::NoEffect)?;
    Ok((found.1, Vec::new()))
}

/// A bound of a Clip; without one it is infinite.
fn bound(graph: &Graph, node: &Node, index: usize) -> Result<f32, Reject> {
    let infinite = if index == 1 { f32::NEG_INFINITY } else { f32::INFINITY };
    let Some(value) = node.input(index) else { return Ok(infinite) };
    let tensor = graph.constant(value).ok_or_else(|| Reject::because("a bound is not constant"))?;
    let number = tensor.as_slice::<f32>().ok().and_then(|numbers| numbers.first().copied());
    number.ok_or(Reject::NoEffect)
}
