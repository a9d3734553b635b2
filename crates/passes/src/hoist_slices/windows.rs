//! Slices in front of convolutions and poolings: of the input only what the windows see is kept, with as much padding as
//! they reach into. For windows `s, s + t, …` (`n` of them) of stride `q`, extent `e` and padding `b` in front,
//!
//! ```text
//! first = s·q - b,  behind = (s + (n - 1)·t)·q - b + e
//! ```
//!
//! are the ends of the input that is read; what lies outside of the input is the new padding, and `q·t` the new stride.

use std::sync::Arc;

use lehr_graph::{Op, OpRef, Shape, Signature};
use lehr_ops::{average_pool::AveragePool, conv::Conv, max_pool::MaxPool, window::AutoPad};

use super::picks::{Pick, Span};
use super::through::Rebuilt;
use crate::rewrite::Reject;

/// A window along one axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    kernel: i64,
    stride: i64,
    dilation: i64,
    before: i64,
    behind: i64,
}

/// Takes ranges of the spatial axes of windows; the rest is left.
pub(super) fn through(
    io: &Signature<'_>,
    output: &Shape,
    picks: Vec<Pick>,
    new: &mut Rebuilt,
) -> Result<(), Reject> {
    let spatial = picks.iter().any(|pick| pick.axis >= 2);
    let Some(mut axes) = windows(&*new.op, io).filter(|_| spatial && io.outputs.len() == 1) else {
        new.left.extend(picks);
        return Ok(());
    };
    for pick in picks {
        let cut = pick.axis.checked_sub(2).and_then(|at| {
            let span = pick.span(output.get(pick.axis)?)?;
            let size = i64::try_from(io.input_shape(0)?.get(pick.axis)?.as_fixed()?).ok()?;
            let axis = axes.get_mut(at)?;
            let (range, cut) = cut(axis, span, size)?;
            *axis = cut;
            Some(range)
        });
        match cut {
            Some(Some(range)) => new.take(0, Pick::range(pick.axis, range.0, range.1)),
            Some(None) => {}
            None => new.left.push(pick),
        }
    }
    new.op = with_windows(&*new.op, &axes).ok_or(Reject::NoEffect)?;
    Ok(())
}

/// The part of an axis of `size` elements that the windows of `span` see, nothing meaning all of it, and the window over
/// that part.
fn cut(axis: &Axis, span: Span, size: i64) -> Option<(Option<(i64, i64)>, Axis)> {
    let stride = axis.stride.checked_mul(span.step)?;
    let extent = (axis.kernel - 1).checked_mul(axis.dilation)?.checked_add(1)?;
    let first = span.start.checked_mul(axis.stride)?.checked_sub(axis.before)?;
    let behind = (span.len - 1).checked_mul(stride)?.checked_add(first)?.checked_add(extent)?;
    let range = (first.max(0), behind.min(size));
    let pads = (range.0.checked_sub(first)?, behind.checked_sub(range.1)?);
    // Padding as long as the window is not understood everywhere.
    let is_short = |pad: i64| pad == 0 || pad < axis.kernel;
    if range.0 >= range.1 || !is_short(pads.0) || !is_short(pads.1) || stride > i64::from(i32::MAX) {
        return None;
    }
    // A rest too short for one more window need not be cut off.
    let is_all = range.0 == 0 && size - range.1 < stride;
    let range = (!is_all).then_some(range);
    Some((range, Axis { stride, before: pads.0, behind: pads.1, ..*axis }))
}

/// The windows of an operator that has such, if its padding is known.
fn windows(op: &dyn Op, io: &Signature<'_>) -> Option<Vec<Axis>> {
    let sizes = |shape: Option<&Shape>| -> Option<Vec<i64>> {
        let dims = shape?.dims().iter().skip(2);
        dims.map(|dim| dim.as_fixed().and_then(|size| i64::try_from(size).ok())).collect()
    };
    if let Some(conv) = op.downcast_ref::<Conv>() {
        let kernel = sizes(io.input_shape(1))?;
        return list(&kernel, &conv.strides, &conv.dilations, &conv.pads, conv.auto_pad);
    }
    if let Some(pool) = op.downcast_ref::<MaxPool>().filter(|pool| !pool.ceil_mode) {
        return list(&pool.kernel_shape, &pool.strides, &pool.dilations, &pool.pads, pool.auto_pad);
    }
    let pool = op.downcast_ref::<AveragePool>().filter(|pool| !pool.ceil_mode)?;
    list(&pool.kernel_shape, &pool.strides, &pool.dilations, &pool.pads, pool.auto_pad)
}

fn list(
    kernel: &[i64],
    strides: &Option<Vec<i64>>,
    dilations: &Option<Vec<i64>>,
    pads: &Option<Vec<i64>>,
    auto_pad: AutoPad,
) -> Option<Vec<Axis>> {
    let count = kernel.len();
    let or_all = |list: &Option<Vec<i64>>, count: usize, default: i64| match list {
        Some(list) if !list.is_empty() => list.clone(),
        _ => vec![default; count],
    };
    let pads = match auto_pad {
        AutoPad::NotSet => or_all(pads, 2 * count, 0),
        AutoPad::Valid => vec![0; 2 * count],
        AutoPad::SameUpper | AutoPad::SameLower => return None,
    };
    let (strides, dilations) = (or_all(strides, count, 1), or_all(dilations, count, 1));
    let axis = |(at, &kernel): (usize, &i64)| {
        Some(Axis {
            kernel,
            stride: *strides.get(at)?,
            dilation: *dilations.get(at)?,
            before: *pads.get(at)?,
            behind: *pads.get(at + count)?,
        })
    };
    kernel.iter().enumerate().map(axis).collect()
}

fn with_windows(op: &dyn Op, axes: &[Axis]) -> Option<OpRef> {
    let strides = |old: &Option<Vec<i64>>| {
        let strides: Vec<_> = axes.iter().map(|axis| axis.stride).collect();
        (old.is_some() || strides.iter().any(|&stride| stride != 1)).then_some(strides)
    };
    let pads = axes.iter().map(|axis| axis.before).chain(axes.iter().map(|axis| axis.behind));
    let (pads, auto_pad) = (Some(pads.collect()), AutoPad::NotSet);
    if let Some(conv) = op.downcast_ref::<Conv>() {
        return Some(Arc::new(Conv { strides: strides(&conv.strides), pads, auto_pad, ..conv.clone() }));
    }
    if let Some(pool) = op.downcast_ref::<MaxPool>() {
        return Some(Arc::new(MaxPool { strides: strides(&pool.strides), pads, auto_pad, ..pool.clone() }));
    }
    let pool = op.downcast_ref::<AveragePool>()?;
    Some(Arc::new(AveragePool { strides: strides(&pool.strides), pads, auto_pad, ..pool.clone() }))
}
