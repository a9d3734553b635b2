//! `DequantizeLinear`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DequantizeLinear>

use lehr_graph::{Builder, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::dequantize_linear::DequantizeLinear as Standard;

declare_op! {
    /// `(x − zero_point)·scale`; read as the operator of that name in the default domain.
    pub struct DequantizeLinear("com.microsoft", "DequantizeLinear", 1) inputs(2, 3) outputs(1, 1)
    flags(EXPANDS_WEIGHTS) read(Self::read) {
        /// Axis of the scales, when there are several.
        axis: Option<i64> = None,
    }
}

impl DequantizeLinear {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        cx.emit_same(op.standard())
    }

    fn standard(&self) -> Standard {
        Standard { axis: self.axis.unwrap_or(1), block_size: 0, output_dtype: None }
    }
}

impl Op for DequantizeLinear {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.standard().infer(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let inputs: Vec<_> = (0..builder.n_inputs()).map(|i| builder.input(i)).collect();
        let y = builder.call_n(self.standard(), &inputs, 1)?[0];
        builder.output(0, y);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn sixteen_bits() {
        Case::new(DequantizeLinear { axis: None })
            .input(Tensor::vector(vec![5u16, 7, 25]))
            .input(Tensor::scalar(0.5f32))
            .input(Tensor::scalar(7u16))
            .expect(f32s(&[3], &[-1.0, 0.0, 9.0]));
    }
}
