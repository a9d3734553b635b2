//! Merges Conv, Gemm and MatMul that read the same input into one with the output channels of all, and a Split:
//! `x · A, x · B` is `x · [A B]`, cut. The input is read once then, and small products fill the vector units.
//!
//! The Split reads and writes all results once more, so that it is for the cost model to say whether that pays.

use lehr_graph::{Graph, NodeId, PatchBuilder, Use, ValueId};
use lehr_ops::conv::Conv;
use lehr_ops::gemm::Gemm;
use lehr_ops::matmul::MatMul;
use lehr_ops::split::Split;
use lehr_tensor::Tensor;

use crate::linear::Linear;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeParallelProducts;

impl Rewrite for MergeParallelProducts {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_parallel_products",
            doc: "merges products of the same input with several weights into one product",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Conv>() || op.is::<Gemm>() || op.is::<MatMul>())
    }

    fn must_pay(&self) -> bool {
        true
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let first = Linear::at(graph, found.root())?;
        let others = companions(graph, &first, found.root());
        if others.is_empty() {
            return Err(Reject::NoEffect);
        }
        let merged = first.side_by_side(&others, patch)?;
        let sizes: Option<Vec<i64>> = std::iter::once(&first)
            .chain(&others)
            .map(|linear| i64::try_from(linear.channels).ok())
            .collect();
        let axis = i64::try_from(first.channel_axis()).map_err(|_| Reject::NoEffect)?;
        let sizes = patch.constant(Tensor::vector(sizes.ok_or(Reject::NoEffect)?));
        let split = std::sync::Arc::new(Split { axis, num_outputs: None });
        let parts = patch.node(split, &[Some(merged), Some(sizes)], others.len() + 1)?;
        let outputs = std::iter::once(&first).chain(&others).map(|linear| linear.output);
        outputs.zip(parts).for_each(|(output, part)| patch.replace(output, part));
        Ok(())
    }
}

/// Those behind the same input that can be merged with `first`.
fn companions<'g>(graph: &'g Graph, first: &Linear<'g>, own: NodeId) -> Vec<Linear<'g>> {
    let input: ValueId = first.input;
    let readers = graph.value(input).uses().iter().filter_map(|a_use| match *a_use {
        Use::Node { node, slot: 0 } if node != own => Some(node),
        _ => None,
    });
    readers.filter_map(|node| Linear::at(graph, node).ok()).filter(|linear| first.goes_with(linear)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn products_of_one_vector() {
        assert_rewrites_within(
            || Rewriter(MergeParallelProducts),
            "graph { input %x: f32[1,1,2] const %a = f32[2,1] [1, 2] const %b = f32[2,2] [3, 4, 5, 6]
            const %c = f32[2,1] [7, 8] const %t = f32[2] [1, 2]
            %p = MatMul(%x, %a) %q = MatMul(%x, %b) %r = Add(%q, %t) %s = MatMul(%x, %c)
            output %p output %r output %s }",
            "graph { input %x: f32[1,1,2] const %a = f32[2,1] [1, 2] const %b = f32[2,2] [3, 4, 5, 6]
            const %c = f32[2,1] [7, 8] const %t = f32[4] [0, 1, 2, 0] const %n = i64[3] [1, 2, 1]
            %w = Concat(%a, %b, %c) {axis = -1} %m = MatMul(%x, %w) %k = Add(%m, %t)
            %p, %r, %s = Split(%k, %n) {axis = 2} output %p output %r output %s }",
        );
    }

    #[test]
    fn convolutions_and_transposed_matrices() {
        assert_rewrites_within(
            || Rewriter(MergeParallelProducts),
            "graph { input %x: f32[1,2,3] const %a = f32[1,2,1] [1, 2] const %b = f32[1,2,1] [3, 4]
            const %c = f32[1,2,1] [7, 8] %p = Conv(%x, %a) %q = Conv(%x, %b) %r = Conv(%x, %c)
            output %p output %q output %r }",
            "graph { input %x: f32[1,2,3] const %a = f32[1,2,1] [1, 2] const %b = f32[1,2,1] [3, 4]
            const %c = f32[1,2,1] [7, 8] const %n = i64[3] [1, 1, 1] %w = Concat(%a, %b, %c) {axis = 0}
            %m = Conv(%x, %w) %p, %q, %r = Split(%m, %n) {axis = 1} output %p output %q output %r }",
        );
        assert_rewrites_within(
            || Rewriter(MergeParallelProducts),
            "graph { input %x: f32[1,2] const %a = f32[1,2] [1, 2] const %b = f32[1,2] [3, 4]
            const %c = f32[1,2] [7, 8] const %t = f32[1] [5]
            %p = Gemm(%x, %a, %t) {transB = true, beta = 2.0} %q = Gemm(%x, %b) {transB = true}
            %r = Gemm(%x, %c) {transB = true} output %p output %q output %r }",
            "graph { input %x: f32[1,2] const %a = f32[1,2] [1, 2] const %b = f32[1,2] [3, 4]
            const %c = f32[1,2] [7, 8] const %t = f32[3] [10, 0, 0] const %n = i64[3] [1, 1, 1]
            %w = Concat(%a, %b, %c) {axis = 0} %m = Gemm(%x, %w, %t) {transB = true}
            %p, %q, %r = Split(%m, %n) {axis = 1} output %p output %q output %r }",
        );
    }

    #[test]
    fn what_does_not_fit_together_or_does_not_pay_stays() {
        let unchanged = |body: &str, reason| {
            let text = format!(
                "graph {{ input %x: f32[1,2,4] const %a = f32[2,2,1] [1, 2, 3, 4] const %b = f32[2,2,1] [1, 2, 3, 4]
                const %c = f32[1,2,3] [1, 2, 3, 4, 5, 6] {body} output %p output %q }}"
            );
            assert_unchanged(|| Rewriter(MergeParallelProducts), &text, reason);
        };
        unchanged("%p = Conv(%x, %a) %q = Conv(%x, %b) {strides = [2]}", None);
        unchanged("%p = Conv(%x, %a) %q = Conv(%x, %c)", None);
        unchanged("%p = Conv(%x, %a) %q = Conv(%x, %a)", None);
        unchanged("input %w: f32[2,2,1] %p = Conv(%x, %a) %q = Conv(%x, %w)", None);
        unchanged("%p = Conv(%x, %a) %q = Conv(%x, %b)", Some("longer"));
    }

    /// How many products are left.
    fn products(text: &str) -> usize {
        let options = |options: &mut crate::manager::Options| options.check = Some(crate::Check::default());
        let (graph, report) = crate::testing::run_with(Rewriter(MergeParallelProducts), text, options);
        assert_eq!(report.unchecked, None);
        graph
            .node_ids()
            .filter(|&id| graph.node(id).op().is::<MatMul>() || graph.node(id).op().is::<Gemm>())
            .count()
    }

    #[test]
    fn gates_of_recurrent_cells_are_one_product_of_each_operand() {
        let weights = |names: &[&str]| -> String {
            let constant = |(at, name): (usize, &&str)| {
                let numbers: Vec<_> = (0..16).map(|i| format!("{}", (i * 7 + at * 5) % 11)).collect();
                format!(
                    "const %w{name} = f32[4,4] [{0}] const %r{name} = f32[4,4] [{0}] ",
                    numbers.join(", ")
                )
            };
            names.iter().enumerate().map(constant).collect()
        };
        let gate = |name: &str, h: &str| {
            format!(
                "%x{name} = MatMul(%x, %w{name}) %h{name} = MatMul(%{h}, %r{name}) %s{name} = Add(%x{name}, %h{name}) "
            )
        };
        let lstm: String = ["i", "f", "o", "g"].iter().map(|name| gate(name, "h")).collect();
        let lstm = format!(
            "graph {{ input %x: f32[1,4] input %h: f32[1,4] input %c: f32[1,4] {} {lstm}
            %i = Sigmoid(%si) %f = Sigmoid(%sf) %o = Sigmoid(%so) %g = Tanh(%sg) %p = Mul(%f, %c) %q = Mul(%i, %g)
            %d = Add(%p, %q) %t = Tanh(%d) %y = Mul(%o, %t) output %y output %d }}",
            weights(&["i", "f", "o", "g"])
        );
        assert_eq!(products(&lstm), 2, "one of x, one of h");
        // The candidate of a GRU reads the state behind the reset gate: that product stays by itself, and two of one
        // operand do not pay for a Split.
        let gru = format!(
            "graph {{ input %x: f32[1,4] input %h: f32[1,4] {} {}{} %z = Sigmoid(%sz) %r = Sigmoid(%sr)
            %k = Mul(%r, %h) {} %n = Tanh(%sn) %d = Sub(%h, %n) %e = Mul(%z, %d) %y = Add(%n, %e) output %y }}",
            weights(&["z", "r", "n"]),
            gate("z", "h"),
            gate("r", "h"),
            gate("n", "k")
        );
        assert_eq!(products(&gru), 4, "one of x, two of h, one of the reset state");
        let each = |text: &str| -> String {
            ["i", "f", "o", "g"].iter().map(|name| text.replace('#', name)).collect()
        };
        let joined = format!(
            "graph {{ input %x: f32[1,2] input %h: f32[1,2] {} %j = Concat(%x, %h) {{axis = 1}} {} {} }}",
            each("const %k# = f32[4,3] [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3] const %b# = f32[3] [1, 2, 3] "),
            each("%w# = MatMul(%j, %k#) %s# = Add(%w#, %b#) "),
            each("output %s# ")
        );
        assert_eq!(products(&joined), 1, "gates of the joined operands");
    }
}
