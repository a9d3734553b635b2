//! `pad_tensor`: a tensor is filled up to a size along one axis.

use lehr_tensor::{CastOptions, Tensor};
use serde::{Deserialize, Serialize};

use super::axis::infer_axis;
use super::blocks::Blocks;
use crate::steps::limit::allowed;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "pad_tensor", axis = 0, size = 1024 }`: `value` is added at the end of the axis; longer tensors are refused (step
/// `slice` cuts them).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadTensor {
    axis: i64,
    size: usize,
    #[serde(default)]
    value: f64,
}

impl Spec for PadTensor {
    const OP: &'static str = "pad_tensor";
    const SUMMARY: &'static str = "a tensor is filled up to a size along one axis";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        allowed("positions along the axis", &[self.size])?;
        Ok(Box::new(self))
    }
}

impl PadTensor {
    fn expected(&self) -> String {
        format!("at most {} positions along axis {}", self.size, self.axis)
    }
}

impl Step for PadTensor {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (tensor, axis) = infer_axis(input, self.axis)?;
        let mut tensor = tensor.clone();
        if let (Some(axis), Some(shape)) = (axis, &mut tensor.shape) {
            input.demand(&self.expected(), shape[axis].is_none_or(|size| size <= self.size))?;
            shape[axis] = Some(self.size);
        }
        Ok(ItemType::Tensor(tensor))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let blocks = Blocks::of(item, self.axis)?;
        if blocks.size() > self.size {
            return Err(StepError::kind(self.expected(), blocks.size()));
        }
        allowed("numbers of the padded tensor", &blocks.shape_with(self.size))?;
        let filling = Tensor::scalar(self.value).cast(blocks.dtype(), CastOptions::default())?;
        blocks.part(0, blocks.size(), self.size, filling.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_filled_up() {
        let step = PadTensor { axis: 1, size: 3, value: -1.0 };
        let pad = |tensor: Tensor| step.apply(Item::Tensor(tensor), &mut Context::default());
        let tensor = Tensor::from_vec(&[2, 2], vec![1i16, 2, 3, 4]).unwrap();
        let padded = pad(tensor.clone()).unwrap();
        assert_eq!(padded, Item::Tensor(Tensor::from_vec(&[2, 3], vec![1i16, 2, -1, 3, 4, -1]).unwrap()));
        assert_eq!(step.infer(&Item::Tensor(tensor).ty()).unwrap(), padded.ty());
        let error = pad(Tensor::from_vec(&[1, 4], vec![0f32; 4]).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "expected at most 3 positions along axis 1, got 4");
    }
}
