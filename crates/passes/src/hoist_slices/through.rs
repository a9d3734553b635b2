//! Moves picks from the output of a node to its inputs.

use lehr_graph::{
    AxisRole, Dim, Flags, NodeId, Op, OpRef, PatchBuilder, PatchValue, Shape, Signature, ValueId,
};
use lehr_ops::{concat::Concat, expand::Expand, pad::Pad, reshape::Reshape};
use lehr_tensor::Tensor;

use super::picks::{Pick, Span, pick, resolve};
use super::windows;
use crate::rewrite::Reject;

/// Most operators in a row that cost nothing and are passed in one step.
const MAX_DEPTH: usize = 16;

/// A node as it will be, and what is taken of its inputs.
pub(super) struct Rebuilt {
    pub(super) op: OpRef,
    /// Whether anything is left for the operator to do.
    pub(super) is_needed: bool,
    /// Contents of inputs that change.
    pub(super) constants: Vec<(usize, Tensor)>,
    /// What is taken of each input; nothing of one that is left out.
    pub(super) inputs: Vec<Option<Vec<Pick>>>,
    /// What must be taken of the output still.
    pub(super) left: Vec<Pick>,
}

impl Rebuilt {
    /// `pick` of input `input`.
    pub(super) fn take(&mut self, input: usize, pick: Pick) {
        if let Some(Some(picks)) = self.inputs.get_mut(input) {
            picks.push(pick);
        }
    }
}

/// The picked indices of `value`, taken one operator earlier; operators that cost nothing are passed on the way.
pub(super) fn hoisted(
    patch: &mut PatchBuilder<'_>,
    value: ValueId,
    picks: &[Pick],
    depth: usize,
) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let Some(id) = graph.producer(value).filter(|_| depth < MAX_DEPTH) else { return Err(Reject::NoEffect) };
    let node = graph.node(id);
    let Some(slot) = node.outputs().iter().position(|&output| output == value) else {
        return Err(Reject::NoEffect);
    };
    let rebuilt = rebuilt(node.op_ref(), &graph.signature(id), slot, picks)?;
    let is_free = node.op().flags().contains(Flags::SAME_ORDER);
    build(patch, id, slot, rebuilt, is_free.then_some(depth + 1))
}

fn build(
    patch: &mut PatchBuilder<'_>,
    id: NodeId,
    slot: usize,
    rebuilt: Rebuilt,
    deeper: Option<usize>,
) -> Result<PatchValue, Reject> {
    let node = patch.graph().node(id);
    let mut inputs = Vec::new();
    for (index, picks) in rebuilt.inputs.iter().enumerate() {
        let Some(picks) = picks else { continue };
        let changed = rebuilt.constants.iter().find(|(own, _)| *own == index);
        inputs.push(match (changed, node.input(index)) {
            (Some((_, tensor)), _) => Some(patch.constant(tensor.clone())),
            (None, None) => None,
            (None, Some(value)) if picks.is_empty() => Some(value.into()),
            (None, Some(value)) => Some(match deeper {
                Some(depth) => hoisted(patch, value, picks, depth)?,
                None => pick(patch, value.into(), picks)?,
            }),
        });
    }
    let value = match inputs.first() {
        Some(&Some(only)) if !rebuilt.is_needed => only,
        _ => {
            let outputs = patch.node(rebuilt.op, &inputs, node.outputs().len())?;
            *outputs.get(slot).ok_or(Reject::NoEffect)?
        }
    };
    pick(patch, value, &rebuilt.left)
}

fn rebuilt(op: &OpRef, io: &Signature<'_>, slot: usize, picks: &[Pick]) -> Result<Rebuilt, Reject> {
    let refused = [Flags::RANDOM, Flags::OPAQUE, Flags::CONTROL_FLOW];
    if refused.into_iter().any(|flag| op.flags().contains(flag)) {
        return Err(Reject::because(format!("{} promises nothing about its axes", op.full_name())));
    }
    let Some(output) = io.output_shape(slot) else { return Err(Reject::because("a shape is not known")) };
    if !io.inputs.iter().flatten().all(|ty| ty.shape().is_some()) {
        return Err(Reject::because("a shape is not known"));
    }
    let inputs = io.inputs.iter().map(|_| Some(Vec::new())).collect();
    let mut new =
        Rebuilt { op: op.clone(), is_needed: true, constants: Vec::new(), inputs, left: Vec::new() };
    if op.flags().contains(Flags::SAME_ORDER) {
        through_same_order(&**op, io, output, picks, &mut new)?;
    } else if let Some(concat) = op.downcast_ref::<Concat>() {
        through_concat(concat, io, output, picks, &mut new)?;
    } else if op.is::<Pad>() {
        through_pad(&**op, io, output, picks, &mut new)?;
    } else if op.is::<Expand>() {
        through_expand(io, output, picks, &mut new)?;
    } else {
        let rest = independent(&**op, io, slot, picks, &mut new);
        windows::through(io, output, rest, &mut new)?;
    }
    if new.left.len() == picks.len() {
        return Err(Reject::because(format!("{} mixes the indices of the sliced axis", op.full_name())));
    }
    Ok(new)
}

/// Takes what comes index by index from inputs; gives the rest.
fn independent(op: &dyn Op, io: &Signature<'_>, slot: usize, picks: &[Pick], new: &mut Rebuilt) -> Vec<Pick> {
    let map = op.axes(io);
    let roles = map.outputs.get(slot);
    let mut rest = Vec::new();
    for pick in picks {
        let role = roles.and_then(|roles| roles.get(pick.axis));
        let size = io.output_shape(slot).and_then(|shape| shape.get(pick.axis));
        let has_size = |&(input, axis): &(usize, usize)| {
            let own = io.input_shape(input).and_then(|shape| shape.get(axis));
            own.zip(size).is_some_and(|(own, size)| own.equal(size) == Some(true))
        };
        match role {
            Some(AxisRole::Independent(sources)) if !sources.is_empty() && sources.iter().all(has_size) => {
                sources.iter().for_each(|&(input, axis)| new.take(input, pick.at(axis)));
            }
            _ => rest.push(pick.clone()),
        }
    }
    rest
}

/// Index by index but for the axis of concatenation, along which each input gives its share.
fn through_concat(
    concat: &Concat,
    io: &Signature<'_>,
    output: &Shape,
    picks: &[Pick],
    new: &mut Rebuilt,
) -> Result<(), Reject> {
    let axis = resolve(concat.axis, output.rank()).ok_or(Reject::NoEffect)?;
    for pick in independent(concat, io, 0, picks, new) {
        let span = output.get(axis).filter(|_| pick.axis == axis).and_then(|size| pick.span(size));
        let shares = span.and_then(|span| shares(io, axis, span));
        let Some(shares) = shares else {
            new.left.push(pick);
            continue;
        };
        for (index, share) in shares.into_iter().enumerate() {
            match share {
                Some(Some(share)) => new.take(index, share.to_pick(axis)),
                Some(None) => {}
                None => drop(new.inputs.get_mut(index).map(Option::take)),
            }
        }
    }
    new.is_needed = new.inputs.iter().flatten().count() > 1;
    Ok(())
}

/// What a span takes of each input of a concatenation: nothing, everything or a span.
fn shares(io: &Signature<'_>, axis: usize, span: Span) -> Option<Vec<Option<Option<Span>>>> {
    let mut offset = 0;
    let mut shares = Vec::new();
    for index in 0..io.inputs.len() {
        let size = i64::try_from(io.input_shape(index)?.get(axis)?.as_fixed()?).ok()?;
        let before = |position: i64| (position - span.start + span.step - 1).div_euclid(span.step);
        let (first, last) = (before(offset).max(0), before(offset + size).min(span.len));
        shares.push((first < last).then(|| {
            let own =
                Span { start: span.start + first * span.step - offset, step: span.step, len: last - first };
            (own.len != size).then_some(own)
        }));
        offset += size;
    }
    Some(shares)
}

/// Padding outside of what is taken is never made.
fn through_pad(
    op: &dyn Op,
    io: &Signature<'_>,
    output: &Shape,
    picks: &[Pick],
    new: &mut Rebuilt,
) -> Result<(), Reject> {
    let is_constant =
        op.downcast_ref::<Pad>().is_some_and(|pad| pad.mode == lehr_ops::pad::PadMode::Constant);
    let list = |index: usize| io.constants.get(index).copied().flatten().and_then(|t| t.to_i64s().ok());
    let mut pads = list(1).ok_or_else(|| Reject::because("the pads are not constant"))?;
    let rank = output.rank();
    let axes: Vec<usize> = match io.inputs.get(3).copied().flatten() {
        None => (0..rank).collect(),
        Some(_) => {
            let axes = list(3).and_then(|axes| axes.into_iter().map(|a| resolve(a, rank)).collect());
            axes.ok_or_else(|| Reject::because("the padded axes are not constant"))?
        }
    };
    for pick in picks {
        let padded = axes.iter().position(|&axis| axis == pick.axis);
        let at = padded.and_then(|at| Some((at, *pads.get(at)?, *pads.get(at + axes.len())?)));
        let Some((at, before, behind)) = at.filter(|(_, before, behind)| (*before, *behind) != (0, 0)) else {
            new.take(0, pick.clone());
            continue;
        };
        let size = io.input_shape(0).and_then(|shape| shape.get(pick.axis)).and_then(Dim::as_fixed);
        let size = size.and_then(|size| i64::try_from(size).ok());
        let span = output.get(pick.axis).and_then(|size| pick.span(size));
        let cut = size.zip(span).and_then(|(size, span)| cut_padding(size, before, behind, span));
        match cut.filter(|(_, before, behind)| is_constant || (*before, *behind) == (0, 0)) {
            Some((inner, before, behind)) => {
                new.take(0, inner.to_pick(pick.axis));
                let behind_at = at + axes.len();
                pads.iter_mut().enumerate().for_each(|(i, pad)| match i {
                    _ if i == at => *pad = before,
                    _ if i == behind_at => *pad = behind,
                    _ => {}
                });
            }
            None => new.left.push(pick.clone()),
        }
    }
    new.is_needed = pads.iter().any(|&pad| pad != 0);
    new.constants.push((1, Tensor::vector(pads)));
    Ok(())
}

/// What of the data and how much padding before and behind it a span takes of a padded axis.
fn cut_padding(size: i64, before: i64, behind: i64, span: Span) -> Option<(Span, i64, i64)> {
    let (start, end) = (span.start.checked_sub(before)?, span.end().checked_sub(before)?);
    let is_inside = start >= 0 && end <= size;
    if before < 0 || behind < 0 || start >= size || end <= 0 || (span.step != 1 && !is_inside) {
        return None;
    }
    if is_inside {
        return Some((Span { start, ..span }, 0, 0));
    }
    let (first, last) = (start.max(0), end.min(size));
    Some((Span { start: first, step: 1, len: last - first }, first - start, end - last))
}

/// An axis that keeps its size and what lies before it is the same axis after a change of shape.
fn through_same_order(
    op: &dyn Op,
    io: &Signature<'_>,
    output: &Shape,
    picks: &[Pick],
    new: &mut Rebuilt,
) -> Result<(), Reject> {
    let Some(input) = io.input_shape(0) else { return Err(Reject::NoEffect) };
    for pick in picks {
        match kept_axis(input, output, pick.axis) {
            Some(axis) => new.take(0, pick.at(axis)),
            None => new.left.push(pick.clone()),
        }
    }
    if let Some(reshape) = op.downcast_ref::<Reshape>() {
        let target = new_target(reshape, io, output, picks)?;
        new.constants.push((1, Tensor::vector(target)));
    }
    // What stays behind would be sliced after a reshape to what is not there.
    if new.left.is_empty() {
        Ok(())
    } else {
        Err(Reject::because("the reshape splits or joins the sliced axis"))
    }
}

fn kept_axis(input: &Shape, output: &Shape, axis: usize) -> Option<usize> {
    let leading = |shape: &Shape, axis: usize| {
        shape.dims().iter().take(axis).fold(Dim::Fixed(1), |product, dim| product.mul(dim))
    };
    let (size, before) = (output.get(axis)?, leading(output, axis));
    (0..input.rank()).find(|&own| {
        input.get(own).is_some_and(|own| own.equal(size) == Some(true))
            && leading(input, own).equal(&before) == Some(true)
    })
}

fn new_target(
    reshape: &Reshape,
    io: &Signature<'_>,
    output: &Shape,
    picks: &[Pick],
) -> Result<Vec<i64>, Reject> {
    let constant = io.constants.get(1).copied().flatten().and_then(|t| t.to_i64s().ok());
    let mut target = constant.ok_or_else(|| Reject::because("the new shape is not constant"))?;
    for pick in picks {
        let copies = io.input_shape(0).and_then(|s| kept_axis(s, output, pick.axis)) == Some(pick.axis);
        let len = output.get(pick.axis).and_then(|size| pick.len(size));
        match (target.get_mut(pick.axis), len) {
            (Some(0), _) if !reshape.allowzero && copies => {}
            (Some(-1), _) => {}
            (Some(size), Some(len)) if *size > 0 => *size = len,
            _ => return Err(Reject::because("the new shape is not known after slicing")),
        }
    }
    Ok(target)
}

/// Fewer repetitions are made, or less is repeated.
fn through_expand(
    io: &Signature<'_>,
    output: &Shape,
    picks: &[Pick],
    new: &mut Rebuilt,
) -> Result<(), Reject> {
    let constant = io.constants.get(1).copied().flatten().and_then(|t| t.to_i64s().ok());
    let mut target = constant.ok_or_else(|| Reject::because("the new shape is not constant"))?;
    let Some(input) = io.input_shape(0) else { return Err(Reject::NoEffect) };
    let missing = output.rank().saturating_sub(target.len());
    for pick in picks {
        let Some(size) = output.get(pick.axis) else { return Err(Reject::NoEffect) };
        let own = (pick.axis + input.rank()).checked_sub(output.rank());
        let dim = own.and_then(|own| input.get(own));
        let is_repeated = dim.is_none_or(|dim| *dim == Dim::Fixed(1));
        let is_whole = dim.is_some_and(|dim| dim.equal(size) == Some(true));
        let wanted = pick.axis.checked_sub(missing).and_then(|at| target.get_mut(at));
        let len = pick.len(size);
        match (own, wanted, len) {
            (Some(own), None | Some(1), _) if is_whole => new.take(0, pick.at(own)),
            (Some(own), Some(wanted), Some(len)) if is_whole => {
                *wanted = len;
                new.take(0, pick.at(own));
            }
            (_, Some(wanted), Some(len)) if is_repeated => *wanted = len,
            _ => new.left.push(pick.clone()),
        }
    }
    new.constants.push((1, Tensor::vector(target)));
    Ok(())
}
