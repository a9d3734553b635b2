//! Steps that change each number of a tensor on its own, by parameters that are one for all or one for each column of
//! the last axis.

use lehr_tensor::DataType;

use super::lanes::Lanes;
use crate::{Item, ItemType, StepError, TensorType};

/// Parameters: one set for all columns, or one for each.
#[derive(Clone, Debug)]
pub struct PerColumn<P>(Vec<P>);

impl<P> PerColumn<P> {
    /// At least one set of parameters, made of lists that are all of one length.
    ///
    /// # Errors
    /// [`StepError::Parameter`] when there is none.
    pub fn new(name: &'static str, parameters: Vec<P>) -> Result<Self, StepError> {
        match parameters.len() {
            0 => Err(StepError::parameter(name, "at least one number", "none")),
            _ => Ok(Self(parameters)),
        }
    }

    /// The type of what [`map`](Self::map) gives.
    ///
    /// # Errors
    /// [`StepError::Kind`] when the input is no tensor, or has another number of columns.
    pub fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let tensor = input.tensor()?;
        match tensor.shape.as_deref() {
            Some([]) => return Err(StepError::kind("a tensor with at least one axis", input)),
            Some([.., Some(width)]) => self.check(*width)?,
            _ => {}
        }
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..tensor.clone() }))
    }

    /// The tensor with every number changed, computed in double precision.
    ///
    /// # Errors
    /// [`StepError::Kind`] when the item is no tensor of numbers, or has another number of columns.
    pub fn map(&self, item: Item, change: impl Fn(&P, f64) -> f64) -> Result<Item, StepError> {
        if let Item::Tensor(tensor) = &item {
            self.check(tensor.shape().last().copied().unwrap_or(1))?;
        }
        Lanes::of(item, -1)?.map(|row| {
            for (value, parameters) in row.iter_mut().zip(self.0.iter().cycle()) {
                *value = change(parameters, f64::from(*value)) as f32;
            }
        })
    }

    fn check(&self, width: usize) -> Result<(), StepError> {
        if self.0.len() == 1 || self.0.len() == width {
            return Ok(());
        }
        let expected = format!("a tensor with {} columns, one for each parameter", self.0.len());
        Err(StepError::kind(expected, format!("{width} columns")))
    }
}

/// Pairs of the numbers of two parameters.
///
/// # Errors
/// [`StepError::Parameter`] when they are not as many, or not finite.
pub fn pairs(
    (first_name, first): (&'static str, &[f64]),
    (second_name, second): (&'static str, &[f64]),
) -> Result<Vec<(f64, f64)>, StepError> {
    for (name, numbers) in [(first_name, first), (second_name, second)] {
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(StepError::parameter(name, "finite numbers", number));
        }
    }
    if first.len() != second.len() {
        let expected = format!("as many numbers as '{first_name}', {}", first.len());
        return Err(StepError::parameter(second_name, expected, second.len()));
    }
    Ok(first.iter().copied().zip(second.iter().copied()).collect())
}
