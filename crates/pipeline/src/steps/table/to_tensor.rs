//! `to_tensor`: the columns of a table become a tensor, a row for each row.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError, Table, TensorType};

/// `{ op = "to_tensor", columns = ["age", "city_Bern"] }`: f32 `[rows, 2]`
///
/// What is fitted: `columns` (all), unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToTensor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default)]
    dtype: Number,
    /// Whether missing numbers become NaN.
    #[serde(default)]
    allow_missing: bool,
    /// Whether each column becomes a tensor `[rows, 1]` of its own, by its name; columns of texts may be among them.
    #[serde(default)]
    separate: bool,
}

/// The type of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Number {
    #[default]
    F32,
    F64,
    I64,
}

impl Spec for ToTensor {
    const OP: &'static str = "to_tensor";
    const SUMMARY: &'static str = "the columns of a table become a tensor, or one for each column";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if self.allow_missing && self.dtype == Number::I64 {
            return Err(StepError::parameter("allow_missing", "false for integers", "true"));
        }
        let columns = self.columns.ok_or(StepError::Unfitted("columns"))?;
        columns::unique(&columns)?;
        let (dtype, allow_missing) = (self.dtype, self.allow_missing);
        Ok(Box::new(Ready { columns, dtype, allow_missing, separate: self.separate }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let table = super::table(data)?;
        self.columns.get_or_insert_with(|| table.columns.iter().map(|(name, _)| name.clone()).collect());
        Ok(())
    }
}

#[derive(Debug)]
struct Ready {
    columns: Vec<String>,
    dtype: Number,
    allow_missing: bool,
    separate: bool,
}

impl Ready {
    fn dtype(&self) -> DataType {
        match self.dtype {
            Number::F32 => DataType::F32,
            Number::F64 => DataType::F64,
            Number::I64 => DataType::I64,
        }
    }

    /// The numbers of these columns, row by row.
    fn numbers(&self, table: &Table, names: &[String]) -> Result<Tensor, StepError> {
        let columns = names.iter().map(|name| self.checked(table, name)).collect::<Result<Vec<_>, _>>()?;
        let rows = (0..table.rows).flat_map(|row| columns.iter().filter_map(move |column| column.get(row)));
        let shape = [table.rows, names.len()];
        Ok(match self.dtype {
            Number::F32 => Tensor::from_vec(&shape, rows.map(|number| *number as f32).collect())?,
            Number::F64 => Tensor::from_vec(&shape, rows.copied().collect())?,
            Number::I64 => Tensor::from_vec(&shape, rows.map(|number| *number as i64).collect())?,
        })
    }

    /// The numbers of a column, all of which the type can hold.
    fn checked<'a>(&self, table: &'a Table, name: &str) -> Result<&'a [f64], StepError> {
        let numbers = match columns::find(table, name)? {
            Series::Numbers(numbers) => numbers,
            Series::Texts(_) => {
                return Err(StepError::malformed(format!(
                    "column '{name}': expected numbers, got texts; 'one_hot' and others encode them"
                )));
            }
        };
        for (row, number) in numbers.iter().enumerate() {
            let problem = |expected: &str| {
                Err(columns::cell_problem(row, name, format!("expected {expected}, got {number}")))
            };
            match self.dtype {
                _ if number.is_nan() && !self.allow_missing => {
                    let problem = "expected a number, got none; 'impute' fills it in";
                    return Err(columns::cell_problem(row, name, problem));
                }
                Number::F32 if number.is_finite() && !(*number as f32).is_finite() => {
                    return problem("a number that single precision can hold");
                }
                Number::I64 if number.fract() != 0.0 || number.abs() >= 2f64.powi(63) => {
                    return problem("an integer");
                }
                _ => {}
            }
        }
        Ok(numbers)
    }

    fn separate(&self, table: &Table, name: &String) -> Result<(String, Tensor), StepError> {
        let tensor = match columns::find(table, name)? {
            Series::Numbers(_) => self.numbers(table, std::slice::from_ref(name))?,
            Series::Texts(texts) => {
                let texts = texts.iter().enumerate().map(|(row, text)| {
                    let problem = "expected a text, got none; 'impute' fills it in";
                    text.clone().ok_or_else(|| columns::cell_problem(row, name, problem))
                });
                Tensor::from_strings(&[table.rows, 1], texts.collect::<Result<_, _>>()?)?
            }
        };
        Ok((name.clone(), tensor))
    }
}

impl Step for Ready {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)?;
        if self.separate {
            // Whether a column holds texts or numbers is not known before.
            let ty = TensorType { dtype: None, shape: Some(vec![None, Some(1)]) };
            return Ok(ItemType::Tensors(
                self.columns.iter().map(|name| (name.clone(), ty.clone())).collect(),
            ));
        }
        Ok(ItemType::Tensor(TensorType::new(self.dtype(), vec![None, Some(self.columns.len())])))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let table = item.into_table()?;
        if !self.separate {
            return self.numbers(&table, &self.columns).map(Item::Tensor);
        }
        let tensors = self.columns.iter().map(|name| self.separate(&table, name));
        tensors.collect::<Result<_, _>>().map(Item::Tensors)
    }
}
