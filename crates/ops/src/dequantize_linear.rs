//! `DequantizeLinear`: <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>

use lehr_graph::{
    EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature, WriteCx, declare_op,
};
use lehr_tensor::DataType;

use crate::downgrade::drop_attribute;
use crate::operand::{check_dtype, rounded};
use crate::quantization::{Granularity, check_granularity, check_zero_point};
use crate::quantize_linear::without_undefined;
use crate::renamed_axes::along_scale_axis;

declare_op! {
    /// `(x - zero_point) · scale` with one scale, one per index of an axis or one per block.
    pub struct DequantizeLinear("", "DequantizeLinear", 28) inputs(2, 3) outputs(1, 1) flags(EXPANDS_WEIGHTS)
    read(Self::read) {
        /// Axis of the scales; may be negative.
        axis: i64 = 1,
        /// Indices of the axis that share a scale; 0 for a scale per index or for all.
        block_size: i64 = 0,
        /// Type of the result; that of the scale when absent.
        output_dtype: Option<DataType> = None,
    }
}

impl DequantizeLinear {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let attributes = without_undefined(cx, &["output_dtype"])?;
        cx.emit_same(Self::from_attributes(&attributes)?)
    }
}

impl Op for DequantizeLinear {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        check_granularity(cx.shape(0), cx.shape(1), self.axis, self.block_size)?;
        cx.dtype(0)?;
        let dtype = self.output_dtype.or(cx.dtype(1)?);
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, scale_tensor) = (cx.tensor(0)?, cx.tensor(1)?);
        let dtype = self.output_dtype.unwrap_or(scale_tensor.dtype());
        let granularity = Granularity::new(x.shape(), scale_tensor.shape(), self.axis, self.block_size)?;
        let scale = scale_tensor.to_f64s()?;
        let zero = match cx.optional_tensor(2)? {
            Some(zero) => {
                check_zero_point(2, zero, scale_tensor)?;
                check_dtype(2, zero, x.dtype())?;
                zero.to_f64s()?
            }
            None => vec![0.0; scale.len()],
        };
        let value = |(at, x): (usize, f64)| {
            let parameter = granularity.scale_of(at);
            // The difference has single precision, as in the reference, before the product is rounded.
            f64::from((x - zero[parameter]) as f32) * scale[parameter]
        };
        let y = x.to_f64s()?.into_iter().enumerate().map(value).collect();
        let y = rounded(dtype, x.shape(), y)?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let from_scale = cx.io().input_dtype(1);
        drop_attribute(
            cx,
            "output_dtype",
            23,
            self.output_dtype.is_none() || self.output_dtype == from_scale,
        )?;
        drop_attribute(cx, "block_size", 21, self.block_size == 0)
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

    #[test]
    fn scales_and_zero_points() {
        let op = DequantizeLinear { axis: 1, block_size: 0, output_dtype: None };
        Case::new(op.clone())
            .input(Tensor::vector(vec![0u8, 3, 128, 255]))
            .constant(Tensor::scalar(2f32))
            .constant(Tensor::scalar(128u8))
            .expect(f32s(&[4], &[-256., -250., 0., 254.]));
        Case::new(DequantizeLinear { axis: -2, ..op.clone() })
            .input(numbers(DataType::I4, &[2, 2], &[-8., 1., 2., 7.]))
            .constant(f32s(&[2], &[0.5, 2.]))
            .expect(f32s(&[2, 2], &[-4., 0.5, 4., 14.]));
        Case::new(DequantizeLinear { block_size: 2, output_dtype: Some(DataType::F16), ..op })
            .input(Tensor::from_slice(&[1, 3], &[1i8, 2, 3]).unwrap())
            .constant(f32s(&[1, 2], &[0.5, 10.]))
            .constant(Tensor::from_slice(&[1, 2], &[1i8, 2]).unwrap())
            .expect(numbers(DataType::F16, &[1, 3], &[0., 0.5, 10.]));
    }
}
