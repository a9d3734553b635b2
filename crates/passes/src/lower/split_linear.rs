//! Cuts a product whose columns are read in parts into one product for each part, so that the parts need no copying:
//! `Split(Linear(x, [A B]))` along the columns is `Linear(x, A), Linear(x, B)`, and so is a Gather of index 0, 1, … along
//! an axis that the columns were divided into.

use std::ops::Range;
use std::sync::Arc;

use lehr_graph::{Dim, Graph, NodeId, PatchBuilder, PatchValue, Use, ValueId};
use lehr_ops::gather::Gather;
use lehr_ops::lowered::linear::Linear;
use lehr_ops::reshape::Reshape;
use lehr_ops::split::Split;
use lehr_tensor::Tensor;

use super::lower_product::bare_linear;
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct SplitLinear;

impl Rewrite for SplitLinear {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "split_linear",
            doc: "cuts products whose columns are read in parts",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Split>() || op.is::<Reshape>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let sum = node.input(0).ok_or(Reject::NoEffect)?;
        let (product, linear) = bare_linear(graph, sum).ok_or(Reject::NoEffect)?;
        let operand = |index| product.input(index).and_then(|value| graph.constant(value));
        let weights = operand(1).ok_or(Reject::NoEffect)?;
        let bias = operand(2);
        if bias.is_none() && product.input(2).is_some() {
            return Err(Reject::because("its bias is not constant"));
        }
        let parts = match node.op().downcast_ref::<Split>() {
            Some(split) => split_parts(graph, found.root(), split, sum)?,
            None => picked_parts(graph, result(found, graph)?, sum)?,
        };
        let x = product.input(0).ok_or(Reject::NoEffect)?;
        for (value, columns) in parts {
            let own = patch.constant(cut(weights, usize::from(!linear.transposed), &columns)?);
            let mut inputs: Vec<Option<PatchValue>> = vec![Some(x.into()), Some(own)];
            if let Some(bias) = bias {
                inputs.push(Some(patch.constant(cut(bias, 0, &columns)?)));
            }
            let part = Linear { activation: None, activation_params: None, ..linear.clone() };
            let sums = patch.node(Arc::new(part), &inputs, 1)?;
            patch.replace(value, sums.first().copied().ok_or(Reject::NoEffect)?);
        }
        Ok(())
    }
}

/// Values and the columns that they are.
type Parts = Vec<(ValueId, Range<usize>)>;

/// The outputs of a Split along the columns of `sum`.
fn split_parts(graph: &Graph, id: NodeId, split: &Split, sum: ValueId) -> Result<Parts, Reject> {
    let rank = graph.value(sum).ty().shape().map(|shape| shape.rank()).ok_or(Reject::NoEffect)?;
    let axis = usize::try_from(split.axis)
        .ok()
        .or_else(|| rank.checked_add_signed(isize::try_from(split.axis).ok()?));
    if axis != rank.checked_sub(1) {
        return Err(Reject::NoEffect);
    }
    let mut from = 0;
    let outputs = graph.node(id).outputs().iter().map(|&value| {
        let shape = graph.value(value).ty().shape()?;
        let columns = shape.dims().last()?.as_fixed()?;
        from += columns;
        Some((value, from - columns..from))
    });
    outputs.collect::<Option<_>>().ok_or_else(|| Reject::because("the sizes of the parts are not known"))
}

/// What picks single indices of the last axis but one of `divided`, into which the columns of `sum` were divided.
fn picked_parts(graph: &Graph, divided: ValueId, sum: ValueId) -> Result<Parts, Reject> {
    let shape_of = |value: ValueId| graph.value(value).ty().shape();
    let (before, after) = shape_of(sum).zip(shape_of(divided)).ok_or(Reject::NoEffect)?;
    let [outer @ .., parts, each] = after.dims() else { return Err(Reject::NoEffect) };
    let [rows @ .., columns] = before.dims() else { return Err(Reject::NoEffect) };
    let sizes = [parts, each, columns].map(Dim::as_fixed);
    let [Some(parts), Some(each), Some(columns)] = sizes else { return Err(Reject::NoEffect) };
    let same_rows =
        outer.len() == rows.len() && outer.iter().zip(rows).all(|(a, b)| a.equal(b) == Some(true));
    if !same_rows || parts.checked_mul(each) != Some(columns) {
        return Err(Reject::NoEffect);
    }
    let axis = outer.len();
    let picked = graph.value(divided).uses().iter().map(|a_use| {
        let Use::Node { node, slot: 0 } = *a_use else { return None };
        let gather = graph.node(node).op().downcast_ref::<Gather>()?;
        let own = usize::try_from(gather.axis)
            .ok()
            .or_else(|| after.rank().checked_add_signed(isize::try_from(gather.axis).ok()?));
        let index = graph.constant(graph.node(node).input(1)?).filter(|index| index.rank() == 0)?;
        let index = index.to_i64s().ok()?.first().copied()?;
        let index = if index < 0 { index.checked_add(i64::try_from(parts).ok()?)? } else { index };
        let index = usize::try_from(index).ok().filter(|&index| own == Some(axis) && index < parts)?;
        Some((*graph.node(node).outputs().first()?, index * each..(index + 1) * each))
    });
    picked.collect::<Option<_>>().ok_or(Reject::NoEffect)
}

/// The indices `columns` of an axis of a matrix or vector of 32-bit floats.
fn cut(tensor: &Tensor, axis: usize, columns: &Range<usize>) -> Result<Tensor, Reject> {
    let wrong = || Reject::because("the weights have another size than the product");
    let numbers = tensor.as_slice::<f32>().map_err(|error| Reject::because(error.to_string()))?;
    let mut shape = tensor.shape().to_vec();
    let size = shape.get_mut(axis).ok_or_else(wrong)?;
    let row = if axis == 0 { numbers.len() } else { *size };
    let unit = if axis == 0 { numbers.len().checked_div(*size).unwrap_or(0) } else { 1 };
    *size = columns.len();
    let rows = numbers.chunks(row.max(1)).map(|row| row.get(columns.start * unit..columns.end * unit));
    let parts = rows.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    Tensor::from_slice(&shape, &parts.concat()).map_err(|error| Reject::because(error.to_string()))
}
