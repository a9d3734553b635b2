//! What recognisers of elementwise formulas share: pieces of patterns, and the checks that a formula of one value must
//! pass before one operator takes its place.

use lehr_graph::{Graph, Op, PatchBuilder, ValueId};
use lehr_ops::{clip::Clip, exp::Exp, max::Max, min::Min, pow::Pow, relu::Relu};

use crate::pattern::{Match, Pattern, either, op, product, scalar, uniform_number};
use crate::rewrite::Reject;

/// `p²`, where `again` is the same value once more.
pub(crate) fn square(p: Pattern, again: Pattern) -> Pattern {
    either([op::<Pow>([p.clone(), scalar(2.0)]), product([p, again])])
}

/// `-p`.
pub(crate) fn negated(p: Pattern) -> Pattern {
    either([-p.clone(), p.clone() * scalar(-1.0), p / scalar(-1.0)])
}

/// `p · factor` or `p / (1 / factor)`.
pub(crate) fn scaled(p: Pattern, factor: f64) -> Pattern {
    either([p.clone() * scalar(factor), p / scalar(factor.recip())])
}

/// `1 + e^-p`.
pub(crate) fn one_and_exp_of_negative(p: Pattern) -> Pattern {
    scalar(1.0) + op::<Exp>([negated(p)])
}

/// `min(max(p, 0), high)`.
pub(crate) fn clipped(p: Pattern, high: Pattern) -> Pattern {
    let floor = |p: Pattern| either([op::<Max>([p.clone(), scalar(0.0)]), op::<Relu>([p])]);
    let ceiling = |p: Pattern| op::<Min>([p, high.clone()]);
    either([op::<Clip>([p.clone(), scalar(0.0), high.clone()]), ceiling(floor(p.clone())), floor(ceiling(p))])
}

/// The number that the constant bound to `name` consists of, if the matched alternative has that name.
pub(crate) fn number(found: &Match, graph: &Graph, name: &str) -> Option<f64> {
    uniform_number(graph.constant(found.get(name)?)?)
}

/// An attribute, which has 32 bits, out of a constant.
///
/// # Errors
/// [`Reject::Because`] when it is not finite or beyond the range.
pub(crate) fn attribute(number: f64) -> Result<f32, Reject> {
    let rounded = number as f32;
    if rounded.is_finite() {
        return Ok(rounded);
    }
    Err(Reject::because(format!("{number} is no finite number of 32 bits")))
}

/// The first output of the root.
pub(crate) fn result(found: &Match, graph: &Graph) -> Result<ValueId, Reject> {
    graph.node(found.root()).outputs().first().copied().ok_or(Reject::NoEffect)
}

/// Puts `op` of the value bound to `x` in the place of the match.
///
/// # Errors
/// [`Reject::Because`] when `x` does not hold floats, or the constants might make the result larger than `x`.
pub(crate) fn replace_by(op: impl Op, found: &Match, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let graph = patch.graph();
    let (x, y) = (found.value("x"), result(found, graph)?);
    let dtype = graph.value(x).ty().dtype();
    if !dtype.is_some_and(|dtype| dtype.is_float()) {
        return Err(Reject::because("its operand is not known to hold floats"));
    }
    if !keeps_shape(found, graph, x, y) {
        return Err(Reject::because("the result may be larger than the operand"));
    }
    let new = patch.call(op, &[x.into()])?;
    patch.replace(y, new);
    Ok(())
}

/// Whether `y` has the shape of `x`: known to be equal, or all constants between them are single numbers.
fn keeps_shape(found: &Match, graph: &Graph, x: ValueId, y: ValueId) -> bool {
    let shape = graph.value(x).ty().shape();
    if let (Some(before), Some(after)) = (shape, graph.value(y).ty().shape())
        && before.equal(after) == Some(true)
    {
        return true;
    }
    let rank = shape.map_or(0, |shape| shape.rank());
    let inputs = found.nodes().flat_map(|id| graph.node(id).inputs().iter().flatten());
    let mut constants = inputs.filter(|&&v| v != x).filter_map(|&v| graph.constant(v));
    constants.all(|constant| constant.len() == 1 && constant.rank() <= rank)
}
