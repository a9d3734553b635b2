//! `series`: the numbers of each row, by name if they have any.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rows::{Rows, infer_each_row};
use crate::decimal::widened;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError};

/// `{ op = "series" }`, or with a name for each number of a row: `{ op = "series", names = ["age", "height"] }`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToSeries {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
}

impl Spec for ToSeries {
    const OP: &'static str = "series";
    const SUMMARY: &'static str = "the numbers of each row of the last axis, by name if `names` are given";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let names = self.names.as_deref().unwrap_or_default();
        let repeated = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
        match repeated {
            Some((_, name)) => {
                Err(StepError::parameter("names", "each name once", format!("'{name}' twice")))
            }
            None => Ok(Box::new(self)),
        }
    }
}

impl Step for ToSeries {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let width = input.tensor()?.shape.as_ref().and_then(|shape| *shape.last()?);
        if let (Some(names), Some(width)) = (&self.names, width) {
            check_width(names, width)?;
        }
        infer_each_row(input, if self.names.is_some() { ItemType::Json } else { ItemType::Series })
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let rows = Rows::of(item)?;
        if let Some(names) = &self.names {
            check_width(names, rows.width())?;
        }
        let answer = |row: &[f32]| match &self.names {
            None => Item::Series(Series::Numbers(row.iter().copied().map(widened).collect())),
            Some(names) => {
                let numbers =
                    names.iter().zip(row).map(|(name, value)| (name.clone(), json!(widened(*value))));
                Item::Json(Value::Object(numbers.collect()))
            }
        };
        Ok(Item::from_rows(rows.iter().map(answer).collect()))
    }
}

fn check_width(names: &[String], width: usize) -> Result<(), StepError> {
    if names.len() == width {
        return Ok(());
    }
    Err(StepError::malformed(format!("expected {} numbers, one for each name, got {width}", names.len())))
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use super::*;

    #[test]
    fn numbers_keep_their_decimals_and_missing_ones_are_null() {
        let row = Item::Tensor(Tensor::from_vec(&[1, 2], vec![0.1f32, f32::NAN]).unwrap());
        let given = |names: Option<&[&str]>| {
            let names = names.map(|names| names.iter().map(ToString::to_string).collect());
            ToSeries { names }.apply(row.clone(), &mut Context::default())
        };
        assert_eq!(given(None).unwrap().to_json().to_string(), "[0.1,null]");
        assert_eq!(given(Some(&["a", "b"])).unwrap().to_json().to_string(), r#"{"a":0.1,"b":null}"#);
        assert_eq!(
            given(Some(&["a"])).unwrap_err().to_string(),
            "expected 1 numbers, one for each name, got 2"
        );
    }
}
