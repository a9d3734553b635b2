//! `argmax`: which number is the largest.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::lanes::{Lanes, without};
use super::rows::{Rows, infer_each_row, largest, ranked};
use crate::steps::tensor::axis::infer_axis;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "argmax" }` gives the best class of each row of the last axis; `{ op = "argmax", axis = 1 }` gives a tensor
/// of positions without that axis, which `mask` takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argmax {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    axis: Option<i64>,
}

impl Spec for Argmax {
    const OP: &'static str = "argmax";
    const SUMMARY: &'static str =
        "the best class of each row, or with `axis` a tensor of the positions of the largest";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for Argmax {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let Some(axis) = self.axis else { return infer_each_row(input, ItemType::Classes) };
        let (tensor, axis) = infer_axis(input, axis)?;
        let shape = tensor.shape.as_deref().zip(axis).map(|(shape, axis)| without(shape, axis));
        Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::I64), shape }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let Some(axis) = self.axis else {
            let best = |row: &[f32]| Item::Classes(ranked(largest(row).into_iter()));
            return Ok(Item::from_rows(Rows::of(item)?.iter().map(best).collect()));
        };
        let lanes = Lanes::of(item, axis)?;
        let mut positions = Vec::new();
        lanes.for_each(|lane| positions.push(largest(lane).map_or(0, |(index, _)| index as i64)));
        Ok(Item::Tensor(Tensor::from_vec(&lanes.shape_without_axis(), positions)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_classes_and_an_axis_gives_positions() {
        let item = Item::Tensor(Tensor::from_vec(&[1, 2, 2], vec![1.0f32, 4.0, 3.0, 2.0]).unwrap());
        let apply = |axis| Argmax { axis }.apply(item.clone(), &mut Context::default()).unwrap();
        assert_eq!(
            apply(None).to_json().to_string(),
            r#"[[{"index":1,"score":4.0}],[{"index":0,"score":3.0}]]"#
        );
        assert_eq!(apply(Some(1)), Item::Tensor(Tensor::from_vec(&[1, 2], vec![1i64, 0]).unwrap()));
        assert_eq!(Argmax { axis: Some(1) }.infer(&item.ty()).unwrap(), apply(Some(1)).ty());
    }
}
