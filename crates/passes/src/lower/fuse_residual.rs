//! `Add(BlockedConv(x), z) = BlockedConv(x, z)` for maps of one shape, where nobody else reads the convolution; likewise
//! `Linear`.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::add::Add;
use lehr_ops::lowered::blocked_conv::BlockedConv;
use lehr_tensor::DataType;

use super::lower_product::bare_linear;

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct FuseResidual;

impl Rewrite for FuseResidual {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_residual",
            doc: "lets convolutions and products add what is added to them",
            level: OptLevel::O1,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Add>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(a), Some(b)) = (node.input(0), node.input(1)) else { return Err(Reject::NoEffect) };
        let y = result(found, graph)?;
        let shape = graph.value(y).ty().shape().ok_or(Reject::NoEffect)?;
        let is_whole = |v: ValueId| {
            let own = graph.value(v).ty().shape();
            let fits = own.is_some_and(|own| {
                own.rank() == shape.rank() && own.iter().zip(shape).all(|(a, b)| a.equal(b) == Some(true))
            });
            fits && graph.value(v).ty().dtype() == Some(DataType::F32)
        };
        if a == b || !is_whole(a) || !is_whole(b) {
            return Err(Reject::NoEffect);
        }
        let (kernel, residual) = match (bare_kernel(graph, a), bare_kernel(graph, b)) {
            (Some(kernel), _) => (kernel, b),
            (None, Some(kernel)) => (kernel, a),
            (None, None) => return Err(Reject::NoEffect),
        };
        let mut inputs: Vec<_> = (0..3).map(|index| kernel.input(index).map(PatchValue::from)).collect();
        inputs.push(Some(residual.into()));
        let sums = patch.node(Arc::clone(kernel.op_ref()), &inputs, 1)?;
        patch.replace(y, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The convolution or product that makes `value` for one reader, to which nothing is done yet.
fn bare_kernel(graph: &Graph, value: ValueId) -> Option<&Node> {
    if let Some((node, _)) = bare_linear(graph, value) {
        return Some(node);
    }
    let node = graph.node(graph.producer(value)?);
    let conv = node.op().downcast_ref::<BlockedConv>()?;
    let is_bare =
        conv.activation.is_none() && node.input(3).is_none() && graph.value(value).uses().len() == 1;
    is_bare.then_some(node)
}
