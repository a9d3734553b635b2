//! `SkipLayerNormalization`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipLayerNormalization>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use super::normalized::{infer_skip_normalization, skip_normalization};

declare_op! {
    /// Layer normalisation of `input + skip + bias` along the last axis.
    ///
    /// Inputs: input, skip, gamma, beta (optional), bias (optional). Outputs: the normalised sum, mean, inverse
    /// deviation, and the sum.
    pub struct SkipLayerNormalization("com.microsoft", "SkipLayerNormalization", 1) inputs(3, 5) outputs(1, 4)
    flags() {
        /// Added to the variance.
        epsilon: f32 = 1e-12,
    }
}

impl Op for SkipLayerNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_skip_normalization(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (beta, bias) = (builder.input(3), builder.input(4));
        skip_normalization(builder, beta, bias, self.epsilon, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn adds_and_normalises() {
        Case::new(SkipLayerNormalization { epsilon: 1e-5 })
            .input(f32s(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(f32s(&[1, 2, 2], &[0.5, -1.0, 1.0, 0.0]))
            .input(f32s(&[2], &[1.0, 2.0]))
            .input(f32s(&[2], &[0.1, -0.1]))
            .input(f32s(&[2], &[0.2, 0.4]))
            .tolerance(1e-4, 1e-6)
            .expect_all(vec![
                f32s(&[1, 2, 2], &[1.0997784, -2.0995553, -0.89950395, 1.8989984]).into(),
                f32s(&[1, 2, 1], &[1.55, 4.3]).into(),
                f32s(&[1, 2, 1], &[6.6651855, 9.995002]).into(),
                f32s(&[1, 2, 2], &[1.7, 1.4, 4.2, 4.4]).into(),
            ]);
    }
}
