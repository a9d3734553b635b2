//! `RegexFullMatch`: <https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{DataType, Tensor};
use regex::RegexBuilder;

/// Most bytes of a compiled pattern, so that a hostile one cannot exhaust the memory.
const PATTERN_BYTES: usize = 1 << 23;

declare_op! {
    /// Whether the whole of each text matches a pattern in RE2 syntax.
    pub struct RegexFullMatch("", "RegexFullMatch", 20) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// The pattern.
        pattern: Option<String> = None,
    }
}

impl Op for RegexFullMatch {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        cx.set_tensor(0, Some(DataType::Bool), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let pattern = self.pattern.as_deref().unwrap_or_default();
        let regex = RegexBuilder::new(&format!("\\A(?:{pattern})\\z"))
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .build()
            .map_err(|error| OpError::attribute("pattern", error.to_string()))?;
        let matches = x.strings()?.iter().map(|text| regex.is_match(text)).collect();
        cx.set(0, Tensor::from_vec::<bool>(x.shape(), matches)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, texts};

    #[test]
    fn the_whole_text_must_match() {
        let case = |pattern: &str| {
            Case::new(RegexFullMatch { pattern: Some(pattern.into()) })
                .input(texts(&[3], &["ab", "abb", "b"]))
        };
        case("ab|b").expect(Tensor::vector(vec![true, false, true]));
        case("a{1000}{1000}{1000}").expect_error("pattern");
    }
}
