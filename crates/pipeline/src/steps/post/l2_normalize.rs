//! `l2_normalize`: rows of the last axis get the Euclidean length 1, so that their products are cosines.

use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

use super::lanes::Lanes;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// The least length that a row is divided by.
const EPSILON: f64 = 1e-12;

/// `{ op = "l2_normalize" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2Normalize {}

impl Spec for L2Normalize {
    const OP: &'static str = "l2_normalize";
    const SUMMARY: &'static str = "rows of the last axis get the length 1";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for L2Normalize {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        Lanes::of(item, -1)?.map(|row| {
            let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            let length = square.sqrt().max(EPSILON);
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        })
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    #[test]
    fn every_row_gets_length_one_and_zeros_stay() {
        let tensor = Item::Tensor(Tensor::from_vec(&[2, 2], vec![3.0f32, 4.0, 0.0, 0.0]).unwrap());
        let rows = L2Normalize {}.apply(tensor, &mut Context::default()).unwrap().into_tensor().unwrap();
        assert_eq!(rows, Tensor::from_vec(&[2, 2], vec![0.6f32, 0.8, 0.0, 0.0]).unwrap());
    }
}
