//! Recognises the logarithm of a softmax: `ln softmax(x)`, `x - ln Σ e^x`, with or without the greatest element taken off
//! first. Where the spelled-out probability underflows to zero, the operator still gives its logarithm.

use lehr_graph::{Graph, PatchBuilder};
use lehr_ops::{
    exp::Exp, log::Log, log_softmax::LogSoftmax, reduce_log_sum_exp::ReduceLogSumExp, reduce_sum::ReduceSum,
    softmax::Softmax,
};

use crate::formula::result;
use crate::fuse_softmax::{axis, less_greatest};
use crate::normalised::reshaped;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, constant, either, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseLogSoftmax;

impl Rewrite for FuseLogSoftmax {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_log_softmax",
            doc: "replaces logarithms of a softmax by LogSoftmax",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let operand = either([less_greatest(), any("x")]).named("operand");
        let sum = op::<ReduceSum>([op::<Exp>([any("operand")]), constant("axes")]);
        let log = either([reshaped(op::<Log>([sum.clone()])), op::<Log>([reshaped(sum)])]).named("total");
        let at_once = op::<ReduceLogSumExp>([any("x"), constant("axes")]);
        either([
            op::<Log>([op::<Softmax>([any("x")]).named("softmax")]),
            operand - log,
            any("x") - reshaped(at_once).named("total"),
        ])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (x, y) = (found.value("x"), result(found, graph)?);
        let axis = match softmax_axis(found, graph) {
            Some(axis) => axis,
            None => axis(found, graph, x)?,
        };
        let new = patch.call(LogSoftmax { axis }, &[x.into()])?;
        patch.replace(y, new);
        Ok(())
    }
}

fn softmax_axis(found: &Match, graph: &Graph) -> Option<i64> {
    let softmax = graph.producer(found.get("softmax")?)?;
    Some(graph.node(softmax).op().downcast_ref::<Softmax>()?.axis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn spellings_become_one_operator() {
        for body in [
            "%s = Softmax(%x) {axis = 1} %y = Log(%s)",
            "%e = Exp(%x) %s = ReduceSum(%e, %axes) %l = Log(%s) %y = Sub(%x, %l)",
            "%m = ReduceMax(%x, %axes) %d = Sub(%x, %m) %e = Exp(%d) %s = ReduceSum(%e, %axes) %l = Log(%s)
            %y = Sub(%d, %l)",
            "%l = ReduceLogSumExp(%x, %axes) %y = Sub(%x, %l)",
        ] {
            assert_rewrites_within(
                || Rewriter(FuseLogSoftmax),
                &format!("graph {{ input %x: f32[N,3] const %axes = i64[1] [1] {body} output %y }}"),
                "graph { input %x: f32[N,3] %y = LogSoftmax(%x) {axis = 1} output %y }",
            );
        }
    }

    #[test]
    fn a_softmax_that_is_read_elsewhere_stays() {
        let text = "graph { input %x: f32[2,3] %s = Softmax(%x) %y = Log(%s) output %y output %s }";
        assert_unchanged(|| Rewriter(FuseLogSoftmax), text, Some("also read elsewhere"));
        let text = "graph { input %x: f32[2,3] const %axes = i64[2] [0, 1] %l = ReduceLogSumExp(%x, %axes)
            %y = Sub(%x, %l) output %y }";
        assert_unchanged(|| Rewriter(FuseLogSoftmax), text, Some("expected one"));
    }
}
