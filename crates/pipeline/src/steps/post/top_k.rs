//! `top_k`: the best classes of each row, the best first.

use serde::{Deserialize, Serialize};

use super::rows::{Rows, infer_each_row};
use crate::{Class, Context, Files, Item, ItemType, Spec, Step, StepError};

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
        let rows = Rows::of(item)?;
        Ok(Item::from_rows(rows.iter().map(|row| Item::Classes(best(row, self.k))).collect()))
    }
}

/// The `k` largest; of equal ones the first; NaN after all others.
fn best(row: &[f32], k: usize) -> Vec<Class> {
    let key = |index: &usize| if row[*index].is_nan() { f32::NEG_INFINITY } else { row[*index] };
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    order.truncate(k);
    order.into_iter().map(|index| Class { index, score: row[index], label: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_and_nan_to_the_end() {
        let order: Vec<_> = best(&[1.0, f32::NAN, 3.0, 3.0], 9).iter().map(|class| class.index).collect();
        assert_eq!(order, [2, 3, 0, 1]);
    }
}
