//! `BitCast`: <https://onnx.ai/onnx/operators/onnx__BitCast.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

declare_op! {
    /// The same bits read as another type of the same width.
    pub struct BitCast("", "BitCast", 26) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
        /// Element type of the result.
        to: DataType,
    }
}

impl Op for BitCast {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        if let Some(from) = cx.dtype(0)?
            && (from == DataType::String || self.to == DataType::String || from.bits() != self.to.bits())
        {
            return Err(OpError::input_type(0, format!("a type as wide as {}", self.to.name()), from));
        }
        cx.set_tensor(0, Some(self.to), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let y = cx.tensor(0)?.with_dtype_bits(self.to)?;
        cx.set(0, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    #[test]
    fn keeps_the_bits() {
        let x = f32s(&[2], &[1.0, -0.0]);
        let bits = Tensor::vector(vec![0x3f80_0000u32, 0x8000_0000]);
        Case::new(BitCast { to: DataType::U32 }).input(x.clone()).expect(bits);
        Case::new(BitCast { to: DataType::I64 }).input(x).expect_error("as wide as");
    }
}
