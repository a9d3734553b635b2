//! Multiplies the factors of both operands of a matrix product beforehand: `(s·A) (t·B) = (s·t·A) B`. Exporters scale
//! queries and keys of an attention by the root of what their product is to be scaled by.

use lehr_graph::{Graph, PatchBuilder};
use lehr_ops::{matmul::MatMul, mul::Mul};

use crate::constants::floats;
use crate::formula::{number, result};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, op, uniform};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeProductScales;

impl Rewrite for MergeProductScales {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_product_scales",
            doc: "multiplies the factors of both operands of a MatMul together, so that only one is scaled",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let left = (any("a") * uniform("s")).named("left");
        let right = (any("b") * uniform("t")).named("right");
        op::<MatMul>([left, right])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (a, b, y) = (found.value("a"), found.value("b"), result(found, graph)?);
        let Some(dtype) = graph.value(y).ty().dtype().filter(|dtype| dtype.is_float()) else {
            return Err(Reject::because("the product is not known to be of floats"));
        };
        if !keeps_shape(graph, found, "a", "left") || !keeps_shape(graph, found, "b", "right") {
            return Err(Reject::because("a factor may make its operand larger"));
        }
        let (Some(s), Some(t)) = (number(found, graph, "s"), number(found, graph, "t")) else {
            return Err(Reject::NoEffect);
        };
        if !is_moderate(s) || !is_moderate(t) {
            return Err(Reject::because(format!(
                "products of {s} and {t} may overflow or vanish in another order"
            )));
        }
        let factor = patch.constant(floats(dtype, &[], vec![s * t])?);
        let scaled = patch.call(Mul {}, &[a.into(), factor])?;
        let new = patch.call(MatMul {}, &[scaled, b.into()])?;
        patch.replace(y, new);
        Ok(())
    }
}

fn keeps_shape(graph: &Graph, found: &Match, before: &str, after: &str) -> bool {
    let shape = |name| graph.value(found.value(name)).ty().shape();
    matches!((shape(before), shape(after)), (Some(before), Some(after)) if before.equal(after) == Some(true))
}

/// Whether a factor moves numbers by so little that only those at the ends of the narrowest type's range leave it.
fn is_moderate(factor: f64) -> bool {
    (1.0 / 64.0..=64.0).contains(&factor.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str =
        "const %half = f32[] [0.5] const %three = f32[1,1] [3] const %tiny = f32[] [1e-30]
        const %zero = f32[] [0] const %larger = f32[1,1,1] [2] const %many = f32[4] [1, 2, 3, 4]";

    #[test]
    fn one_operand_is_scaled_instead_of_two() {
        assert_rewrites_within(
            || Rewriter(MergeProductScales),
            &format!(
                "graph {{ input %a: f32[N,3] input %b: f32[3,4] {CONSTANTS}
                %p = Mul(%a, %half) %q = Mul(%three, %b) %y = MatMul(%p, %q) output %y }}"
            ),
            "graph { input %a: f32[N,3] input %b: f32[3,4] const %f = f32[] [1.5]
                %p = Mul(%a, %f) %y = MatMul(%p, %b) output %y }",
        );
    }

    #[test]
    fn other_factors_stay() {
        for (right, reason) in [
            ("%q = Mul(%b, %many)", None),
            ("%q = Mul(%b, %larger)", Some("larger")),
            ("%q = Mul(%b, %tiny)", Some("vanish")),
            ("%q = Mul(%b, %zero)", Some("vanish")),
            ("%q = Neg(%b)", None),
        ] {
            let text = format!(
                "graph {{ input %a: f32[2,3] input %b: f32[3,4] {CONSTANTS}
                %p = Mul(%a, %half) {right} %y = MatMul(%p, %q) output %y }}"
            );
            assert_unchanged(|| Rewriter(MergeProductScales), &text, reason);
        }
    }

    #[test]
    fn what_is_scaled_for_others_stays() {
        assert_unchanged(
            || Rewriter(MergeProductScales),
            &format!(
                "graph {{ input %a: f32[2,3] input %b: f32[3,4] {CONSTANTS}
                %p = Mul(%a, %half) %q = Mul(%b, %half) %y = MatMul(%p, %q) output %y output %q }}"
            ),
            None,
        );
    }
}
