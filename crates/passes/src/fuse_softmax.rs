//! Recognises `e^x / Σ e^x` along one axis, with or without the greatest element taken off first. Where the spelled-out
//! exponentials overflow (or all underflow) to NaN, the operator gives the right numbers.

use lehr_graph::{Graph, PatchBuilder, ValueId};
use lehr_ops::{
    exp::Exp, reciprocal::Reciprocal, reduce_max::ReduceMax, reduce_sum::ReduceSum, softmax::Softmax,
};

use crate::formula::result;
use crate::normalised::{axes, is_statistic, reshaped};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, constant, either, op, scalar};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseSoftmax;

impl Rewrite for FuseSoftmax {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_softmax",
            doc: "replaces exponentials over their sum by Softmax",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let exp = || op::<Exp>([either([less_greatest(), any("x")])]).named("exp");
        let total = || reshaped(op::<ReduceSum>([any("exp"), constant("axes")])).named("total");
        either([exp() / total(), exp() * op::<Reciprocal>([total()]), exp() * (scalar(1.0) / total())])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (x, y) = (found.value("x"), result(found, graph)?);
        let axis = axis(found, graph, x)?;
        let new = patch.call(Softmax { axis }, &[x.into()])?;
        patch.replace(y, new);
        Ok(())
    }
}

/// `x - max(x)`.
pub(crate) fn less_greatest() -> Pattern {
    let greatest = op::<ReduceMax>([any("x"), constant("greatest_axes")]);
    any("x") - reshaped(greatest).named("greatest")
}

/// The one axis that the `total`, and the `greatest` if there is one, are taken along.
///
/// # Errors
/// [`Reject::Because`] when there is no such axis.
pub(crate) fn axis(found: &Match, graph: &Graph, x: ValueId) -> Result<i64, Reject> {
    let Some(shape) = graph.value(x).ty().shape() else {
        return Err(Reject::because("the shape of the operand is not known"));
    };
    let sum_axes = axes(found, graph, "axes", shape.rank())?;
    let &[axis] = sum_axes.as_slice() else {
        return Err(Reject::because(format!("the sum is over the axes {sum_axes:?}, expected one")));
    };
    if found.get("greatest_axes").is_some() && axes(found, graph, "greatest_axes", shape.rank())? != sum_axes
    {
        return Err(Reject::because("the greatest element is not that along the axis of the sum"));
    }
    let statistics = ["total", "greatest"].into_iter().filter_map(|name| found.get(name));
    if statistics.into_iter().any(|value| !is_statistic(found, graph, value, x, &sum_axes)) {
        return Err(Reject::because("the sum is not one number for each line"));
    }
    i64::try_from(axis).map_err(|_| Reject::NoEffect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %axes = i64[1] [-1] const %same = i64[1] [1] const %one = f32[] [1]
        const %column = i64[2] [-1, 1]";

    #[test]
    fn spellings_become_one_operator() {
        for body in [
            "%m = ReduceMax(%x, %axes) %d = Sub(%x, %m) %e = Exp(%d) %s = ReduceSum(%e, %axes) %y = Div(%e, %s)",
            "%e = Exp(%x) %s = ReduceSum(%e, %axes) %r = Reciprocal(%s) %y = Mul(%r, %e)",
            "%e = Exp(%x) %s = ReduceSum(%e, %axes) %r = Div(%one, %s) %y = Mul(%e, %r)",
            "%m = ReduceMax(%x, %same) {keepdims = false} %n = Reshape(%m, %column) %d = Sub(%x, %n)
            %e = Exp(%d) %s = ReduceSum(%e, %axes) {keepdims = false} %t = Unsqueeze(%s, %axes) %y = Div(%e, %t)",
        ] {
            assert_rewrites_within(
                || Rewriter(FuseSoftmax),
                &format!("graph {{ input %x: f32[N,3] {CONSTANTS} {body} output %y }}"),
                "graph { input %x: f32[N,3] %y = Softmax(%x) {axis = 1} output %y }",
            );
        }
    }

    #[test]
    fn sizes_need_not_be_known() {
        assert_rewrites_within(
            || Rewriter(FuseSoftmax),
            "graph { input %x: f32[?,?,3] const %axes = i64[1] [1]
            %e = Exp(%x) %s = ReduceSum(%e, %axes) %y = Div(%e, %s) output %y }",
            "graph { input %x: f32[?,?,3] %y = Softmax(%x) {axis = 1} output %y }",
        );
        // The sum of a row lies along the other axis here.
        let text = "graph { input %x: f32[?,1,3] const %axes = i64[1] [2] const %one = f32[1,1,1] [1]
            %e = Exp(%x) %s = ReduceSum(%e, %axes) {keepdims = false} %i = Div(%one, %s) %y = Mul(%e, %i) output %y }";
        assert_unchanged(|| Rewriter(FuseSoftmax), text, Some("the sum is not one number for each line"));
    }

    #[test]
    fn other_sums_stay() {
        for (axes, keep, reason) in [
            ("i64[2] [0, 1]", "true", "over the axes [0, 1], expected one"),
            ("i64[1] [0]", "true", "the greatest element is not that along the axis of the sum"),
            ("i64[1] [1]", "false", "the sum is not one number for each line"),
        ] {
            let text = format!(
                "graph {{ input %x: f32[3,3] const %axes = {axes} const %last = i64[1] [1]
                %m = ReduceMax(%x, %last) %d = Sub(%x, %m) %e = Exp(%d) %s = ReduceSum(%e, %axes) {{keepdims = {keep}}}
                %y = Div(%e, %s) output %y }}"
            );
            assert_unchanged(|| Rewriter(FuseSoftmax), &text, Some(reason));
        }
    }
}
