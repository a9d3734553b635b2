//! `Conv(Concat(a, b, …)) = Conv_a(a) + Conv_b(b) + …`, each with its share of the weights' input channels: nothing is
//! copied together, but several results are added. The work is the same; the cost model says which traffic is less.

use std::sync::Arc;

use lehr_graph::{Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{add::Add, concat::Concat, conv::Conv, slice::Slice};
use lehr_tensor::Tensor;

use crate::constants::evaluate;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SplitConvOverConcat;

impl Rewrite for SplitConvOverConcat {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "split_conv_over_concat",
            doc: "convolves the parts of a Concat and adds, where that moves less memory",
            level: OptLevel::O3,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Conv>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(conv), Some(joined), Some(weights)) =
            (node.op().downcast_ref::<Conv>(), node.input(0), node.input(1))
        else {
            return Err(Reject::NoEffect);
        };
        let parts = parts(graph, joined).ok_or(Reject::NoEffect)?;
        let Some(tensor) = graph.constant(weights).filter(|_| conv.group == 1) else {
            return Err(Reject::because("the weights are not constant, or not for all channels"));
        };
        if graph.value(weights).uses().len() > 1 {
            return Err(Reject::because("others read the weights"));
        }
        let mut sum: Option<PatchValue> = None;
        let mut start = 0;
        for (part, channels) in parts {
            let share = share(tensor, start, channels)?;
            start += channels;
            let bias = node.input(2).filter(|_| sum.is_none());
            let share = patch.constant(share);
            let mut inputs = vec![Some(part.into()), Some(share)];
            inputs.extend(bias.map(|bias| Some(bias.into())));
            let convolved = patch.node(node.op_ref().clone(), &inputs, 1)?;
            let convolved = *convolved.first().ok_or(Reject::NoEffect)?;
            sum = Some(match sum {
                None => convolved,
                Some(sum) => *patch
                    .node(Arc::new(Add {}), &[Some(sum), Some(convolved)], 1)?
                    .first()
                    .ok_or(Reject::NoEffect)?,
            });
        }
        if let (Some(&output), Some(sum)) = (node.outputs().first(), sum) {
            patch.replace(output, sum);
        }
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

/// The parts of a concatenation of channels, with their numbers of channels.
fn parts(graph: &Graph, joined: ValueId) -> Option<Vec<(ValueId, i64)>> {
    let node: &Node = graph.node(graph.producer(joined)?);
    let rank = graph.value(joined).ty().shape()?.rank();
    let axis = node.op().downcast_ref::<Concat>()?.axis;
    let is_channels = axis == 1 || axis.checked_add(i64::try_from(rank).ok()?) == Some(1);
    let part = |value: &Option<ValueId>| {
        let channels = graph.value((*value)?).ty().shape()?.get(1)?.as_fixed()?;
        Some(((*value)?, i64::try_from(channels).ok().filter(|&n| n > 0)?))
    };
    let parts: Vec<_> = node.inputs().iter().map(part).collect::<Option<_>>()?;
    (is_channels && parts.len() > 1).then_some(parts)
}

fn share(weights: &Tensor, start: i64, channels: i64) -> Result<Tensor, Reject> {
    let list = |number: i64| Tensor::vector(vec![number]);
    evaluate(&Slice {}, &[weights, &list(start), &list(start + channels), &list(1)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    fn text(body: &str) -> String {
        format!(
            "graph {{ input %a: f32[1,2,64,64] input %b: f32[1,1,64,64] input %v: f32[1,3,1,1] const %bias = f32[1] [5]
            {body} output %y }}"
        )
    }

    #[test]
    fn few_results_are_added_instead_of_copying_many_channels() {
        assert_rewrites_within(
            || Rewriter(SplitConvOverConcat),
            &text(
                "const %w = f32[1,3,1,1] [1, 2, 3] %c = Concat(%a, %b) {axis = 1} %y = Conv(%c, %w, %bias)",
            ),
            &text(
                "const %w = f32[1,2,1,1] [1, 2] %c = Conv(%a, %w, %bias) const %u = f32[1,1,1,1] [3]
                %d = Conv(%b, %u) %y = Add(%c, %d)",
            ),
        );
    }

    #[test]
    fn many_results_and_other_weights_stay() {
        for (body, reason) in [
            (
                "const %w = f32[4,3,1,1] [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]
                %c = Concat(%a, %b) {axis = 1} %y = Conv(%c, %w)",
                "ns longer",
            ),
            ("%c = Concat(%a, %b) {axis = 1} %y = Conv(%c, %v)", "the weights are not constant"),
            (
                "const %w = f32[1,3,1,1] [1, 2, 3] %c = Concat(%a, %b) {axis = 1} %y = Conv(%c, %w) output %c",
                "ns longer",
            ),
        ] {
            assert_unchanged(|| Rewriter(SplitConvOverConcat), &text(body), Some(reason));
        }
    }
}
