//! `Gelu`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Gelu>

use lehr_graph::{Builder, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};

use crate::elementwise::infer_same;
use crate::gelu::{Approximation, Gelu as Standard};

declare_op! {
    /// `x/2·(1 + erf(x/√2))`; read as the operator of that name in the default domain.
    pub struct Gelu("com.microsoft", "Gelu", 1) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) read(Self::read) {}
}

impl Gelu {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        cx.emit_same(Standard { approximate: Approximation::None })
    }
}

impl Op for Gelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let y = builder.call(Standard { approximate: Approximation::None }, &[x])?;
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
    fn exact() {
        Case::new(Gelu {})
            .input(f32s(&[3], &[-1.0, 0.5, 2.0]))
            .expect(f32s(&[3], &[-0.15865526, 0.34573123, 1.9544997]));
    }
}
