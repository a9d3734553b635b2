//! Recognises the logistic function `1 / (1 + e^-x)`.

use lehr_graph::PatchBuilder;
use lehr_ops::{reciprocal::Reciprocal, sigmoid::Sigmoid};

use crate::formula::{one_and_exp_of_negative, replace_by};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op, scalar};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseSigmoid;

impl Rewrite for FuseSigmoid {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_sigmoid",
            doc: "replaces spelled-out logistic functions by Sigmoid",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        let sum = one_and_exp_of_negative(any("x"));
        either([op::<Reciprocal>([sum.clone()]), scalar(1.0) / sum])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        replace_by(Sigmoid {}, found, patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn spellings_become_one_operator() {
        for last in ["Div(%one, %c)", "Reciprocal(%c)"] {
            for first in ["Neg(%x)", "Mul(%x, %minus)"] {
                assert_rewrites_within(
                    || Rewriter(FuseSigmoid),
                    &format!(
                        "graph {{ input %x: f32[N,3] const %one = f32[] [1] const %minus = f32[] [-1]
                        %a = {first} %b = Exp(%a) %c = Add(%one, %b) %y = {last} output %y }}"
                    ),
                    "graph { input %x: f32[N,3] %y = Sigmoid(%x) output %y }",
                );
            }
        }
    }

    #[test]
    fn other_sums_stay() {
        let text = "graph { input %x: f32[2] const %two = f32[] [2]
            %a = Neg(%x) %b = Exp(%a) %c = Add(%two, %b) %y = Reciprocal(%c) output %y }";
        assert_unchanged(|| Rewriter(FuseSigmoid), text, None);
    }
}
