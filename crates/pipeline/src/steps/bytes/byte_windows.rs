//! `byte_windows`: the first and the last bytes of a file as numbers, for models that tell the type of a file.

use lehr_tensor::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// The most numbers in each window.
const MAX_WINDOW: usize = 1 << 20;

/// `{ op = "byte_windows", beginning = 1024, end = 1024, block = 4096, padding = 256, min_bytes = 8 }`, the features of
/// Magika's models, version 2 (<https://github.com/google/magika>).
///
/// Of the first `block` bytes, white space at the beginning is taken away, and `beginning` bytes are kept; of the last
/// `block` bytes, white space at the end is taken away, and the last `end` bytes are kept. Missing bytes become
/// `padding`: behind the beginning, in front of the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteWindows {
    beginning: usize,
    end: usize,
    /// How many bytes are looked at from each side.
    block: usize,
    padding: i32,
    /// Whether white space at both ends is taken away.
    #[serde(default = "yes")]
    strip: bool,
    /// Files with fewer bytes in the first window say nothing and are refused.
    #[serde(default)]
    min_bytes: usize,
}

fn yes() -> bool {
    true
}

impl Spec for ByteWindows {
    const OP: &'static str = "byte_windows";
    const SUMMARY: &'static str = "the first and the last bytes of a file as numbers";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let largest = MAX_WINDOW.min(self.block);
        for (name, window) in [("beginning", self.beginning), ("end", self.end)] {
            if window > largest {
                return Err(StepError::parameter(name, format!("at most {largest}"), window));
            }
        }
        if self.beginning + self.end == 0 {
            return Err(StepError::parameter(
                "beginning",
                "at least one byte of the beginning or the end",
                0,
            ));
        }
        if self.min_bytes > self.beginning {
            let expected = format!("at most as many as 'beginning', {}", self.beginning);
            return Err(StepError::parameter("min_bytes", expected, self.min_bytes));
        }
        Ok(Box::new(self))
    }
}

impl Step for ByteWindows {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.demand("bytes", *input == ItemType::Bytes)?;
        let shape = vec![Some(1), Some(self.beginning + self.end)];
        Ok(ItemType::Tensor(TensorType::new(DataType::I32, shape)))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let Item::Bytes(bytes) = item else { return Err(StepError::kind("bytes", item.ty())) };
        let block = self.block.min(bytes.len());
        let (mut first, mut last) = (&bytes[..block], &bytes[bytes.len() - block..]);
        if self.strip {
            while let [b' ' | b'\t'..=b'\r', rest @ ..] = first {
                first = rest;
            }
            while let [rest @ .., b' ' | b'\t'..=b'\r'] = last {
                last = rest;
            }
        }
        let first = &first[..first.len().min(self.beginning)];
        let last = &last[last.len() - last.len().min(self.end)..];
        if first.len() < self.min_bytes {
            let (least, got) = (self.min_bytes, first.len());
            let white = if self.strip { " after white space" } else { "" };
            return Err(StepError::malformed(format!("expected at least {least} bytes{white}, got {got}")));
        }
        let mut values = Vec::with_capacity(self.beginning + self.end);
        values.extend(first.iter().map(|&byte| i32::from(byte)));
        values.resize(self.beginning + self.end - last.len(), self.padding);
        values.extend(last.iter().map(|&byte| i32::from(byte)));
        Ok(Item::Tensor(Tensor::from_vec(&[1, values.len()], values)?))
    }
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Bytes;

    use super::*;

    fn windows(text: &'static str) -> Result<Vec<i32>, StepError> {
        let spec = ByteWindows { beginning: 3, end: 3, block: 5, padding: -1, strip: true, min_bytes: 2 };
        let item = spec.apply(Item::Bytes(Bytes::from_static(text.as_bytes())), &mut Context::default())?;
        Ok(item.into_tensor()?.into_vec()?)
    }

    #[test]
    fn windows_are_filled_up_behind_the_beginning_and_in_front_of_the_end() {
        assert_eq!(windows(" \x0b\t12").unwrap(), [49, 50, -1, 9, 49, 50]);
        assert_eq!(windows("12\n").unwrap(), [49, 50, 10, -1, 49, 50]);
        assert_eq!(windows("  12345678  ").unwrap(), [49, 50, 51, 54, 55, 56]);
    }

    #[test]
    fn files_without_enough_bytes_are_refused() {
        let problem = |text| windows(text).unwrap_err().to_string();
        assert_eq!(problem("   1"), "expected at least 2 bytes after white space, got 1");
        assert_eq!(problem(""), "expected at least 2 bytes after white space, got 0");
    }
}
