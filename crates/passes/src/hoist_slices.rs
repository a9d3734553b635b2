//! Takes slices before what computes more than the slice needs: `f(x)[a] = f(x[a])` for every operator that says, through
//! its axes, that index `i` of its output comes from index `i` of its inputs. Besides those: convolutions and poolings
//! (of the input, what the windows see), Concat and Pad along their own axis, Reshape and its like where the axis stays
//! one axis, and Expand. Slices of slices become one slice.
//!
//! Slice, Gather with constant indices and a Split of which one part is read count as slices. Several slices of one value
//! that together leave a part of it unread move as the one range that covers them. Each element that is left is
//! computed as before; the cost model says whether a move pays.

mod picks;
mod through;
mod windows;

use lehr_graph::{Flags, Graph, Op, PatchBuilder, Use, ValueId};
use lehr_ops::{gather::Gather, slice::Slice, split::Split};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

use picks::{Pick, Picking, Span, pick};
use through::hoisted;

/// The rewrite.
pub struct HoistSlices;

impl Rewrite for HoistSlices {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "hoist_slices",
            doc: "slices before computing, so that only what is read is computed",
            level: OptLevel::O2,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(is_slice)
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let Some(own) = Picking::of(graph, found.root()) else { return Err(Reject::NoEffect) };
        if let Some(slices) = together(graph, &own) {
            return all_at_once(patch, own.source, &slices);
        }
        let value = match merged(graph, &own) {
            Some((source, picks)) => pick(patch, source.into(), &picks)?,
            None => hoisted(patch, own.source, &own.picks, 0)?,
        };
        let value = own.squeeze(patch, value)?;
        patch.replace(own.output, value);
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

fn is_slice(op: &dyn Op) -> bool {
    op.is::<Slice>() || op.is::<Gather>() || op.is::<Split>()
}

/// All readers of the source, when they are several slices in ranges.
fn together(graph: &Graph, own: &Picking) -> Option<Vec<SpanSlice>> {
    let uses = graph.value(own.source).uses();
    if uses.len() < 2 || graph.producer(own.source).is_none() {
        return None;
    }
    let shape = graph.value(own.source).ty().shape()?;
    let slice = |reader: &Use| {
        let Use::Node { node, .. } = reader else { return None };
        let slice = Picking::of(graph, *node).filter(|slice| slice.source == own.source)?;
        let span = |pick: &Pick| Some((pick.axis, pick.span(shape.get(pick.axis)?)?));
        let spans = slice.picks.iter().map(span).collect::<Option<_>>()?;
        Some(SpanSlice { slice, spans })
    };
    uses.iter().map(slice).collect()
}

/// A slice with its ranges by axes.
struct SpanSlice {
    slice: Picking,
    spans: Vec<(usize, Span)>,
}

/// The range of each axis that covers what all slices take of it; axes of which one takes all are left out.
fn cover(slices: &[SpanSlice]) -> Vec<(usize, i64, i64)> {
    let axes: Vec<usize> =
        slices.first().map(|s| s.spans.iter().map(|(axis, _)| *axis).collect()).unwrap_or_default();
    let range = |axis: usize| {
        let spans =
            slices.iter().map(|s| s.spans.iter().find(|(own, _)| *own == axis).map(|(_, span)| *span));
        let spans: Vec<Span> = spans.collect::<Option<_>>()?;
        let start = spans.iter().map(|span| span.start).min()?;
        Some((axis, start, spans.iter().map(Span::end).max()?))
    };
    axes.into_iter().filter_map(range).collect()
}

/// What covers all slices is taken first, and each slice of that.
fn all_at_once(patch: &mut PatchBuilder<'_>, source: ValueId, slices: &[SpanSlice]) -> Result<(), Reject> {
    let shape = patch.graph().value(source).ty().shape();
    let is_whole = |&(axis, start, end): &(usize, i64, i64)| {
        start == 0 && shape.and_then(|s| s.get(axis)?.as_fixed()) == usize::try_from(end).ok()
    };
    let cover: Vec<_> = cover(slices).into_iter().filter(|range| !is_whole(range)).collect();
    if cover.is_empty() {
        return Err(Reject::because("its slices together take the whole value"));
    }
    let picks: Vec<_> = cover.iter().map(|&(axis, start, end)| Pick::range(axis, start, end)).collect();
    let value = hoisted(patch, source, &picks, 0)?;
    for SpanSlice { slice, spans } in slices {
        let inner = spans.iter().filter_map(|&(axis, span)| {
            let range = cover.iter().find(|range| range.0 == axis);
            let Some(&(_, start, end)) = range else { return Some(span.to_pick(axis)) };
            let inner = Span { start: span.start - start, ..span };
            let is_all = inner.start == 0 && inner.step == 1 && inner.len == end - start;
            (!is_all).then(|| inner.to_pick(axis))
        });
        let part = pick(patch, value, &inner.collect::<Vec<_>>())?;
        let part = slice.squeeze(patch, part)?;
        patch.replace(slice.output, part);
    }
    Ok(())
}

/// A slice of a slice as one slice of the first one's source.
fn merged(graph: &Graph, own: &Picking) -> Option<(ValueId, Vec<Pick>)> {
    let producer = graph.producer(own.source)?;
    let inner = graph.node(producer).op().flags().contains(Flags::DATA_MOVEMENT);
    let inner = Picking::of(graph, producer).filter(|p| inner && p.squeezed.is_none())?;
    let shape = graph.value(inner.source).ty().shape()?;
    let mut picks = inner.picks.clone();
    for pick in &own.picks {
        let Some(first) = picks.iter_mut().find(|first| first.axis == pick.axis) else {
            picks.push(pick.clone());
            continue;
        };
        let outer = pick.span(graph.value(own.source).ty().shape()?.get(pick.axis)?)?;
        let span = first.span(shape.get(pick.axis)?)?;
        let start = span.start.checked_add(outer.start.checked_mul(span.step)?)?;
        let both = Span { start, step: span.step.checked_mul(outer.step)?, len: outer.len };
        *first = both.to_pick(pick.axis);
    }
    Some((inner.source, picks))
}

#[cfg(test)]
mod tests;
