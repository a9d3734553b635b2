//! Takes the largest element before a non-decreasing function instead of behind it: `max f(x) = f(max x)`, and the same of
//! the smallest one; the function then runs on fewer elements. Holds for MaxPool, GlobalMaxPool, ReduceMax and ReduceMin.
//!
//! A window of padding alone has no largest element, and `f` of what stands for it is another number; functions that are
//! not defined everywhere (logarithms, roots) may turn an element into NaN that is not the largest one.

use lehr_graph::{Dim, Flags, Graph, Node, Op, PatchBuilder, ValueId};
use lehr_ops::{
    acosh::Acosh, asin::Asin, atanh::Atanh, global_max_pool::GlobalMaxPool, identity::Identity, log::Log,
    max_pool::MaxPool, reduce_max::ReduceMax, reduce_min::ReduceMin, sqrt::Sqrt, window::AutoPad,
};

use crate::epilogue::applies_functions;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct PoolBeforeActivation;

impl Rewrite for PoolBeforeActivation {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "pool_before_activation",
            doc: "takes maxima before non-decreasing functions, which then see fewer elements",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| is_pool(op) || is_reduction(op))
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let pool = graph.node(found.root());
        let (Some(value), Some((&output, others))) = (pool.input(0), pool.outputs().split_first()) else {
            return Err(Reject::NoEffect);
        };
        let Some(function) = graph.producer(value).map(|id| graph.node(id)) else {
            return Err(Reject::NoEffect);
        };
        let Some(x) = argument(graph, function) else { return Err(Reject::NoEffect) };
        if others.iter().any(|&v| !graph.value(v).uses().is_empty()) {
            return Err(Reject::because(
                "the positions of the maxima are read, and equal elements may differ",
            ));
        }
        if !sees_elements(graph, pool) {
            return Err(Reject::because("a window may see no element"));
        }
        if applies_functions(graph, x) {
            return Err(Reject::because("the kernel in front applies the function while it writes"));
        }
        let mut inputs: Vec<_> = pool.inputs().iter().map(|v| v.map(Into::into)).collect();
        if let Some(first) = inputs.first_mut() {
            *first = Some(x.into());
        }
        let pooled = patch.node(pool.op_ref().clone(), &inputs, 1)?;
        let mut inputs: Vec<_> = function.inputs().iter().map(|v| v.map(Into::into)).collect();
        if let (Some(first), Some(&pooled)) = (inputs.first_mut(), pooled.first()) {
            *first = Some(pooled);
        }
        let outputs = patch.node(function.op_ref().clone(), &inputs, 1)?;
        patch.replace(output, *outputs.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

fn is_pool(op: &dyn Op) -> bool {
    op.is::<MaxPool>() || op.is::<GlobalMaxPool>()
}

fn is_reduction(op: &dyn Op) -> bool {
    op.is::<ReduceMax>() || op.is::<ReduceMin>()
}

/// What a node is a non-decreasing function of, the same one for all elements.
fn argument(graph: &Graph, node: &Node) -> Option<ValueId> {
    let op = node.op();
    let is_partial =
        op.is::<Log>() || op.is::<Sqrt>() || op.is::<Acosh>() || op.is::<Asin>() || op.is::<Atanh>();
    let flags = Flags::ELEMENTWISE | Flags::MONOTONE;
    if !op.flags().contains(flags) || is_partial || op.is::<Identity>() || node.outputs().len() != 1 {
        return None;
    }
    let is_single = |v: &ValueId| graph.value(*v).ty().shape().is_some_and(|s| s.rank() == 0);
    let (x, others) = node.inputs().split_first()?;
    others.iter().flatten().all(is_single).then_some((*x)?)
}

/// Whether every window or group holds an element.
fn sees_elements(graph: &Graph, pool: &Node) -> bool {
    let shape = pool.input(0).and_then(|x| graph.value(x).ty().shape());
    let has_elements = shape.is_some_and(|shape| shape.iter().all(|dim: &Dim| dim.is_at_least(1)));
    let Some(pool) = pool.op().downcast_ref::<MaxPool>() else { return has_elements };
    let none = |list: &Option<Vec<i64>>, neutral: i64| list.iter().flatten().all(|&x| x == neutral);
    let is_padded = match pool.auto_pad {
        AutoPad::Valid => false,
        AutoPad::NotSet => pool.ceil_mode || !none(&pool.pads, 0),
        AutoPad::SameUpper | AutoPad::SameLower => true,
    };
    // Without gaps, a window that is longer than the padding reaches the input.
    let pads = pool.pads.iter().flatten().zip(pool.kernel_shape.iter().cycle());
    let is_short = pads.into_iter().all(|(pad, kernel)| pad < kernel);
    has_elements && (!is_padded || (none(&pool.dilations, 1) && is_short))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(first: &str, second: &str) -> String {
        format!(
            "graph {{ input %x: f32[2,4,16,16] const %a = i64[1] [-1] const %low = f32[] [-0.25] const %high = f32[] [0.5]
            {first} {second} output %y }}"
        )
    }

    #[test]
    fn maxima_come_first() {
        for function in
            ["Relu(@)", "Sigmoid(@)", "Clip(@, %low, %high)", "HardSigmoid(@)", "Tanh(@)", "Exp(@)"]
        {
            for pool in [
                "MaxPool(@) {kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]}",
                "MaxPool(@) {kernel_shape = [2, 2], strides = [2, 2], dilations = [2, 2]}",
                "GlobalMaxPool(@)",
                "ReduceMax(@, %a)",
                "ReduceMin(@, %a)",
            ] {
                let then = |node: &str, from: &str, to: &str| format!("{to} = {}", node.replace('@', from));
                assert_rewrites(
                    || Rewriter(PoolBeforeActivation),
                    &text(&then(function, "%x", "%f"), &then(pool, "%f", "%y")),
                    &text(&then(pool, "%x", "%0"), &then(function, "%0", "%y")),
                );
            }
        }
    }

    #[test]
    fn what_is_not_the_same_stays() {
        for (first, second, reason) in [
            ("%f = Sqrt(%x)", "%y = GlobalMaxPool(%f)", None),
            ("%f = HardSwish(%x)", "%y = GlobalMaxPool(%f)", None),
            ("%f = HardSigmoid(%x) {alpha = -1.0}", "%y = GlobalMaxPool(%f)", None),
            (
                "%f = Relu(%x)",
                "%y = MaxPool(%f) {kernel_shape = [2, 2], dilations = [3, 3], pads = [1, 1, 1, 1]}",
                Some("a window may see no element"),
            ),
            (
                "%f = Relu(%x)",
                "%p, %y = MaxPool(%f) {kernel_shape = [2, 2], strides = [2, 2]}",
                Some("the positions of the maxima are read"),
            ),
            (
                "const %w = f32[1,4,1,1] [1, 2, 3, 4] %c = Conv(%x, %w) %f = Relu(%c)",
                "%y = GlobalMaxPool(%f)",
                Some("the kernel in front applies the function"),
            ),
            ("%f = Relu(%x) output %f", "%y = GlobalMaxPool(%f)", Some("ns longer")),
        ] {
            assert_unchanged(|| Rewriter(PoolBeforeActivation), &text(first, second), reason);
        }
    }
}
