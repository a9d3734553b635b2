//! Recognises the sigmoid linear unit `x · σ(α·x)` (SiLU, and with α = 1.702 a fast Gelu), and `x / (1 + e^-x)`.

use lehr_graph::PatchBuilder;
use lehr_ops::{sigmoid::Sigmoid, swish::Swish};
use lehr_tensor::DataType;

use crate::formula::{attribute, number, one_and_exp_of_negative, replace_by};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op, uniform};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseSwish;

impl Rewrite for FuseSwish {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_swish",
            doc: "replaces products of a value with its sigmoid by Swish",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        let x = || any("x");
        either([
            x() * op::<Sigmoid>([x()]),
            x() * op::<Sigmoid>([x() * uniform("alpha")]),
            x() / one_and_exp_of_negative(x()),
        ])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let exact = number(found, patch.graph(), "alpha").unwrap_or(1.0);
        let alpha = attribute(exact)?;
        let is_wide = patch.ty(found.value("x")).dtype() == Some(DataType::F64);
        if is_wide && f64::from(alpha) != exact {
            return Err(Reject::because(format!("alpha {exact} is no number of 32 bits")));
        }
        replace_by(Swish { alpha }, found, patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn products_with_a_sigmoid_become_one_operator() {
        for (before, alpha) in [
            ("%s = Sigmoid(%x) %y = Mul(%x, %s)", "1.0"),
            ("%a = Mul(%k, %x) %s = Sigmoid(%a) %y = Mul(%s, %x)", "1.702"),
            ("%a = Neg(%x) %b = Exp(%a) %c = Add(%b, %one) %y = Div(%x, %c)", "1.0"),
        ] {
            assert_rewrites_within(
                || Rewriter(FuseSwish),
                &format!(
                    "graph {{ input %x: f32[N,3] const %k = f32[] [1.702] const %one = f32[] [1]
                    {before} output %y }}"
                ),
                &format!("graph {{ input %x: f32[N,3] %y = Swish(%x) {{alpha = {alpha}}} output %y }}"),
            );
        }
    }

    #[test]
    fn products_with_another_sigmoid_stay() {
        let text = "graph { input %x: f32[2] input %z: f32[2] %s = Sigmoid(%z) %y = Mul(%x, %s) output %y }";
        assert_unchanged(|| Rewriter(FuseSwish), text, None);
        let text = "graph { input %x: f32[2] %s = Sigmoid(%x) %y = Mul(%x, %s) output %y output %s }";
        assert_unchanged(|| Rewriter(FuseSwish), text, Some("value 's' inside is also read elsewhere"));
        let text = "graph { input %x: f64[2] const %k = f64[] [1.702]
            %a = Mul(%k, %x) %s = Sigmoid(%a) %y = Mul(%x, %s) output %y }";
        assert_unchanged(|| Rewriter(FuseSwish), text, Some("alpha 1.702 is no number of 32 bits"));
    }
}
