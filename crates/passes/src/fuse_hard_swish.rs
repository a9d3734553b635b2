//! Recognises `x · min(max(x + 3, 0), 6) / 6`, and `x` times its hard sigmoid with slope 1/6 and offset 1/2. Where the
//! product of the first overflows before it is divided, the operator does not.

use lehr_graph::PatchBuilder;
use lehr_ops::{hard_sigmoid::HardSigmoid, hard_swish::HardSwish};

use crate::formula::{clipped, replace_by, scaled};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op_if, product, scalar};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseHardSwish;

impl Rewrite for FuseHardSwish {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_hard_swish",
            doc: "replaces products of a value with its hard sigmoid by HardSwish",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        let x = || any("x");
        let six = || clipped(x() + scalar(3.0), scalar(6.0));
        let hard_sigmoid = op_if::<HardSigmoid>(is_gate, [x()]);
        let unit = clipped(scaled(x(), 1.0 / 6.0) + scalar(0.5), scalar(1.0));
        either([
            product([x(), hard_sigmoid]),
            product([x(), six()]) / scalar(6.0),
            product([x(), six() / scalar(6.0)]),
            product([x() / scalar(6.0), six()]),
            product([x(), six(), scalar(1.0 / 6.0)]),
            product([x(), unit]),
        ])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        replace_by(HardSwish {}, found, patch)
    }
}

/// Frameworks print the slope with few digits.
fn is_gate(op: &HardSigmoid) -> bool {
    (op.alpha - 1.0 / 6.0).abs() <= 1e-6 && op.beta == 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %zero = f32[] [0] const %one = f32[] [1] const %three = f32[1] [3]
        const %six = f32[] [6] const %half = f32[] [0.5] const %sixth = f32[] [0.16666667]";

    #[test]
    fn spellings_become_one_operator() {
        for before in [
            "%a = HardSigmoid(%x) {alpha = 0.16666667, beta = 0.5} %y = Mul(%x, %a)",
            "%a = Add(%x, %three) %b = Clip(%a, %zero, %six) %c = Mul(%x, %b) %y = Div(%c, %six)",
            "%a = Add(%x, %three) %b = Clip(%a, %zero, %six) %c = Div(%b, %six) %y = Mul(%c, %x)",
            "%a = Add(%x, %three) %b = Max(%a, %zero) %d = Min(%six, %b) %c = Mul(%d, %sixth) %y = Mul(%c, %x)",
            "%a = Div(%x, %six) %b = Add(%a, %half) %c = Clip(%b, %zero, %one) %y = Mul(%c, %x)",
        ] {
            assert_rewrites_within(
                || Rewriter(FuseHardSwish),
                &format!("graph {{ input %x: f32[N,3] {CONSTANTS} {before} output %y }}"),
                "graph { input %x: f32[N,3] %y = HardSwish(%x) output %y }",
            );
        }
    }

    #[test]
    fn other_formulas_and_integers_stay() {
        let text = "graph { input %x: f32[2] %a = HardSigmoid(%x) {alpha = 0.2} %y = Mul(%x, %a) output %y }";
        assert_unchanged(|| Rewriter(FuseHardSwish), text, None);
        let text =
            "graph { input %x: i32[2] const %zero = i32[] [0] const %three = i32[] [3] const %six = i32[] [6]
            %a = Add(%x, %three) %b = Clip(%a, %zero, %six) %c = Mul(%x, %b) %y = Div(%c, %six) output %y }";
        assert_unchanged(|| Rewriter(FuseHardSwish), text, Some("not known to hold floats"));
    }
}
