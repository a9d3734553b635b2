//! Makes a Slice of a Split of which a single part is read: the other parts are not copied.

use lehr_graph::{Graph, NodeId, PatchBuilder, ValueId};
use lehr_ops::{slice::Slice, split::Split};
use lehr_tensor::Tensor;

use crate::constants::resolve_axis;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SplitToSlice;

impl Rewrite for SplitToSlice {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "split_to_slice",
            doc: "makes a Slice of a Split of which one part alone is read",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Split>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let part = Part::of(patch.graph(), found.root())?;
        let mut inputs = vec![part.source.into()];
        for number in [part.start, part.end, part.axis] {
            inputs.push(patch.constant(Tensor::vector(vec![number])));
        }
        let slice = patch.call(Slice {}, &inputs)?;
        patch.replace(part.output, slice);
        Ok(())
    }
}

/// The only part that is read, and where it lies.
struct Part {
    source: ValueId,
    output: ValueId,
    axis: i64,
    start: i64,
    end: i64,
}

impl Part {
    fn of(graph: &Graph, id: NodeId) -> Result<Self, Reject> {
        let node = graph.node(id);
        // Constants are folded, unless they are stored compressed.
        let source = node.input(0).filter(|&source| graph.constant(source).is_none());
        let source = source.ok_or(Reject::NoEffect)?;
        let mut read = node.outputs().iter().enumerate().filter(|(_, v)| !graph.value(**v).uses().is_empty());
        let (Some((at, &output)), None) = (read.next(), read.next()) else { return Err(Reject::NoEffect) };
        if node.outputs().len() == 1 {
            return Err(Reject::NoEffect);
        }
        let split = node.op().downcast_ref::<Split>().ok_or(Reject::NoEffect)?;
        let size_of = |value: &ValueId| {
            let shape = graph.value(*value).ty().shape()?;
            let axis = resolve_axis(split.axis, shape.rank())?;
            i64::try_from(shape.get(axis)?.as_fixed()?).ok()
        };
        let sizes: Option<Vec<i64>> = node.outputs().iter().take(at + 1).map(size_of).collect();
        let sizes = sizes.ok_or_else(|| Reject::because("where the part lies is not known"))?;
        let end = sizes.iter().try_fold(0i64, |sum, &size| sum.checked_add(size)).ok_or(Reject::NoEffect)?;
        let start = end - sizes.last().ok_or(Reject::NoEffect)?;
        Ok(Self { source, output, axis: split.axis, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn the_only_part_that_is_read_is_sliced() {
        for (node, output, start, end) in [
            ("%a, %b, %c = Split(%x) {axis = -1, num_outputs = 3}", "a", 0, 3),
            ("%a, %b, %c = Split(%x) {axis = -1, num_outputs = 3}", "c", 6, 8),
            ("%a, %b = Split(%x, %sizes) {axis = -1}", "b", 7, 8),
        ] {
            assert_rewrites(
                || Rewriter(SplitToSlice),
                &format!(
                    "graph {{ input %x: f32[N,8] const %sizes = i64[2] [7, 1] {node} %y = Abs(%{output}) output %y }}"
                ),
                &format!(
                    "graph {{ input %x: f32[N,8] const %0 = i64[1] [{start}] const %1 = i64[1] [{end}]
                    const %2 = i64[1] [-1] %{output} = Slice(%x, %0, %1, %2) %y = Abs(%{output}) output %y }}"
                ),
            );
        }
    }

    #[test]
    fn others_stay() {
        for (text, reason) in [
            ("graph { input %x: f32[6] %a, %b, %c = Split(%x) {num_outputs = 3} output %a output %c }", None),
            ("graph { input %x: f32[6] %a = Split(%x) {num_outputs = 1} output %a }", None),
            ("graph { input %x: f32[N] %a, %b = Split(%x) {num_outputs = 2} output %b }", Some("not known")),
        ] {
            assert_unchanged(|| Rewriter(SplitToSlice), text, reason);
        }
    }
}
