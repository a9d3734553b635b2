//! `slice`: a part of a tensor along one axis.

use serde::{Deserialize, Serialize};

use super::axis::infer_axis;
use super::blocks::Blocks;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "slice", axis = -1, end = -1 }`: the positions from `start` up to but without `end`, both counted from the end
/// where they are negative, and cut to what there is, as in Python.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    axis: i64,
    #[serde(default)]
    start: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
}

impl Spec for Slice {
    const OP: &'static str = "slice";
    const SUMMARY: &'static str = "a part of a tensor along one axis";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Slice {
    /// First and end position in an axis of that size.
    fn range(&self, size: usize) -> (usize, usize) {
        let inside = |position: i64| {
            let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
            if position < 0 { size.saturating_sub(distance) } else { distance.min(size) }
        };
        let (start, end) = (inside(self.start), self.end.map_or(size, inside));
        (start, end.max(start))
    }
}

impl Step for Slice {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let (tensor, axis) = infer_axis(input, self.axis)?;
        let mut tensor = tensor.clone();
        if let (Some(axis), Some(shape)) = (axis, &mut tensor.shape) {
            shape[axis] = shape[axis].map(|size| self.range(size)).map(|(start, end)| end - start);
        }
        Ok(ItemType::Tensor(tensor))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let blocks = Blocks::of(item, self.axis)?;
        let (start, end) = self.range(blocks.size());
        blocks.part(start, end, end - start, &[])
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    fn sliced(axis: i64, start: i64, end: Option<i64>) -> Tensor {
        let step = Slice { axis, start, end };
        let tensor = Item::Tensor(Tensor::from_vec(&[2, 3], vec![1u8, 2, 3, 4, 5, 6]).unwrap());
        let part = step.apply(tensor.clone(), &mut Context::default()).unwrap();
        assert_eq!(step.infer(&tensor.ty()).unwrap(), part.ty());
        part.into_tensor().unwrap()
    }

    #[test]
    fn positions_are_counted_and_cut_as_in_python() {
        assert_eq!(sliced(-1, 0, Some(-1)), Tensor::from_vec(&[2, 2], vec![1u8, 2, 4, 5]).unwrap());
        assert_eq!(sliced(1, -2, None), Tensor::from_vec(&[2, 2], vec![2u8, 3, 5, 6]).unwrap());
        assert_eq!(sliced(0, 1, Some(i64::MAX)), Tensor::from_vec(&[1, 3], vec![4u8, 5, 6]).unwrap());
        assert_eq!(sliced(0, i64::MIN, Some(0)), Tensor::from_vec::<u8>(&[0, 3], vec![]).unwrap());
        assert_eq!(sliced(0, 2, Some(1)), Tensor::from_vec::<u8>(&[0, 3], vec![]).unwrap());
    }
}
