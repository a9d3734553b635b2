//! A tensor of any whole-byte type as blocks along one axis, to cut and to pad.

use lehr_tensor::{DataType, Tensor, checked_len};

use super::axis::{lacks_axis, resolve_axis};
use crate::{Item, StepError};

/// A tensor seen as `[outer, size, inner]` where the middle axis is that of the caller's choice.
#[derive(Debug)]
pub struct Blocks {
    tensor: Tensor,
    axis: usize,
    /// Bytes of one position of the axis.
    inner: usize,
}

impl Blocks {
    /// Along `axis`, counted from the end where it is negative.
    ///
    /// # Errors
    /// [`StepError::Kind`] when the item is no tensor with that axis, or its elements are no whole bytes.
    pub fn of(item: Item, axis: i64) -> Result<Self, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let axis = resolve_axis(axis, tensor.rank()).ok_or_else(|| lacks_axis(axis, &ty))?;
        // Sizes of a tensor without elements may be anything.
        let sizes = &tensor.shape()[axis + 1..];
        let inner = sizes.iter().try_fold(element_bytes(&tensor)?, |bytes, size| bytes.checked_mul(*size));
        let inner = inner.ok_or_else(|| StepError::kind("a tensor that fits into memory", ty))?;
        Ok(Self { tensor, axis, inner })
    }

    /// The element type.
    pub fn dtype(&self) -> DataType {
        self.tensor.dtype()
    }

    /// Positions along the axis.
    pub fn size(&self) -> usize {
        self.tensor.shape()[self.axis]
    }

    /// The sizes with another one for the axis.
    pub fn shape_with(&self, size: usize) -> Vec<usize> {
        let mut shape = self.tensor.shape().to_vec();
        shape[self.axis] = size;
        shape
    }

    /// The positions from `start` up to `end`, which are inside, and behind them `filling`, one element over and over, up
    /// to `size` positions.
    ///
    /// # Errors
    /// [`StepError::Tensor`].
    pub fn part(&self, start: usize, end: usize, size: usize, filling: &[u8]) -> Result<Item, StepError> {
        let shape = self.shape_with(size);
        let mut bytes = Vec::new();
        if checked_len(&shape)? > 0 {
            let behind = (size - (end - start)) * self.inner;
            bytes.reserve_exact(self.outer() * size * self.inner);
            for outer in 0..self.outer() {
                let block = outer * self.size() * self.inner;
                let range = block + start * self.inner..block + end * self.inner;
                bytes.extend_from_slice(&self.tensor.bytes()[range]);
                bytes.extend(filling.iter().cycle().take(behind));
            }
        }
        Ok(Item::Tensor(Tensor::from_bytes(self.dtype(), &shape, bytes.into())?))
    }

    fn outer(&self) -> usize {
        self.tensor.shape()[..self.axis].iter().product()
    }
}

/// Bytes of one element.
///
/// # Errors
/// [`StepError::Kind`] for texts and for elements that are packed.
pub fn element_bytes(tensor: &Tensor) -> Result<usize, StepError> {
    match tensor.dtype().bits() {
        bits if bits >= 8 => Ok(bits / 8),
        _ => Err(StepError::kind("a tensor whose elements are whole bytes", tensor.dtype())),
    }
}
