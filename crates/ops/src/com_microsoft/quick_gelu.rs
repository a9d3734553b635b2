//! `QuickGelu`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QuickGelu>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use crate::elementwise::infer_same;
use crate::swish::Swish;

declare_op! {
    /// `x/(1 + exp(−α·x))`.
    pub struct QuickGelu("com.microsoft", "QuickGelu", 1) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// The α.
        alpha: f32 = 1.702,
    }
}

impl Op for QuickGelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let y = builder.call(Swish { alpha: self.alpha }, &[x])?;
        builder.output(0, y);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn takes_its_slope_from_alpha() {
        Case::new(QuickGelu { alpha: 1.5 })
            .input(f32s(&[3], &[-1.0, 0.5, 2.0]))
            .expect(f32s(&[3], &[-0.18242556, 0.33958936, 1.9051483]));
    }
}
