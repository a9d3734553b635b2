//! `one_hot`: a column of categories becomes a column for each of them, 1 where it holds.

use serde::{Deserialize, Serialize};

use super::categories::{self, Categories, Unknown};
use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError, Table};

/// `{ op = "one_hot", columns = ["city"], categories = [["Bern", "Rome"]] }`: columns `city_Bern` and `city_Rome`
///
/// What is fitted: `categories`, and `columns` (those that hold texts) unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHot {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// With `other`, the further column is called `city_other`.
    #[serde(default)]
    unknown: Unknown,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<Vec<String>>>,
}

impl Spec for OneHot {
    const OP: &'static str = "one_hot";
    const SUMMARY: &'static str = "a column of categories becomes a column of 0 and 1 for each of them";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let categories = Categories::by_column(self.columns, self.categories)?;
        Ok(Box::new(Indicators { categories, unknown: self.unknown }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        self.categories = Some(categories::fit(&mut self.columns, data)?);
        Ok(())
    }
}

#[derive(Debug)]
struct Indicators {
    categories: Vec<(String, Categories)>,
    unknown: Unknown,
}

impl Indicators {
    fn replace(&self, table: &mut Table, name: &str, categories: &Categories) -> Result<(), StepError> {
        let positions = categories.positions(table, name, self.unknown)?;
        let other = (self.unknown == Unknown::Other).then_some("other");
        let names = categories.texts().iter().map(String::as_str).chain(other);
        let known = categories.texts().len();
        super::check_cells(table.rows, table.columns.len() + known)?;
        let indicators = names.enumerate().map(|(index, text)| {
            let is_here = |position: &Option<usize>| f64::from(u8::from(position.unwrap_or(known) == index));
            (format!("{name}_{text}"), Series::Numbers(positions.iter().map(is_here).collect()))
        });
        columns::replace(table, name, indicators.collect())
    }
}

impl Step for Indicators {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        for (name, categories) in &self.categories {
            self.replace(&mut table, name, categories)?;
        }
        Ok(Item::Table(table))
    }
}
