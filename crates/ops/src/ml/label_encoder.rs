//! `LabelEncoder`: <https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html>

use lehr_graph::{Attribute, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, WriteCx, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::lookup::{keys, pick, places};

declare_op! {
    /// Replaces every element by the value that stands at the place of its key; a repeated key counts where it is last.
    pub struct LabelEncoder("ai.onnx.ml", "LabelEncoder", 4) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {
        /// The value for other elements, when the values are in `values_tensor`.
        default_tensor: Option<Tensor> = None,
        /// The value for other elements, when the values are integers.
        default_int64: i64 = -1,
        /// The value for other elements, when the values are floats.
        default_float: f32 = -0.0,
        /// The value for other elements, when the values are texts.
        default_string: String = "_Unused".into(),
        /// Values.
        values_int64s: Option<Vec<i64>> = None,
        /// Values.
        values_strings: Option<Vec<String>> = None,
        /// Values of any type.
        values_tensor: Option<Tensor> = None,
        /// Keys.
        keys_floats: Option<Vec<f32>> = None,
        /// Keys.
        keys_strings: Option<Vec<String>> = None,
        /// Values.
        values_floats: Option<Vec<f32>> = None,
        /// Keys.
        keys_int64s: Option<Vec<i64>> = None,
        /// Keys of any type.
        keys_tensor: Option<Tensor> = None,
    }
}

impl LabelEncoder {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let mut op = Self::from_attributes(cx.attributes())?;
        if cx.opset() < 2 {
            // One list of texts, which are mapped to their places or back, as the type of the input asks.
            let texts: Vec<String> = cx.attribute("classes_strings")?.unwrap_or_default();
            let numbers: Vec<i64> = (0i64..).take(texts.len()).collect();
            let input = cx.require(0)?;
            match cx.ty(input).dtype() {
                Some(DataType::String) => {
                    (op.keys_strings, op.values_int64s) = (Some(texts), Some(numbers));
                }
                Some(_) => (op.keys_int64s, op.values_strings) = (Some(numbers), Some(texts)),
                None => {
                    return Err(OpError::Unsupported(
                        "before version 2 the direction depends on the type of the input, which is not known"
                            .into(),
                    ));
                }
            }
        }
        cx.emit_same(op)
    }

    fn key_list(&self) -> Result<Tensor, OpError> {
        list("keys", &self.keys_tensor, &self.keys_strings, &self.keys_int64s, &self.keys_floats)
    }

    fn value_list(&self) -> Result<Tensor, OpError> {
        list("values", &self.values_tensor, &self.values_strings, &self.values_int64s, &self.values_floats)
    }

    /// The value for elements that are no key, of the type of the values.
    fn default_of(&self, values: &Tensor) -> Result<Tensor, OpError> {
        if let Some(tensor) = self.default_tensor.as_ref().filter(|_| self.values_tensor.is_some()) {
            return Ok(tensor.reshape(&[1])?);
        }
        Ok(match values.dtype() {
            DataType::String => Tensor::from_strings(&[1], vec![self.default_string.clone()])?,
            dtype if dtype.is_float() => {
                Tensor::vector(vec![self.default_float]).cast(dtype, Default::default())?
            }
            dtype => Tensor::vector(vec![self.default_int64]).cast(dtype, Default::default())?,
        })
    }
}

/// The one of the lists that is there.
fn list(
    name: &str,
    tensor: &Option<Tensor>,
    texts: &Option<Vec<String>>,
    ints: &Option<Vec<i64>>,
    floats: &Option<Vec<f32>>,
) -> Result<Tensor, OpError> {
    if let Some(tensor) = tensor {
        return Ok(tensor.reshape(&[tensor.len()])?);
    }
    if let Some(texts) = texts.as_ref().filter(|t| !t.is_empty()) {
        return Ok(Tensor::from_strings(&[texts.len()], texts.clone())?);
    }
    if let Some(ints) = ints.as_ref().filter(|v| !v.is_empty()) {
        return Ok(Tensor::vector(ints.clone()));
    }
    match floats {
        Some(floats) => Ok(Tensor::vector(floats.clone())),
        None => {
            Err(OpError::attribute(format!("{name}_tensor"), "is missing, and so is every other form of it"))
        }
    }
}

impl Op for LabelEncoder {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.require(0)?;
        let dtype = self.value_list()?.dtype();
        cx.set_tensor(0, Some(dtype), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let (known, values) = (self.key_list()?, self.value_list()?);
        if known.len() != values.len() {
            return Err(OpError::value(format!(
                "expected as many values as the {} keys, got {}",
                known.len(),
                values.len()
            )));
        }
        if known.dtype() != x.dtype() {
            return Err(OpError::input_type(0, known.dtype().name(), x.dtype()));
        }
        let default = self.default_of(&values)?;
        // The default stands behind the values.
        let n = values.len();
        let values = crate::concat::concat(&[&values, &default], 0)?;
        let at = places(keys(&known)?);
        let found: Vec<_> = keys(x)?.iter().map(|key| at.get(key).copied().unwrap_or(n)).collect();
        cx.set(0, pick(&values, &found, x.shape())?);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 4 {
            return Ok(());
        }
        for (name, tensor) in [("keys", &self.keys_tensor), ("values", &self.values_tensor)] {
            let Some(tensor) = tensor else { continue };
            cx.attributes_mut().remove(&format!("{name}_tensor"));
            let (kind, list) = match tensor.dtype() {
                DataType::String => ("strings", Attribute::Strings(tensor.strings()?.to_vec())),
                DataType::I64 => ("int64s", Attribute::Ints(tensor.to_i64s()?)),
                DataType::F32 => ("floats", Attribute::Floats(tensor.as_slice::<f32>()?.to_vec())),
                other => {
                    return Err(OpError::Unsupported(format!(
                        "before version 4 there are no {name} of {other}"
                    )));
                }
            };
            cx.attributes_mut().set(format!("{name}_{kind}"), list);
        }
        if let Some(default) = cx.attributes_mut().remove("default_tensor").and(self.default_tensor.as_ref())
        {
            let (name, value) = match default.dtype() {
                DataType::String => (
                    "default_string",
                    Attribute::String(default.strings()?.first().cloned().unwrap_or_default()),
                ),
                DataType::I64 => ("default_int64", Attribute::Int(default.item()?)),
                _ => ("default_float", Attribute::Float(default.item()?)),
            };
            cx.attributes_mut().set(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn empty() -> LabelEncoder {
        LabelEncoder::from_attributes(&Default::default()).unwrap()
    }

    #[test]
    fn texts_numbers_and_missing_values() {
        let texts = Tensor::from_strings(&[3], ["Dori", "Amy", "Sally"].map(String::from).to_vec()).unwrap();
        let op = LabelEncoder {
            keys_strings: Some(vec!["Amy".into(), "Sally".into()]),
            values_int64s: Some(vec![5, 6]),
            ..empty()
        };
        Case::new(op).input(texts).expect(i64s(&[3], &[-1, 5, 6]));
        let op = LabelEncoder {
            keys_floats: Some(vec![f32::NAN, 1.0, 1.0]),
            values_tensor: Some(Tensor::vector(vec![7i16, 8, 9])),
            ..empty()
        };
        Case::new(op).input(f32s(&[3], &[f32::NAN, 1.0, 2.0])).expect(Tensor::vector(vec![7i16, 9, -1]));
    }
}
