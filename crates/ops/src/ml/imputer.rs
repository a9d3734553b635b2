//! `Imputer`: <https://onnx.ai/onnx/operators/onnx_aionnxml_Imputer.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{Tensor, Wide};

use crate::elementwise::infer_same;

declare_op! {
    /// Replaces elements of one value (or NaN) by another, one for all features or one per feature of the last axis.
    /// Floats use the float attributes, integers the integer ones.
    pub struct Imputer("ai.onnx.ml", "Imputer", 1) inputs(1, 1) outputs(1, 1) flags() {
        /// What is replaced in integers.
        replaced_value_int64: i64 = 0,
        /// By what, in floats.
        imputed_value_floats: Option<Vec<f32>> = None,
        /// What is replaced in floats.
        replaced_value_float: f32 = 0.0,
        /// By what, in integers.
        imputed_value_int64s: Option<Vec<i64>> = None,
    }
}

impl Op for Imputer {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let features = x.shape().last().copied().unwrap_or(1);
        let wide = match x.widen() {
            Wide::F(mut values) => {
                let new = self.imputed_value_floats.as_deref().unwrap_or_default();
                let new = per_feature("imputed_value_floats", new, features)?;
                let old = f64::from(self.replaced_value_float);
                let hit = |v: f64| if old.is_nan() { v.is_nan() } else { v == old };
                for (at, value) in values.iter_mut().enumerate().filter(|(_, v)| hit(**v)) {
                    *value = f64::from(new(at));
                }
                Wide::F(values)
            }
            Wide::I(mut values) => {
                let new = self.imputed_value_int64s.as_deref().unwrap_or_default();
                let new = per_feature("imputed_value_int64s", new, features)?;
                let old = self.replaced_value_int64;
                for (at, value) in values.iter_mut().enumerate().filter(|(_, v)| **v == old) {
                    *value = new(at);
                }
                Wide::I(values)
            }
            _ => return Err(OpError::input_type(0, "floats or signed integers", x.dtype())),
        };
        cx.set(0, Tensor::narrow(x.dtype(), x.shape(), wide)?);
        Ok(())
    }
}

/// The value for the feature of the element at a place.
fn per_feature<'a, T: Copy>(
    name: &str,
    values: &'a [T],
    features: usize,
) -> Result<impl Fn(usize) -> T + use<'a, T>, OpError> {
    if values.is_empty() || (values.len() != 1 && values.len() != features) {
        return Err(OpError::attribute(
            name,
            format!("expected 1 or {features} values, got {}", values.len()),
        ));
    }
    Ok(move |at: usize| values[at % values.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn replaces_missing_values() {
        let op = Imputer {
            replaced_value_int64: 0,
            imputed_value_floats: Some(vec![9.0, 8.0]),
            replaced_value_float: f32::NAN,
            imputed_value_int64s: Some(vec![7]),
        };
        Case::new(op.clone())
            .input(f32s(&[2, 2], &[1.0, f32::NAN, f32::NAN, 3.0]))
            .expect(f32s(&[2, 2], &[1.0, 8.0, 9.0, 3.0]));
        Case::new(op).input(i64s(&[1, 3], &[0, 1, 0])).expect(i64s(&[1, 3], &[7, 1, 7]));
    }
}
