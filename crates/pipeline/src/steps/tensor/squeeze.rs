//! `squeeze`: an axis of size 1 is taken out of a tensor.

use serde::{Deserialize, Serialize};

use super::axis::{infer_axis, lacks_axis, resolve_axis};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "squeeze", axis = 0 }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squeeze {
    axis: i64,
}

impl Spec for Squeeze {
    const OP: &'static str = "squeeze";
    const SUMMARY: &'static str = "an axis of size 1 is taken out of a tensor";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Squeeze {
    fn expected(&self) -> String {
        format!("a tensor whose axis {} has the size 1", self.axis)
    }
}

impl Step for Squeeze {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (tensor, axis) = infer_axis(input, self.axis)?;
        let mut tensor: TensorType = tensor.clone();
        if let (Some(axis), Some(shape)) = (axis, &mut tensor.shape) {
            input.demand(&self.expected(), shape[axis].is_none_or(|size| size == 1))?;
            shape.remove(axis);
        }
        Ok(ItemType::Tensor(tensor))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let mut shape = tensor.shape().to_vec();
        let axis = resolve_axis(self.axis, shape.len()).ok_or_else(|| lacks_axis(self.axis, &ty))?;
        if shape.remove(axis) != 1 {
            return Err(StepError::kind(self.expected(), ty));
        }
        Ok(Item::Tensor(tensor.reshape(&shape)?))
    }
}
