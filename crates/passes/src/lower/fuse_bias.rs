//! `Add(Linear(x), b) = Linear(x, b)` for a constant vector, where nobody else reads the product.

use std::sync::Arc;

use lehr_graph::PatchBuilder;
use lehr_ops::add::Add;

use super::lower_product::{bare_linear, inputs_of, row_constant};
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct FuseBias;

impl Rewrite for FuseBias {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_bias",
            doc: "lets products add the constant vector that is added to them",
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
        let found_bias = [(a, b), (b, a)].into_iter().find_map(|(sum, bias)| {
            let (product, _) = bare_linear(graph, sum)?;
            Some((product, row_constant(graph, bias, sum)?))
        });
        let (product, bias) = found_bias.ok_or(Reject::NoEffect)?;
        if product.input(2).is_some() {
            return Err(Reject::because("the product has a bias already"));
        }
        let mut inputs = inputs_of(product);
        inputs.truncate(2);
        inputs.push(Some(patch.constant(bias)));
        let sums = patch.node(Arc::clone(product.op_ref()), &inputs, 1)?;
        patch.replace(result(found, graph)?, sums.first().copied().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}
