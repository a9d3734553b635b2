//! Where plain and blocked maps meet.

use lehr_graph::{Dim, Graph, PatchBuilder, PatchValue, Shape, Use, ValueId};
use lehr_ops::lowered::from_blocked::FromBlocked;
use lehr_ops::lowered::to_blocked::ToBlocked;
use lehr_tensor::{DataType, Element, Tensor};

use crate::constants::evaluate;
use crate::rewrite::Reject;

/// Channels of a block.
pub(super) const BLOCK: usize = 8;

/// Blocked maps and how many of their lanes are channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maps {
    pub(super) value: PatchValue,
    pub(super) channels: usize,
}

impl Maps {
    /// The blocked maps that `value` is the plain form of.
    pub(super) fn behind(graph: &Graph, value: ValueId) -> Option<Self> {
        let node = graph.node(graph.producer(value)?);
        let op = node.op().downcast_ref::<FromBlocked>()?;
        Some(Self { value: node.input(0)?.into(), channels: usize::try_from(op.channels).ok()? })
    }

    /// The blocked maps that `value` is the plain form of, or that another reader makes of it.
    pub(super) fn beside(graph: &Graph, value: ValueId) -> Option<Self> {
        let made = || {
            let uses = graph.value(value).uses().iter();
            let readers = uses.filter_map(|a_use| match a_use {
                Use::Node { node, .. } => Some(graph.node(*node)),
                Use::Output { .. } => None,
            });
            let way_in = readers.into_iter().find(|node| node.op().is::<ToBlocked>())?;
            let channels = fixed(map_shape(graph, value)?, 1)?;
            Some(Self { value: (*way_in.outputs().first()?).into(), channels })
        };
        Self::behind(graph, value).or_else(made)
    }

    /// The first input of a node as blocked maps.
    ///
    /// # Errors
    /// [`Reject::NoEffect`] when it is not the plain form of any.
    pub(super) fn input(graph: &Graph, value: Option<ValueId>) -> Result<Self, Reject> {
        value.and_then(|value| Self::behind(graph, value)).ok_or(Reject::NoEffect)
    }

    /// The plain form.
    pub(super) fn to_plain(self, patch: &mut PatchBuilder<'_>) -> Result<PatchValue, Reject> {
        let channels =
            i64::try_from(self.channels).map_err(|_| Reject::because("there are too many channels"))?;
        Ok(patch.call(FromBlocked { channels }, &[self.value])?)
    }

    /// Takes the place of the plain `old`.
    pub(super) fn replace(self, patch: &mut PatchBuilder<'_>, old: ValueId) -> Result<(), Reject> {
        let plain = self.to_plain(patch)?;
        patch.replace(old, plain);
        Ok(())
    }
}

/// A constant list.
pub(super) fn list<T: Element>(patch: &mut PatchBuilder<'_>, numbers: Vec<T>) -> Result<PatchValue, Reject> {
    let tensor = Tensor::from_vec(&[numbers.len()], numbers);
    Ok(patch.constant(tensor.map_err(|error| Reject::because(error.to_string()))?))
}

/// A constant list of one size.
pub(super) fn one_size(patch: &mut PatchBuilder<'_>, size: usize) -> Result<PatchValue, Reject> {
    list(patch, vec![i64::try_from(size).map_err(|_| Reject::NoEffect)?])
}

/// The blocks of plain maps.
pub(super) fn to_blocks(patch: &mut PatchBuilder<'_>, plain: ValueId) -> Result<PatchValue, Reject> {
    Ok(patch.call(ToBlocked {}, &[plain.into()])?)
}

/// The blocks of constant plain maps.
pub(super) fn constant_in_blocks(tensor: &Tensor) -> Result<Tensor, Reject> {
    evaluate(&ToBlocked {}, &[tensor])
}

/// Shape of plain maps of 32-bit floats: `[N, C, H, W]`.
pub(super) fn map_shape(graph: &Graph, value: ValueId) -> Option<&Shape> {
    let ty = graph.value(value).ty();
    ty.shape().filter(|shape| shape.rank() == 4 && ty.dtype() == Some(DataType::F32))
}

/// A size that is known.
pub(super) fn fixed(shape: &Shape, axis: usize) -> Option<usize> {
    shape.get(axis).and_then(Dim::as_fixed)
}
