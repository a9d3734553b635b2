//! `BiasGelu`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasGelu>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use crate::add::Add;
use crate::elementwise::infer_same;
use crate::gelu::{Approximation, Gelu};

declare_op! {
    /// `Gelu(a + b)` for a vector b that is added along the last axis.
    pub struct BiasGelu("com.microsoft", "BiasGelu", 1) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for BiasGelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (a, b) = (builder.require(0)?, builder.require(1)?);
        let sum = builder.call(Add {}, &[a, b])?;
        let y = builder.call(Gelu { approximate: Approximation::None }, &[sum])?;
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
    fn adds_the_bias_first() {
        Case::new(BiasGelu {})
            .input(f32s(&[3], &[-1.0, 0.5, 2.0]))
            .input(f32s(&[3], &[0.1, 0.2, 0.3]))
            .expect(f32s(&[3], &[-0.1656541, 0.53062546, 2.2753346]));
    }
}
