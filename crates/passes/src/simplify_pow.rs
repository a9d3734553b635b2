//! Makes cheaper operators of powers of floats: `x² = x · x`, `x^-1 = 1 / x`, and `x^½ = √x` where `x` is never minus
//! infinity, of which the power is infinite and the root is none.

use lehr_graph::{Graph, PatchBuilder, ValueId};
use lehr_ops::{
    abs::Abs, add::Add, exp::Exp, mul::Mul, pow::Pow, reciprocal::Reciprocal, reduce_l2::ReduceL2,
    reduce_mean::ReduceMean, reduce_sum::ReduceSum, reduce_sum_square::ReduceSumSquare, relu::Relu,
    sigmoid::Sigmoid, softplus::Softplus, sqrt::Sqrt,
};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, op, uniform, uniform_number};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SimplifyPow;

/// How far back the sign of a value is looked for.
const MAX_DEPTH: usize = 6;

impl Rewrite for SimplifyPow {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "simplify_pow",
            doc: "makes a product, a root or a reciprocal of a power with constant exponent",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        op::<Pow>([any("x"), uniform("exponent")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let x = found.value("x");
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        if graph.constant(x).is_some() {
            return Err(Reject::NoEffect);
        }
        if graph.value(x).ty().dtype().is_none_or(|dtype| !dtype.is_float()) {
            return Err(Reject::because("the base is not of floats"));
        }
        let exponent = graph.constant(found.value("exponent")).and_then(uniform_number);
        let new = match exponent.ok_or(Reject::NoEffect)? {
            2.0 => patch.call(Mul {}, &[x.into(), x.into()])?,
            -1.0 => patch.call(Reciprocal {}, &[x.into()])?,
            0.5 if is_never_negative(graph, x, MAX_DEPTH) => patch.call(Sqrt {}, &[x.into()])?,
            0.5 => return Err(Reject::because("the base may be minus infinity")),
            _ => return Err(Reject::NoEffect),
        };
        patch.replace(output, new);
        Ok(())
    }
}

/// Whether all elements are NaN, zero or positive.
fn is_never_negative(graph: &Graph, value: ValueId, depth: usize) -> bool {
    if let Some(constant) = graph.constant(value) {
        return uniform_number(constant).is_some_and(|number| number >= 0.0);
    }
    let (Some(id), Some(depth)) = (graph.producer(value), depth.checked_sub(1)) else { return false };
    let node = graph.node(id);
    let (op, inputs) = (node.op(), node.inputs());
    let holds = |index: usize| node.input(index).is_some_and(|input| is_never_negative(graph, input, depth));
    if op.is::<Add>() {
        return holds(0) && holds(1);
    }
    if op.is::<Mul>() {
        return matches!(inputs, [a, b] if a == b) || (holds(0) && holds(1));
    }
    if op.is::<ReduceMean>() || op.is::<ReduceSum>() {
        return holds(0);
    }
    op.is::<Abs>()
        || op.is::<Exp>()
        || op.is::<Relu>()
        || op.is::<Sigmoid>()
        || op.is::<Softplus>()
        || op.is::<ReduceL2>()
        || op.is::<ReduceSumSquare>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn powers_become_cheaper() {
        for (exponent, after) in [("2", "Mul(%x, %x)"), ("-1", "Reciprocal(%x)"), ("0.5", "Sqrt(%x)")] {
            let input = "input %z: f32[N,3] const %one = f32[] [1] %a = Abs(%z) %x = Add(%a, %one)";
            assert_rewrites_within(
                || Rewriter(SimplifyPow),
                &format!("graph {{ {input} const %k = f32[1] [{exponent}] %y = Pow(%x, %k) output %y }}"),
                &format!("graph {{ {input} %y = {after} output %y }}"),
            );
        }
    }

    #[test]
    fn other_powers_stay() {
        for (input, exponent, reason) in [
            ("f32[N,3]", "f32[] [3]", None),
            ("f32[N,3]", "f32[3] [2, 2, 1]", None),
            ("f32[3]", "f32[1,1] [2]", Some("rank 1 instead of 2")),
            ("f32[N,3]", "f32[] [0.5]", Some("minus infinity")),
            ("i32[N]", "i32[] [2]", Some("not of floats")),
        ] {
            let text =
                format!("graph {{ input %x: {input} const %k = {exponent} %y = Pow(%x, %k) output %y }}");
            assert_unchanged(|| Rewriter(SimplifyPow), &text, reason);
        }
    }
}
