//! `read_csv`: comma-separated values become a table.

use serde::{Deserialize, Serialize};

use super::csv_text::{Form, Lines};
use super::schema::{Others, Schema};
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Table};

/// `{ op = "read_csv", numbers = ["age", "income"], texts = ["city"] }`
///
/// A table that is given as one is only looked through. What is fitted: `numbers` and `texts`, unless one is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCsv {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<String>>,
    #[serde(default)]
    other_columns: Others,
    #[serde(default = "yes")]
    header: bool,
    #[serde(default = "comma")]
    delimiter: char,
    #[serde(default = "double_quote")]
    quote: char,
    #[serde(default = "usual_missing")]
    missing: Vec<String>,
    #[serde(default = "million")]
    max_rows: usize,
}

fn yes() -> bool {
    true
}

fn comma() -> char {
    ','
}

fn double_quote() -> char {
    '"'
}

pub(super) fn usual_missing() -> Vec<String> {
    ["", "NA", "NaN", "nan", "?"].map(str::to_owned).into()
}

pub(super) fn million() -> usize {
    1_000_000
}

impl Spec for ReadCsv {
    const OP: &'static str = "read_csv";
    const SUMMARY: &'static str = "comma-separated values become a table";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let form = self.form()?;
        let schema = Schema::new(self.numbers, self.texts, self.other_columns)?;
        Ok(Box::new(Csv { form, schema }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        if self.numbers.is_some() || self.texts.is_some() {
            return Ok(());
        }
        let (numbers, texts) = match data {
            Item::Bytes(bytes) => Schema::guess(&self.form()?.read(bytes)?.table),
            Item::Table(table) => Schema::guess(table),
            other => return Err(StepError::kind("comma-separated values or a table", other.ty())),
        };
        (self.numbers, self.texts) = (Some(numbers), Some(texts));
        Ok(())
    }
}

impl ReadCsv {
    fn form(&self) -> Result<Form, StepError> {
        let delimiter = single_byte("delimiter", self.delimiter)?;
        let quote = single_byte("quote", self.quote)?;
        if delimiter == quote {
            return Err(StepError::parameter("quote", "another character than the delimiter", self.quote));
        }
        let missing = self.missing.clone();
        Ok(Form { header: self.header, delimiter, quote, missing, max_rows: self.max_rows })
    }
}

fn single_byte(name: &'static str, character: char) -> Result<u8, StepError> {
    let is_allowed = character.is_ascii() && !matches!(character, '\r' | '\n' | '\0');
    let byte = u8::try_from(character).ok().filter(|_| is_allowed);
    byte.ok_or_else(|| {
        StepError::parameter(name, "one ASCII character, no end of line", character.escape_debug())
    })
}

#[derive(Debug)]
struct Csv {
    form: Form,
    schema: Schema,
}

impl Step for Csv {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let is_readable = matches!(input, ItemType::Bytes | ItemType::Table);
        input.demand("comma-separated values or a table", is_readable)?;
        Ok(ItemType::Table)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let table = match item {
            Item::Bytes(bytes) => {
                let Lines { table, lines } = self.form.read(&bytes)?;
                self.schema.conform(table, |row| format!("line {}", lines.get(row).copied().unwrap_or(0)))?
            }
            item @ Item::Table(_) => conform_rows(&self.schema, item.into_table()?)?,
            other => return Err(StepError::kind("comma-separated values or a table", other.ty())),
        };
        Ok(Item::Table(table))
    }
}

/// What a table that no file was read for has to satisfy.
pub(super) fn conform_rows(schema: &Schema, table: Table) -> Result<Table, StepError> {
    schema.conform(table, |row| format!("row {}", row + 1))
}
