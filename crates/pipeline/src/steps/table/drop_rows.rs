//! `drop_rows`: rows that lack something or were marked are left out.

use serde::{Deserialize, Serialize};

use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError, Table};

/// `{ op = "drop_rows", missing = ["age"], marked = "outlier" }`
///
/// Whoever gives several rows gets fewer answers then.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropRows {
    /// Rows go in which one of these columns has no value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Rows go in which this column is not 0; the column goes as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marked: Option<String>,
}

impl Spec for DropRows {
    const OP: &'static str = "drop_rows";
    const SUMMARY: &'static str = "rows that lack a value or were marked are left out";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.missing.is_empty() && self.marked.is_none() {
            return Err(StepError::parameter("missing", "'missing' or 'marked'", "none"));
        }
        Ok(Box::new(self))
    }
}

impl Step for DropRows {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        let mut kept = vec![true; table.rows];
        for name in &self.missing {
            match columns::find(&table, name)? {
                Series::Numbers(numbers) => retain(&mut kept, numbers, |number| !number.is_nan()),
                Series::Texts(texts) => retain(&mut kept, texts, Option::is_some),
            }
        }
        if let Some(name) = &self.marked {
            retain(&mut kept, columns::numbers(&table, name)?, |mark| *mark == 0.0);
            columns::replace(&mut table, name, Vec::new())?;
        }
        let columns = table.columns.into_iter().map(|(name, series)| match series {
            Series::Numbers(numbers) => (name, Series::Numbers(chosen(numbers, &kept))),
            Series::Texts(texts) => (name, Series::Texts(chosen(texts, &kept))),
        });
        let columns = columns.collect();
        Ok(Item::Table(Table { rows: kept.iter().filter(|kept| **kept).count(), columns }))
    }
}

fn retain<T>(kept: &mut [bool], values: &[T], holds: impl Fn(&T) -> bool) {
    kept.iter_mut().zip(values).for_each(|(kept, value)| *kept &= holds(value));
}

fn chosen<T>(values: Vec<T>, kept: &[bool]) -> Vec<T> {
    values.into_iter().zip(kept).filter_map(|(value, kept)| kept.then_some(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lack_something_or_are_marked_go() {
        let table = Table {
            rows: 4,
            columns: vec![
                ("a".to_owned(), Series::Numbers(vec![1.0, f64::NAN, 3.0, 4.0])),
                ("mark".to_owned(), Series::Numbers(vec![0.0, 0.0, 1.0, 0.0])),
            ],
        };
        let step = DropRows { missing: vec!["a".to_owned()], marked: Some("mark".to_owned()) };
        let given = step.apply(Item::Table(table), &mut Context::default()).unwrap();
        let columns = vec![("a".to_owned(), Series::Numbers(vec![1.0, 4.0]))];
        assert_eq!(given, Item::Table(Table { rows: 2, columns }));
    }
}
