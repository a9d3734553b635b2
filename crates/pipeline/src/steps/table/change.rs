//! Steps that change the numbers of columns one by one.

use std::fmt::Debug;

use super::columns;
use crate::{Context, Item, ItemType, Step, StepError};

/// What becomes of a number.
pub(super) trait Change: Debug + Send + Sync {
    /// The new number, or what was expected instead of the old one. Missing numbers do not come here.
    fn of(&self, number: f64) -> Result<f64, String>;
}

/// A change for each column.
#[derive(Debug)]
pub(super) enum Changes<C> {
    /// These columns.
    Listed(Vec<(String, C)>),
    /// All columns that hold numbers.
    All(C),
}

impl<C: Change> Changes<C> {
    /// The same change for the columns that are listed, or for all.
    ///
    /// # Errors
    /// [`StepError::Parameter`] when a name occurs twice.
    pub(super) fn alike(columns: Option<Vec<String>>, change: C) -> Result<Self, StepError>
    where
        C: Clone,
    {
        let Some(columns) = columns else { return Ok(Self::All(change)) };
        columns::unique(&columns)?;
        Ok(Self::Listed(columns.into_iter().map(|name| (name, change.clone())).collect()))
    }
}

impl<C: Change> Step for Changes<C> {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        match self {
            Self::Listed(changes) => {
                for (name, change) in changes {
                    all(name, columns::numbers_mut(&mut table, name)?, change)?;
                }
            }
            Self::All(change) => {
                for name in columns::with_numbers(&table) {
                    all(&name, columns::numbers_mut(&mut table, &name)?, change)?;
                }
            }
        }
        Ok(Item::Table(table))
    }
}

fn all(column: &str, numbers: &mut [f64], change: &impl Change) -> Result<(), StepError> {
    for (row, number) in numbers.iter_mut().enumerate().filter(|(_, number)| !number.is_nan()) {
        *number = change.of(*number).map_err(|expected| {
            columns::cell_problem(row, column, format!("expected {expected}, got {number}"))
        })?;
    }
    Ok(())
}
