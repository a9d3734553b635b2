//! Recognises `min(max(α·x + β, 0), 1)`, and `min(max(α·x + β, 0), c) / c`.

use lehr_graph::PatchBuilder;
use lehr_ops::hard_sigmoid::HardSigmoid;
use lehr_tensor::DataType;

use crate::formula::{attribute, clipped, number, replace_by};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, scalar, uniform};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseHardSigmoid;

impl Rewrite for FuseHardSigmoid {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_hard_sigmoid",
            doc: "replaces clipped straight lines by HardSigmoid",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        let x = || any("x");
        let line = || {
            let steep = either([x() * uniform("alpha"), x() / uniform("divisor"), x()]);
            steep + uniform("beta")
        };
        let clip = || clipped(line(), uniform("top"));
        either([clipped(line(), scalar(1.0)), clip() / uniform("top"), clip() * uniform("share")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let number = |name, default: f64| number(found, graph, name).unwrap_or(default);
        let (top, share) = (number("top", 1.0), number("share", 1.0));
        if found.get("share").is_some() && (top * share - 1.0).abs() > 1e-5 {
            return Err(Reject::NoEffect);
        }
        if !(top.is_finite() && top > 0.0) {
            return Err(Reject::because(format!("an upper bound of {top}")));
        }
        let alpha = attribute(number("alpha", 1.0) / number("divisor", 1.0) / top)?;
        let beta = attribute(number("beta", 0.0) / top)?;
        if patch.ty(found.value("x")).dtype() == Some(DataType::F64) {
            return Err(Reject::because("the attributes of HardSigmoid have 32 bits, its operand 64"));
        }
        replace_by(HardSigmoid { alpha, beta }, found, patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %zero = f32[] [0] const %one = f32[] [1] const %three = f32[1] [3]
        const %six = f32[] [6] const %half = f32[] [0.5] const %fifth = f32[] [0.2] const %sixth = f32[] [0.16666667]";

    #[test]
    fn spellings_become_one_operator() {
        for (before, alpha) in [
            ("%a = Mul(%x, %fifth) %b = Add(%half, %a) %y = Clip(%b, %zero, %one)", "0.2"),
            ("%a = Div(%x, %six) %b = Add(%a, %half) %y = Clip(%b, %zero, %one)", "0.16666667"),
            ("%a = Add(%x, %three) %b = Clip(%a, %zero, %six) %y = Div(%b, %six)", "0.16666667"),
            ("%a = Add(%x, %three) %b = Relu(%a) %c = Min(%b, %six) %y = Mul(%sixth, %c)", "0.16666667"),
        ] {
            assert_rewrites_within(
                || Rewriter(FuseHardSigmoid),
                &format!("graph {{ input %x: f32[N,3] {CONSTANTS} {before} output %y }}"),
                &format!(
                    "graph {{ input %x: f32[N,3] %y = HardSigmoid(%x) {{alpha = {alpha}, beta = 0.5}} output %y }}"
                ),
            );
        }
    }

    #[test]
    fn other_clips_stay() {
        for (before, reason) in [
            ("%a = Add(%x, %three) %b = Clip(%a, %zero, %six) %y = Mul(%b, %fifth)", None),
            ("%a = Add(%x, %three) %y = Clip(%a, %one, %six)", None),
            (
                "%a = Div(%x, %zero) %b = Add(%a, %half) %y = Clip(%b, %zero, %one)",
                Some("inf is no finite number"),
            ),
        ] {
            let text = format!("graph {{ input %x: f32[N,3] {CONSTANTS} {before} output %y }}");
            assert_unchanged(|| Rewriter(FuseHardSigmoid), &text, reason);
        }
    }
}
