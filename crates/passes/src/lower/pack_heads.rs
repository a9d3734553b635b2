//! Lets Attention read and write heads where products leave and want them: `[batch, positions, heads · features]` instead
//! of `[batch, heads, positions, features]`, so that the rearrangements around it fall away.
//!
//! Each operand is followed back through Transpose and changes of shape to where its elements lie in that order.

use std::sync::Arc;

use lehr_graph::{Dim, Graph, Node, PatchBuilder, PatchValue, Shape, Use, ValueId};
use lehr_ops::attention::Attention;
use lehr_ops::reshape::Reshape;
use lehr_ops::squeeze::Squeeze;
use lehr_ops::transpose::Transpose;
use lehr_ops::unsqueeze::Unsqueeze;
use lehr_tensor::Tensor;

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct PackHeads;

/// Batch, heads, positions, features.
const RANK: usize = 4;
/// The order in which products leave them: batch, positions, heads, features.
const PACKED: [usize; RANK] = [0, 2, 1, 3];

impl Rewrite for PackHeads {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "pack_heads",
            doc: "lets attention read and write the layout of the products around it",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Attention>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let op = node.op().downcast_ref::<Attention>().ok_or(Reject::NoEffect)?;
        let y = result(found, graph)?;
        let [Some(q), Some(k), Some(v)] = [0, 1, 2].map(|index| node.input(index)) else {
            return Err(Reject::NoEffect);
        };
        let is_plain = node.outputs().len() == 1 && node.inputs().iter().skip(4).all(Option::is_none);
        if !is_plain || [q, k, v, y].iter().any(|&value| dims(graph, value).is_none()) {
            return Err(Reject::NoEffect);
        }
        let heads = [q, k].map(|value| {
            let heads = dims(graph, value).and_then(|dims| dims[1].as_fixed());
            heads.and_then(|heads| i64::try_from(heads).ok()).filter(|&heads| heads > 0)
        });
        let [Some(q_heads), Some(kv_heads)] = heads else {
            return Err(Reject::because("the number of heads is not known"));
        };
        let mut inputs = Vec::with_capacity(node.inputs().len());
        for value in [q, k, v] {
            let source = packed_source(graph, value)
                .ok_or_else(|| Reject::because("an operand does not come from packed heads"))?;
            inputs.push(Some(packed(patch, value, source)?));
        }
        inputs.extend(node.input(3).map(|mask| Some(mask.into())));
        let op = Attention { q_num_heads: Some(q_heads), kv_num_heads: Some(kv_heads), ..op.clone() };
        let results = patch.node(Arc::new(op), &inputs, 1)?;
        let result = results.first().copied().ok_or(Reject::NoEffect)?;
        unpack(patch, y, result)
    }
}

fn dims(graph: &Graph, value: ValueId) -> Option<&[Dim; RANK]> {
    graph.value(value).ty().shape()?.dims().try_into().ok()
}

/// An axis of size 1 takes no part in the order of elements.
fn matters(dim: &Dim) -> bool {
    dim.as_fixed() != Some(1)
}

/// Those of `axes` that matter, in their order.
fn order(axes: &[usize], sizes: &[Dim; RANK]) -> Vec<usize> {
    axes.iter().copied().filter(|&axis| matters(&sizes[axis])).collect()
}

/// The value with the elements of `value` in packed order.
fn packed_source(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let sizes = dims(graph, value)?;
    let target = order(&PACKED, sizes);
    // The axes of `value` that matter, in the order of the elements of `current`.
    let mut axes = order(&[0, 1, 2, 3], sizes);
    let mut current = value;
    while axes != target {
        let node = graph.node(graph.producer(current)?);
        let source = node.input(0)?;
        let (outer, inner) = (graph.value(current).ty().shape()?, graph.value(source).ty().shape()?);
        if let Some(transpose) = node.op().downcast_ref::<Transpose>() {
            axes = before_transpose(transpose, outer, inner, &axes)?;
        } else if !(is_reshaping(node) && same_extents(outer, inner)) {
            return None;
        }
        current = source;
    }
    Some(current)
}

fn is_reshaping(node: &Node) -> bool {
    let op = node.op();
    op.is::<Reshape>() || op.is::<Squeeze>() || op.is::<Unsqueeze>()
}

/// Whether the shapes are equal but for axes of size 1.
fn same_extents(a: &Shape, b: &Shape) -> bool {
    let (a, b) = (a.iter().filter(|dim| matters(dim)), b.iter().filter(|dim| matters(dim)));
    a.clone().count() == b.clone().count() && a.zip(b).all(|(a, b)| a.equal(b) == Some(true))
}

/// The order in front of a Transpose, each axis of which that matters stands for one of `axes`.
fn before_transpose(
    transpose: &Transpose,
    outer: &Shape,
    inner: &Shape,
    axes: &[usize],
) -> Option<Vec<usize>> {
    let perm = transpose.resolved(inner.rank()).ok()?;
    let mut places = vec![None; inner.rank()];
    let mut labels = axes.iter();
    for (dim, &from) in outer.iter().zip(&perm) {
        if matters(dim) {
            *places.get_mut(from)? = Some(*labels.next()?);
        }
    }
    if labels.next().is_some() { None } else { Some(places.into_iter().flatten().collect()) }
}

/// `source` as `[batch, positions, heads · features]`, the sizes being those of `value`.
fn packed(patch: &mut PatchBuilder<'_>, value: ValueId, source: ValueId) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let [batch, heads, positions, features] = dims(graph, value).ok_or(Reject::NoEffect)?;
    let target: Shape = [batch.clone(), positions.clone(), heads.mul(features)].into_iter().collect();
    // Most often it was divided into heads just there.
    let candidates = [Some(source), divided(graph, source)];
    for candidate in candidates.into_iter().flatten() {
        let own = graph.value(candidate).ty().shape();
        if own.is_some_and(|own| {
            own.rank() == 3 && own.iter().zip(&target).all(|(a, b)| a.equal(b) == Some(true))
        }) {
            return Ok(candidate.into());
        }
    }
    let from = divided(graph, source).unwrap_or(source);
    reshaped(patch, from.into(), &target)
}

/// What `value` is only another shape of.
fn divided(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let node = graph.node(graph.producer(value)?);
    if is_reshaping(node) { node.input(0) } else { None }
}

/// A change of shape to sizes of which at most one is not a number.
fn reshaped(patch: &mut PatchBuilder<'_>, value: PatchValue, target: &Shape) -> Result<PatchValue, Reject> {
    let numbers: Vec<i64> = target
        .iter()
        .map(|dim| dim.as_fixed().and_then(|size| i64::try_from(size).ok()).unwrap_or(-1))
        .collect();
    if numbers.iter().filter(|&&number| number == -1).count() > 1 || numbers.contains(&0) {
        return Err(Reject::because("several sizes are not known"));
    }
    let numbers = patch.constant(Tensor::vector(numbers));
    Ok(patch.call(Reshape { allowzero: false }, &[value, numbers])?)
}

/// Puts the packed `result` in the place of what a Transpose to packed order makes of `y`.
///
/// # Errors
/// [`Reject::Because`] when something else reads `y`, or sizes are not known.
fn unpack(patch: &mut PatchBuilder<'_>, y: ValueId, result: PatchValue) -> Result<(), Reject> {
    let graph = patch.graph();
    let sizes = dims(graph, y).ok_or(Reject::NoEffect)?;
    let next = match graph.value(y).uses() {
        [Use::Node { node, slot: 0 }] => graph.node(*node),
        _ => return Err(Reject::because("its result is not packed behind it")),
    };
    let transpose = next.op().downcast_ref::<Transpose>();
    let perm = transpose.and_then(|transpose| transpose.resolved(RANK).ok());
    let is_packed = perm.is_some_and(|perm| order(&perm, sizes) == order(&PACKED, sizes));
    let turned = next.outputs().first().copied().filter(|_| is_packed);
    let turned = turned.ok_or_else(|| Reject::because("its result is not packed behind it"))?;
    // A change of shape behind it may be all that is wanted.
    if let [Use::Node { node, slot: 0 }] = graph.value(turned).uses()
        && is_reshaping(graph.node(*node))
        && let Some(&wanted) = graph.node(*node).outputs().first()
    {
        let shape = graph.value(wanted).ty().shape().ok_or(Reject::NoEffect)?;
        let own = patch.ty(result).shape().ok_or(Reject::NoEffect)?;
        let same = own.rank() == shape.rank() && own.iter().zip(shape).all(|(a, b)| a.equal(b) == Some(true));
        let value = if same { result } else { reshaped(patch, result, shape)? };
        patch.replace(wanted, value);
        return Ok(());
    }
    let shape = graph.value(turned).ty().shape().ok_or(Reject::NoEffect)?;
    let value = reshaped(patch, result, shape)?;
    patch.replace(turned, value);
    Ok(())
}
