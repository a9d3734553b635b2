//! Recognises the Gaussian error linear unit: `x/2 · (1 + erf(x / √2))`, or by a hyperbolic tangent
//! `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`, in every bracketing; also the latter as
//! `x · σ(2 · √(2/π) · (x + 0.044715 x³))`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use lehr_graph::PatchBuilder;
use lehr_ops::gelu::{Approximation, Gelu};
use lehr_ops::{erf::Erf, pow::Pow, sigmoid::Sigmoid, tanh::Tanh};

use crate::formula::{negated, replace_by, scaled, square};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op, product, scalar, sum};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseGelu;

/// Factor of the cube.
const BEND: f64 = 0.044_715;

impl Rewrite for FuseGelu {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_gelu",
            doc: "replaces spelled-out Gaussian error linear units by Gelu",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        either([exact(), by_tanh()])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let is_exact = found.nodes().any(|id| graph.node(id).op().is::<Erf>());
        let approximate = if is_exact { Approximation::None } else { Approximation::Tanh };
        replace_by(Gelu { approximate }, found, patch)
    }
}

fn x() -> Pattern {
    any("x")
}

fn exact() -> Pattern {
    let erf = op::<Erf>([scaled(x(), FRAC_1_SQRT_2)]);
    let mirrored = op::<Erf>([either([scaled(x(), -FRAC_1_SQRT_2), negated(scaled(x(), FRAC_1_SQRT_2))])]);
    either([halved(scalar(1.0) + erf.clone()), halved(scalar(1.0) - mirrored), spread(erf)])
}

fn by_tanh() -> Pattern {
    let tanh = op::<Tanh>([bent((2.0 / PI).sqrt())]);
    let sigmoid = op::<Sigmoid>([bent(2.0 * (2.0 / PI).sqrt())]);
    either([halved(scalar(1.0) + tanh.clone()), spread(tanh), x() * sigmoid])
}

/// `x/2 · gate`.
fn halved(gate: Pattern) -> Pattern {
    either([
        product([x(), scalar(0.5), gate.clone()]),
        product([x(), gate.clone() / scalar(2.0)]),
        product([x() / scalar(2.0), gate.clone()]),
        product([x(), gate]) / scalar(2.0),
    ])
}

/// `x/2 · (1 + inner)` multiplied out.
fn spread(inner: Pattern) -> Pattern {
    let half = || scaled(x(), 0.5);
    either([
        product([x(), sum([scalar(0.5), product([scalar(0.5), inner.clone()])])]),
        sum([half(), product([x(), scalar(0.5), inner.clone()])]),
        sum([half(), product([half(), inner])]),
    ])
}

/// `scale · (x + 0.044715 x³)`.
fn bent(scale: f64) -> Pattern {
    let cube = either([
        product([scalar(BEND), op::<Pow>([x(), scalar(3.0)])]),
        product([scalar(BEND), x(), x(), x()]),
        product([scalar(BEND), x(), op::<Pow>([x(), scalar(2.0)])]),
    ]);
    let factor = product([scalar(BEND), square(x(), x())]);
    let steep = product([scalar(BEND * scale), square(x(), x())]);
    either([
        product([scalar(scale), sum([x(), cube])]),
        product([x(), scalar(scale), sum([scalar(1.0), factor])]),
        product([x(), sum([scalar(scale), steep])]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "input %x: f32[2,N]
        const %half = f32[] [0.5] const %one = f32[1] [1] const %two = f32[] [2] const %three = f32[] [3]
        const %root = f32[] [1.4142135] const %inverse = f32[1,1] [0.70710677] const %minus = f32[] [-0.70710677]
        const %bend = f32[] [0.044715] const %steep = f32[] [0.79788456] const %both = f32[] [0.035677408]
        const %twice = f32[] [1.5957691]";

    #[test]
    fn all_spellings_become_one_operator() {
        let exact = [
            "%a = Div(%x, %root) %b = Erf(%a) %c = Add(%b, %one) %d = Mul(%x, %c) %y = Mul(%d, %half)",
            "%a = Mul(%x, %inverse) %b = Erf(%a) %c = Add(%one, %b) %d = Mul(%x, %half) %y = Mul(%d, %c)",
            "%a = Mul(%x, %inverse) %b = Erf(%a) %c = Add(%one, %b) %d = Div(%c, %two) %y = Mul(%d, %x)",
            "%a = Mul(%x, %inverse) %b = Erf(%a) %c = Add(%one, %b) %d = Div(%x, %two) %y = Mul(%d, %c)",
            "%a = Mul(%x, %minus) %b = Erf(%a) %c = Sub(%one, %b) %d = Mul(%x, %c) %y = Div(%d, %two)",
            "%h = Mul(%x, %half) %a = Div(%x, %root) %b = Erf(%a) %c = Mul(%h, %b) %y = Add(%h, %c)",
        ];
        let tanh = [
            "%a = Pow(%x, %three) %b = Mul(%a, %bend) %c = Add(%x, %b) %d = Mul(%c, %steep) %e = Tanh(%d)
            %f = Add(%e, %one) %g = Mul(%x, %f) %y = Mul(%half, %g)",
            "%a = Mul(%bend, %x) %b = Mul(%x, %a) %c = Mul(%x, %b) %d = Add(%x, %c) %e = Mul(%steep, %d)
            %f = Tanh(%e) %g = Add(%one, %f) %h = Mul(%half, %g) %y = Mul(%x, %h)",
            "%a = Mul(%x, %x) %b = Mul(%a, %bend) %c = Add(%one, %b) %d = Mul(%x, %steep) %e = Mul(%c, %d)
            %f = Tanh(%e) %g = Add(%one, %f) %h = Mul(%half, %x) %y = Mul(%g, %h)",
            "%a = Mul(%x, %x) %b = Mul(%a, %both) %c = Add(%steep, %b) %e = Mul(%x, %c)
            %f = Tanh(%e) %g = Add(%one, %f) %h = Mul(%half, %x) %y = Mul(%g, %h)",
            "%a = Pow(%x, %three) %b = Mul(%a, %bend) %c = Add(%x, %b) %d = Mul(%c, %twice) %e = Sigmoid(%d)
            %y = Mul(%x, %e)",
        ];
        for (spellings, approximate) in [(&exact[..], "none"), (&tanh[..], "tanh")] {
            for spelling in spellings {
                assert_rewrites_within(
                    || Rewriter(FuseGelu),
                    &format!("graph {{ {CONSTANTS} {spelling} output %y }}"),
                    &format!(
                        "graph {{ input %x: f32[2,N] %y = Gelu(%x) {{approximate = \"{approximate}\"}} output %y }}"
                    ),
                );
            }
        }
    }

    #[test]
    fn other_formulas_stay() {
        for (spelling, reason) in [
            // Another factor, another operand, another type, a constant that makes it larger, a second reader.
            ("%a = Div(%x, %two) %b = Erf(%a) %c = Add(%b, %one) %d = Mul(%x, %c) %y = Mul(%d, %half)", None),
            (
                "%a = Div(%x, %root) %b = Erf(%a) %c = Add(%b, %one) %d = Mul(%z, %c) %y = Mul(%d, %half)",
                None,
            ),
            (
                "%a = Div(%x, %root) %b = Erf(%a) %c = Add(%b, %wide) %d = Mul(%x, %c) %y = Mul(%d, %half)",
                Some("larger than the operand"),
            ),
            (
                "%a = Div(%x, %root) %b = Erf(%a) %c = Add(%b, %one) %d = Mul(%x, %c) %y = Mul(%d, %half) output %b",
                Some("also read elsewhere"),
            ),
        ] {
            let wide = "input %z: f32[2,N] const %wide = f32[3,1,1] [1, 1, 1]";
            let text = format!("graph {{ {CONSTANTS} {wide} {spelling} output %y }}");
            assert_unchanged(|| Rewriter(FuseGelu), &text, reason);
        }
    }
}
