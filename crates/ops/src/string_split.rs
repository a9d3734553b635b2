//! `StringSplit`: <https://onnx.ai/onnx/operators/onnx__StringSplit.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::movement::check_size;

declare_op! {
    /// The parts of each text along a new last axis, filled up with empty texts; and how many parts each has.
    pub struct StringSplit("", "StringSplit", 20) inputs(1, 1) outputs(1, 2) flags() {
        /// What stands between parts; without it, any white space, which is also dropped at both ends.
        delimiter: Option<String> = None,
        /// Most splits, counted from the left; all by default.
        maxsplit: Option<i64> = None,
    }
}

impl StringSplit {
    fn parts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let most = self.maxsplit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX - 1);
        match self.delimiter.as_deref() {
            Some(delimiter) if !delimiter.is_empty() => {
                text.splitn(most.saturating_add(1), delimiter).collect()
            }
            _ => words(text, most),
        }
    }
}

/// Words, and after `most` splits the rest without white space at its start.
fn words(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest.trim_end());
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        parts.push(word);
        rest = behind.trim_start();
    }
    parts
}

impl Op for StringSplit {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let shape = cx.shape(0).cloned();
        let parts = shape.clone().map(|mut shape| {
            shape.push(Dim::Unknown);
            shape
        });
        cx.set_tensor(0, Some(DataType::String), parts);
        cx.set_tensor(1, Some(DataType::I64), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let parts: Vec<Vec<&str>> = x.strings()?.iter().map(|text| self.parts(text)).collect();
        let most = parts.iter().map(Vec::len).max().unwrap_or(0);
        let shape = [x.shape(), &[most]].concat();
        let mut out = Vec::with_capacity(check_size(cx.environment(), DataType::String, &shape)?);
        for list in &parts {
            out.extend(list.iter().map(|part| (*part).to_owned()));
            out.extend(std::iter::repeat_n(String::new(), most - list.len()));
        }
        let counts = parts.iter().map(|list| i64::try_from(list.len()).unwrap_or(i64::MAX)).collect();
        cx.set(0, Tensor::from_strings(&shape, out)?);
        cx.set(1, Tensor::from_vec::<i64>(x.shape(), counts)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s, texts};

    #[test]
    fn by_delimiter_and_by_white_space() {
        let case = |delimiter: Option<&str>, maxsplit, x: &[&str]| {
            Case::new(StringSplit { delimiter: delimiter.map(String::from), maxsplit })
                .input(texts(&[x.len()], x))
        };
        case(Some("."), None, &["a..b", "c"]).expect_all(vec![
            texts(&[2, 3], &["a", "", "b", "c", "", ""]).into(),
            i64s(&[2], &[3, 1]).into(),
        ]);
        case(Some(""), Some(1), &[" a  b c ", ""])
            .expect_all(vec![texts(&[2, 2], &["a", "b c", "", ""]).into(), i64s(&[2], &[2, 0]).into()]);
    }
}
