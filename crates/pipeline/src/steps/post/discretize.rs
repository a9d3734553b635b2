//! `discretize`: a number becomes the class that it lies in.

use serde::{Deserialize, Serialize};

use super::rows::{Rows, infer_each_row};
use crate::{Class, Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "discretize", edges = [18.5, 25, 30] }`: class 0 below the first edge, 1 from it on, and so on; the score is
/// the number itself. `labels` may name the classes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discretize {
    edges: Vec<f32>,
}

impl Spec for Discretize {
    const OP: &'static str = "discretize";
    const SUMMARY: &'static str = "the number of each row becomes the class that it lies in, by given edges";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        // Also wrong where an edge is NaN.
        let rise =
            self.edges.windows(2).all(|pair| pair[0] < pair[1]) && !self.edges.iter().any(|x| x.is_nan());
        if rise && !self.edges.is_empty() {
            return Ok(Box::new(self));
        }
        Err(StepError::parameter("edges", "at least one number, each larger than the last", "others"))
    }
}

impl Step for Discretize {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let width = input.tensor()?.shape.as_ref().and_then(|shape| *shape.last()?);
        width.map_or(Ok(()), check_width)?;
        infer_each_row(input, ItemType::Classes)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let rows = Rows::of(item)?;
        check_width(rows.width())?;
        let class = |score: f32| match score.is_nan() {
            true => Err(StepError::malformed("the model gave no number (NaN)")),
            false => {
                let index = self.edges.partition_point(|edge| *edge <= score);
                Ok(Item::Classes(vec![Class { index, score, label: None }]))
            }
        };
        let classes = rows.iter().flatten().map(|score| class(*score)).collect::<Result<_, _>>()?;
        Ok(Item::from_rows(classes))
    }
}

fn check_width(width: usize) -> Result<(), StepError> {
    match width {
        1 => Ok(()),
        width => Err(StepError::kind("one number in each row", width)),
    }
}
