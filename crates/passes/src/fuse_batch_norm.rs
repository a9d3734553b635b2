//! Fuses BatchNormalization into the Conv, ConvTranspose, Gemm or MatMul in front of it: with
//! `s = gamma / √(var + ε)`, the weights of each output channel are multiplied by its `s`, and the bias becomes
//! `(b - mean) · s + beta`.

use lehr_graph::PatchBuilder;
use lehr_ops::batch_normalization::BatchNormalization;

use crate::affine::Affine;
use crate::linear::Linear;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseBatchNorm;

impl Rewrite for FuseBatchNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_batch_norm",
            doc: "folds BatchNormalization into the weights in front of it",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<BatchNormalization>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let step = Affine::of(graph, found.root())
            .ok_or_else(|| Reject::because("it trains, or its parameters are not constant"))?;
        let linear = Linear::behind(graph, step.input)?;
        let numbers = step.along(linear.rank, linear.channel_axis(), linear.channels)?;
        let fused = linear.followed_by(&numbers, patch)?;
        patch.replace(step.output, fused);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const PARAMETERS: &str = "const %g = f32[2] [3, 2] const %b = f32[2] [0.5, -1] const %m = f32[2] [1, 4]
        const %v = f32[2] [9, 0.25]";
    /// s = 1, 4; b - m · s = -0.5, -17
    const NORM: &str = "BatchNormalization(%h, %g, %b, %m, %v) {epsilon = 0.0}";

    fn before(head: &str, node: &str) -> String {
        format!("graph {{ {head} {PARAMETERS} %h = {node} %y = {NORM} output %y }}")
    }

    #[track_caller]
    fn fuses(head: &str, node: &str, after: &str) {
        assert_rewrites_within(|| Rewriter(FuseBatchNorm), &before(head, node), after);
    }

    #[test]
    fn conv_without_and_with_bias() {
        let x = "input %x: f32[N,1,4,H]";
        fuses(
            &format!("{x} const %w = f32[2,1,1,2] [1, 2, 3, 4]"),
            "Conv(%x, %w) {pads = [0, 1, 0, 0]}",
            &format!(
                "graph {{ {x} const %w = f32[2,1,1,2] [1, 2, 12, 16] const %c = f32[2] [-0.5, -17]
                %y = Conv(%x, %w, %c) {{pads = [0, 1, 0, 0]}} output %y }}"
            ),
        );
        fuses(
            &format!("{x} const %w = f32[2,1,1,1] [1, 2] const %c = f32[2] [1, 2]"),
            "Conv(%x, %w, %c)",
            &format!(
                "graph {{ {x} const %w = f32[2,1,1,1] [1, 8] const %c = f32[2] [0.5, -9]
                %y = Conv(%x, %w, %c) output %y }}"
            ),
        );
    }

    #[test]
    fn grouped_and_transposed_weights() {
        fuses(
            "input %x: f32[1,4,5] const %w = f32[2,2,1] [1, 2, 3, 4]",
            "Conv(%x, %w) {group = 2}",
            "graph { input %x: f32[1,4,5] const %w = f32[2,2,1] [1, 2, 12, 16] const %c = f32[2] [-0.5, -17]
            %y = Conv(%x, %w, %c) {group = 2} output %y }",
        );
        fuses(
            "input %x: f32[1,1,5] const %w = f32[1,2,2] [1, 2, 3, 4]",
            "ConvTranspose(%x, %w) {strides = [2]}",
            "graph { input %x: f32[1,1,5] const %w = f32[1,2,2] [1, 2, 12, 16] const %c = f32[2] [-0.5, -17]
            %y = ConvTranspose(%x, %w, %c) {strides = [2]} output %y }",
        );
        fuses(
            "input %x: f32[1,4,3] const %w = f32[4,1,1] [1, 2, 3, 4]",
            "ConvTranspose(%x, %w) {group = 2}",
            "graph { input %x: f32[1,4,3] const %w = f32[4,1,1] [1, 2, 12, 16] const %c = f32[2] [-0.5, -17]
            %y = ConvTranspose(%x, %w, %c) {group = 2} output %y }",
        );
    }

    #[test]
    fn matrix_products() {
        let x = "input %x: f32[N,2]";
        fuses(
            &format!("{x} const %w = f32[2,2] [1, 2, 3, 4] const %c = f32[1] [2]"),
            "Gemm(%x, %w, %c) {alpha = 0.5, beta = 3.0}",
            &format!(
                "graph {{ {x} const %w = f32[2,2] [1, 8, 3, 16] const %c = f32[2] [5.5, 7]
                %y = Gemm(%x, %w, %c) {{alpha = 0.5}} output %y }}"
            ),
        );
        fuses(
            &format!("{x} const %w = f32[2,2] [1, 2, 3, 4]"),
            "Gemm(%x, %w) {transB = true}",
            &format!(
                "graph {{ {x} const %w = f32[2,2] [1, 2, 12, 16] const %c = f32[2] [-0.5, -17]
                %y = Gemm(%x, %w, %c) {{transB = true}} output %y }}"
            ),
        );
        fuses(
            &format!("{x} const %w = f32[2,2] [1, 2, 3, 4]"),
            "MatMul(%x, %w)",
            &format!(
                "graph {{ {x} const %w = f32[2,2] [1, 8, 3, 16] const %c = f32[2] [-0.5, -17]
                %y = Gemm(%x, %w, %c) output %y }}"
            ),
        );
        fuses(
            "input %x: f32[N,2,3] const %w = f32[2,2] [1, 2, 3, 4]",
            "MatMul(%w, %x)",
            "graph { input %x: f32[N,2,3] const %w = f32[2,2] [1, 2, 12, 16] const %c = f32[2,1] [-0.5, -17]
            %p = MatMul(%w, %x) %y = Add(%p, %c) output %y }",
        );
    }

    #[test]
    fn what_it_must_not_touch() {
        let unchanged = |text: &str, reason| assert_unchanged(|| Rewriter(FuseBatchNorm), text, Some(reason));
        let conv = before("input %x: f32[1,1,4] const %w = f32[2,1,1] [1, 2]", "Conv(%x, %w)");
        unchanged(
            &conv.replace("output %y", "output %y output %h"),
            "value 'h' inside is also read elsewhere",
        );
        unchanged(&conv.replace("const %g = f32[2] [3, 2]", "input %g: f32[2]"), "not constant");
        unchanged(&conv.replace("%w = f32[2,1,1] [1, 2]", "%w = f32[2,1,1] [inf, 2]"), "holds inf");
        unchanged(&conv.replace("%v = f32[2] [9, 0.25]", "%v = f32[2] [0, -1]"), "it multiplies or adds inf");
        unchanged(
            &conv.replace("[9, 0.25]", "[9, 1e-44]").replace("[1, 2]", "[1e30, 1e30]"),
            "beyond the range",
        );
        unchanged(&conv.replace("const %w = f32[2,1,1] [1, 2]", "input %w: f32[2,1,1]"), "not constant");
        let rows = before("input %x: f32[2,2,3] const %w = f32[3,2] [1, 2, 3, 4, 5, 6]", "MatMul(%x, %w)");
        unchanged(&rows, "acts on axis 1");
    }

    #[test]
    fn large_shared_weights_are_not_copied() {
        let weights = vec!["1"; 2 * 600].join(", ");
        let text = before(
            &format!(
                "input %x: f32[1,600,2] const %w = f32[2,600,1] [{weights}] %z = Conv(%x, %w) output %z"
            ),
            "Conv(%x, %w)",
        );
        assert_unchanged(|| Rewriter(FuseBatchNorm), &text, Some("its weights are also read elsewhere"));
    }
}
