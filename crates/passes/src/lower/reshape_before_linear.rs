//! `Reshape(Linear(x)) = Linear(Reshape(x))` where the columns stay, so that what is behind the Reshape meets the product.

use std::sync::Arc;

use lehr_graph::PatchBuilder;
use lehr_ops::reshape::Reshape;
use lehr_tensor::Tensor;

use super::lower_product::{bare_linear, inputs_of};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct ReshapeBeforeLinear;

impl Rewrite for ReshapeBeforeLinear {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "reshape_before_linear",
            doc: "moves changes of shape that keep the columns in front of products",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Reshape>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let sum = graph.node(found.root()).input(0).ok_or(Reject::NoEffect)?;
        let (product, _) = bare_linear(graph, sum).ok_or(Reject::NoEffect)?;
        let shape_of = |value| graph.value(value).ty().shape();
        let (before, after) = shape_of(sum).zip(shape_of(y)).ok_or(Reject::NoEffect)?;
        let columns = before.dims().last().zip(after.dims().last());
        if after.rank() == 0 || columns.is_none_or(|(a, b)| a.equal(b) != Some(true)) {
            return Err(Reject::NoEffect);
        }
        let x = product.input(0).ok_or(Reject::NoEffect)?;
        let inner = shape_of(x).and_then(|shape| shape.dims().last()?.as_fixed());
        let sizes = after.as_fixed().zip(inner).ok_or_else(|| Reject::because("its sizes are not fixed"))?;
        let (mut target, inner): (Vec<i64>, _) =
            (sizes.0.iter().map(|&size| i64::try_from(size).unwrap_or(-1)).collect(), sizes.1);
        if let Some(last) = target.last_mut() {
            *last = i64::try_from(inner).map_err(|_| Reject::NoEffect)?;
        }
        let target = patch.constant(Tensor::vector(target));
        let reshape = Reshape { allowzero: true };
        let moved = patch.call(reshape, &[x.into(), target])?;
        let mut inputs = inputs_of(product);
        if let Some(first) = inputs.first_mut() {
            *first = Some(moved);
        }
        let sums = patch.node(Arc::clone(product.op_ref()), &inputs, 1)?;
        patch.replace(y, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}
