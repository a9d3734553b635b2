//! `hash`: texts become counts in a few columns, without a list of categories.

use serde::{Deserialize, Serialize};

use super::columns;
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError};

/// The most columns.
const MAX_COLUMNS: usize = 1 << 14;

/// `{ op = "hash", columns = ["city", "street"], n = 16 }`: columns `hash_0` to `hash_15` in the place of these (Weinberger
/// et al. 2009, <https://arxiv.org/abs/0902.2206>)
///
/// With `h` the signed 32-bit MurmurHash3 (seed 0) of `city=Bern` in UTF-8, 1 is added to column `|h| mod n`, or taken
/// off where `h` is negative. Missing texts add nothing. Without `columns` those that hold texts are taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    n: usize,
    /// Whether texts may count as -1, so that those that meet in a column cancel out on average.
    #[serde(default = "yes")]
    alternate_sign: bool,
    #[serde(default = "hash")]
    name: String,
}

fn yes() -> bool {
    true
}

fn hash() -> String {
    "hash".to_owned()
}

impl Spec for Hash {
    const OP: &'static str = "hash";
    const SUMMARY: &'static str = "texts become counts in n columns by a hash of column and text";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(1..=MAX_COLUMNS).contains(&self.n) {
            return Err(StepError::parameter("n", format!("from 1 to {MAX_COLUMNS}"), self.n));
        }
        columns::unique(self.columns.as_deref().unwrap_or_default())?;
        Ok(Box::new(self))
    }
}

impl Hash {
    /// The column that a text counts in, and what for.
    fn place(&self, column: &str, text: &str) -> (usize, f64) {
        let hash = murmur3(format!("{column}={text}").as_bytes()).cast_signed();
        let sign = if self.alternate_sign && hash < 0 { -1.0 } else { 1.0 };
        (hash.unsigned_abs() as usize % self.n, sign)
    }
}

impl Step for Hash {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        super::check_cells(table.rows, table.columns.len() + self.n)?;
        let names = self.columns.clone().unwrap_or_else(|| columns::with_texts(&table));
        let mut counts = vec![vec![0.0; table.rows]; self.n];
        for name in &names {
            for (row, text) in columns::as_texts(columns::find(&table, name)?).iter().enumerate() {
                if let Some(text) = text {
                    let (column, sign) = self.place(name, text);
                    counts[column][row] += sign;
                }
            }
            columns::replace(&mut table, name, Vec::new())?;
        }
        for (index, counts) in counts.into_iter().enumerate() {
            columns::append(&mut table, &format!("{}_{index}", self.name), Series::Numbers(counts))?;
        }
        Ok(Item::Table(table))
    }
}

/// MurmurHash3 for x86, 32 bits, seed 0 (<https://github.com/aappleby/smhasher>).
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let blocks = bytes.chunks_exact(4);
    let rest = blocks.remainder();
    let mut hash = blocks.fold(0, |hash: u32, block| {
        (hash ^ mix(word(block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= mix(word(rest));
    hash ^= bytes.len() as u32;
    for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35), (16, 1)] {
        hash = (hash ^ hash >> shift).wrapping_mul(factor);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_are_published() {
        let known = [("", 0), ("test", 0xba6b_d213), ("Hello, world!", 0xc036_3e43)];
        assert_eq!(known.map(|(text, _)| murmur3(text.as_bytes())), known.map(|(_, hash)| hash));
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
    }
}
