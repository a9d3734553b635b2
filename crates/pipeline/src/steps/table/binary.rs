//! `binary`: categories become the digits of their numbers in base 2, for columns with many categories.

use serde::{Deserialize, Serialize};

use super::categories::{self, Categories, Unknown};
use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError};

/// `{ op = "binary", columns = ["city"], categories = [["Bern", "Oslo", "Rome"]] }`: columns `city_0` and `city_1`, the
/// digits of 1, 2 and 3
///
/// What is fitted: `categories`, and `columns` (those that hold texts) unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// Unknown and missing texts are refused, or have the number 0.
    #[serde(default)]
    unknown: Unknown,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<Vec<String>>>,
}

impl Spec for Binary {
    const OP: &'static str = "binary";
    const SUMMARY: &'static str = "categories become the digits of their numbers in base 2, from 1";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.unknown == Unknown::Other {
            return Err(StepError::parameter("unknown", "'error' or 'zeros'", "'other'"));
        }
        let categories = Categories::by_column(self.columns, self.categories)?;
        Ok(Box::new(Digits { categories, unknown: self.unknown }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        self.categories = Some(categories::fit(&mut self.columns, data)?);
        Ok(())
    }
}

#[derive(Debug)]
struct Digits {
    categories: Vec<(String, Categories)>,
    unknown: Unknown,
}

impl Step for Digits {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        for (name, categories) in &self.categories {
            let positions = categories.positions(&table, name, self.unknown)?;
            let digits = categories.texts().len().ilog2() + 1;
            super::check_cells(table.rows, table.columns.len() + digits as usize)?;
            let columns = (0..digits).map(|digit| {
                // The first column holds the highest digit.
                let of = |position: &Option<usize>| {
                    let number = position.map_or(0, |position| position + 1);
                    f64::from(u8::from(number >> (digits - 1 - digit) & 1 == 1))
                };
                (format!("{name}_{digit}"), Series::Numbers(positions.iter().map(of).collect()))
            });
            columns::replace(&mut table, name, columns.collect())?;
        }
        Ok(Item::Table(table))
    }
}
