//! A tensor `[texts, tokens, width]`: what steps behind a model of texts look at.

use lehr_tensor::{CastOptions, DataType};

use crate::{Item, ItemType, StepError, TensorType};

const EXPECTED: &str = "a tensor [texts, tokens, width] that is not empty";

/// What a model says of each token of each text.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// Texts.
    pub count: usize,
    /// Tokens of each text.
    pub length: usize,
    /// Numbers of each token.
    pub width: usize,
    values: Vec<f32>,
}

impl Sequences {
    /// The sequences of an item.
    ///
    /// # Errors
    /// [`StepError::Kind`] unless it is a tensor of rank 3 that is not empty.
    pub fn of(item: Item) -> Result<Self, StepError> {
        let tensor = item.into_tensor()?;
        match *tensor.shape() {
            [count, length, width] if !tensor.is_empty() => {
                let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                Ok(Self { count, length, width, values })
            }
            _ => Err(StepError::kind(EXPECTED, Item::Tensor(tensor).ty())),
        }
    }

    /// The numbers of one text after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.length * self.width)
    }
}

/// What a step makes that keeps one row of numbers of each text.
///
/// # Errors
/// [`StepError::Kind`] unless `input` is a tensor of rank 3.
pub fn infer_pooled(input: &ItemType) -> Result<ItemType, StepError> {
    let shape = match input.tensor()?.shape.as_deref() {
        None => None,
        Some(&[count, _, width]) => Some(vec![count, width]),
        Some(_) => return Err(StepError::kind(EXPECTED, input)),
    };
    Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), shape }))
}
