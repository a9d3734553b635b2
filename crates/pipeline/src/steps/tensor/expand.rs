//! `expand`: an axis of size 1 anywhere in a tensor.

use serde::{Deserialize, Serialize};

use super::axis::{lacks_axis, resolve_axis};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "expand", axis = -1 }`: the new axis has this number in the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expand {
    axis: i64,
}

impl Spec for Expand {
    const OP: &'static str = "expand";
    const SUMMARY: &'static str = "an axis of size 1 is put into a tensor";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Expand {
    fn expanded<T: Clone>(&self, shape: &[T], one: T, ty: &ItemType) -> Result<Vec<T>, StepError> {
        let axis = resolve_axis(self.axis, shape.len() + 1).ok_or_else(|| lacks_axis(self.axis, ty))?;
        let mut shape = shape.to_vec();
        shape.insert(axis, one);
        Ok(shape)
    }
}

impl Step for Expand {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let tensor = input.tensor()?;
        let shape = tensor.shape.as_ref().map(|shape| self.expanded(shape, Some(1), input)).transpose()?;
        Ok(ItemType::Tensor(TensorType { shape, ..tensor.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let shape = self.expanded(tensor.shape(), 1, &ty)?;
        Ok(Item::Tensor(tensor.reshape(&shape)?))
    }
}
