//! `CategoryMapper`: <https://onnx.ai/onnx/operators/onnx_aionnxml_CategoryMapper.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::lookup::{keys, pick, places};

declare_op! {
    /// Texts to numbers, or numbers to texts, by two parallel lists.
    pub struct CategoryMapper("ai.onnx.ml", "CategoryMapper", 1) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// For a text that is not in the list.
        default_int64: i64 = -1,
        /// For a number that is not in the list.
        default_string: String = "_Unused".into(),
        /// The numbers.
        cats_int64s: Option<Vec<i64>> = None,
        /// The texts.
        cats_strings: Option<Vec<String>> = None,
    }
}

impl Op for CategoryMapper {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = match cx.dtype(0)? {
            None => None,
            Some(DataType::String) => Some(DataType::I64),
            Some(_) => Some(DataType::String),
        };
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let mut numbers = self.cats_int64s.clone().unwrap_or_default();
        let mut texts = self.cats_strings.clone().unwrap_or_default();
        if numbers.len() != texts.len() {
            return Err(OpError::attribute(
                "cats_strings",
                format!("expected {} texts, got {}", numbers.len(), texts.len()),
            ));
        }
        let n = numbers.len();
        let known = if x.dtype() == DataType::String {
            Tensor::from_strings(&[n], texts.clone())?
        } else {
            Tensor::vector(numbers.clone())
        };
        // The default stands behind the list.
        numbers.push(self.default_int64);
        texts.push(self.default_string.clone());
        let values = if x.dtype() == DataType::String {
            Tensor::vector(numbers)
        } else {
            Tensor::from_strings(&[n + 1], texts)?
        };
        let at = places(keys(&known)?);
        let found: Vec<_> = keys(x)?.iter().map(|key| at.get(key).copied().unwrap_or(n)).collect();
        cx.set(0, pick(&values, &found, x.shape())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, i64s};

    #[test]
    fn both_ways() {
        let texts = |t: [&str; 2]| Tensor::from_strings(&[2], t.map(String::from).to_vec()).unwrap();
        let op = CategoryMapper {
            default_int64: -1,
            default_string: "_Unused".into(),
            cats_int64s: Some(vec![5, 6]),
            cats_strings: Some(vec!["a".into(), "b".into()]),
        };
        Case::new(op.clone()).input(texts(["b", "z"])).expect(i64s(&[2], &[6, -1]));
        Case::new(op).input(i64s(&[2], &[5, 1])).expect(texts(["a", "_Unused"]));
    }
}
