//! Merges constant factors and offsets behind a row normalisation into its scale and bias: with `norm = n·s + b`,
//! `norm·c = n·(s·c) + b·c` and `norm + c = n·s + (b + c)`.

use lehr_graph::{Graph, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{layer_normalization::LayerNormalization, rms_normalization::RmsNormalization};

use crate::constants::{finite, floats};
use crate::formula::result;
use crate::normalised::Rows;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, constant, either, node, product, sum};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeAffineIntoNorm;

/// Most bytes of a constant that is copied though it stays for others.
const MAX_COPY: usize = 4096;

impl Rewrite for MergeAffineIntoNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_affine_into_norm",
            doc: "merges constant factors and offsets into the scale and bias of the normalisation before",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let layer = || node(|op| op.is::<LayerNormalization>()).named("norm");
        let rms = node(|op| op.is::<RmsNormalization>()).named("norm");
        either([product([either([layer(), rms]), constant("factor")]), sum([layer(), constant("offset")])])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let norm = graph.node(graph.producer(found.value("norm")).ok_or(Reject::NoEffect)?);
        let (Some(x), Some(scale)) = (norm.input(0), norm.input(1)) else { return Err(Reject::NoEffect) };
        let bias = norm.input(2);
        let rows = rows(graph, x, norm.op())?;
        let mut inputs: Vec<Option<PatchValue>> = vec![Some(x.into())];
        if let Some(factor) = found.get("factor") {
            inputs.push(Some(multiplied(patch, &rows, scale, factor)?));
            if let Some(bias) = bias {
                inputs.push(Some(multiplied(patch, &rows, bias, factor)?));
            }
        } else {
            let offset = found.value("offset");
            inputs.push(Some(scale.into()));
            inputs.push(Some(match bias {
                Some(bias) => combined(patch, &rows, bias, offset, |a, b| a + b)?,
                None => parameter(patch, &rows, offset)?,
            }));
        }
        let new = patch.node(norm.op_ref().clone(), &inputs, 1)?;
        patch.replace(y, *new.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

fn rows(graph: &Graph, x: ValueId, op: &dyn lehr_graph::Op) -> Result<Rows, Reject> {
    let axis = match (op.downcast_ref::<LayerNormalization>(), op.downcast_ref::<RmsNormalization>()) {
        (Some(op), _) => op.axis,
        (_, Some(op)) => op.axis,
        _ => return Err(Reject::NoEffect),
    };
    let rank = graph.value(x).ty().shape().map(|shape| shape.rank());
    let count = match (usize::try_from(axis), rank) {
        (Err(_), _) => usize::try_from(axis.unsigned_abs()).ok(),
        (Ok(axis), Some(rank)) => rank.checked_sub(axis),
        (Ok(_), None) => None,
    };
    Rows::last(graph, x, count.ok_or_else(|| Reject::because("the rank of what is normalised is not known"))?)
}

fn multiplied(
    patch: &mut PatchBuilder<'_>,
    rows: &Rows,
    own: ValueId,
    factor: ValueId,
) -> Result<PatchValue, Reject> {
    let is_one = patch.graph().constant(own).and_then(|own| finite(own).ok());
    if is_one.is_some_and(|own| own.iter().all(|&number| number == 1.0)) {
        return parameter(patch, rows, factor);
    }
    combined(patch, rows, own, factor, |a, b| a * b)
}

/// A constant as a parameter of the row.
fn parameter(patch: &mut PatchBuilder<'_>, rows: &Rows, value: ValueId) -> Result<PatchValue, Reject> {
    let tensor = patch.graph().constant(value).ok_or(Reject::NoEffect)?;
    if tensor.dtype() == rows.dtype() && tensor.shape() == rows.sizes {
        return Ok(value.into());
    }
    check_copy(patch.graph(), value)?;
    let reshaped = rows.parameter(tensor)?;
    Ok(patch.constant(reshaped))
}

fn combined(
    patch: &mut PatchBuilder<'_>,
    rows: &Rows,
    own: ValueId,
    other: ValueId,
    combine: fn(f64, f64) -> f64,
) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let numbers = |value: ValueId| {
        let tensor = graph.constant(value);
        let tensor = tensor.ok_or_else(|| Reject::because("scale or bias is not a constant"))?;
        finite(&rows.parameter(tensor)?)
    };
    let (a, b) = (numbers(own)?, numbers(other)?);
    check_copy(graph, own)?;
    let numbers = a.iter().zip(b).map(|(&a, b)| combine(a, b)).collect();
    let tensor = floats(rows.dtype(), &rows.sizes, numbers)?;
    Ok(patch.constant(tensor))
}

/// Large constants that others read as well are not copied.
fn check_copy(graph: &Graph, value: ValueId) -> Result<(), Reject> {
    let is_large = graph.constant(value).is_some_and(|tensor| tensor.byte_len() > MAX_COPY);
    if is_large && graph.value(value).uses().len() > 1 {
        return Err(Reject::because("the constant is also read elsewhere, and too large for a copy"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[test]
    fn factors_and_offsets_become_scale_and_bias() {
        assert_rewrites_within(
            || Rewriter(MergeAffineIntoNorm),
            "graph { input %x: f32[N,2] const %ones = f32[2] [1, 1] const %a = f32[1,2] [2, 3] const %b = f32[2] [4, 5]
            %n = LayerNormalization(%x, %ones) {epsilon = 0.1} %m = Mul(%a, %n) %y = Add(%m, %b) output %y }",
            "graph { input %x: f32[N,2] const %0 = f32[2] [2, 3] const %b = f32[2] [4, 5]
            %y = LayerNormalization(%x, %0, %b) {epsilon = 0.1} output %y }",
        );
        assert_rewrites_within(
            || Rewriter(MergeAffineIntoNorm),
            "graph { input %x: f32[N,2] const %s = f32[2] [2, 3] const %b = f32[2] [4, 5] const %f = f32[] [10]
            %n = LayerNormalization(%x, %s, %b) {epsilon = 0.1} %m = Mul(%n, %f) %y = Add(%b, %m) output %y }",
            "graph { input %x: f32[N,2] const %0 = f32[2] [20, 30] const %1 = f32[2] [44, 55]
            %y = LayerNormalization(%x, %0, %1) {epsilon = 0.1} output %y }",
        );
        assert_rewrites_within(
            || Rewriter(MergeAffineIntoNorm),
            "graph { input %x: f32[N,2] const %ones = f32[2] [1, 1] const %a = f32[2] [2, 3]
            %n = RMSNormalization(%x, %ones) {epsilon = 0.1} %y = Mul(%n, %a) output %y }",
            "graph { input %x: f32[N,2] const %a = f32[2] [2, 3]
            %y = RMSNormalization(%x, %a) {epsilon = 0.1} output %y }",
        );
    }

    #[test]
    fn what_differs_between_rows_stays() {
        for (last, reason) in [
            ("%y = Mul(%n, %rows)", Some("a constant of shape [2, 1] for rows of shape [2]")),
            ("%y = Mul(%n, %inf)", Some("expected finite numbers")),
            ("%y = Add(%n, %x)", None),
            ("%y = Mul(%n, %k) output %n", Some("also read elsewhere")),
        ] {
            let text = format!(
                "graph {{ input %x: f32[2,2] const %s = f32[2] [2, 3] const %rows = f32[2,1] [2, 3]
                const %k = f32[] [2] const %inf = f32[1] [inf]
                %n = LayerNormalization(%x, %s) {{epsilon = 0.1}} {last} output %y }}"
            );
            assert_unchanged(|| Rewriter(MergeAffineIntoNorm), &text, reason);
        }
    }
}
