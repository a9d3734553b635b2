//! `threshold`: what is sure enough.

use serde::{Deserialize, Serialize};

use super::rows::{Rows, infer_each_row, ranked};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "threshold", score = 0.5 }`: of each row of a tensor the classes with at least this score (several labels
/// may hold at once), or those of the classes or objects that are there already.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    score: f32,
}

impl Spec for Threshold {
    const OP: &'static str = "threshold";
    const SUMMARY: &'static str =
        "classes of each row, or classes or objects, whose score is at least `score`";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.score.is_finite() {
            false => Err(StepError::parameter("score", "a finite number", self.score)),
            true => Ok(Box::new(self)),
        }
    }
}

impl Step for Threshold {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        if matches!(input, ItemType::Tensor(_)) {
            return infer_each_row(input, ItemType::Classes);
        }
        input.each(|item| {
            let has_scores = matches!(item, ItemType::Classes | ItemType::Objects);
            item.demand("a tensor, classes or objects", has_scores)?;
            Ok(item.clone())
        })
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        if matches!(item, Item::Tensor(_)) {
            let sure = |row: &[f32]| {
                let numbers = row.iter().copied().enumerate();
                Item::Classes(ranked(numbers.filter(|(_, score)| *score >= self.score)))
            };
            return Ok(Item::from_rows(Rows::of(item)?.iter().map(sure).collect()));
        }
        item.each(|item| match item {
            Item::Classes(mut classes) => {
                classes.retain(|class| class.score >= self.score);
                Ok(Item::Classes(classes))
            }
            Item::Objects(mut objects) => {
                objects.retain(|object| object.score >= self.score);
                Ok(Item::Objects(objects))
            }
            other => Err(StepError::kind("a tensor, classes or objects", other.ty())),
        })
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    #[test]
    fn several_labels_may_hold_and_nan_never_does() {
        let step = Threshold { score: 0.5 };
        let row = Tensor::from_vec(&[4], vec![0.5f32, f32::NAN, 0.9, 0.1]).unwrap();
        let classes = step.apply(Item::Tensor(row), &mut Context::default()).unwrap();
        assert_eq!(classes.to_json().to_string(), r#"[{"index":2,"score":0.9},{"index":0,"score":0.5}]"#);
        let stricter = Threshold { score: 0.8 }.apply(classes, &mut Context::default()).unwrap();
        assert_eq!(stricter.to_json().to_string(), r#"[{"index":2,"score":0.9}]"#);
    }
}
