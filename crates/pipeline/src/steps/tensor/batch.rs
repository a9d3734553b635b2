//! `batch`: an axis of size 1 in front, for models that take several things at once.

use serde::{Deserialize, Serialize};

use crate::{Affine, Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "batch" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {}

impl Spec for Batch {
    const OP: &'static str = "batch";
    const SUMMARY: &'static str = "an axis of size 1 in front of a tensor";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Batch {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let tensor = input.tensor()?.clone();
        let shape = tensor.shape.map(|shape| [Some(1)].into_iter().chain(shape).collect());
        Ok(ItemType::Tensor(TensorType { shape, ..tensor }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let tensor = item.into_tensor()?;
        let shape: Vec<usize> = [1].into_iter().chain(tensor.shape().iter().copied()).collect();
        Ok(Item::Tensor(tensor.reshape(&shape)?))
    }

    fn affine(&self) -> Affine {
        Affine::Batch
    }
}
