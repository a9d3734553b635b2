//! `top_k`: the best classes of each row, the best first.

use serde::{Deserialize, Serialize};

use super::rows::{Rows, infer_each_row, ranked};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "top_k", k = 5 }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopK {
    k: usize,
}

impl Spec for TopK {
    const OP: &'static str = "top_k";
    const SUMMARY: &'static str = "the k best classes of each row of the last axis, the best first";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.k {
            0 => Err(StepError::parameter("k", "at least 1", self.k)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for TopK {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        infer_each_row(input, ItemType::Classes)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let best = |row: &[f32]| {
            let mut classes = ranked(row.iter().copied().enumerate());
            classes.truncate(self.k);
            Item::Classes(classes)
        };
        Ok(Item::from_rows(Rows::of(item)?.iter().map(best).collect()))
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    #[test]
    fn each_row_gives_its_best_and_a_single_row_is_not_wrapped() {
        let row = |numbers: &[f32]| {
            let tensor = Tensor::from_slice(&[numbers.len() / 3, 3], numbers).unwrap();
            TopK { k: 2 }.apply(Item::Tensor(tensor), &mut Context::default()).unwrap().to_json().to_string()
        };
        assert_eq!(row(&[1.0, 3.0, 2.0]), r#"[{"index":1,"score":3.0},{"index":2,"score":2.0}]"#);
        assert!(row(&[1.0, 3.0, 2.0, 1.0, 3.0, 2.0]).starts_with("[[{"));
    }
}
