//! Merges constant factors and offsets behind a normalisation into its scale and bias: with `norm = n·s + b`,
//! `norm·c = n·(s·c) + b·c` and `norm + c = n·s + (b + c)`, where the constant has one number for each element of a row
//! (layer and RMS normalisation) or for each channel (instance and group normalisation).

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{
    group_normalization::GroupNormalization, instance_normalization::InstanceNormalization,
    layer_normalization::LayerNormalization, rms_normalization::RmsNormalization,
};
use lehr_tensor::{DataType, Tensor};

use crate::constants::{finite, floats};
use crate::formula::result;
use crate::normalised::Rows;
use crate::normalised_channels::Channels;
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
        let with_bias = || {
            let norm = node(|op| {
                op.is::<LayerNormalization>()
                    || op.is::<InstanceNormalization>()
                    || op.is::<GroupNormalization>()
            });
            norm.named("norm")
        };
        let rms = node(|op| op.is::<RmsNormalization>()).named("norm");
        either([
            product([either([with_bias(), rms]), constant("factor")]),
            sum([with_bias(), constant("offset")]),
        ])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let norm = graph.node(graph.producer(found.value("norm")).ok_or(Reject::NoEffect)?);
        let (Some(x), Some(scale)) = (norm.input(0), norm.input(1)) else { return Err(Reject::NoEffect) };
        let bias = norm.input(2);
        let kind = Parameters::of(graph, x, norm)?;
        let mut inputs: Vec<Option<PatchValue>> = vec![Some(x.into())];
        if let Some(factor) = found.get("factor") {
            inputs.push(Some(multiplied(patch, &kind, scale, factor)?));
            if let Some(bias) = bias {
                inputs.push(Some(multiplied(patch, &kind, bias, factor)?));
            }
        } else {
            let offset = found.value("offset");
            inputs.push(Some(scale.into()));
            inputs.push(Some(match bias {
                Some(bias) => combined(patch, &kind, bias, offset, |a, b| a + b)?,
                None => kind.operand(patch, offset)?,
            }));
        }
        let new = patch.node(norm.op_ref().clone(), &inputs, 1)?;
        patch.replace(y, *new.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// What scale and bias have one number for.
enum Parameters {
    Rows(Rows),
    Channels(Channels),
}

impl Parameters {
    fn of(graph: &Graph, x: ValueId, norm: &Node) -> Result<Self, Reject> {
        let op = norm.op();
        let axis = match (op.downcast_ref::<LayerNormalization>(), op.downcast_ref::<RmsNormalization>()) {
            (Some(op), _) => op.axis,
            (_, Some(op)) => op.axis,
            _ => return Ok(Self::Channels(Channels::of(graph, x)?)),
        };
        let rank = graph.value(x).ty().shape().map(|shape| shape.rank());
        let count = match (usize::try_from(axis), rank) {
            (Err(_), _) => usize::try_from(axis.unsigned_abs()).ok(),
            (Ok(axis), Some(rank)) => rank.checked_sub(axis),
            (Ok(_), None) => None,
        };
        let count = count.ok_or_else(|| Reject::because("the rank of what is normalised is not known"))?;
        Ok(Self::Rows(Rows::last(graph, x, count)?))
    }

    fn dtype(&self) -> DataType {
        match self {
            Self::Rows(rows) => rows.dtype(),
            Self::Channels(channels) => channels.dtype(),
        }
    }

    fn sizes(&self) -> &[usize] {
        match self {
            Self::Rows(rows) => &rows.sizes,
            Self::Channels(channels) => channels.sizes(),
        }
    }

    /// A parameter of the normalisation.
    fn own(&self, tensor: &Tensor) -> Result<Tensor, Reject> {
        match self {
            Self::Rows(rows) => rows.parameter(tensor),
            Self::Channels(channels) => channels.repeated(tensor),
        }
    }

    /// A constant behind the normalisation, as a parameter of it.
    fn behind(&self, tensor: &Tensor) -> Result<Tensor, Reject> {
        match self {
            Self::Rows(rows) => rows.parameter(tensor),
            Self::Channels(channels) => channels.operand(tensor),
        }
    }

    /// The same as a value.
    fn operand(&self, patch: &mut PatchBuilder<'_>, value: ValueId) -> Result<PatchValue, Reject> {
        let tensor = patch.graph().constant(value).ok_or(Reject::NoEffect)?;
        let shaped = self.behind(tensor)?;
        if tensor.shape() == shaped.shape() {
            return Ok(value.into());
        }
        check_copy(patch.graph(), value)?;
        Ok(patch.constant(shaped))
    }
}

fn multiplied(
    patch: &mut PatchBuilder<'_>,
    kind: &Parameters,
    own: ValueId,
    factor: ValueId,
) -> Result<PatchValue, Reject> {
    let is_one = patch.graph().constant(own).and_then(|own| finite(own).ok());
    if is_one.is_some_and(|own| own.iter().all(|&number| number == 1.0)) {
        return kind.operand(patch, factor);
    }
    combined(patch, kind, own, factor, |a, b| a * b)
}

fn combined(
    patch: &mut PatchBuilder<'_>,
    kind: &Parameters,
    own: ValueId,
    other: ValueId,
    combine: fn(f64, f64) -> f64,
) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let constant = |value: ValueId| {
        graph.constant(value).ok_or_else(|| Reject::because("scale or bias is not a constant"))
    };
    let (a, b) = (finite(&kind.own(constant(own)?)?)?, finite(&kind.behind(constant(other)?)?)?);
    check_copy(graph, own)?;
    let numbers = a.iter().zip(b).map(|(&a, b)| combine(a, b)).collect();
    let tensor = floats(kind.dtype(), kind.sizes(), numbers)?;
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
    fn factors_and_offsets_of_channels_become_scale_and_bias() {
        assert_rewrites_within(
            || Rewriter(MergeAffineIntoNorm),
            "graph { input %x: f32[N,2,H] const %s = f32[2] [1, 2] const %t = f32[2] [0, 5] const %a = f32[1,2,1] [2, 3]
            const %b = f32[2,1] [4, 5] %n = InstanceNormalization(%x, %s, %t) {epsilon = 0.1} %m = Mul(%a, %n)
            %y = Add(%m, %b) output %y }",
            "graph { input %x: f32[N,2,H] const %0 = f32[2] [2, 6] const %1 = f32[2] [4, 20]
            %y = InstanceNormalization(%x, %0, %1) {epsilon = 0.1} output %y }",
        );
        assert_rewrites_within(
            || Rewriter(MergeAffineIntoNorm),
            "graph { input %x: f32[N,2,3] const %s = f32[2] [1, 2] const %t = f32[2] [0, 5] const %b = f32[2,1] [4, 5]
            %n = GroupNormalization(%x, %s, %t) {epsilon = 0.1, num_groups = 1} %y = Add(%n, %b) output %y }",
            "graph { input %x: f32[N,2,3] const %s = f32[2] [1, 2] const %0 = f32[2] [4, 10]
            %y = GroupNormalization(%x, %s, %0) {epsilon = 0.1, num_groups = 1} output %y }",
        );
    }

    #[test]
    fn what_differs_within_a_channel_stays() {
        for (last, reason) in [
            ("%y = Mul(%n, %row)", "a constant of shape [2] for 2 channels"),
            ("%y = Add(%n, %inf)", "expected finite numbers"),
            ("%m = InstanceNormalization(%x, %k, %s) %y = Mul(%m, %c)", "scale or bias is not a constant"),
            (
                "%m = InstanceNormalization(%x, %k, %s) %y = Add(%m, %row)",
                "a constant of shape [2] for 2 channels",
            ),
        ] {
            let text = format!(
                "graph {{ input %x: f32[2,2,2] input %k: f32[2] const %s = f32[2] [2, 3] const %row = f32[2] [2, 3]
                const %c = f32[2,1] [2, 3] const %inf = f32[1] [inf] %n = InstanceNormalization(%x, %s, %s) {{epsilon = 0.1}} {last}
                output %y }}"
            );
            assert_unchanged(|| Rewriter(MergeAffineIntoNorm), &text, Some(reason));
        }
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
