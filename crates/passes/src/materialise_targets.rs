//! Gives Reshape and Expand constant targets where all sizes of the result but one are known or stay what they are, so
//! that the arithmetic on sizes that exporters write in front of them falls out:
//! `Reshape(x, Concat(Shape(x)[0], [8, 15]))` is `Reshape(x, [0, 8, 15])`.

use lehr_graph::dim::SymInt;
use lehr_graph::{PatchBuilder, ValueType};
use lehr_ops::{expand::Expand, reshape::Reshape};
use lehr_tensor::Tensor;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::reshape_target::{expand_target, reshape_target};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MaterialiseTargets;

impl Rewrite for MaterialiseTargets {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "materialise_targets",
            doc: "gives Reshape and Expand constant targets with -1, 0 and 1 for sizes that follow from the input",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Reshape>() || op.is::<Expand>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (&[Some(x), Some(target)], &[output]) = (node.inputs(), node.outputs()) else {
            return Err(Reject::NoEffect);
        };
        if graph.constant(target).is_some() {
            return Err(Reject::NoEffect);
        }
        let (Some(from), Some(to)) = (graph.value(x).ty().shape(), graph.value(output).ty().shape()) else {
            return Err(Reject::because("the shapes are not known"));
        };
        let numbers = if node.op().is::<Reshape>() {
            reshape_target(from, to, wildcard(graph.value(target).ty()))
        } else {
            expand_target(from, to)
        };
        let Some(numbers) = numbers else {
            return Err(Reject::because(format!("{to} does not follow from {from} by one size at most")));
        };
        let numbers = patch.constant(Tensor::vector(numbers));
        let new = if node.op().is::<Reshape>() {
            patch.call(Reshape { allowzero: false }, &[x.into(), numbers])?
        } else {
            patch.call(Expand {}, &[x.into(), numbers])?
        };
        patch.replace(output, new);
        Ok(())
    }
}

/// Where a target that is computed has -1 all the same.
fn wildcard(target: &ValueType) -> Option<usize> {
    let known = target.as_tensor()?.known.as_ref()?;
    known.values().iter().position(|size| size.as_constant() == SymInt::constant(-1).as_constant())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn computed_targets_become_constants() {
        assert_rewrites(
            || Rewriter(MaterialiseTargets),
            "graph { input %x: f32[N,M,12]
                const %first = i64[1] [0] const %two = i64[1] [2]
                const %rest = i64[2] [4, 3]
                %s = Shape(%x)
                %nm = Slice(%s, %first, %two)
                %a = Concat(%nm, %rest) {axis = 0}
                %y = Reshape(%x, %a)
                output %y }",
            "graph { input %x: f32[N,M,12]
                const %0 = i64[4] [0, 0, 4, 3]
                %y = Reshape(%x, %0)
                output %y }",
        );
    }

    #[test]
    fn expanded_sizes_become_constants() {
        assert_rewrites(
            || Rewriter(MaterialiseTargets),
            "graph { input %x: f32[N,1]
                const %five = i64[1] [5] const %first = i64[1] [0] const %second = i64[1] [1]
                %s = Shape(%x)
                %n = Slice(%s, %first, %second)
                %t = Concat(%n, %five) {axis = 0}
                %y = Expand(%x, %t)
                output %y }",
            "graph { input %x: f32[N,1] const %0 = i64[2] [1, 5] %y = Expand(%x, %0) output %y }",
        );
    }

    #[test]
    fn two_open_sizes_stay_computed() {
        assert_unchanged(
            || Rewriter(MaterialiseTargets),
            "graph { input %x: f32[N,M] const %i = i64[1] [0] const %j = i64[1] [1] const %one = i64[1] [1]
                %s = Shape(%x) %n = Gather(%s, %i) %m = Gather(%s, %j)
                %t = Concat(%m, %n) {axis = 0}
                %y = Reshape(%x, %t) output %y }",
            Some("does not follow"),
        );
        assert_unchanged(
            || Rewriter(MaterialiseTargets),
            "graph { input %x: f32[2,3] input %t: i64[2] %y = Reshape(%x, %t) output %y }",
            Some("does not follow"),
        );
    }
}
