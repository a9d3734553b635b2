//! Makes one Pad of two that fill alike: with the same constant, or with the border, which stays the border. Mirrored and
//! wrapped elements come from other places when the padded tensor is padded again, and stay as they are.

use lehr_graph::{Graph, NodeId, PatchBuilder, ValueId};
use lehr_ops::pad::{Pad, PadMode};
use lehr_tensor::Tensor;

use crate::affine::rank_of;
use crate::constants::{ints, is_present, resolve_axes};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergePads;

impl Rewrite for MergePads {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_pads",
            doc: "makes one Pad of two that fill alike",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Pad>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let between = node.input(0).ok_or(Reject::NoEffect)?;
        let inner = graph.producer(between).filter(|&id| graph.node(id).op().is::<Pad>());
        let inner = Padding::of(graph, inner.ok_or(Reject::NoEffect)?)?;
        let outer = Padding::of(graph, found.root())?;
        if graph.value(between).uses().len() > 1 {
            return Err(Reject::because("the value between is also read elsewhere"));
        }
        let fill = common_fill(graph, &inner, &outer)?;
        let sums: Option<Vec<i64>> =
            inner.pads.iter().zip(&outer.pads).map(|(a, b)| a.checked_add(*b)).collect();
        let pads = patch.constant(Tensor::vector(sums.ok_or(Reject::NoEffect)?));
        let inputs = std::iter::once(inner.input.into()).chain([pads]).chain(fill.map(Into::into));
        let new = patch.call(Pad { mode: outer.mode }, &inputs.collect::<Vec<_>>())?;
        let &[output] = node.outputs() else { return Err(Reject::NoEffect) };
        patch.replace(output, new);
        Ok(())
    }
}

/// A Pad that only adds.
struct Padding {
    input: ValueId,
    mode: PadMode,
    /// All counts before, then all counts behind, for each axis.
    pads: Vec<i64>,
    fill: Option<ValueId>,
}

impl Padding {
    fn of(graph: &Graph, id: NodeId) -> Result<Self, Reject> {
        let node = graph.node(id);
        let mode = node.op().downcast_ref::<Pad>().ok_or(Reject::NoEffect)?.mode;
        let input = node.input(0).ok_or(Reject::NoEffect)?;
        let pads = all_axes(graph, id, rank_of(graph, input)?)?;
        if pads.iter().any(|&count| count < 0) {
            return Err(Reject::because("it also removes elements"));
        }
        Ok(Self { input, mode, pads, fill: node.input(2) })
    }
}

/// The counts of a Pad for all axes.
fn all_axes(graph: &Graph, id: NodeId, rank: usize) -> Result<Vec<i64>, Reject> {
    let io = graph.signature(id);
    let counts = ints(&io, 1).ok_or_else(|| Reject::because("how much it pads is not constant"))?;
    let axes: Vec<usize> = if is_present(&io, 3) {
        let axes = ints(&io, 3).ok_or_else(|| Reject::because("the axes that it pads are not constant"))?;
        resolve_axes(&axes, rank).ok_or(Reject::NoEffect)?
    } else {
        (0..rank).collect()
    };
    if counts.len() != 2 * axes.len() {
        return Err(Reject::NoEffect);
    }
    let (before, behind) = counts.split_at(axes.len());
    let mut all = vec![0; 2 * rank];
    for ((&axis, &first), &last) in axes.iter().zip(before).zip(behind) {
        for (at, count) in [(axis, first), (axis + rank, last)] {
            let slot = all.get_mut(at).ok_or(Reject::NoEffect)?;
            // An axis that is named twice has no meaning to keep.
            if std::mem::replace(slot, count) != 0 {
                return Err(Reject::NoEffect);
            }
        }
    }
    Ok(all)
}

/// What both fill with; nothing stands for zeros.
fn common_fill(graph: &Graph, inner: &Padding, outer: &Padding) -> Result<Option<ValueId>, Reject> {
    match (inner.mode, outer.mode) {
        (PadMode::Constant, PadMode::Constant) => {}
        (PadMode::Edge, PadMode::Edge) => return Ok(None),
        (first, second) => {
            return Err(Reject::because(format!(
                "pads with modes '{first:?}' and '{second:?}' do not merge"
            )));
        }
    }
    if inner.fill == outer.fill || fill_bits(graph, inner)? == fill_bits(graph, outer)? {
        return Ok(outer.fill.and(inner.fill));
    }
    Err(Reject::because("they fill with different numbers"))
}

/// The bytes of one element of padding.
fn fill_bits(graph: &Graph, padding: &Padding) -> Result<Vec<u8>, Reject> {
    let zero = || {
        let dtype = graph.value(padding.input).ty().dtype();
        let dtype = dtype.ok_or_else(|| Reject::because("the type of the elements is not known"))?;
        Tensor::zeros(dtype, &[]).map_err(|error| Reject::because(error.to_string()))
    };
    let fill = match padding.fill {
        None => zero()?,
        Some(value) => {
            let fill = graph.constant(value).filter(|fill| fill.len() == 1);
            fill.ok_or_else(|| Reject::because("with what it pads is not one constant"))?.clone()
        }
    };
    match fill.bytes() {
        [] => Err(Reject::because("it pads with a string")),
        bytes => Ok(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(statements: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,2,3] const %all = i64[6] [0, 1, 2, 0, 3, 4] const %ends = i64[2] [5, 6]
            const %last = i64[1] [-1] const %two = f32[] [2] const %other = f32[] [3] const %zero = f32[1] [0]
            const %minus = f32[] [-0.0] const %cut = i64[6] [0, 0, -1, 0, 0, 0] {statements} output %y }}"
        )
    }

    fn after(node: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,2,3] const %two = f32[] [2] const %0 = i64[6] [0, 1, 7, 0, 3, 10]
            %y = {node} output %y }}"
        )
    }

    #[test]
    fn pads_that_fill_alike_merge() {
        for (statements, node) in [
            ("%a = Pad(%x, %all) %y = Pad(%a, %ends, _, %last)", "Pad(%x, %0)"),
            ("%a = Pad(%x, %ends, _, %last) %y = Pad(%a, %all, %zero)", "Pad(%x, %0)"),
            ("%a = Pad(%x, %all, %two) %y = Pad(%a, %ends, %two, %last)", "Pad(%x, %0, %two)"),
            (
                "%a = Pad(%x, %all) {mode = \"edge\"} %y = Pad(%a, %ends, _, %last) {mode = \"edge\"}",
                "Pad(%x, %0) {mode = \"edge\"}",
            ),
        ] {
            let after = after(node);
            let after =
                if node.contains("%two") { after } else { after.replace("const %two = f32[] [2]", "") };
            assert_rewrites(|| Rewriter(MergePads), &text(statements), &after);
        }
    }

    #[test]
    fn a_computed_number_is_the_same_number() {
        let inputs = "input %x: f32[2] input %fill: f32[]";
        assert_rewrites(
            || Rewriter(MergePads),
            &format!(
                "graph {{ {inputs} const %p = i64[2] [1, 2] %a = Pad(%x, %p, %fill) %y = Pad(%a, %p, %fill) output %y }}"
            ),
            &format!("graph {{ {inputs} const %0 = i64[2] [2, 4] %y = Pad(%x, %0, %fill) output %y }}"),
        );
    }

    #[test]
    fn others_stay_two() {
        for (statements, reason) in [
            ("%a = Pad(%x, %all, %two) %y = Pad(%a, %all, %other)", "different numbers"),
            ("%a = Pad(%x, %all, %minus) %y = Pad(%a, %all)", "different numbers"),
            ("%a = Pad(%x, %all) {mode = \"edge\"} %y = Pad(%a, %all)", "do not merge"),
            (
                "%a = Pad(%x, %ends, _, %last) {mode = \"wrap\"} %y = Pad(%a, %ends, _, %last) {mode = \"wrap\"}",
                "do not merge",
            ),
            ("%a = Pad(%x, %all) %y = Pad(%a, %cut)", "removes"),
            ("%a = Pad(%x, %all) %y = Pad(%a, %all) output %a", "elsewhere"),
        ] {
            assert_unchanged(|| Rewriter(MergePads), &text(statements), Some(reason));
        }
        let computed =
            "graph { input %x: f32[2] input %p: i64[2] %a = Pad(%x, %p) %y = Pad(%a, %p) output %y }";
        assert_unchanged(|| Rewriter(MergePads), computed, Some("not constant"));
    }
}
