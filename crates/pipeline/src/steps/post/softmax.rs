//! `softmax`: numbers become probabilities along an axis.

use lehr_tensor::DataType;
use serde::{Deserialize, Serialize};

use super::lanes::Lanes;
use crate::steps::tensor::axis::infer_axis;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "softmax" }`, or along another axis than the last: `{ op = "softmax", axis = 1 }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    #[serde(default = "last_axis")]
    axis: i64,
}

fn last_axis() -> i64 {
    -1
}

impl Spec for Softmax {
    const OP: &'static str = "softmax";
    const SUMMARY: &'static str =
        "numbers become probabilities along an axis, the last one unless `axis` says another";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Softmax {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (tensor, _) = infer_axis(input, self.axis)?;
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), ..tensor.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        Lanes::of(item, self.axis)?.map(softmax)
    }
}

/// Makes numbers probabilities in place.
pub fn softmax(row: &mut [f32]) {
    // The largest is taken off so that no exponential overflows.
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    #[test]
    fn probabilities_add_up_to_one_along_the_axis() {
        let logits = Tensor::from_vec(&[2, 2], vec![1000.0f32, 3.0, 1000.0, 3.0 + 3.0f32.ln()]).unwrap();
        let step = Softmax { axis: 0 };
        let given = step.apply(Item::Tensor(logits), &mut Context::default()).unwrap();
        let given = given.into_tensor().unwrap().into_vec::<f32>().unwrap();
        for (got, expected) in given.iter().zip([0.5, 0.25, 0.5, 0.75]) {
            assert!((got - expected).abs() < 1e-6, "{given:?}");
        }
    }
}
