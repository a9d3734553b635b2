//! Fuses a Pad of the spatial axes into the padding of the Conv or pooling behind it: zeros in front of a Conv or of an
//! AveragePool that counts its padding (or has none), and in front of a MaxPool what is never larger than the input:
//! `-inf`, or zeros where the input has no negative elements.

use std::sync::Arc;

use lehr_graph::{Graph, NodeId, OpRef, PatchBuilder, ValueId};
use lehr_ops::abs::Abs;
use lehr_ops::average_pool::AveragePool;
use lehr_ops::clip::Clip;
use lehr_ops::conv::Conv;
use lehr_ops::hard_sigmoid::HardSigmoid;
use lehr_ops::max_pool::MaxPool;
use lehr_ops::pad::{Pad, PadMode};
use lehr_ops::relu::Relu;
use lehr_ops::sigmoid::Sigmoid;
use lehr_ops::window::AutoPad;

use crate::affine::rank_of;
use crate::constants::finite;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node, uniform_number};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FusePad;

impl Rewrite for FusePad {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_pad",
            doc: "folds Pad into the padding of the convolution or pooling behind it",
            level: OptLevel::O2,
            exactness: Exactness::Rounding,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Conv>() || op.is::<AveragePool>() || op.is::<MaxPool>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let input = node.input(0).ok_or(Reject::NoEffect)?;
        let padding = graph.producer(input).ok_or(Reject::NoEffect).and_then(|id| Padding::of(graph, id))?;
        let [output, others @ ..] = node.outputs() else { return Err(Reject::NoEffect) };
        if others.iter().any(|&other| !graph.value(other).uses().is_empty()) {
            return Err(Reject::because("positions in the padded input are read"));
        }
        let op = node.op();
        let padded: OpRef = if let Some(conv) = op.downcast_ref::<Conv>() {
            // A padded zero is multiplied, padding of the convolution's own is not: `0 · inf` is NaN.
            node.input(1).and_then(|weights| graph.constant(weights)).map(finite).transpose()?;
            Arc::new(padded_conv(graph, found.root(), conv, &padding)?)
        } else if let Some(pool) = op.downcast_ref::<AveragePool>() {
            Arc::new(padded_average(pool, &padding)?)
        } else if let Some(pool) = op.downcast_ref::<MaxPool>() {
            Arc::new(padded_maximum(graph, pool, &padding)?)
        } else {
            return Err(Reject::NoEffect);
        };
        let mut inputs: Vec<_> = node.inputs().iter().map(|value| value.map(Into::into)).collect();
        if let Some(first) = inputs.first_mut() {
            *first = Some(padding.input.into());
        }
        let fused = patch.node(padded, &inputs, 1)?;
        fused.first().into_iter().for_each(|&fused| patch.replace(*output, fused));
        Ok(())
    }
}

/// What a Pad adds to the spatial axes.
struct Padding {
    input: ValueId,
    /// All counts before, then all counts behind.
    pads: Vec<i64>,
    number: f64,
}

impl Padding {
    fn of(graph: &Graph, id: NodeId) -> Result<Self, Reject> {
        let node = graph.node(id);
        let pad = node.op().downcast_ref::<Pad>().ok_or(Reject::NoEffect)?;
        if pad.mode != PadMode::Constant {
            return Err(Reject::because(format!("it pads with mode '{:?}'", pad.mode)));
        }
        let input = node.input(0).ok_or(Reject::NoEffect)?;
        let ints = |index: usize| -> Result<Option<Vec<i64>>, Reject> {
            let Some(value) = node.input(index) else { return Ok(None) };
            let constant = graph.constant(value).and_then(|tensor| tensor.to_i64s().ok());
            constant.map(Some).ok_or_else(|| Reject::because("how much it pads is not constant"))
        };
        let counts = ints(1)?.ok_or(Reject::NoEffect)?;
        let pads = spatial(&counts, ints(3)?, rank_of(graph, input)?)?;
        let number = match node.input(2) {
            None => Some(0.0),
            Some(value) => graph.constant(value).and_then(uniform_number),
        };
        let number = number.ok_or_else(|| Reject::because("with what it pads is not constant"))?;
        Ok(Self { input, pads, number })
    }

    /// These pads added to the explicit ones of an operator.
    fn with(&self, auto_pad: AutoPad, own: Option<&[i64]>) -> Result<Vec<i64>, Reject> {
        let own = match auto_pad {
            AutoPad::NotSet => own.unwrap_or_default(),
            AutoPad::Valid => &[],
            _ => return Err(Reject::because("padding of its own depends on the size")),
        };
        if own.is_empty() {
            return Ok(self.pads.clone());
        }
        let pairs = self.pads.iter().zip(own);
        let sums: Option<Vec<_>> = pairs.map(|(a, b)| a.checked_add(*b)).collect();
        sums.filter(|_| own.len() == self.pads.len()).ok_or(Reject::NoEffect)
    }

    fn expect_zeros(&self) -> Result<(), Reject> {
        if self.number == 0.0 {
            return Ok(());
        }
        Err(Reject::because(format!("it pads with {}, expected zeros", self.number)))
    }
}

/// The pads of the axes from 2 on.
fn spatial(counts: &[i64], axes: Option<Vec<i64>>, rank: usize) -> Result<Vec<i64>, Reject> {
    let signed = i64::try_from(rank).map_err(|_| Reject::NoEffect)?;
    let axes = axes.unwrap_or_else(|| (0..signed).collect());
    let n = rank.checked_sub(2).ok_or(Reject::NoEffect)?;
    let mut pads = vec![0; 2 * n];
    for (i, &axis) in axes.iter().enumerate() {
        let axis =
            usize::try_from(if axis < 0 { axis + signed } else { axis }).map_err(|_| Reject::NoEffect)?;
        let (Some(&before), Some(&behind)) = (counts.get(i), counts.get(axes.len() + i)) else {
            return Err(Reject::NoEffect);
        };
        if before < 0 || behind < 0 {
            return Err(Reject::because("it removes elements"));
        }
        let Some(place) = axis.checked_sub(2) else {
            if before == 0 && behind == 0 {
                continue;
            }
            return Err(Reject::because("it pads batch or channels"));
        };
        for (place, count) in [(place, before), (n + place, behind)] {
            *pads.get_mut(place).ok_or(Reject::NoEffect)? = count;
        }
    }
    Ok(pads)
}

fn padded_conv(graph: &Graph, id: NodeId, conv: &Conv, padding: &Padding) -> Result<Conv, Reject> {
    padding.expect_zeros()?;
    let own = match conv.auto_pad {
        AutoPad::SameUpper | AutoPad::SameLower => Some(own_pads(graph, id, conv)?),
        AutoPad::NotSet | AutoPad::Valid => None,
    };
    let pads = match &own {
        Some(own) => padding.with(AutoPad::NotSet, Some(own))?,
        None => padding.with(conv.auto_pad, conv.pads.as_deref())?,
    };
    Ok(Conv { auto_pad: AutoPad::NotSet, pads: Some(pads), ..conv.clone() })
}

/// What `SAME_UPPER` and `SAME_LOWER` come to for the size of the padded input: `⌈size / stride⌉` windows.
fn own_pads(graph: &Graph, id: NodeId, conv: &Conv) -> Result<Vec<i64>, Reject> {
    let sizes = |index: usize| -> Option<Vec<i64>> {
        let shape = graph.value(graph.node(id).input(index)?).ty().shape()?;
        shape.iter().skip(2).map(|dim| i64::try_from(dim.as_fixed()?).ok()).collect()
    };
    let unknown = || Reject::because("padding of its own depends on the size");
    let (input, kernel) = (sizes(0).ok_or_else(unknown)?, sizes(1).ok_or_else(unknown)?);
    let entry =
        |list: &Option<Vec<i64>>, axis: usize| list.as_ref().map_or(Some(1), |l| l.get(axis).copied());
    let total = |axis: usize| -> Option<i64> {
        let (stride, dilation) =
            (entry(&conv.strides, axis).filter(|&s| s > 0)?, entry(&conv.dilations, axis)?);
        let size = *input.get(axis).filter(|&&size| size > 0)?;
        let extent = kernel.get(axis)?.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let last = ((size - 1) / stride).checked_mul(stride)?;
        Some(last.checked_add(extent)?.checked_sub(size)?.max(0))
    };
    let totals: Option<Vec<i64>> = (0..input.len()).map(total).collect();
    let totals = totals.ok_or_else(unknown)?;
    let smaller = totals.iter().map(|total| total / 2);
    let larger = totals.iter().map(|total| total - total / 2);
    Ok(match conv.auto_pad {
        AutoPad::SameLower => larger.chain(smaller).collect(),
        _ => smaller.chain(larger).collect(),
    })
}

fn padded_average(pool: &AveragePool, padding: &Padding) -> Result<AveragePool, Reject> {
    padding.expect_zeros()?;
    let pads = padding.with(pool.auto_pad, pool.pads.as_deref())?;
    if !pool.count_include_pad && pads != padding.pads {
        return Err(Reject::because("of two kinds of padding, one counts"));
    }
    check_pooling(&pads, &pool.kernel_shape, pool.ceil_mode)?;
    let (auto_pad, count_include_pad) = (AutoPad::NotSet, true);
    Ok(AveragePool { auto_pad, count_include_pad, pads: Some(pads), ..pool.clone() })
}

fn padded_maximum(graph: &Graph, pool: &MaxPool, padding: &Padding) -> Result<MaxPool, Reject> {
    let is_dilated = pool.dilations.iter().flatten().any(|&dilation| dilation != 1);
    let never_wins = match padding.number {
        f64::NEG_INFINITY => true,
        // Every window has an element of the input, which is at least as large.
        0.0 => !is_dilated && is_never_negative(graph, padding.input),
        _ => false,
    };
    if !never_wins {
        return Err(Reject::because(format!("padding with {} may be the maximum", padding.number)));
    }
    let pads = padding.with(pool.auto_pad, pool.pads.as_deref())?;
    check_pooling(&pads, &pool.kernel_shape, pool.ceil_mode)?;
    Ok(MaxPool { auto_pad: AutoPad::NotSet, pads: Some(pads), ..pool.clone() })
}

/// Runtimes refuse windows that lie in the padding altogether; and rounding up counts windows that start in the input, but
/// not those that start in its padding.
fn check_pooling(pads: &[i64], kernel: &[i64], ceil_mode: bool) -> Result<(), Reject> {
    if ceil_mode {
        return Err(Reject::because("the number of windows is rounded up"));
    }
    if pads.iter().zip(kernel.iter().chain(kernel)).any(|(pad, size)| pad >= size) {
        return Err(Reject::because("a window would lie in the padding altogether"));
    }
    Ok(())
}

fn is_never_negative(graph: &Graph, value: ValueId) -> bool {
    let Some(producer) = graph.producer(value) else { return false };
    let node = graph.node(producer);
    let op = node.op();
    if op.is::<Clip>() {
        let least = node.input(1).and_then(|value| graph.constant(value)).and_then(uniform_number);
        return least.is_some_and(|least| least >= 0.0);
    }
    op.is::<Relu>() || op.is::<Sigmoid>() || op.is::<HardSigmoid>() || op.is::<Abs>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const HEAD: &str =
        "input %x: f32[N,1,4,5] const %w = f32[2,1,2,3] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        const %p = i64[8] [0, 0, 1, 2, 0, 0, 0, 1] const %low = f32[] [-inf] const %one = f32[] [1]
        const %zero = f32[] [0]";

    fn graph_of(body: &str) -> String {
        format!("graph {{ {HEAD} {body} output %y }}")
    }

    #[test]
    fn zeros_times_infinity_stay() {
        let text =
            "graph { input %x: f32[1,1,2,2] const %w = f32[1,1,1,1] [inf] const %p = i64[8] [0,0,1,1,0,0,1,1]
            %a = Pad(%x, %p) %y = Conv(%a, %w) output %y }";
        assert_unchanged(|| Rewriter(FusePad), text, Some("expected finite numbers"));
    }

    #[track_caller]
    fn fuses(before: &str, after: &str) {
        assert_rewrites_within(|| Rewriter(FusePad), &graph_of(before), &graph_of(after));
    }

    #[test]
    fn zeros_go_into_a_conv() {
        let after = "%y = Conv(%x, %w) {pads = [1, 2, 0, 1], strides = [1, 2]}";
        fuses("%h = Pad(%x, %p) %y = Conv(%h, %w) {strides = [1, 2]}", after);
        fuses("%h = Pad(%x, %p, %zero) %y = Conv(%h, %w) {auto_pad = \"VALID\", strides = [1, 2]}", after);
        fuses(
            "%h = Pad(%x, %p) %y = Conv(%h, %w) {pads = [1, 0, 1, 0]}",
            "%y = Conv(%x, %w) {pads = [2, 2, 1, 1]}",
        );
        fuses(
            "%h = Pad(%x, %p) %y = Conv(%h, %w) {auto_pad = \"SAME_UPPER\"}",
            "%y = Conv(%x, %w) {pads = [1, 3, 1, 2]}",
        );
        fuses(
            "const %q = i64[2] [2, 1] const %a = i64[1] [-1] %h = Pad(%x, %q, _, %a) %y = Conv(%h, %w)",
            "%y = Conv(%x, %w) {pads = [0, 2, 0, 1]}",
        );
    }

    #[test]
    fn padding_that_depends_on_a_known_size_is_added() {
        for (rule, pads) in [("SAME_UPPER", "[0, 1, 1, 2]"), ("SAME_LOWER", "[1, 2, 0, 1]")] {
            assert_rewrites_within(
                || Rewriter(FusePad),
                &format!(
                    "graph {{ input %x: f32[N,1,5,4] const %p = i64[4] [0, 1, 0, 1] const %a = i64[2] [2, 3]
                    const %w = f32[1,1,2,2] [1, 2, 3, 4] %h = Pad(%x, %p, _, %a)
                    %y = Conv(%h, %w) {{auto_pad = \"{rule}\"}} output %y }}"
                ),
                &format!(
                    "graph {{ input %x: f32[N,1,5,4] const %w = f32[1,1,2,2] [1, 2, 3, 4]
                    %y = Conv(%x, %w) {{pads = {pads}}} output %y }}"
                ),
            );
        }
    }

    #[test]
    fn zeros_go_into_a_mean_that_counts_them() {
        fuses(
            "%h = Pad(%x, %p) %y = AveragePool(%h) {kernel_shape = [2, 3]}",
            "%y = AveragePool(%x) {kernel_shape = [2, 3], pads = [1, 2, 0, 1], count_include_pad = true}",
        );
    }

    #[test]
    fn what_never_wins_goes_into_a_maximum() {
        let after = "{kernel_shape = [2, 3], strides = [2, 2], pads = [1, 2, 0, 1]}";
        fuses(
            "%h = Pad(%x, %p, %low) %y = MaxPool(%h) {kernel_shape = [2, 3], strides = [2, 2]}",
            &format!("%y = MaxPool(%x) {after}"),
        );
        fuses(
            "%r = Relu(%x) %h = Pad(%r, %p) %y = MaxPool(%h) {kernel_shape = [2, 3], strides = [2, 2]}",
            &format!("%r = Relu(%x) %y = MaxPool(%r) {after}"),
        );
    }

    #[test]
    fn what_it_must_not_touch() {
        let unchanged = |body: &str, reason| {
            assert_unchanged(|| Rewriter(FusePad), &graph_of(body), Some(reason));
        };
        let pool = "%y = MaxPool(%h) {kernel_shape = [2, 3]}";
        let mean = "%y = AveragePool(%h) {kernel_shape = [2, 3]";
        unchanged(&format!("%h = Pad(%x, %p) {pool}"), "padding with 0 may be the maximum");
        unchanged(&format!("%h = Pad(%x, %p) {mean}, pads = [1, 0, 0, 0]}}"), "one counts");
        unchanged(&format!("%h = Pad(%x, %p) {mean}, ceil_mode = true}}"), "rounded up");
        unchanged("%h = Pad(%x, %p) %y = AveragePool(%h) {kernel_shape = [2, 2]}", "altogether");
        unchanged("%h = Pad(%x, %p, %one) %y = Conv(%h, %w)", "expected zeros");
        unchanged("%h = Pad(%x, %p) {mode = \"edge\"} %y = Conv(%h, %w)", "Edge");
        unchanged(
            "input %s: f32[N,1,H,5] %h = Pad(%s, %p) %y = Conv(%h, %w) {auto_pad = \"SAME_UPPER\"}",
            "depends on the size",
        );
        unchanged("const %q = i64[8] [1, 0, 0, 0, 0, 0, 0, 0] %h = Pad(%x, %q) %y = Conv(%h, %w)", "batch");
        unchanged(
            "const %q = i64[8] [0, 0, 0, 0, 0, 0, -1, 0] %h = Pad(%x, %q) %y = Conv(%h, %w)",
            "removes",
        );
    }
}
