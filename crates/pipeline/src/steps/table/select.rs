//! `select`: some columns in an order of one's own.

use serde::{Deserialize, Serialize};

use super::columns;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Table};

/// `{ op = "select", columns = ["age", "income"] }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    columns: Vec<String>,
}

impl Spec for Select {
    const OP: &'static str = "select";
    const SUMMARY: &'static str = "these columns in this order, without the others";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        columns::unique(&self.columns)?;
        Ok(Box::new(self))
    }
}

impl Step for Select {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let table = item.into_table()?;
        let column = |name: &String| Ok((name.clone(), columns::find(&table, name)?.clone()));
        let columns = self.columns.iter().map(column).collect::<Result<_, StepError>>()?;
        Ok(Item::Table(Table { rows: table.rows, columns }))
    }
}
