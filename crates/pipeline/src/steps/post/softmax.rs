//! `softmax`: numbers become probabilities along the last axis.

use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

use super::rows::Rows;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "softmax" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

impl Spec for Softmax {
    const OP: &'static str = "softmax";
    const SUMMARY: &'static str = "numbers become probabilities along the last axis";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Softmax {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        Rows::of(item)?.map(|row| {
            // The largest is taken off so that no exponential overflows.
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|value| *value = (*value - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        })
    }
}
