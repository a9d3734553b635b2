//! Makes a Slice of a Gather whose constant indices go forward in even steps, and leaves one out that takes all in order.
//! A single index whose axis is put back behind it (`Unsqueeze(Gather(x, 3))`) is a Slice, too.

use lehr_graph::{Graph, NodeId, PatchBuilder, Use, ValueId};
use lehr_ops::{gather::Gather, slice::Slice, unsqueeze::Unsqueeze};
use lehr_tensor::Tensor;

use crate::constants::{ints, resolve_axes, resolve_axis};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct GatherToSlice;

impl Rewrite for GatherToSlice {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "gather_to_slice",
            doc: "makes a Slice of a Gather of evenly spaced indices",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Gather>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (&[Some(x), Some(indices)], &[output]) = (node.inputs(), node.outputs()) else {
            return Err(Reject::NoEffect);
        };
        // Constants are folded, unless they are stored compressed.
        let Some(indices) = graph.constant(indices).filter(|_| graph.constant(x).is_none()) else {
            return Err(Reject::NoEffect);
        };
        let outputs = match indices.rank() {
            0 => restored(graph, found.root(), output)?,
            1 => vec![output],
            _ => return Err(Reject::NoEffect),
        };
        let range = Range::of(graph, found.root(), indices)?;
        let part = if range.is_whole() {
            x.into()
        } else {
            let mut inputs = vec![x.into()];
            for number in [range.start, range.end, range.axis, range.step] {
                inputs.push(patch.constant(Tensor::vector(vec![number])));
            }
            patch.call(Slice {}, &inputs)?
        };
        outputs.into_iter().for_each(|output| patch.replace(output, part));
        Ok(())
    }
}

/// Indices of an axis, counted from the front.
struct Range {
    axis: i64,
    size: i64,
    start: i64,
    end: i64,
    step: i64,
}

impl Range {
    fn of(graph: &Graph, id: NodeId, indices: &Tensor) -> Result<Self, Reject> {
        let io = graph.signature(id);
        let shape = io.input_shape(0).ok_or(Reject::NoEffect)?;
        let gather = graph.node(id).op().downcast_ref::<Gather>().ok_or(Reject::NoEffect)?;
        let axis = resolve_axis(gather.axis, shape.rank()).ok_or(Reject::NoEffect)?;
        let size = shape.get(axis).and_then(|size| i64::try_from(size.as_fixed()?).ok());
        let size =
            size.ok_or_else(|| Reject::because("indices beyond a size that is not known are an error"))?;
        let from_front = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
        let indices = indices.to_i64s().map_err(|error| Reject::because(error.to_string()))?;
        let indices: Vec<i64> = indices.into_iter().map(from_front).collect();
        let (Some(&start), Some(&last)) = (indices.first(), indices.last()) else {
            return Err(Reject::NoEffect);
        };
        if !indices.iter().all(|index| (0..size).contains(index)) {
            return Err(Reject::because("an index is out of range"));
        }
        let step = indices.get(1).map_or(1, |second| second - start);
        if step <= 0 || !indices.windows(2).all(|pair| matches!(pair, [a, b] if b - a == step)) {
            return Err(Reject::because("the indices do not go forward in even steps"));
        }
        let axis = i64::try_from(axis).map_err(|_| Reject::NoEffect)?;
        Ok(Self { axis, size, start, end: last + 1, step })
    }

    fn is_whole(&self) -> bool {
        (self.start, self.end, self.step) == (0, self.size, 1)
    }
}

/// The values behind `value`, of a single index, that have its axis again; all readers must be such.
fn restored(graph: &Graph, id: NodeId, value: ValueId) -> Result<Vec<ValueId>, Reject> {
    let gather = graph.node(id).op().downcast_ref::<Gather>().ok_or(Reject::NoEffect)?;
    let rank = graph.signature(id).input_shape(0).ok_or(Reject::NoEffect)?.rank();
    let axis = resolve_axis(gather.axis, rank);
    let behind = |reader: &Use| {
        let Use::Node { node: reader, .. } = *reader else { return None };
        let node = graph.node(reader);
        let axes = resolve_axes(&ints(&graph.signature(reader), 1)?, rank)?;
        let restores = node.op().is::<Unsqueeze>() && axes.len() == 1 && axes.first().copied() == axis;
        restores.then(|| node.outputs().first().copied()).flatten()
    };
    let outputs: Option<Vec<_>> = graph.value(value).uses().iter().map(behind).collect();
    outputs.ok_or_else(|| {
        Reject::because("its single index removes the axis, for which a Slice needs a second node")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_rewrites_within, assert_unchanged};

    #[test]
    fn even_indices_become_a_slice() {
        for (indices, start, end, step) in
            [("i64[3] [1, 2, 3]", 1, 4, 1), ("i64[2] [-4, -2]", 2, 5, 2), ("i32[1] [5]", 5, 6, 1)]
        {
            assert_rewrites(
                || Rewriter(GatherToSlice),
                &format!(
                    "graph {{ input %x: f32[N,6] const %i = {indices} %y = Gather(%x, %i) {{axis = -1}} output %y }}"
                ),
                &format!(
                    "graph {{ input %x: f32[N,6] const %0 = i64[1] [{start}] const %1 = i64[1] [{end}]
                    const %2 = i64[1] [1] const %3 = i64[1] [{step}] %y = Slice(%x, %0, %1, %2, %3) output %y }}"
                ),
            );
        }
    }

    #[test]
    fn all_indices_in_order_do_nothing() {
        assert_rewrites(
            || Rewriter(GatherToSlice),
            "graph { input %x: f32[N,3] const %i = i64[3] [0, -2, 2] %y = Gather(%x, %i) {axis = 1} %z = Abs(%y) output %z }",
            "graph { input %x: f32[N,3] %z = Abs(%x) output %z }",
        );
    }

    #[test]
    fn an_index_whose_axis_comes_back_is_a_slice() {
        assert_rewrites_within(
            || Rewriter(GatherToSlice),
            "graph { input %x: f32[N,6] const %i = i64[] [-1] const %a = i64[1] [1]
            %g = Gather(%x, %i) {axis = 1} %y = Unsqueeze(%g, %a) %z = Abs(%y) output %z }",
            "graph { input %x: f32[N,6] const %0 = i64[1] [5] const %1 = i64[1] [6]
            const %2 = i64[1] [1] const %3 = i64[1] [1] %y = Slice(%x, %0, %1, %2, %3) %z = Abs(%y) output %z }",
        );
    }

    #[test]
    fn other_indices_stay() {
        for (body, reason) in [
            ("%y = Gather(%x, %uneven) {axis = 1}", "even steps"),
            ("%y = Gather(%x, %back) {axis = 1}", "even steps"),
            ("%y = Gather(%x, %scalar) {axis = 1}", "second node"),
            ("%g = Gather(%x, %scalar) {axis = 1} %y = Unsqueeze(%g, %front)", "second node"),
            ("%y = Gather(%x, %back) {axis = 0}", "not known"),
        ] {
            let text = format!(
                "graph {{ input %x: f32[N,6] const %uneven = i64[3] [0, 1, 3] const %back = i64[2] [1, 0]
                const %scalar = i64[] [1] const %front = i64[1] [0] {body} output %y }}"
            );
            assert_unchanged(|| Rewriter(GatherToSlice), &text, Some(reason));
        }
    }
}
