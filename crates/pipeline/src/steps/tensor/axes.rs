//! `axes`: the axes of a tensor in another order.

use lehr_tensor::{Tensor, row_major_strides};
use serde::{Deserialize, Serialize};

use super::blocks::element_bytes;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "axes", order = [1, 0] }`: axis `i` of the result is axis `order[i]` of the tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    order: Vec<usize>,
}

impl Spec for Axes {
    const OP: &'static str = "axes";
    const SUMMARY: &'static str = "the axes of a tensor in another order";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if sorted.is_empty() || !sorted.iter().copied().eq(0..sorted.len()) {
            let expected = "every axis once, counted from 0";
            return Err(StepError::parameter("order", expected, format!("{:?}", self.order)));
        }
        Ok(Box::new(self))
    }
}

impl Axes {
    /// What the list holds of each axis, in the new order.
    fn ordered<T: Copy>(&self, of_axes: &[T]) -> Vec<T> {
        self.order.iter().filter_map(|axis| of_axes.get(*axis).copied()).collect()
    }
}

impl Step for Axes {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let tensor = input.tensor()?;
        let rank = tensor.shape.as_ref().map(Vec::len);
        let expected = format!("a tensor with {} axes", self.order.len());
        input.demand(&expected, rank.is_none_or(|rank| rank == self.order.len()))?;
        let shape = tensor.shape.as_ref().map(|shape| self.ordered(shape));
        Ok(ItemType::Tensor(TensorType { shape, ..tensor.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        if tensor.rank() != self.order.len() {
            return Err(StepError::kind(format!("a tensor with {} axes", self.order.len()), ty));
        }
        let width = element_bytes(&tensor)?;
        let shape = self.ordered(tensor.shape());
        let strides = self.ordered(&row_major_strides(tensor.shape()));
        let mut bytes = Vec::with_capacity(tensor.byte_len());
        if !tensor.is_empty() {
            copy(tensor.bytes(), width, &shape, &strides, 0, &mut bytes);
        }
        Ok(Item::Tensor(Tensor::from_bytes(tensor.dtype(), &shape, bytes.into())?))
    }
}

/// Appends the elements from `start` on, whose axes have these sizes and distances.
fn copy(from: &[u8], width: usize, shape: &[usize], strides: &[usize], start: usize, to: &mut Vec<u8>) {
    let ([size, shape @ ..], [stride, strides @ ..]) = (shape, strides) else {
        to.extend_from_slice(&from[start * width..][..width]);
        return;
    };
    for index in 0..*size {
        copy(from, width, shape, strides, start + index * stride, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoFiles;

    #[test]
    fn axes_change_places() {
        let tensor = Tensor::from_vec(&[2, 3, 1], vec![1i16, 2, 3, 4, 5, 6]).unwrap();
        let step = Axes { order: vec![1, 2, 0] }.build(&NoFiles).unwrap();
        let turned = step.apply(Item::Tensor(tensor.clone()), &mut Context::default()).unwrap();
        assert_eq!(turned, Item::Tensor(Tensor::from_vec(&[3, 1, 2], vec![1i16, 4, 2, 5, 3, 6]).unwrap()));
        assert_eq!(step.infer(&Item::Tensor(tensor).ty()).unwrap(), turned.ty());
        let error = Axes { order: vec![0, 2] }.build(&NoFiles).unwrap_err().to_string();
        assert_eq!(error, "parameter 'order': expected every axis once, counted from 0, got [0, 2]");
        let scalar = Item::Tensor(Tensor::scalar(1f32));
        let error = step.apply(scalar, &mut Context::default()).unwrap_err().to_string();
        assert_eq!(error, "expected a tensor with 3 axes, got a tensor f32[]");
    }
}
