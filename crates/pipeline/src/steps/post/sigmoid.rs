//! `sigmoid`: each number becomes a probability of its own.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "sigmoid" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {}

impl Spec for Sigmoid {
    const OP: &'static str = "sigmoid";
    const SUMMARY: &'static str = "each number becomes a probability of its own: 1 / (1 + exp(-x))";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Sigmoid {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let tensor = item.into_tensor()?.cast(DataType::F32, CastOptions::default())?;
        let shape = tensor.shape().to_vec();
        let values = tensor.into_vec::<f32>()?.into_iter().map(sigmoid).collect();
        Ok(Item::Tensor(Tensor::from_vec(&shape, values)?))
    }
}

/// The logistic function.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_go_to_the_ends_and_integers_are_taken() {
        let tensor = Tensor::from_vec(&[3, 1], vec![-200i32, 0, 200]).unwrap();
        let given = Sigmoid {}.apply(Item::Tensor(tensor), &mut Context::default()).unwrap();
        assert_eq!(given, Item::Tensor(Tensor::from_vec(&[3, 1], vec![0.0f32, 0.5, 1.0]).unwrap()));
    }
}
