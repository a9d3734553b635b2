//! `OneHotEncoder`: <https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{CastOptions, DataType, Tensor};

use super::lookup::{keys, places};

declare_op! {
    /// One more axis at the end, with a 1 at the place of the element's category. Numbers are cast to integers.
    pub struct OneHotEncoder("ai.onnx.ml", "OneHotEncoder", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// Zeros for an unknown category, instead of an error.
        zeros: bool = true,
        /// The categories of texts.
        cats_strings: Option<Vec<String>> = None,
        /// The categories of numbers.
        cats_int64s: Option<Vec<i64>> = None,
    }
}

impl OneHotEncoder {
    fn categories(&self) -> Result<Tensor, OpError> {
        match (self.cats_int64s.as_deref(), self.cats_strings.as_deref()) {
            (Some(numbers @ [_, ..]), _) => Ok(Tensor::vector(numbers.to_vec())),
            (_, Some(texts @ [_, ..])) => Ok(Tensor::from_strings(&[texts.len()], texts.to_vec())?),
            _ => Err(OpError::attribute("cats_int64s", "expected categories here or in 'cats_strings'")),
        }
    }
}

impl Op for OneHotEncoder {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        let categories = Dim::Fixed(self.categories()?.len() as u64);
        let shape = cx.shape(0).cloned().map(|mut shape| {
            shape.push(categories);
            shape
        });
        cx.set_tensor(0, Some(DataType::F32), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let categories = self.categories()?;
        let n = categories.len();
        let mut shape = x.shape().to_vec();
        shape.push(n);
        crate::window_function::check_bytes(cx, &shape, DataType::F32)?;
        let wanted = categories.dtype();
        if (wanted == DataType::String) != (x.dtype() == DataType::String) {
            return Err(OpError::input_type(0, format!("the type of the categories, {wanted}"), x.dtype()));
        }
        let elements =
            if wanted == DataType::String { x.clone() } else { x.cast(wanted, CastOptions::default())? };
        let at = places(keys(&categories)?);
        let mut y = vec![0f32; lehr_tensor::checked_len(&shape)?];
        for (element, row) in keys(&elements)?.iter().zip(y.chunks_mut(n)) {
            match at.get(element) {
                Some(&place) => row[place] = 1.0,
                None if self.zeros => {}
                None => return Err(OpError::value(format!("{element:?} is not among the {n} categories"))),
            }
        }
        cx.set(0, Tensor::from_vec(&shape, y)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn known_and_unknown_categories() {
        let op = OneHotEncoder { zeros: true, cats_strings: None, cats_int64s: Some(vec![1, 2, 3]) };
        Case::new(op.clone())
            .input(f32s(&[2], &[2.7, 5.0]))
            .expect(f32s(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]));
        Case::new(OneHotEncoder { zeros: false, ..op }).input(i64s(&[1], &[5])).expect_error("categories");
    }
}
