//! Makes one Slice of two, and drops axes of a Slice that are taken whole.

use lehr_graph::{Dim, Graph, NodeId, PatchBuilder, Shape, ValueId};
use lehr_ops::slice::Slice;
use lehr_tensor::Tensor;

use crate::constants::{ints, is_present, resolve_axes};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeSlices;

/// Ends from here on mean the end of the axis.
const END: i64 = i32::MAX as i64;

impl Rewrite for MergeSlices {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_slices",
            doc: "makes one Slice of two, and leaves out axes that are taken whole",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Slice>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (mut x, mut cuts) = cuts(graph, found.root()).ok_or(Reject::NoEffect)?;
        let before = cuts.len();
        cuts.retain(|cut| !cut.is_whole());
        let inner = graph.producer(x).and_then(|id| self::cuts(graph, id));
        if let Some((first, own)) = inner {
            if graph.value(x).uses().len() > 1 {
                return Err(Reject::because("the larger slice is also read elsewhere"));
            }
            cuts = merged(own, &cuts, graph.value(first).ty().shape())?;
            cuts.retain(|cut| !cut.is_whole());
            x = first;
        } else if cuts.len() == before {
            return Err(Reject::NoEffect);
        }
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        if cuts.is_empty() {
            patch.replace(output, x);
            return Ok(());
        }
        let mut inputs = vec![x.into()];
        for field in [|c: &Cut| c.start, |c: &Cut| c.end, |c: &Cut| c.axis, |c: &Cut| c.step] {
            inputs.push(patch.constant(Tensor::vector(cuts.iter().map(field).collect::<Vec<i64>>())));
        }
        let new = patch.call(Slice {}, &inputs)?;
        patch.replace(output, new);
        Ok(())
    }
}

/// One axis of a slice with a positive step.
#[derive(Clone, Debug, PartialEq)]
struct Cut {
    axis: i64,
    start: i64,
    end: i64,
    step: i64,
}

impl Cut {
    fn is_whole(&self) -> bool {
        self.start == 0 && self.end >= END && self.step == 1
    }

    /// First index and count on an axis of size `size`.
    fn span(&self, size: i64) -> Option<(i64, i64)> {
        let wrap = |at: i64| if at < 0 { at.checked_add(size) } else { Some(at) };
        let (start, end) = (wrap(self.start)?.clamp(0, size), wrap(self.end)?.clamp(0, size));
        let count = end.checked_sub(start)?.checked_add(self.step)?.checked_sub(1)?.checked_div(self.step)?;
        Some((start, count.max(0)))
    }

    /// This one and then `second`, on an axis of size `size`.
    fn then(&self, second: &Cut, size: &Dim) -> Option<Cut> {
        match size.as_fixed() {
            Some(size) => self.then_of_size(second, i64::try_from(size).ok()?),
            None => self.then_of_any_size(second),
        }
    }

    fn then_of_size(&self, second: &Cut, size: i64) -> Option<Cut> {
        let (first_start, first_count) = self.span(size)?;
        let (start, count) = second.span(first_count)?;
        if count == 0 {
            return Some(Cut { axis: self.axis, start: 0, end: 0, step: 1 });
        }
        let start = self.step.checked_mul(start)?.checked_add(first_start)?;
        let step = self.step.checked_mul(second.step)?;
        let end = step.checked_mul(count - 1)?.checked_add(start)?.checked_add(1)?;
        Some(Cut { axis: self.axis, start, end, step })
    }

    fn then_of_any_size(&self, second: &Cut) -> Option<Cut> {
        let starts_from_front = self.start >= 0 && second.start >= 0;
        if !starts_from_front || self.step != 1 || second.step != 1 {
            return None;
        }
        let start = self.start.checked_add(second.start)?;
        let end = match (self.end >= END, second.end >= END) {
            (true, true) => i64::MAX,
            (true, false) if second.end < 0 => second.end,
            (true, false) => self.start.checked_add(second.end)?,
            (false, true) if self.end < 0 => self.end,
            _ => return None,
        };
        Some(Cut { axis: self.axis, start, end, step: 1 })
    }
}

/// What a node slices, where all is constant and goes forward.
fn cuts(graph: &Graph, id: NodeId) -> Option<(ValueId, Vec<Cut>)> {
    let node = graph.node(id);
    if !node.op().is::<Slice>() {
        return None;
    }
    let io = graph.signature(id);
    let (starts, ends) = (ints(&io, 1)?, ints(&io, 2)?);
    let rank = io.input_shape(0)?.rank();
    let axes = match is_present(&io, 3) {
        true => resolve_axes(&ints(&io, 3)?, rank)?,
        false => (0..starts.len()).collect(),
    };
    let steps = if is_present(&io, 4) { ints(&io, 4)? } else { vec![1; axes.len()] };
    let same_count = axes.len() == starts.len() && axes.len() == ends.len() && axes.len() == steps.len();
    if !same_count || steps.iter().any(|&step| step <= 0) {
        return None;
    }
    let mut cuts = Vec::with_capacity(axes.len());
    for (((axis, start), end), step) in axes.into_iter().zip(starts).zip(ends).zip(steps) {
        cuts.push(Cut { axis: i64::try_from(axis).ok()?, start, end, step });
    }
    Some((node.input(0)?, cuts))
}

/// The first cuts and then the second ones.
fn merged(first: Vec<Cut>, second: &[Cut], shape: Option<&Shape>) -> Result<Vec<Cut>, Reject> {
    let mut all = first;
    for cut in second {
        match all.iter_mut().find(|own| own.axis == cut.axis) {
            None => all.push(cut.clone()),
            Some(own) => {
                let size = usize::try_from(cut.axis).ok().and_then(|axis| shape?.get(axis));
                let both = own.then(cut, size.unwrap_or(&Dim::Unknown));
                *own = both.ok_or_else(|| {
                    Reject::because(format!("where the slices of axis {} end depends on its size", cut.axis))
                })?;
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn all_pairs_agree_with_one_after_the_other() {
        let numbers: Vec<i64> = (0..7).collect();
        let take = |from: &[i64], cut: &Cut| -> Vec<i64> {
            let (start, count) = cut.span(from.len() as i64).unwrap();
            (0..count).map(|at| from[(start + at * cut.step) as usize]).collect()
        };
        let every = |step: i64| -> Vec<Cut> {
            let ends = [-9, -3, -1, 0, 1, 2, 5, 7, 9, i64::MAX];
            let pairs = ends.iter().flat_map(|&start| ends.map(|end| (start, end)));
            pairs.map(|(start, end)| Cut { axis: 0, start, end, step }).collect()
        };
        for first in every(1).into_iter().chain(every(2)) {
            for second in every(1).into_iter().chain(every(3)) {
                let expected = take(&take(&numbers, &first), &second);
                let known = first.then_of_size(&second, 7).unwrap();
                assert_eq!(take(&numbers, &known), expected, "{first:?} {second:?}");
                if let Some(any) = first.then_of_any_size(&second) {
                    assert_eq!(take(&numbers, &any), expected, "{first:?} {second:?} {any:?}");
                }
            }
        }
    }

    #[test]
    fn slices_become_one() {
        assert_rewrites(
            || Rewriter(MergeSlices),
            "graph { input %x: f32[9,6]
                const %one = i64[1] [1] const %seven = i64[1] [7] const %two = i64[1] [2] const %minus = i64[1] [-1]
                %a = Slice(%x, %one, %seven, %minus)
                %b = Slice(%a, %one, %seven)
                %y = Slice(%b, %one, %seven, %one, %two)
                output %y }",
            "graph { input %x: f32[9,6]
                const %0 = i64[2] [2, 1] const %1 = i64[2] [5, 7] const %2 = i64[2] [1, 0] const %3 = i64[2] [2, 1]
                %y = Slice(%x, %0, %1, %2, %3) output %y }",
        );
    }

    #[test]
    fn whole_axes_are_left_out() {
        assert_rewrites(
            || Rewriter(MergeSlices),
            "graph { input %x: f32[?,6]
                const %zero = i64[1] [0] const %end = i64[1] [9223372036854775807]
                %a = Slice(%x, %zero, %end) %y = Abs(%a) output %y }",
            "graph { input %x: f32[?,6] %y = Abs(%x) output %y }",
        );
    }

    #[test]
    fn slices_that_go_back_or_depend_on_sizes_stay() {
        let text = |first: &str, second: &str| {
            format!(
                "graph {{ input %x: f32[N,6] const %zero = i64[1] [0] const %three = i64[1] [3] const %back = i64[1] [-1]
                const %far = i64[1] [-9] %a = Slice(%x, {first}) %y = Slice(%a, {second}) output %y }}"
            )
        };
        for (first, second, reason) in [
            ("%zero, %three", "%zero, %back", Some("depends on its size")),
            ("%back, %far, %zero, %back", "%zero, %three", None),
        ] {
            assert_unchanged(|| Rewriter(MergeSlices), &text(first, second), reason);
        }
        let shared = text("%zero, %three", "%three, %back").replace("output %y", "output %y output %a");
        assert_unchanged(|| Rewriter(MergeSlices), &shared, Some("elsewhere"));
    }
}
