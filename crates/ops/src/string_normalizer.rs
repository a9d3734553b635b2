//! `StringNormalizer`: <https://onnx.ai/onnx/operators/onnx__StringNormalizer.html>

use std::collections::HashSet;

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, attribute_enum, declare_op};
use lehr_tensor::{DataType, Tensor};

attribute_enum! {
    /// What happens to the case of letters.
    pub enum CaseChange {
        /// Nothing.
        None = "NONE",
        /// Lower case.
        Lower = "LOWER",
        /// Upper case.
        Upper = "UPPER",
    }
}

declare_op! {
    /// The texts `[C]` or `[1, C]` without stop words, in another case; a single empty text when none is left.
    pub struct StringNormalizer("", "StringNormalizer", 10) inputs(1, 1) outputs(1, 1) flags() {
        /// What happens to the case of letters.
        case_change_action: CaseChange = CaseChange::None,
        /// Stop words are compared with their case.
        is_case_sensitive: bool = false,
        /// Named for other implementations; case changes follow Unicode in every locale.
        locale: Option<String> = None,
        /// Texts to be removed.
        stopwords: Option<Vec<String>> = None,
    }
}

impl Op for StringNormalizer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        let shape = match cx.rank(0) {
            Some(1) => Some(Shape::unknown(1)),
            Some(2) => Some(Shape::from([Dim::Fixed(1), Dim::Unknown])),
            Some(rank) => return Err(OpError::shape(format!("expected 1 or 2 axes, got {rank}"))),
            None => None,
        };
        cx.set_tensor(0, Some(DataType::String), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        if !matches!(x.shape(), [_] | [1, _]) {
            return Err(OpError::shape(format!("expected [C] or [1,C], got {:?}", x.shape())));
        }
        let key = |text: &str| if self.is_case_sensitive { text.to_owned() } else { text.to_lowercase() };
        let stop: HashSet<String> = self.stopwords.iter().flatten().map(|word| key(word)).collect();
        let mut kept: Vec<String> = x
            .strings()?
            .iter()
            .filter(|text| !stop.contains(&key(text)))
            .map(|text| match self.case_change_action {
                CaseChange::None => text.clone(),
                CaseChange::Lower => text.to_lowercase(),
                CaseChange::Upper => text.to_uppercase(),
            })
            .collect();
        if kept.is_empty() {
            kept.push(String::new());
        }
        let mut shape = x.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = kept.len();
        }
        cx.set(0, Tensor::from_strings(&shape, kept)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, texts};

    #[test]
    fn removes_stop_words_and_changes_case() {
        for (sensitive, stop, want) in
            [(true, "Monday", vec!["MONDAY", "TUESDAY"]), (false, "MONDAY", vec!["TUESDAY"])]
        {
            Case::new(StringNormalizer {
                case_change_action: CaseChange::Upper,
                is_case_sensitive: sensitive,
                locale: None,
                stopwords: Some(vec![stop.into()]),
            })
            .input(texts(&[1, 2], &["monday", "tuesday"]))
            .expect(texts(&[1, want.len()], &want));
        }
    }
}
