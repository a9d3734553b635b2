//! `QuantizeLinear`: <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>

use lehr_graph::{
    EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature, WriteCx, declare_op,
};
use lehr_tensor::DataType;

use crate::downgrade::drop_attribute;
use crate::quantization::{
    Granularity, check_granularity, check_zero_point, integer_range, integers, round_and_saturate, round_to,
    small_floats,
};
use crate::renamed_axes::along_scale_axis;

declare_op! {
    /// `saturate(round(x / scale) + zero_point)` with one scale, one per index of an axis or one per block.
    pub struct QuantizeLinear("", "QuantizeLinear", 28) inputs(2, 3) outputs(1, 1) flags() read(Self::read) {
        /// Axis of the scales; may be negative.
        axis: i64 = 1,
        /// Indices of the axis that share a scale; 0 for a scale per index or for all.
        block_size: i64 = 0,
        /// Type of the result; that of the zero point, else `u8`, when absent.
        output_dtype: Option<DataType> = None,
        /// Type in which x is divided by the scale; that of the scale when absent.
        precision: Option<DataType> = None,
        /// Values beyond an 8-bit float become its largest one.
        saturate: bool = true,
    }
}

/// The attributes without element types that are 0, which means absent.
pub(crate) fn without_undefined(cx: &ReadCx<'_>, names: &[&str]) -> Result<lehr_graph::Attributes, OpError> {
    let mut attributes = cx.attributes().clone();
    for name in names {
        if cx.attributes().read::<i64>(name)? == Some(0) {
            attributes.remove(name);
        }
    }
    Ok(attributes)
}

impl QuantizeLinear {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let attributes = without_undefined(cx, &["output_dtype", "precision"])?;
        cx.emit_same(Self::from_attributes(&attributes)?)
    }

    fn output_type(&self, zero_point: Option<DataType>) -> Result<DataType, OpError> {
        match (self.output_dtype, zero_point) {
            (Some(dtype), Some(zero)) if dtype != zero => Err(OpError::attribute(
                "output_dtype",
                format!("expected {}, the type of the zero point, got {}", zero.name(), dtype.name()),
            )),
            (dtype, zero) => Ok(dtype.or(zero).unwrap_or(DataType::U8)),
        }
    }
}

impl Op for QuantizeLinear {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        check_granularity(cx.shape(0), cx.shape(1), self.axis, self.block_size)?;
        cx.dtype(0)?;
        let zero = if cx.has_input(2) { Some(cx.dtype(2)?) } else { None };
        let dtype = match zero {
            // The zero point decides, and its type is not known yet.
            Some(None) => self.output_dtype,
            known => Some(self.output_type(known.flatten())?),
        };
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, scale_tensor) = (cx.tensor(0)?, cx.tensor(1)?);
        let zero_tensor = cx.optional_tensor(2)?;
        let dtype = self.output_type(zero_tensor.map(|z| z.dtype()))?;
        let granularity = Granularity::new(x.shape(), scale_tensor.shape(), self.axis, self.block_size)?;
        let scale = scale_tensor.to_f64s()?;
        let zero = match zero_tensor {
            Some(zero) => {
                check_zero_point(2, zero, scale_tensor)?;
                zero.to_f64s()?
            }
            None => vec![0.0; scale.len()],
        };
        let precision = self.precision.unwrap_or(match scale_tensor.dtype() {
            DataType::F8E8M0 => DataType::F32,
            dtype => dtype,
        });
        let quotient = |(at, x): (usize, f64)| {
            let parameter = granularity.scale_of(at);
            let (x, scale) = (round_to(precision, x), round_to(precision, scale[parameter]));
            (round_to(precision, x / scale), zero[parameter])
        };
        let quotients = x.to_f64s()?.into_iter().enumerate().map(quotient);
        let y = match integer_range(dtype) {
            Some(range) => {
                let y = quotients.map(|(q, zero)| round_and_saturate(q, zero, range)).collect();
                integers(dtype, x.shape(), y)?
            }
            None if dtype.is_float() => {
                let y = quotients.map(|(q, zero)| q + zero).collect();
                small_floats(dtype, x.shape(), y, self.saturate)?
            }
            None => return Err(OpError::input_type(2, "an integer or small float type", dtype)),
        };
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        drop_attribute(cx, "precision", 23, self.precision.is_none())?;
        let from_zero = cx.io().input_dtype(2).or(Some(DataType::U8));
        drop_attribute(
            cx,
            "output_dtype",
            21,
            self.output_dtype.is_none() || self.output_dtype == from_zero,
        )?;
        drop_attribute(cx, "block_size", 21, self.block_size == 0)?;
        drop_attribute(cx, "saturate", 19, self.saturate)
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        along_scale_axis(io, order, (self.axis, self.block_size), |axis| Self { axis, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, numbers};
    use lehr_tensor::Tensor;

    fn op() -> QuantizeLinear {
        QuantizeLinear { axis: 1, block_size: 0, output_dtype: None, precision: None, saturate: true }
    }

    #[test]
    fn one_scale_one_per_axis_and_one_per_block() {
        let x = f32s(&[6], &[0., 2., 3., 1000., -254., -1000.]);
        Case::new(op())
            .input(x)
            .constant(Tensor::scalar(2f32))
            .constant(Tensor::scalar(128u8))
            .expect(Tensor::vector(vec![128u8, 129, 130, 255, 1, 0]));
        let x = f32s(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        Case::new(op())
            .input(x.clone())
            .input(f32s(&[3], &[1., 2., 4.]))
            .input(Tensor::vector(vec![0i8, 1, -1]))
            .expect(Tensor::from_slice(&[2, 3], &[1i8, 2, 0, 4, 3, 1]).unwrap());
        let blocked = QuantizeLinear { block_size: 2, output_dtype: Some(DataType::I4), ..op() };
        Case::new(blocked).input(x.clone()).input(f32s(&[2, 2], &[0.25, 1., 2., 1.])).expect(numbers(
            DataType::I4,
            &[2, 3],
            &[4., 7., 3., 2., 2., 6.],
        ));
        Case::new(op()).input(x).input(f32s(&[2], &[1., 1.])).expect_error("does not fit");
    }

    #[test]
    fn small_float_types() {
        let x = f32s(&[4], &[0., 1000., -3.2, 1e6]);
        let zero = |d| numbers(d, &[], &[0.]);
        Case::new(op())
            .input(x.clone())
            .input(Tensor::scalar(2f32))
            .input(zero(DataType::F8E4M3FN))
            .expect(numbers(DataType::F8E4M3FN, &[4], &[0., 448., -1.625, 448.]));
        Case::new(op()).input(x).input(Tensor::scalar(2f32)).input(zero(DataType::F4E2M1)).expect(numbers(
            DataType::F4E2M1,
            &[4],
            &[0., 6., -1.5, 6.],
        ));
    }
}
