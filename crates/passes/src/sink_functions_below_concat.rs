//! `Concat(f(a), f(b), …) = f(Concat(a, b, …))`: one node in the place of several, for elementwise functions of one value.
//! The reverse, which makes nodes, never pays.

use lehr_graph::{Flags, Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::concat::Concat;

use crate::epilogue::applies_functions;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SinkFunctionsBelowConcat;

impl Rewrite for SinkFunctionsBelowConcat {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "sink_functions_below_concat",
            doc: "applies a function that all inputs of a Concat have in common to its output",
            level: OptLevel::O2,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Concat>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let concat = graph.node(found.root());
        let producers: Option<Vec<&Node>> =
            concat.inputs().iter().map(|v| Some(graph.node(graph.producer((*v)?)?))).collect();
        let Some(functions) = producers else { return Err(Reject::NoEffect) };
        let Some((&first, others)) = functions.split_first() else { return Err(Reject::NoEffect) };
        if others.is_empty()
            || !is_function(graph, first)
            || !others.iter().all(|other| is_same(graph, first, other))
        {
            return Err(Reject::NoEffect);
        }
        let arguments: Option<Vec<ValueId>> = functions.iter().map(|function| function.input(0)).collect();
        let arguments = arguments.ok_or(Reject::NoEffect)?;
        if arguments.iter().any(|&x| applies_functions(graph, x)) {
            return Err(Reject::because("a kernel in front applies the function while it writes"));
        }
        let inputs: Vec<_> = arguments.into_iter().map(|x| Some(x.into())).collect();
        let joined = patch.node(concat.op_ref().clone(), &inputs, 1)?;
        let rest = first.inputs().iter().skip(1).map(|v| v.map(PatchValue::from));
        let inputs: Vec<_> = joined.into_iter().map(Some).chain(rest).collect();
        let outputs = patch.node(first.op_ref().clone(), &inputs, 1)?;
        if let (Some(&old), Some(&new)) = (concat.outputs().first(), outputs.first()) {
            patch.replace(old, new);
        }
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

/// Whether a node applies one function to all elements of its first input.
fn is_function(graph: &Graph, node: &Node) -> bool {
    let is_single = |v: &ValueId| graph.constant(*v).is_some_and(|t| t.rank() == 0);
    let flags = node.op().flags();
    flags.contains(Flags::ELEMENTWISE)
        && !flags.contains(Flags::RANDOM)
        && node.outputs().len() == 1
        && node.inputs().iter().skip(1).flatten().all(is_single)
}

fn is_same(graph: &Graph, a: &Node, b: &Node) -> bool {
    let dtype = |node: &Node| graph.value(node.input(0)?).ty().dtype();
    let is_equal = |(a, b): (&Option<ValueId>, &Option<ValueId>)| match (a, b) {
        (Some(a), Some(b)) => {
            let bits = |v: &ValueId| graph.constant(*v).map(|t| (t.rank(), t.dtype(), t.bytes()));
            a == b || (bits(a).is_some() && bits(a) == bits(b))
        }
        (a, b) => a == b,
    };
    a.op().same(b.op())
        && is_function(graph, b)
        && dtype(a).is_some()
        && dtype(a) == dtype(b)
        && a.inputs().len() == b.inputs().len()
        && a.inputs().iter().zip(b.inputs()).skip(1).all(is_equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(body: &str) -> String {
        format!(
            "graph {{ input %a: f32[2,8] input %b: f32[2,8] input %d: f32[2,4] input %w: f32[8,8]
            const %half = f32[] [0.5] const %also = f32[] [0.5] const %one = f32[] [1]
            {body} output %y }}"
        )
    }

    #[test]
    fn one_function_takes_the_place_of_several() {
        assert_rewrites(
            || Rewriter(SinkFunctionsBelowConcat),
            &text("%f = Relu(%a) %g = Relu(%b) %h = Relu(%d) %y = Concat(%f, %g, %h) {axis = 1}"),
            &text("%0 = Concat(%a, %b, %d) {axis = 1} %y = Relu(%0)"),
        );
        assert_rewrites(
            || Rewriter(SinkFunctionsBelowConcat),
            &text("%f = Mul(%a, %half) %g = Mul(%b, %also) %y = Concat(%f, %g) {axis = 0}"),
            &text("%0 = Concat(%a, %b) {axis = 0} %y = Mul(%0, %half)"),
        );
    }

    #[test]
    fn other_functions_stay() {
        for (body, reason) in [
            ("%f = Relu(%a) %g = Tanh(%b) %y = Concat(%f, %g) {axis = 1}", None),
            ("%f = Mul(%a, %half) %g = Mul(%b, %one) %y = Concat(%f, %g) {axis = 1}", None),
            ("%f = Mul(%half, %a) %g = Mul(%half, %b) %y = Concat(%f, %g) {axis = 1}", None),
            ("%f = LeakyRelu(%a) %g = LeakyRelu(%b) {alpha = 0.5} %y = Concat(%f, %g) {axis = 1}", None),
            (
                "%f = Relu(%a) %g = Relu(%b) %y = Concat(%f, %g) {axis = 1} output %f output %g",
                Some("ns longer"),
            ),
            (
                "%m = MatMul(%a, %w) %f = Relu(%m) %g = Relu(%b) %y = Concat(%f, %g) {axis = 1}",
                Some("a kernel in front applies the function"),
            ),
        ] {
            assert_unchanged(|| Rewriter(SinkFunctionsBelowConcat), &text(body), reason);
        }
    }
}
