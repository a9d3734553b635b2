//! Recognises `x · tanh(ln(1 + e^x))`, also where the logarithm is a Softplus.

use lehr_graph::PatchBuilder;
use lehr_ops::{exp::Exp, log::Log, mish::Mish, softplus::Softplus, tanh::Tanh};

use crate::formula::replace_by;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op, scalar};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseMish;

impl Rewrite for FuseMish {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_mish",
            doc: "replaces products of a value with the tanh of its softplus by Mish",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        let spelled = op::<Log>([scalar(1.0) + op::<Exp>([any("x")])]);
        any("x") * op::<Tanh>([either([op::<Softplus>([any("x")]), spelled])])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        replace_by(Mish {}, found, patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn spellings_become_one_operator() {
        for softplus in ["%s = Softplus(%x)", "%a = Exp(%x) %b = Add(%a, %one) %s = Log(%b)"] {
            assert_rewrites_within(
                || Rewriter(FuseMish),
                &format!(
                    "graph {{ input %x: f32[N,3] const %one = f32[] [1]
                    {softplus} %t = Tanh(%s) %y = Mul(%t, %x) output %y }}"
                ),
                "graph { input %x: f32[N,3] %y = Mish(%x) output %y }",
            );
        }
    }

    #[test]
    fn the_softplus_of_another_value_stays() {
        let text = "graph { input %x: f32[2] input %z: f32[2]
            %s = Softplus(%z) %t = Tanh(%s) %y = Mul(%t, %x) output %y }";
        assert_unchanged(|| Rewriter(FuseMish), text, None);
    }
}
