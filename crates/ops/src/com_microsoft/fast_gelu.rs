//! `FastGelu`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FastGelu>

use lehr_graph::{Builder, InferCx, Op, OpError, declare_op};

use crate::add::Add;
use crate::elementwise::infer_same;
use crate::gelu::{Approximation, Gelu};

declare_op! {
    /// `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))` of input 0 plus the bias in input 1, if there is one.
    pub struct FastGelu("com.microsoft", "FastGelu", 1) inputs(1, 2) outputs(1, 1) flags(ELEMENTWISE) {}
}

impl Op for FastGelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let mut x = builder.require(0)?;
        if let Some(bias) = builder.input(1) {
            x = builder.call(Add {}, &[x, bias])?;
        }
        let y = builder.call(Gelu { approximate: Approximation::Tanh }, &[x])?;
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
    fn with_bias() {
        Case::new(FastGelu {})
            .input(f32s(&[3], &[-1.0, 0.5, 2.0]))
            .input(f32s(&[3], &[0.1, 0.2, 0.3]))
            .expect(f32s(&[3], &[-0.16577151, 0.53057015, 2.275673]));
    }
}
