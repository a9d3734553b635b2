//! `ordinal`: categories become their positions.

use serde::{Deserialize, Serialize};

use super::categories::{self, Categories, Unknown};
use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError};

/// `{ op = "ordinal", columns = ["size"], categories = [["large", "medium", "small"]] }`
///
/// What is fitted: `categories`, and `columns` (those that hold texts) unless given. Missing texts become missing numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// What unknown texts become; they are refused without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<Vec<String>>>,
}

impl Spec for Ordinal {
    const OP: &'static str = "ordinal";
    const SUMMARY: &'static str = "categories become their positions, from 0";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let categories = Categories::by_column(self.columns, self.categories)?;
        Ok(Box::new(Positions { categories, unknown_value: self.unknown_value }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        self.categories = Some(categories::fit(&mut self.columns, data)?);
        Ok(())
    }
}

#[derive(Debug)]
struct Positions {
    categories: Vec<(String, Categories)>,
    unknown_value: Option<f64>,
}

impl Step for Positions {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        for (name, categories) in &self.categories {
            let texts = columns::as_texts(columns::find(&table, name)?);
            let positions = categories.positions(&table, name, Unknown::Zeros)?;
            let mut numbers = Vec::with_capacity(table.rows);
            for (row, (text, position)) in texts.iter().zip(positions).enumerate() {
                numbers.push(match (text, position, self.unknown_value) {
                    (None, ..) => f64::NAN,
                    (_, Some(position), _) => position as f64,
                    (_, None, Some(value)) => value,
                    (Some(text), None, None) => return Err(categories.unknown(row, name, text)),
                });
            }
            columns::replace(&mut table, name, vec![(name.clone(), Series::Numbers(numbers))])?;
        }
        Ok(Item::Table(table))
    }
}
