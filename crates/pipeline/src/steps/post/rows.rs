//! A tensor as rows of its last axis: what steps behind a classifier look at.

use std::cmp::Ordering;

use lehr_tensor::{CastOptions, DataType};

use crate::{Class, Item, ItemType, StepError, TensorType};

/// The numbers of a tensor, and how many are in each row.
#[derive(Clone, Debug)]
pub struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    /// The rows of an item, which must be a tensor of numbers with at least one axis and no empty row.
    ///
    /// # Errors
    /// [`StepError::Kind`].
    pub fn of(item: Item) -> Result<Self, StepError> {
        let tensor = item.into_tensor()?;
        match tensor.shape().last() {
            Some(&width) if width > 0 => {
                let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                Ok(Self { values, width })
            }
            _ => Err(StepError::kind("a tensor whose last axis is not empty", Item::Tensor(tensor).ty())),
        }
    }

    /// Numbers of each row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
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

/// The larger number first, NaN behind all others.
pub fn descending(a: f32, b: f32) -> Ordering {
    let key = |x: f32| if x.is_nan() { f32::NEG_INFINITY } else { x };
    key(b).total_cmp(&key(a)).then(a.is_nan().cmp(&b.is_nan()))
}

/// Position and value of the largest number: of equal ones the first, NaN only if there is nothing else.
pub fn largest(row: &[f32]) -> Option<(usize, f32)> {
    row.iter().copied().enumerate().reduce(|best, next| match descending(next.1, best.1) {
        Ordering::Less => next,
        _ => best,
    })
}

/// A class without a name for each of these numbers, the best first; of equal ones the first.
pub fn ranked(numbers: impl Iterator<Item = (usize, f32)>) -> Vec<Class> {
    let mut classes: Vec<_> = numbers.map(|(index, score)| Class { index, score, label: None }).collect();
    classes.sort_by(|a, b| descending(a.score, b.score));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_and_nan_to_the_end() {
        let row = [f32::NAN, f32::NEG_INFINITY, 3.0, 3.0];
        assert_eq!(largest(&row), Some((2, 3.0)));
        assert_eq!(largest(&row[..2]), Some((1, f32::NEG_INFINITY)));
        assert_eq!(largest(&row[..1]).map(|(index, _)| index), Some(0));
        assert_eq!(largest(&[]), None);
        let order: Vec<_> = ranked(row.into_iter().enumerate()).iter().map(|class| class.index).collect();
        assert_eq!(order, [2, 3, 1, 0]);
    }
}
