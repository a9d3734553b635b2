//! Makes one Transpose of two: axis `i` of the result is axis `first[second[i]]` of the input.

use lehr_graph::PatchBuilder;
use lehr_ops::transpose::Transpose;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeTransposes;

impl Rewrite for MergeTransposes {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_transposes",
            doc: "makes one Transpose of two, or none",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        op::<Transpose>([op::<Transpose>([any("x")]).named("middle").shared()])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let x = found.value("x");
        let outer = graph.node(found.root());
        let inner = graph.producer(found.value("middle")).map(|id| graph.node(id));
        let (Some(second), Some(first)) = (
            outer.op().downcast_ref::<Transpose>(),
            inner.and_then(|inner| inner.op().downcast_ref::<Transpose>()),
        ) else {
            return Err(Reject::NoEffect);
        };
        let rank = graph.value(x).ty().shape().map(|shape| shape.rank());
        let Some(rank) = rank.or(first.perm.as_ref().map(Vec::len)) else {
            return Err(Reject::because("the rank is not known"));
        };
        let (first, second) = (first.resolved(rank)?, second.resolved(rank)?);
        let merged: Option<Vec<usize>> = second.iter().map(|&axis| first.get(axis).copied()).collect();
        let Some(merged) = merged else { return Err(Reject::NoEffect) };
        let &[output] = outer.outputs() else { return Err(Reject::NoEffect) };
        if merged.iter().copied().eq(0..rank) {
            patch.replace(output, x);
            return Ok(());
        }
        let perm: Option<Vec<i64>> = merged.into_iter().map(|axis| i64::try_from(axis).ok()).collect();
        let new = patch.call(Transpose { perm }, &[x.into()])?;
        patch.replace(output, new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn orders_are_composed() {
        assert_rewrites(
            || Rewriter(MergeTransposes),
            "graph { input %x: f32[N,2,3]
                %a = Transpose(%x) {perm = [1, 2, 0]} %y = Transpose(%a) {perm = [0, 2, 1]}
                %b = Transpose(%a) %c = Transpose(%b) {perm = [1, 0, 2]}
                output %y output %c }",
            "graph { input %x: f32[N,2,3]
                %y = Transpose(%x) {perm = [1, 0, 2]}
                %c = Transpose(%x) {perm = [2, 0, 1]}
                output %y output %c }",
        );
    }

    #[test]
    fn opposite_orders_vanish() {
        assert_rewrites(
            || Rewriter(MergeTransposes),
            "graph { input %x: f32[N,2,3]
                %a = Transpose(%x) {perm = [1, 2, 0]} %b = Transpose(%a) {perm = [2, 0, 1]}
                %y = Abs(%b) output %y output %a }",
            "graph { input %x: f32[N,2,3]
                %a = Transpose(%x) {perm = [1, 2, 0]} %y = Abs(%x) output %y output %a }",
        );
    }

    #[test]
    fn an_unknown_rank_stays() {
        assert_unchanged(
            || Rewriter(MergeTransposes),
            "graph { input %x: f32[..] %a = Transpose(%x) %y = Transpose(%a) output %y }",
            Some("rank"),
        );
    }
}
