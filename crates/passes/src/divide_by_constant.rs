//! Makes a product of a quotient with a constant divisor: `x / c = x · (1 / c)`, for floats. Powers of two keep every bit.

use lehr_graph::PatchBuilder;
use lehr_ops::{div::Div, mul::Mul};
use lehr_tensor::DataType;

use crate::constants::{finite, floats};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, constant, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct DivideByConstant;

/// Most bytes of a divisor that is copied because somebody else reads it as it is.
const MAX_COPIED: usize = 4 << 10;

impl Rewrite for DivideByConstant {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "divide_by_constant",
            doc: "multiplies by the reciprocal of a constant divisor",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        op::<Div>([any("x"), constant("divisor")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (x, divisor) = (found.value("x"), found.value("divisor"));
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        let tensor = graph.constant(divisor).ok_or(Reject::NoEffect)?;
        if graph.constant(x).is_some() {
            return Err(Reject::NoEffect);
        }
        let least = least_normal(tensor.dtype())
            .ok_or_else(|| Reject::because(format!("a quotient of {} has no reciprocal", tensor.dtype())))?;
        if graph.value(divisor).uses().len() > 1 && tensor.byte_len() > MAX_COPIED {
            return Err(Reject::because("the divisor is also read elsewhere"));
        }
        let reciprocals: Vec<f64> = finite(tensor)?.into_iter().map(f64::recip).collect();
        if !reciprocals.iter().all(|number| number.is_finite() && number.abs() >= least) {
            return Err(Reject::because(format!("a reciprocal is beyond the range of {}", tensor.dtype())));
        }
        let factor = patch.constant(floats(tensor.dtype(), tensor.shape(), reciprocals)?);
        let product = patch.call(Mul {}, &[x.into(), factor])?;
        patch.replace(output, product);
        Ok(())
    }
}

/// The least positive number with all digits.
fn least_normal(dtype: DataType) -> Option<f64> {
    match dtype {
        DataType::F64 => Some(f64::MIN_POSITIVE),
        DataType::F32 | DataType::BF16 => Some(f64::from(f32::MIN_POSITIVE)),
        DataType::F16 => Some(2f64.powi(-14)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_rewrites_within, assert_unchanged};

    fn text(constant: &str, node: &str) -> String {
        format!("graph {{ input %x: f32[N,3] const %c = {constant} %y = {node} output %y }}")
    }

    #[test]
    fn quotients_become_products() {
        assert_rewrites_within(
            || Rewriter(DivideByConstant),
            &text("f32[3] [3, -7, 5]", "Div(%x, %c)"),
            &text("f32[3] [0.33333334, -0.14285715, 0.2]", "Mul(%x, %c)"),
        );
    }

    #[test]
    fn powers_of_two_keep_every_bit() {
        assert_rewrites(
            || Rewriter(DivideByConstant),
            &text("f32[3] [2, -8, 0.25]", "Div(%x, %c)"),
            &text("f32[3] [0.5, -0.125, 4]", "Mul(%x, %c)").replace("%c", "%0"),
        );
    }

    #[test]
    fn others_stay() {
        for (constant, reason) in [
            ("f32[] [0]", "beyond the range"),
            ("f32[] [1e-39]", "beyond the range"),
            ("f32[] [3e38]", "beyond the range"),
            ("f32[] [inf]", "expected finite numbers"),
        ] {
            assert_unchanged(|| Rewriter(DivideByConstant), &text(constant, "Div(%x, %c)"), Some(reason));
        }
        let integers = "graph { input %x: i32[3] const %c = i32[] [2] %y = Div(%x, %c) output %y }";
        assert_unchanged(|| Rewriter(DivideByConstant), integers, Some("has no reciprocal"));
        assert_unchanged(|| Rewriter(DivideByConstant), &text("f32[] [2]", "Div(%c, %x)"), None);
    }
}
