//! A tensor as rows of its last axis: what steps behind a classifier look at.

use lehr_tensor::{CastOptions, DataType, Tensor};

use crate::{Item, ItemType, StepError, TensorType};

/// The numbers of a tensor, and how many are in each row.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Sizes of the tensor.
    pub shape: Vec<usize>,
    /// All numbers.
    pub values: Vec<f32>,
    /// Numbers of each row.
    pub width: usize,
}

impl Rows {
    /// The rows of an item, which must be a tensor of numbers with at least one axis and no empty row.
    ///
    /// # Errors
    /// [`StepError::Kind`].
    pub fn of(item: Item) -> Result<Self, StepError> {
        let tensor = item.into_tensor()?;
        let shape = tensor.shape().to_vec();
        match shape.last() {
            Some(&width) if width > 0 => {
                let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                Ok(Self { shape, values, width })
            }
            _ => Err(StepError::kind("a tensor whose last axis is not empty", Item::Tensor(tensor).ty())),
        }
    }

    /// One row after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The tensor with every row changed in place.
    ///
    /// # Errors
    /// [`StepError::Tensor`].
    pub fn map(mut self, change: impl FnMut(&mut [f32])) -> Result<Item, StepError> {
        self.values.chunks_exact_mut(self.width).for_each(change);
        Ok(Item::Tensor(Tensor::from_vec(&self.shape, self.values)?))
    }
}

/// What a step makes that turns every row into `one`: a list of them when there may be several rows.
///
/// # Errors
/// [`StepError::Kind`] when `input` is no tensor with an axis.
pub fn infer_each_row(input: &ItemType, one: ItemType) -> Result<ItemType, StepError> {
    let TensorType { shape, .. } = input.tensor()?;
    match shape.as_deref() {
        Some([]) => Err(StepError::kind("a tensor with at least one axis", input)),
        Some([rows @ .., _]) if rows.iter().all(|size| *size == Some(1)) => Ok(one),
        _ => Ok(ItemType::List(Box::new(one))),
    }
}
