//! Fuses Mul, Div, Add, Sub and Neg with constants into the Conv, ConvTranspose, Gemm or MatMul in front of them, when the
//! constants differ along its output channels at most: `(W · x + b) · s + t` is `(s · W) · x + (b · s + t)`.
//!
//! A MatMul of matrices whose result gets a bias becomes a Gemm; behind other MatMuls the Add stays.

use lehr_graph::{Flags, PatchBuilder};
use lehr_ops::neg::Neg;

use crate::affine::Affine;
use crate::linear::Linear;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseScaleBias;

impl Rewrite for FuseScaleBias {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_scale_bias",
            doc: "folds constants that are multiplied or added into the weights and the bias in front of them",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.flags().contains(Flags::ELEMENTWISE) || op.is::<Neg>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let step = Affine::of(graph, found.root()).ok_or(Reject::NoEffect)?;
        let linear = Linear::behind(graph, step.input)?;
        let numbers = step.along(linear.rank, linear.channel_axis(), linear.channels)?;
        if numbers.is_shift() && !linear.has_bias() && linear.adds_bias_separately() {
            return Err(Reject::NoEffect);
        }
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

    #[track_caller]
    fn fuses(before: &str, after: &str) {
        assert_rewrites_within(|| Rewriter(FuseScaleBias), before, after);
    }

    #[test]
    fn constants_go_into_a_conv_in_either_order() {
        let x = "input %x: f32[N,1,4] const %k = f32[2,1] [2, 4] const %h = f32[1] [0.5]";
        for (steps, weights, bias) in [
            ("%y = Mul(%c, %k)", "2, 8", "2, 4"),
            ("%y = Div(%c, %k)", "0.5, 0.5", "0.5, 0.25"),
            ("%y = Add(%k, %c)", "1, 2", "3, 5"),
            ("%y = Sub(%c, %k)", "1, 2", "-1, -3"),
            ("%y = Sub(%k, %c)", "-1, -2", "1, 3"),
            ("%y = Neg(%c)", "-1, -2", "-1, -1"),
            ("%m = Mul(%k, %c) %y = Add(%m, %h)", "2, 8", "2.5, 4.5"),
        ] {
            fuses(
                &format!(
                    "graph {{ {x} const %w = f32[2,1,1] [1, 2] const %b = f32[2] [1, 1]
                    %c = Conv(%x, %w, %b) {steps} output %y }}"
                ),
                &format!(
                    "graph {{ input %x: f32[N,1,4] const %w = f32[2,1,1] [{weights}] const %b = f32[2] [{bias}]
                    %y = Conv(%x, %w, %b) output %y }}"
                ),
            );
        }
    }

    #[test]
    fn a_bias_alone_needs_no_constant_weights() {
        fuses(
            "graph { input %x: f32[N,1,4] input %w: f32[2,1,1] const %k = f32[1,2,1] [2, 4]
            %c = Conv(%x, %w) %y = Add(%c, %k) output %y }",
            "graph { input %x: f32[N,1,4] input %w: f32[2,1,1] const %k = f32[2] [2, 4]
            %y = Conv(%x, %w, %k) output %y }",
        );
    }

    #[test]
    fn products_of_matrices_become_gemm() {
        fuses(
            "graph { input %x: f32[N,2] const %w = f32[2,2] [1, 2, 3, 4] const %k = f32[2] [2, 4] const %b = f32[2] [5, 6]
            %m = MatMul(%x, %w) %a = Add(%m, %b) %y = Mul(%a, %k) output %y }",
            "graph { input %x: f32[N,2] const %w = f32[2,2] [2, 8, 6, 16] const %b = f32[2] [10, 24]
            %y = Gemm(%x, %w, %b) output %y }",
        );
    }

    #[test]
    fn behind_batches_of_products_one_add_stays() {
        let head = "input %x: f32[B,N,2] const %w = f32[2,2] [1, 2, 3, 4]";
        let add = format!(
            "graph {{ {head} const %b = f32[2] [5, 6] %m = MatMul(%x, %w) %y = Add(%m, %b) output %y }}"
        );
        assert_unchanged(|| Rewriter(FuseScaleBias), &add, None);
        fuses(
            &format!(
                "graph {{ {head} const %b = f32[2] [5, 6] const %k = f32[2] [2, 4]
                %m = MatMul(%x, %w) %a = Add(%m, %b) %s = Mul(%a, %k) %y = Sub(%s, %b) output %y }}"
            ),
            "graph { input %x: f32[B,N,2] const %w = f32[2,2] [2, 8, 6, 16] const %b = f32[2] [5, 18]
            %m = MatMul(%x, %w) %y = Add(%m, %b) output %y }",
        );
        fuses(
            "graph { input %x: f32[B,2,N] const %w = f32[2,2] [1, 2, 3, 4] const %k = f32[2,1] [2, 4]
            %m = MatMul(%w, %x) %y = Mul(%m, %k) output %y }",
            "graph { input %x: f32[B,2,N] const %w = f32[2,2] [2, 4, 12, 16] %y = MatMul(%w, %x) output %y }",
        );
    }

    #[test]
    fn what_it_must_not_touch() {
        let conv = |steps: &str| {
            format!(
                "graph {{ input %x: f32[N,1,2] input %t: f32[2,1] const %w = f32[2,1,1] [1, 2]
                const %k = f32[2] [2, 4] const %big = f32[3,1,1] [1, 2, 3] const %zero = f32[1] [0]
                %c = Conv(%x, %w) {steps} output %y }}"
            )
        };
        let unchanged = |steps: &str, reason| {
            assert_unchanged(|| Rewriter(FuseScaleBias), &conv(steps), reason);
        };
        unchanged("%y = Mul(%c, %k)", Some("axis 1 (size 2) alone"));
        unchanged("%y = Mul(%c, %big)", Some("axis 1 (size 2) alone"));
        unchanged("%y = Div(%c, %zero)", Some("it multiplies or adds inf"));
        unchanged("%y = Add(%c, %t)", None);
        unchanged("%y = Div(%k, %c)", None);
        unchanged("%n = Neg(%c) %y = Add(%n, %c)", Some("also read elsewhere"));
        let integers = "graph { input %x: i32[2,2] const %w = i32[2,2] [1, 2, 3, 4] const %k = i32[2] [2, 4]
            %m = MatMul(%x, %w) %y = Mul(%m, %k) output %y }";
        assert_unchanged(|| Rewriter(FuseScaleBias), integers, Some("expected floats"));
        let rows = "graph { input %x: f32[2,2] const %w = f32[2,2] [1, 2, 3, 4] const %c = f32[2,1] [1, 2]
            const %k = f32[2] [2, 4] %m = Gemm(%x, %w, %c) %y = Mul(%m, %k) output %y }";
        assert_unchanged(|| Rewriter(FuseScaleBias), rows, Some("more than one number per channel"));
    }
}
