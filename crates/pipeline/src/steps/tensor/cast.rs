//! `cast`: the numbers of a tensor as another element type.

use lehr_tensor::{CastOptions, DataType};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "cast", dtype = "i16" }`, as the operator Cast of ONNX. The last tensor of an input needs none: it is cast to
/// the input's own `dtype`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    dtype: String,
}

impl Spec for Cast {
    const OP: &'static str = "cast";
    const SUMMARY: &'static str = "the numbers of a tensor as another element type";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match DataType::from_name(&self.dtype) {
            Some(dtype) => Ok(Box::new(To(dtype))),
            None => Err(StepError::parameter("dtype", "an element type such as f32, i64 or u8", self.dtype)),
        }
    }
}

#[derive(Debug)]
struct To(DataType);

impl Step for To {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(self.0), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        Ok(Item::Tensor(item.into_tensor()?.cast(self.0, CastOptions::default())?))
    }
}
