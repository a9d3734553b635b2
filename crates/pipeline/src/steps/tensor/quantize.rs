//! `quantize`: numbers become the 8-bit integers that a quantised model takes.

use lehr_tensor::{CastOptions, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, TensorType};

/// `{ op = "quantize", scale = 0.0078125, zero_point = 128, dtype = "u8" }`: `x / scale + zero_point`, rounded as
/// ONNX's `QuantizeLinear` does (a half to the even integer) and kept in the range of the type. NaN becomes the zero
/// point.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    scale: f32,
    #[serde(default)]
    zero_point: i32,
    dtype: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    U8,
    I8,
}

impl Target {
    fn dtype(self) -> DataType {
        match self {
            Self::U8 => DataType::U8,
            Self::I8 => DataType::I8,
        }
    }
}

impl Spec for Quantize {
    const OP: &'static str = "quantize";
    const SUMMARY: &'static str = "numbers of a tensor become 8-bit integers, x / scale + zero_point";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(StepError::parameter("scale", "a number above 0", self.scale));
        }
        let range = match self.dtype {
            Target::U8 => 0..=255,
            Target::I8 => -128..=127,
        };
        match range.contains(&self.zero_point) {
            true => Ok(Box::new(self)),
            false => {
                let expected = format!("{} to {}", range.start(), range.end());
                Err(StepError::parameter("zero_point", expected, self.zero_point))
            }
        }
    }
}

impl Step for Quantize {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        Ok(ItemType::Tensor(TensorType { dtype: Some(self.dtype.dtype()), ..input.tensor()?.clone() }))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let tensor = item.into_tensor()?;
        let shape = tensor.shape().to_vec();
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        let rounded = values.iter().map(|value| {
            let steps = (value / self.scale).round_ties_even();
            // The zero point is exact in f32; a quotient that is too large stays too large.
            if steps.is_nan() { self.zero_point as f32 } else { steps + self.zero_point as f32 }
        });
        // Conversions saturate.
        Ok(Item::Tensor(match self.dtype {
            Target::U8 => Tensor::from_vec(&shape, rounded.map(|value| value as u8).collect::<Vec<u8>>())?,
            Target::I8 => Tensor::from_vec(&shape, rounded.map(|value| value as i8).collect::<Vec<i8>>())?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoFiles;

    fn quantized(dtype: Target, zero_point: i32, values: &[f32]) -> Tensor {
        let step = Quantize { scale: 0.5, zero_point, dtype }.build(&NoFiles).unwrap();
        let tensor = Tensor::from_vec(&[values.len()], values.to_vec()).unwrap();
        step.apply(Item::Tensor(tensor), &mut Context::default()).unwrap().into_tensor().unwrap()
    }

    #[test]
    fn halves_go_to_the_even_integer_and_the_range_is_kept() {
        let values = [0.25, 0.75, -0.25, 1e9, f32::NEG_INFINITY, f32::NAN];
        let expected = Tensor::from_vec(&[6], vec![128u8, 130, 128, 255, 0, 128]).unwrap();
        assert_eq!(quantized(Target::U8, 128, &values), expected);
        let expected = Tensor::from_vec(&[6], vec![-1i8, 1, -1, 127, -128, -1]).unwrap();
        assert_eq!(quantized(Target::I8, -1, &values), expected);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for (scale, zero_point, dtype) in
            [(0.0, 0, Target::U8), (1.0, -1, Target::U8), (1.0, 128, Target::I8)]
        {
            assert!(Quantize { scale, zero_point, dtype }.build(&NoFiles).is_err());
        }
    }
}
