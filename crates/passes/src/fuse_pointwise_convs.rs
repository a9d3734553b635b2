//! Fuses two Convs without an activation between them, one of which has a kernel of 1, into one with the kernel of the
//! other: `W[m, i, k] = Σ_c B[m, c, k] · A[c, i, k]` and `b + Σ_c B[m, c, k] · a[c]`, where that needs no more weights.
//!
//! In front, the kernel of 1 must not skip elements; and where the other one pads, zeros must stay zeros.

use std::sync::Arc;

use lehr_graph::{Graph, NodeId, PatchBuilder, Use, ValueId};
use lehr_ops::conv::Conv;
use lehr_ops::window::AutoPad;

use crate::constants::{finite, floats};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, op_if};
use crate::rewrite::{Reject, Rewrite};

/// Most multiplications that are made for new weights.
const MAX_WORK: usize = 1 << 28;

/// The rewrite.
pub struct FusePointwiseConvs;

impl Rewrite for FusePointwiseConvs {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_pointwise_convs",
            doc: "multiplies the weights of a convolution with those of a pointwise one beside it",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        op_if::<Conv>(|conv| conv.group == 1, []).and_more()
    }

    fn must_pay(&self) -> bool {
        true
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let second = Layer::at(graph, found.root())?;
        let first = graph.producer(second.input).ok_or(Reject::NoEffect)?;
        let first = Layer::at(graph, first)?;
        if !matches!(graph.value(second.input).uses(), [Use::Node { .. }]) {
            return Err(Reject::because("the value between the two is also read elsewhere"));
        }
        let conv = first.followed_by(&second)?;
        let shape = first.shape_with(&second)?;
        let (weights, bias) = first.product(&second)?;
        let dtype = graph.value(first.weights).ty().dtype().ok_or(Reject::NoEffect)?;
        let weights = patch.constant(floats(dtype, &shape, weights)?);
        let mut inputs = vec![Some(first.input.into()), Some(weights)];
        if let Some(bias) = bias {
            let bias = floats(dtype, &[second.outputs], bias)?;
            inputs.push(Some(patch.constant(bias)));
        }
        let fused = patch.node(Arc::new(conv), &inputs, 1)?;
        fused.first().into_iter().for_each(|&fused| patch.replace(second.output, fused));
        Ok(())
    }
}

/// A Conv of one group with constant weights.
struct Layer<'g> {
    graph: &'g Graph,
    conv: &'g Conv,
    input: ValueId,
    output: ValueId,
    weights: ValueId,
    bias: Option<ValueId>,
    outputs: usize,
    inputs: usize,
    kernel: &'g [usize],
}

impl<'g> Layer<'g> {
    fn at(graph: &'g Graph, id: NodeId) -> Result<Self, Reject> {
        let node = graph.node(id);
        let conv = node.op().downcast_ref::<Conv>().filter(|conv| conv.group == 1);
        let conv = conv.ok_or(Reject::NoEffect)?;
        let (Some(input), Some(weights), Some(&output)) =
            (node.input(0), node.input(1), node.outputs().first())
        else {
            return Err(Reject::NoEffect);
        };
        let tensor = graph.constant(weights).ok_or(Reject::NoEffect)?;
        let [outputs, inputs, kernel @ ..] = tensor.shape() else { return Err(Reject::NoEffect) };
        let (bias, outputs, inputs) = (node.input(2), *outputs, *inputs);
        Ok(Self { graph, conv, input, output, weights, bias, outputs, inputs, kernel })
    }

    fn is_pointwise(&self) -> bool {
        self.kernel.iter().all(|&size| size == 1)
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    fn len(&self) -> usize {
        self.outputs.saturating_mul(self.inputs).saturating_mul(self.taps())
    }

    fn pads(&self) -> bool {
        match self.conv.auto_pad {
            AutoPad::NotSet => self.conv.pads.iter().flatten().any(|&pad| pad != 0),
            AutoPad::Valid => false,
            AutoPad::SameUpper | AutoPad::SameLower => !self.is_pointwise(),
        }
    }

    fn strides(&self) -> Vec<i64> {
        self.conv.strides.clone().unwrap_or_else(|| vec![1; self.kernel.len()])
    }

    /// The Conv that does what this one and `second` do.
    fn followed_by(&self, second: &Self) -> Result<Conv, Reject> {
        if second.is_pointwise() && !second.pads() {
            let steps = second.strides();
            if steps.iter().any(|&step| step != 1) && !matches!(self.conv.auto_pad, AutoPad::NotSet) {
                return Err(Reject::because("its own padding depends on the size"));
            }
            let strides = self.strides().iter().zip(&steps).map(|(a, b)| a.checked_mul(*b)).collect();
            let strides: Vec<i64> = Option::ok_or(strides, Reject::NoEffect)?;
            return Ok(Conv { strides: Some(strides), ..self.conv.clone() });
        }
        if !self.is_pointwise() || self.pads() || self.strides().iter().any(|&step| step != 1) {
            return Err(Reject::NoEffect);
        }
        if second.pads() && self.bias.is_some() {
            return Err(Reject::because("the bias between the two does not reach the padding"));
        }
        Ok(second.conv.clone())
    }

    fn shape_with(&self, second: &Self) -> Result<Vec<usize>, Reject> {
        let kernel = if self.is_pointwise() { second.kernel } else { self.kernel };
        if self.kernel.len() != second.kernel.len() || self.outputs != second.inputs {
            return Err(Reject::NoEffect);
        }
        let shape: Vec<usize> =
            [second.outputs, self.inputs].into_iter().chain(kernel.iter().copied()).collect();
        let len = shape.iter().copied().fold(1, usize::saturating_mul);
        if self.len() == 0 || second.len() == 0 {
            return Err(Reject::because("there are no weights"));
        }
        if len > self.len().saturating_add(second.len()) {
            return Err(Reject::because("one convolution would have more weights than the two have"));
        }
        if len.saturating_mul(self.outputs) > MAX_WORK {
            return Err(Reject::because("there are too many weights to multiply"));
        }
        Ok(shape)
    }

    fn numbers(&self, value: ValueId) -> Result<Vec<f64>, Reject> {
        let tensor = self.graph.constant(value);
        finite(tensor.ok_or_else(|| Reject::because("a bias is not constant"))?)
    }

    /// Weights and bias of both. One of the kernels has one tap, so that taps are those of the other.
    fn product(&self, second: &Self) -> Result<(Vec<f64>, Option<Vec<f64>>), Reject> {
        let (a, b) = (self.numbers(self.weights)?, second.numbers(second.weights)?);
        let (a_taps, b_taps) = (self.taps(), second.taps());
        let taps = a_taps.max(b_taps);
        let row = self.inputs * taps;
        let mut weights = vec![0.0; second.outputs * row];
        let mut between = vec![0.0; second.outputs];
        let a_bias = self.bias.map(|bias| self.numbers(bias)).transpose()?;
        for (m, (out, filter)) in
            weights.chunks_mut(row.max(1)).zip(b.chunks((second.inputs * b_taps).max(1))).enumerate()
        {
            for (c, (own, kernel)) in
                a.chunks((self.inputs * a_taps).max(1)).zip(filter.chunks(b_taps.max(1))).enumerate()
            {
                accumulate(out, own, kernel);
                let bias = a_bias.as_ref().and_then(|bias| bias.get(c)).copied().unwrap_or(0.0);
                if let Some(sum) = between.get_mut(m) {
                    *sum += bias * kernel.iter().sum::<f64>();
                }
            }
        }
        let b_bias = second.bias.map(|bias| second.numbers(bias)).transpose()?;
        if a_bias.is_none() && b_bias.is_none() {
            return Ok((weights, None));
        }
        let b_bias = b_bias.unwrap_or_else(|| vec![0.0; second.outputs]);
        Ok((weights, Some(between.into_iter().zip(b_bias).map(|(a, b)| a + b).collect())))
    }
}

/// Adds the products of `own`, all taps of all inputs, with `kernel`, where one of the two has a single tap.
fn accumulate(out: &mut [f64], own: &[f64], kernel: &[f64]) {
    if let [factor] = kernel {
        return out.iter_mut().zip(own).for_each(|(out, own)| *out += own * factor);
    }
    for (out, own) in out.chunks_mut(kernel.len().max(1)).zip(own) {
        out.iter_mut().zip(kernel).for_each(|(out, factor)| *out += own * factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const X: &str = "input %x: f32[1,2,8]";
    /// Two channels to two.
    const POINT: &str = "const %p = f32[2,2,1] [1, 2, 3, 4]";
    const WIDE: &str = "const %w = f32[1,2,3] [1, 2, 3, 4, 5, 6]";

    #[test]
    fn a_pointwise_conv_in_front() {
        assert_rewrites_within(
            || Rewriter(FusePointwiseConvs),
            &format!(
                "graph {{ {X} {POINT} {WIDE} const %b = f32[2] [1, -1] const %c = f32[1] [5]
                %h = Conv(%x, %p, %b) %y = Conv(%h, %w, %c) {{strides = [2]}} output %y }}"
            ),
            &format!(
                "graph {{ {X} const %w = f32[1,2,3] [13, 17, 21, 18, 24, 30] const %c = f32[1] [-4]
                %y = Conv(%x, %w, %c) {{strides = [2]}} output %y }}"
            ),
        );
        assert_rewrites_within(
            || Rewriter(FusePointwiseConvs),
            &format!(
                "graph {{ {X} {POINT} {WIDE}
                %h = Conv(%x, %p) %y = Conv(%h, %w) {{pads = [1, 1]}} output %y }}"
            ),
            &format!(
                "graph {{ {X} const %w = f32[1,2,3] [13, 17, 21, 18, 24, 30]
                %y = Conv(%x, %w) {{pads = [1, 1]}} output %y }}"
            ),
        );
    }

    #[test]
    fn a_pointwise_conv_behind() {
        assert_rewrites_within(
            || Rewriter(FusePointwiseConvs),
            "graph { input %x: f32[1,1,8] const %w = f32[2,1,2] [1, 2, 3, 4] const %b = f32[2] [1, -1]
            const %p = f32[1,2,1] [10, 1] %h = Conv(%x, %w, %b) {pads = [1, 0]}
            %y = Conv(%h, %p) {strides = [2]} output %y }",
            "graph { input %x: f32[1,1,8] const %w = f32[1,1,2] [13, 24] const %b = f32[1] [9]
            %y = Conv(%x, %w, %b) {pads = [1, 0], strides = [2]} output %y }",
        );
    }

    #[test]
    fn what_it_must_not_touch() {
        let unchanged = |body: &str, reason| {
            let text = format!("graph {{ {X} {POINT} {WIDE} const %b = f32[2] [1, -1] {body} output %y }}");
            assert_unchanged(|| Rewriter(FusePointwiseConvs), &text, reason);
        };
        unchanged(
            "%h = Conv(%x, %p, %b) %y = Conv(%h, %w) {pads = [1, 1]}",
            Some("does not reach the padding"),
        );
        unchanged("%h = Conv(%x, %p) %y = Conv(%h, %w) output %h", Some("also read elsewhere"));
        unchanged("%h = Conv(%x, %p) {strides = [2]} %y = Conv(%h, %w)", None);
        unchanged("%h = Conv(%x, %w) const %n = f32[1,1,3] [1, 2, 3] %y = Conv(%h, %n)", None);
        unchanged(
            "const %d = f32[8,1,1] [1, 2, 3, 4, 5, 6, 7, 8] const %n = f32[1,2,1] [1, 2]
            %h = Conv(%x, %n) %y = Conv(%h, %d)",
            None,
        );
        unchanged(
            "const %n = f32[1,2,1] [1, 2] const %d = f32[4,1,1] [1, 2, 3, 4]
            %m = Conv(%x, %n) %h = Relu(%m) %y = Conv(%h, %d)",
            None,
        );
    }

    #[test]
    fn without_channels_the_bias_is_all_there_is() {
        let text = "graph { input %x: f32[1,0,3] const %a = f32[2,0,1] [] const %b = f32[2] [1, 2]
            const %p = f32[1,2,1] [3, 4] %h = Conv(%x, %a, %b) %y = Conv(%h, %p) output %y }";
        assert_unchanged(|| Rewriter(FusePointwiseConvs), text, Some("there are no weights"));
    }

    #[test]
    fn bottlenecks_stay() {
        let ones = |n: usize| vec!["1"; n].join(", ");
        let text = format!(
            "graph {{ input %x: f32[1,8,9] const %a = f32[2,8,1] [{}] const %b = f32[8,2,1] [{}]
            %h = Conv(%x, %a) %y = Conv(%h, %b) output %y }}",
            ones(16),
            ones(16)
        );
        assert_unchanged(|| Rewriter(FusePointwiseConvs), &text, Some("more weights than the two have"));
    }
}
