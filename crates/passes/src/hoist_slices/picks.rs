//! Which indices Slice, Gather with constant indices, and a single used part of Split take; and nodes that take them.

use lehr_graph::{Dim, Graph, NodeId, Op, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::{gather::Gather, slice::Slice, split::Split, squeeze::Squeeze};
use lehr_tensor::Tensor;

use crate::constants::evaluate;
use crate::rewrite::Reject;

/// Largest constant that is sliced while others read the whole of it.
const SMALL: usize = 4096;

/// Indices of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) axis: usize,
    pub(super) which: Which,
}

/// Indices, negative ones counting from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// As in Slice.
    Range { start: i64, end: i64, step: i64 },
    /// One by one.
    List(Vec<i64>),
}

/// A range with its ends counted from the front and inside of the axis; the step is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) len: i64,
}

/// A node that takes indices of a value.
#[derive(Clone, Debug)]
pub(super) struct Picking {
    pub(super) source: ValueId,
    pub(super) output: ValueId,
    pub(super) picks: Vec<Pick>,
    /// The picked axis, of one index, is removed.
    pub(super) squeezed: Option<usize>,
}

impl Pick {
    pub(super) fn range(axis: usize, start: i64, end: i64) -> Self {
        Self { axis, which: Which::Range { start, end, step: 1 } }
    }

    /// The same indices of another axis of the same size.
    pub(super) fn at(&self, axis: usize) -> Self {
        Self { axis, which: self.which.clone() }
    }

    /// The range over an axis of known size, if it runs forwards and is not empty.
    pub(super) fn span(&self, size: &Dim) -> Option<Span> {
        let size = i64::try_from(size.as_fixed()?).ok()?;
        let Which::Range { start, end, step } = self.which else { return None };
        let wrap = |index: i64| if index < 0 { index.saturating_add(size) } else { index }.clamp(0, size);
        let (start, end) = (wrap(start), wrap(end));
        let len = if step > 0 && end > start { (end - start - 1) / step + 1 } else { return None };
        Some(Span { start, step: if len == 1 { 1 } else { step }, len })
    }

    /// How many indices of an axis of known size.
    pub(super) fn len(&self, size: &Dim) -> Option<i64> {
        match &self.which {
            Which::List(indices) => i64::try_from(indices.len()).ok(),
            Which::Range { .. } => Some(self.span(size)?.len),
        }
    }
}

impl Span {
    /// The last index plus one.
    pub(super) fn end(&self) -> i64 {
        self.start + (self.len - 1) * self.step + 1
    }

    pub(super) fn to_pick(self, axis: usize) -> Pick {
        Pick { axis, which: Which::Range { start: self.start, end: self.end(), step: self.step } }
    }
}

impl Picking {
    /// What a node takes; nothing when it takes no indices known beforehand, or all.
    pub(super) fn of(graph: &Graph, id: NodeId) -> Option<Self> {
        let node = graph.node(id);
        let source = node.input(0).filter(|&source| graph.constant(source).is_none())?;
        let shape = graph.value(source).ty().shape()?;
        let (output, picks, squeezed) = if node.op().is::<Slice>() {
            (*node.outputs().first()?, sliced(graph, id, shape)?, None)
        } else if let Some(gather) = node.op().downcast_ref::<Gather>() {
            let axis = resolve(gather.axis, shape.rank())?;
            let indices = graph.constant(node.input(1)?)?;
            let (pick, squeezed) = gathered(axis, shape.get(axis)?, indices)?;
            (*node.outputs().first()?, vec![pick], squeezed)
        } else {
            let split = node.op().downcast_ref::<Split>()?;
            let (output, pick) = part(graph, id, resolve(split.axis, shape.rank())?)?;
            (output, vec![pick], None)
        };
        // Slices without elements cost nothing where they are.
        if graph.value(output).ty().shape()?.dims().contains(&Dim::Fixed(0)) {
            return None;
        }
        let takes_all = |pick: &Pick| {
            pick.span(shape.get(pick.axis).unwrap_or(&Dim::Unknown)).is_some_and(|span| {
                span.step == 1
                    && shape.get(pick.axis).and_then(Dim::as_fixed) == usize::try_from(span.len).ok()
            })
        };
        let picks: Vec<_> = picks.into_iter().filter(|p| squeezed.is_some() || !takes_all(p)).collect();
        (!picks.is_empty()).then_some(Self { source, output, picks, squeezed })
    }

    /// Node for removing the picked axis.
    pub(super) fn squeeze(
        &self,
        patch: &mut PatchBuilder<'_>,
        value: PatchValue,
    ) -> Result<PatchValue, Reject> {
        let Some(axis) = self.squeezed else { return Ok(value) };
        let axes = patch.constant(Tensor::vector(vec![number(axis)?]));
        Ok(patch.call(Squeeze {}, &[value, axes])?)
    }
}

/// Axis counted from the front.
pub(super) fn resolve(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

pub(super) fn number(size: usize) -> Result<i64, Reject> {
    i64::try_from(size).map_err(|_| Reject::because("a size is beyond 64 bits"))
}

fn ints(graph: &Graph, value: Option<ValueId>) -> Option<Vec<i64>> {
    graph.constant(value?)?.to_i64s().ok()
}

fn sliced(graph: &Graph, id: NodeId, shape: &Shape) -> Option<Vec<Pick>> {
    let node = graph.node(id);
    let (starts, ends) = (ints(graph, node.input(1))?, ints(graph, node.input(2))?);
    let axes = match node.input(3) {
        Some(axes) => ints(graph, Some(axes))?,
        None => (0..i64::try_from(starts.len()).ok()?).collect(),
    };
    let steps = match node.input(4) {
        Some(steps) => ints(graph, Some(steps))?,
        None => vec![1; axes.len()],
    };
    if [starts.len(), ends.len(), steps.len()] != [axes.len(); 3] || steps.contains(&0) {
        return None;
    }
    let ranges = starts.into_iter().zip(ends).zip(steps);
    let pick = |(axis, ((start, end), step)): (i64, ((i64, i64), i64))| {
        Some(Pick { axis: resolve(axis, shape.rank())?, which: Which::Range { start, end, step } })
    };
    axes.into_iter().zip(ranges).map(pick).collect()
}

fn gathered(axis: usize, size: &Dim, indices: &Tensor) -> Option<(Pick, Option<usize>)> {
    let list = indices.to_i64s().ok()?;
    match (indices.rank(), list.as_slice()) {
        (0, &[index]) => {
            let end = if index == -1 { i64::MAX } else { index.checked_add(1)? };
            Some((Pick::range(axis, index, end), Some(axis)))
        }
        // As many indices as there are, or more, leave nothing out.
        (1, [_, ..]) if size.as_fixed().is_none_or(|size| list.len() < size) => {
            Some((Pick { axis, which: Which::List(list) }, None))
        }
        _ => None,
    }
}

/// The only part of a Split that is read, and where it lies.
fn part(graph: &Graph, id: NodeId, axis: usize) -> Option<(ValueId, Pick)> {
    let outputs = graph.node(id).outputs();
    let mut read = outputs.iter().enumerate().filter(|(_, v)| !graph.value(**v).uses().is_empty());
    let (Some((at, &output)), None) = (read.next(), read.next()) else { return None };
    let sizes = outputs.iter().take(at + 1).map(|&v| graph.value(v).ty().shape()?.get(axis)?.as_fixed());
    let sizes: Vec<i64> = sizes.map(|size| i64::try_from(size?).ok()).collect::<Option<_>>()?;
    let end: i64 = sizes.iter().sum();
    Some((output, Pick::range(axis, end - sizes.last()?, end)))
}

/// The picked indices of a value: one Slice for all ranges and a Gather for each list. Constants are picked here and now.
pub(super) fn pick(
    patch: &mut PatchBuilder<'_>,
    value: PatchValue,
    picks: &[Pick],
) -> Result<PatchValue, Reject> {
    let mut value = value;
    let [mut starts, mut ends, mut axes, mut steps]: [Vec<i64>; 4] = Default::default();
    for pick in picks {
        if let Which::Range { start, end, step } = pick.which {
            starts.push(start);
            ends.push(end);
            axes.push(number(pick.axis)?);
            steps.push(step);
        }
    }
    if !axes.is_empty() {
        let mut inputs = vec![starts, ends, axes];
        if steps.iter().any(|&step| step != 1) {
            inputs.push(steps);
        }
        value = call(patch, Slice {}, value, inputs)?;
    }
    for pick in picks {
        if let Which::List(indices) = &pick.which {
            value = call(patch, Gather { axis: number(pick.axis)? }, value, vec![indices.clone()])?;
        }
    }
    Ok(value)
}

fn call(
    patch: &mut PatchBuilder<'_>,
    op: impl Op,
    data: PatchValue,
    lists: Vec<Vec<i64>>,
) -> Result<PatchValue, Reject> {
    let lists: Vec<_> = lists.into_iter().map(Tensor::vector).collect();
    let Some(constant) = patch.constant_of(data) else {
        let lists = lists.into_iter().map(|list| patch.constant(list));
        let inputs: Vec<_> = std::iter::once(data).chain(lists.collect::<Vec<_>>()).collect();
        return Ok(patch.call(op, &inputs)?);
    };
    let inputs: Vec<_> = std::iter::once(constant).chain(&lists).collect();
    let part = evaluate(&op, &inputs)?;
    let is_shared = match data {
        PatchValue::Old(id) => patch.graph().value(id).uses().len() > 1,
        PatchValue::New(_) => false,
    };
    if is_shared && part.byte_len() > SMALL {
        return Err(Reject::because("it would copy a part of a constant that others read"));
    }
    Ok(patch.constant(part))
}
