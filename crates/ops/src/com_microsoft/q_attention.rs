//! `QAttention`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QAttention>

use lehr_graph::{Builder, InferCx, Op, OpError, Signature, declare_op};

use super::attention::Attention;
use super::masks::MASKED;
use super::quantized::dequantized;

declare_op! {
    /// [`Attention`] whose input and weights are 8-bit values.
    ///
    /// Inputs: input, weights, bias, scale of the input, scale of the weights (one or one per column), mask, zero point of
    /// the input, zero point of the weights, past. Outputs: Y and the present.
    pub struct QAttention("com.microsoft", "QAttention", 1) inputs(5, 9) outputs(1, 2) flags() {
        /// Rotate queries and keys (not handled).
        do_rotary: bool = false,
        /// Added to the scores of masked keys.
        mask_filter_value: f32 = MASKED,
        /// Number of heads.
        num_heads: i64,
        /// Whether past and present share a buffer (not handled).
        past_present_share_buffer: bool = false,
        /// Factor of the scores; 1/√features by default.
        scale: Option<f32> = None,
        /// A query sees no later keys.
        unidirectional: bool = false,
    }
}

impl QAttention {
    fn plain(&self) -> Attention {
        Attention {
            do_rotary: self.do_rotary,
            mask_filter_value: self.mask_filter_value,
            num_heads: self.num_heads,
            past_present_share_buffer: self.past_present_share_buffer,
            qkv_hidden_sizes: None,
            rotary_embedding_dim: None,
            scale: self.scale,
            unidirectional: self.unidirectional,
        }
    }
}

impl Op for QAttention {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(3)?;
        let real = |index: usize| {
            let shape = cx.shape(index).cloned();
            lehr_graph::ValueType::Tensor(lehr_graph::TensorType { dtype, shape, known: None })
        };
        let (x, w) = (real(0), real(1));
        let inputs = vec![Some(&x), Some(&w), cx.ty(2), cx.ty(5), cx.ty(8)];
        let mut inner = InferCx::new(inputs, Vec::new(), 2);
        self.plain().infer(&mut inner)?;
        for (index, ty) in inner.finish().into_iter().enumerate() {
            cx.set(index, ty);
        }
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = dequantized(builder, 0, 3, 6, -1)?;
        let w = dequantized(builder, 1, 4, 7, -1)?;
        let inputs = [Some(x), Some(w), builder.input(2), builder.input(5), builder.input(8)];
        let n = builder.n_outputs();
        for (index, y) in builder.call_n(self.plain(), &inputs, n)?.into_iter().enumerate() {
            builder.output(index, y);
        }
        Ok(true)
    }

    fn cost(&self, io: &Signature<'_>) -> lehr_graph::Cost {
        crate::matrix_product::product_cost(io, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn eight_bits() {
        let op = QAttention {
            do_rotary: false,
            mask_filter_value: MASKED,
            num_heads: 2,
            past_present_share_buffer: false,
            scale: None,
            unidirectional: false,
        };
        Case::new(op)
            .tolerance(1e-4, 1e-4)
            .input(Tensor::from_slice(&[1, 3, 2], &[138u8, 148, 158, 88, 133, 138]).unwrap())
            .input(Tensor::from_slice(&[2, 6], &[1i8, 2, 3, -4, 5, 6, 7, -8, 9, 10, 2, 3]).unwrap())
            .input(f32s(&[6], &[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]))
            .input(Tensor::scalar(0.1f32))
            .input(Tensor::scalar(0.1f32))
            .absent()
            .input(Tensor::scalar(128u8))
            .expect(f32s(&[1, 3, 2], &[1.029257, 0.900171, 0.899971, 1.476501, 0.968412, 0.918487]));
    }
}
