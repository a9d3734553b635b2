//! Makes one operator of two that only rename elements: chains of Reshape, Flatten, Squeeze and Unsqueeze.

use lehr_graph::{Graph, Node, Op, PatchBuilder, PatchValue, Shape, Signature, ValueId};
use lehr_ops::{flatten::Flatten, reshape::Reshape, squeeze::Squeeze, unsqueeze::Unsqueeze};
use lehr_tensor::Tensor;

use crate::constants::{ints, resolve_axes};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::reshape_target::reshape_target;
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeReshapes;

impl Rewrite for MergeReshapes {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_reshapes",
            doc: "makes one Reshape, Squeeze or Unsqueeze of two operators that only change the shape",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(changes_shape_only)
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let outer = graph.node(found.root());
        let (Some(middle), &[output]) = (outer.input(0), outer.outputs()) else {
            return Err(Reject::NoEffect);
        };
        let Some(inner) = graph.producer(middle) else { return Err(Reject::NoEffect) };
        let inner_io = graph.signature(inner);
        let inner = graph.node(inner);
        let Some(x) = inner.input(0).filter(|_| changes_shape_only(inner.op())) else {
            return Err(Reject::NoEffect);
        };
        let outer_io = graph.signature(found.root());
        let shapes = (graph.value(x).ty().shape(), graph.value(output).ty().shape());
        if let (Some(from), Some(to)) = shapes
            && from.equal(to) == Some(true)
        {
            patch.replace(output, x);
            return Ok(());
        }
        let merged = match shapes {
            (Some(from), Some(to)) => by_target(x, from, to, wildcard(outer, &outer_io), patch)?,
            _ => None,
        };
        let merged = match merged {
            Some(merged) => Some(merged),
            None => by_axes(x, (inner, &inner_io), (outer, &outer_io), patch)?,
        };
        let merged = match merged {
            Some(merged) => Some(merged),
            None => by_own_target(graph, x, outer, patch)?,
        };
        let Some(merged) = merged else {
            return Err(Reject::because(
                "the sizes of its result do not follow from those of the first input",
            ));
        };
        patch.replace(output, merged);
        Ok(())
    }
}

fn changes_shape_only(op: &dyn Op) -> bool {
    op.is::<Reshape>() || op.is::<Flatten>() || op.is::<Squeeze>() || op.is::<Unsqueeze>()
}

/// Where the target of a Reshape has -1.
fn wildcard(node: &Node, io: &Signature<'_>) -> Option<usize> {
    let target = ints(io, 1).filter(|_| node.op().is::<Reshape>())?;
    target.iter().position(|&size| size == -1)
}

fn by_target(
    x: ValueId,
    from: &Shape,
    to: &Shape,
    wildcard: Option<usize>,
    patch: &mut PatchBuilder<'_>,
) -> Result<Option<PatchValue>, Reject> {
    let Some(target) = reshape_target(from, to, wildcard) else { return Ok(None) };
    let target = patch.constant(Tensor::vector(target));
    Ok(Some(patch.call(Reshape { allowzero: false }, &[x.into(), target])?))
}

/// Two Squeezes or two Unsqueezes, whatever the sizes are.
fn by_axes(
    x: ValueId,
    (inner, inner_io): (&Node, &Signature<'_>),
    (outer, outer_io): (&Node, &Signature<'_>),
    patch: &mut PatchBuilder<'_>,
) -> Result<Option<PatchValue>, Reject> {
    let Some(rank) = inner_io.input_shape(0).map(Shape::rank) else { return Ok(None) };
    let (Some(first), Some(second)) = (ints(inner_io, 1), ints(outer_io, 1)) else { return Ok(None) };
    let is_both = |is: fn(&dyn Op) -> bool| is(inner.op()) && is(outer.op());
    if is_both(|op| op.is::<Squeeze>()) {
        let Some(axes) = removed(&first, &second, rank) else { return Ok(None) };
        let axes = patch.constant(Tensor::vector(axes));
        return Ok(Some(patch.call(Squeeze {}, &[x.into(), axes])?));
    }
    if is_both(|op| op.is::<Unsqueeze>()) {
        let Some(axes) = inserted(&first, &second, rank) else { return Ok(None) };
        let axes = patch.constant(Tensor::vector(axes));
        return Ok(Some(patch.call(Unsqueeze {}, &[x.into(), axes])?));
    }
    Ok(None)
}

/// Axes of `0..rank` that are removed by two Squeezes.
fn removed(first: &[i64], second: &[i64], rank: usize) -> Option<Vec<i64>> {
    let first = resolve_axes(first, rank)?;
    let left: Vec<usize> = (0..rank).filter(|axis| !first.contains(axis)).collect();
    let second = resolve_axes(second, left.len())?;
    let gone = |axis: &usize| {
        first.contains(axis) || second.iter().any(|&at| left.get(at).is_some_and(|own| own == axis))
    };
    (0..rank).filter(gone).map(|axis| i64::try_from(axis).ok()).collect()
}

/// Axes of the result that are inserted by two Unsqueezes.
fn inserted(first: &[i64], second: &[i64], rank: usize) -> Option<Vec<i64>> {
    let middle = rank.checked_add(first.len())?;
    let after = middle.checked_add(second.len())?;
    let first = resolve_axes(first, middle)?;
    let second = resolve_axes(second, after)?;
    let old = (0..after).filter(|axis| !second.contains(axis)).enumerate();
    let from_first = old.filter(|(at, _)| first.contains(at)).map(|(_, axis)| axis);
    let mut axes: Vec<usize> = second.iter().copied().chain(from_first).collect();
    axes.sort_unstable();
    axes.into_iter().map(|axis| i64::try_from(axis).ok()).collect()
}

/// A target that copies no sizes means the same for every input.
fn by_own_target(
    graph: &Graph,
    x: ValueId,
    outer: &Node,
    patch: &mut PatchBuilder<'_>,
) -> Result<Option<PatchValue>, Reject> {
    let (Some(op), Some(target)) = (outer.op().downcast_ref::<Reshape>(), outer.input(1)) else {
        return Ok(None);
    };
    let numbers = graph.constant(target).and_then(|target| target.to_i64s().ok());
    if !op.allowzero && numbers.is_none_or(|numbers| numbers.contains(&0)) {
        return Ok(None);
    }
    Ok(Some(patch.call(op.clone(), &[x.into(), target.into()])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn chains_become_one() {
        for (chain, after) in [
            (
                "%a = Reshape(%x, %flat) %y = Reshape(%a, %cube)",
                "const %0 = i64[3] [0, 4, 3] %y = Reshape(%x, %0)",
            ),
            ("%a = Unsqueeze(%x, %one) %b = Flatten(%a) %y = Abs(%b)", "%y = Abs(%x)"),
            (
                "%a = Unsqueeze(%x, %one) %y = Unsqueeze(%a, %last)",
                "const %0 = i64[4] [0, 1, 12, 1] %y = Reshape(%x, %0)",
            ),
            (
                "%a = Reshape(%x, %cube) %b = Transpose(%a) {perm = [0, 2, 1]} %c = Flatten(%b) %y = Reshape(%c, %flat)",
                "const %cube = i64[3] [0, 4, 3]
                %a = Reshape(%x, %cube) %b = Transpose(%a) {perm = [0, 2, 1]}
                const %1 = i64[2] [-1, 12] %y = Reshape(%b, %1)",
            ),
        ] {
            let before = format!(
                "graph {{ input %x: f32[N,12]
                const %flat = i64[2] [-1, 12] const %cube = i64[3] [0, 4, 3]
                const %one = i64[1] [1] const %last = i64[1] [-1]
                {chain} output %y }}"
            );
            let after = format!("graph {{ input %x: f32[N,12] {after} output %y }}");
            assert_rewrites(|| Rewriter(MergeReshapes), &before, &after);
        }
    }

    #[test]
    fn axes_are_merged_whatever_the_sizes_are() {
        assert_rewrites(
            || Rewriter(MergeReshapes),
            "graph { input %x: f32[N,M]
                const %a = i64[1] [0] const %b = i64[2] [1, -1]
                %u = Unsqueeze(%x, %a) %y = Unsqueeze(%u, %b) output %y }",
            "graph { input %x: f32[N,M] const %0 = i64[3] [0, 1, 4] %y = Unsqueeze(%x, %0) output %y }",
        );
        assert_rewrites(
            || Rewriter(MergeReshapes),
            "graph { input %x: f32[1,N,1,M,1]
                const %a = i64[1] [0] const %b = i64[2] [1, -1]
                %u = Squeeze(%x, %a) %y = Squeeze(%u, %b) output %y }",
            "graph { input %x: f32[1,N,1,M,1] const %0 = i64[3] [0, 2, 4] %y = Squeeze(%x, %0) output %y }",
        );
    }

    #[test]
    fn what_copies_unknown_sizes_stays() {
        assert_unchanged(
            || Rewriter(MergeReshapes),
            "graph { input %x: f32[N,M,L] const %b = i64[1] [0]
                %r = Transpose(%x) %s = Flatten(%r) %y = Unsqueeze(%s, %b) output %y }",
            Some("do not follow"),
        );
        assert_unchanged(
            || Rewriter(MergeReshapes),
            "graph { input %x: f32[2,3] input %t: i64[1] const %b = i64[2] [0, -1]
                %r = Reshape(%x, %t) %y = Reshape(%r, %b) output %y }",
            Some("do not follow"),
        );
    }
}
