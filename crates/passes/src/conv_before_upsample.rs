//! Convolves before enlarging: `Conv₁ₓ₁(Resize(x)) = Resize(Conv₁ₓ₁(x))`. The one mixes channels at each place, the other
//! places in each channel, and the weights of an interpolation have sum 1, so that a bias is not changed by it either.
//! Convolving the smaller image takes as many times less work as it has fewer elements.

use std::sync::Arc;

use lehr_graph::{Dim, Graph, Node, PatchBuilder, PatchValue, Shape};
use lehr_ops::conv::Conv;
use lehr_ops::resize::{AspectPolicy, CoordinateMode, Resize};
use lehr_tensor::Tensor;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct ConvBeforeUpsample;

impl Rewrite for ConvBeforeUpsample {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "conv_before_upsample",
            doc: "moves convolutions of size 1 before the enlargement of their input",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Conv>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(conv), Some(large)) = (node.op().downcast_ref::<Conv>(), node.input(0)) else {
            return Err(Reject::NoEffect);
        };
        let Some(enlarging) = graph.producer(large).map(|id| graph.node(id)) else {
            return Err(Reject::NoEffect);
        };
        let (Some(resize), Some(small)) = (enlarging.op().downcast_ref::<Resize>(), enlarging.input(0))
        else {
            return Err(Reject::NoEffect);
        };
        let weights = node.input(1).and_then(|w| graph.value(w).ty().shape());
        let is_point = weights.is_some_and(|w| w.iter().skip(2).all(|dim| *dim == Dim::Fixed(1)));
        let all = |list: &Option<Vec<i64>>, neutral: i64| list.iter().flatten().all(|&x| x == neutral);
        if !is_point || !all(&conv.strides, 1) || !all(&conv.pads, 0) {
            return Err(Reject::because("the convolution sees more than one place, or not all"));
        }
        let channels = weights.and_then(|w| w.get(0)).and_then(Dim::as_fixed);
        let inputs = enlarged_inputs(graph, enlarging, resize, channels, patch)?;
        let mut conv_inputs: Vec<Option<PatchValue>> =
            node.inputs().iter().map(|v| v.map(Into::into)).collect();
        if let Some(first) = conv_inputs.first_mut() {
            *first = Some(small.into());
        }
        let convolved = patch.node(node.op_ref().clone(), &conv_inputs, 1)?;
        let inputs: Vec<_> = convolved.into_iter().map(Some).chain(inputs).collect();
        let outputs = patch.node(Arc::new(resize.clone()), &inputs, 1)?;
        if let (Some(&old), Some(&new)) = (node.outputs().first(), outputs.first()) {
            patch.replace(old, new);
        }
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

/// The inputs of a Resize behind the first one, for another number of channels.
fn enlarged_inputs(
    graph: &Graph,
    node: &Node,
    resize: &Resize,
    channels: Option<usize>,
    patch: &mut PatchBuilder<'_>,
) -> Result<Vec<Option<PatchValue>>, Reject> {
    let shape = |v: Option<lehr_graph::ValueId>| v.and_then(|v| graph.value(v).ty().shape());
    let (before, after) = (shape(node.input(0)), shape(node.outputs().first().copied()));
    let keeps = |axis: usize| {
        let sizes = before.and_then(|s: &Shape| s.get(axis)).zip(after.and_then(|s: &Shape| s.get(axis)));
        sizes.is_some_and(|(before, after)| before.equal(after) == Some(true))
    };
    if !keeps(0) || !keeps(1) {
        return Err(Reject::because("batch or channels are resized"));
    }
    if resize.coordinate_transformation_mode == CoordinateMode::TfCropAndResize {
        return Err(Reject::because("what lies outside of the image is not an interpolation of it"));
    }
    if resize.keep_aspect_ratio_policy != AspectPolicy::Stretch {
        return Err(Reject::because("the sizes are not met exactly"));
    }
    let mut inputs: Vec<Option<PatchValue>> =
        node.inputs().iter().skip(1).map(|v| v.map(Into::into)).collect();
    let Some(given) = node.input(3).filter(|&v| graph.constant(v).is_none_or(|t| !t.is_empty())) else {
        return Ok(inputs);
    };
    let channel_at = match &resize.axes {
        None => Some(1),
        Some(axes) => {
            let rank = before.map_or(0, Shape::rank);
            axes.iter().position(|&axis| {
                axis == 1 || usize::try_from(axis.unsigned_abs()) == Ok(rank.saturating_sub(1)) && axis < 0
            })
        }
    };
    let Some(at) = channel_at else { return Ok(inputs) };
    let sizes = graph.constant(given).and_then(|t| t.to_i64s().ok());
    let channels = channels.and_then(|n| i64::try_from(n).ok());
    let (Some(mut sizes), Some(channels)) = (sizes, channels) else {
        return Err(Reject::because("the sizes are not constant"));
    };
    sizes.get_mut(at).map(|size| *size = channels).ok_or(Reject::NoEffect)?;
    let sizes = patch.constant(Tensor::vector(sizes));
    inputs.get_mut(2).map(|input| *input = Some(sizes)).ok_or(Reject::NoEffect)?;
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost_model::Totals;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged, graph, run_with};

    fn text(body: &str) -> String {
        format!(
            "graph {{ input %x: f32[1,8,16,16] input %w: f32[4,8,1,1] input %b: f32[4] input %v: f32[8,8,3,3]
            input %many: f32[64,8,1,1]
            {body} output %y }}"
        )
    }

    #[test]
    fn enlarges_what_was_convolved() {
        for mode in ["nearest", "linear", "cubic"] {
            let resize = |of: &str| {
                format!(
                    "Resize({of}, _, %s) {{mode = \"{mode}\", coordinate_transformation_mode = \"asymmetric\"}}"
                )
            };
            let scales = "const %s = f32[4] [1, 1, 2, 2]";
            let before = text(&format!("{scales} %r = {} %y = Conv(%r, %w, %b)", resize("%x")));
            let after = text(&format!("{scales} %r = Conv(%x, %w, %b) %y = {}", resize("%r")));
            assert_rewrites_within(|| Rewriter(ConvBeforeUpsample), &before, &after);
            let (got, _) = run_with(Rewriter(ConvBeforeUpsample), &before, |_| {});
            assert_eq!(Totals::of(&graph(&before)).macs, 4 * Totals::of(&got).macs);
        }
    }

    #[test]
    fn given_sizes_get_the_new_channels() {
        assert_rewrites_within(
            || Rewriter(ConvBeforeUpsample),
            &text(
                "const %s = i64[4] [1, 8, 40, 48] %r = Resize(%x, _, _, %s) {mode = \"linear\"} %y = Conv(%r, %w, %b)",
            ),
            &text(
                "%c = Conv(%x, %w, %b) const %s = i64[4] [1, 4, 40, 48] %y = Resize(%c, _, _, %s) {mode = \"linear\"}",
            ),
        );
    }

    #[test]
    fn other_convolutions_and_resizings_stay() {
        for (body, reason) in [
            (
                "const %s = f32[4] [1, 1, 2, 2] %r = Resize(%x, _, %s) %y = Conv(%r, %v) {pads = [1, 1, 1, 1]}",
                "sees more than one place",
            ),
            ("const %s = f32[4] [1, 1, 0.5, 0.5] %r = Resize(%x, _, %s) %y = Conv(%r, %w)", "ns longer"),
            ("const %s = f32[4] [1, 1, 2, 2] %r = Resize(%x, _, %s) %y = Conv(%r, %many)", "ns longer"),
            (
                "const %s = f32[4] [1, 0.5, 2, 2] %d = Concat(%x, %x) {axis = 1} %r = Resize(%d, _, %s) %y = Conv(%r, %w)",
                "batch or channels are resized",
            ),
        ] {
            assert_unchanged(|| Rewriter(ConvBeforeUpsample), &text(body), Some(reason));
        }
    }
}
