//! `SkipSimplifiedLayerNormalization`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipSimplifiedLayerNormalization>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::normalized::{infer_skip_normalization, skip_normalization};

declare_op! {
    /// Normalisation of `input + skip + bias` by its root mean square along the last axis.
    ///
    /// Inputs: input, skip, gamma, bias (optional). Outputs: the normalised sum, zeros for the mean, inverse root mean
    /// square, and the sum.
    pub struct SkipSimplifiedLayerNormalization("com.microsoft", "SkipSimplifiedLayerNormalization", 1)
    inputs(3, 4) outputs(1, 4) flags() {
        /// Added to the mean square.
        epsilon: f32 = 1e-12,
    }
}

impl Op for SkipSimplifiedLayerNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_skip_normalization(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let bias = builder.input(3);
        skip_normalization(builder, None, bias, self.epsilon, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn adds_and_normalises() {
        Case::new(SkipSimplifiedLayerNormalization { epsilon: 1e-5 })
            .input(f32s(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(f32s(&[1, 2, 2], &[0.5, -1.0, 1.0, 0.0]))
            .input(f32s(&[2], &[1.0, 2.0]))
            .input(f32s(&[2], &[0.2, 0.4]))
            .expect_all(vec![
                f32s(&[1, 2, 2], &[1.0916721, 1.798048, 0.9764799, 2.045958]).into(),
                f32s(&[1, 2, 1], &[0.0, 0.0]).into(),
                f32s(&[1, 2, 1], &[0.64216, 0.23249522]).into(),
                f32s(&[1, 2, 2], &[1.7, 1.4, 4.2, 4.4]).into(),
            ]);
    }
}
