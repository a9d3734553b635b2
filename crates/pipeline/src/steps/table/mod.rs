//! Tables, up to the tensor that the model gets.
//!
//! Steps that are fitted store, for every column in `columns`, the numbers that they need; missing numbers are NaN and
//! do not count. Arithmetic is in double precision and as in scikit-learn.

pub mod binary;
pub mod bucketize;
pub mod drop_rows;
pub mod hash;
pub mod impute;
pub mod log1p;
pub mod min_max;
pub mod one_hot;
pub mod ordinal;
pub mod outlier;
pub mod quantile;
pub mod read_csv;
pub mod read_jsonl;
pub mod robust;
pub mod select;
pub mod to_tensor;
pub mod z_score;

mod bins;
mod categories;
mod centered;
mod change;
mod columns;
mod csv_text;
mod schema;
mod statistics;

use crate::{Item, ItemType, StepError, Table};

/// The most cells that a table may have.
const MAX_CELLS: usize = 1 << 25;

/// What a step makes that takes a table and gives one.
fn infer_table(input: &ItemType) -> Result<ItemType, StepError> {
    input.demand("a table", *input == ItemType::Table)?;
    Ok(ItemType::Table)
}

/// The table that a step is fitted to.
fn table(data: &Item) -> Result<&Table, StepError> {
    match data {
        Item::Table(table) => Ok(table),
        other => Err(StepError::kind("a table", other.ty())),
    }
}

/// What `of` says of the sorted numbers of each of these columns, or of all that hold numbers.
fn fit_numbers<T>(
    columns: &mut Option<Vec<String>>,
    data: &Item,
    of: impl Fn(&[f64]) -> T,
) -> Result<Vec<T>, StepError> {
    let table = table(data)?;
    let names = columns.get_or_insert_with(|| columns::with_numbers(table));
    let fitted = names.iter().map(|name| {
        let sorted = statistics::sorted(name, columns::numbers(table, name)?)?;
        Ok(of(&sorted))
    });
    fitted.collect()
}

/// Fails when a table would have too many cells.
fn check_cells(rows: usize, columns: usize) -> Result<(), StepError> {
    match rows.saturating_mul(columns) {
        cells if cells > MAX_CELLS => Err(StepError::TooLarge {
            what: "cells of the table",
            limit: MAX_CELLS as u64,
            got: cells as u64,
        }),
        _ => Ok(()),
    }
}
