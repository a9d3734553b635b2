//! `EmbedLayerNormalization`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.EmbedLayerNormalization>

use lehr_graph::{Builder, Dim, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor};

use super::normalized::normalized;
use crate::add::Add;
use crate::gather::Gather;
use crate::reduce_sum::ReduceSum;
use crate::shape::Shape as ShapeOf;
use crate::slice::Slice;

declare_op! {
    /// Layer normalisation of the sum of word, position and segment embeddings.
    ///
    /// Inputs: word ids (batch × positions), segment ids, tables of word, position and segment embeddings, gamma, beta,
    /// mask, position ids (0, 1, 2 … by default). Outputs: the normalised sum, the sums of the mask, the sum.
    pub struct EmbedLayerNormalization("com.microsoft", "EmbedLayerNormalization", 1) inputs(7, 9) outputs(1, 3)
    flags() {
        /// Added to the variance.
        epsilon: f32 = 1e-12,
        /// Whether output 1 is there (1) or not (0).
        mask_index_type: Option<i64> = None,
    }
}

impl Op for EmbedLayerNormalization {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(2)?;
        let dim =
            |shape: Option<&Shape>, axis| shape.and_then(|s| s.get(axis)).cloned().unwrap_or(Dim::Unknown);
        let batch = dim(cx.shape(0), 0);
        let shape: Shape = [batch.clone(), dim(cx.shape(0), 1), dim(cx.shape(2), 1)].into_iter().collect();
        cx.set_tensor(0, dtype, Some(shape.clone()));
        cx.set_tensor(1, Some(DataType::I32), Some([batch].into_iter().collect()));
        cx.set_tensor(2, dtype, Some(shape));
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let ids = builder.require(0)?;
        let (words, positions) = (builder.require(2)?, builder.require(3)?);
        let mut sum = builder.call(Gather { axis: 0 }, &[words, ids])?;
        let position = match builder.input(8) {
            Some(position_ids) => builder.call(Gather { axis: 0 }, &[positions, position_ids])?,
            None => {
                let count = builder.call(ShapeOf { start: 1, end: Some(2) }, &[ids])?;
                let zero = builder.vector(&[0i64]);
                builder.call(Slice {}, &[positions, zero, count])?
            }
        };
        sum = builder.call(Add {}, &[sum, position])?;
        if let (Some(segment_ids), Some(segments)) = (builder.input(1), builder.input(4)) {
            let segment = builder.call(Gather { axis: 0 }, &[segments, segment_ids])?;
            sum = builder.call(Add {}, &[sum, segment])?;
        }
        let (gamma, beta) = (builder.require(5)?, builder.require(6)?);
        let y = normalized(builder, sum, gamma, Some(beta), self.epsilon, true)?.y;
        builder.output(0, y);
        if builder.n_outputs() > 1 {
            let axes = builder.vector(&[1i64]);
            let counted = match builder.input(7) {
                Some(mask) => mask,
                None => {
                    // Without a mask the sums are zeros.
                    let zero = builder.constant(Tensor::scalar(0i32));
                    builder.call(crate::mul::Mul {}, &[ids, zero])?
                }
            };
            let sums =
                builder.call(ReduceSum { keepdims: false, noop_with_empty_axes: false }, &[counted, axes])?;
            builder.output(1, sums);
        }
        builder.output(2, sum);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    // Numbers of ONNX Runtime.
    #[test]
    fn sums_three_embeddings() {
        let ids = |values: &[i32]| Tensor::from_slice(&[1, 2], values).unwrap();
        let table = |factor: f32| f32s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 0.0, -1.0].map(|v: f32| v * factor));
        Case::new(EmbedLayerNormalization { epsilon: 1e-5, mask_index_type: Some(1) })
            .input(ids(&[1, 0]))
            .input(ids(&[0, 1]))
            .input(table(1.0))
            .input(table(0.5))
            .input(table(0.1))
            .input(f32s(&[2], &[1.0, 2.0]))
            .input(f32s(&[2], &[0.1, -0.1]))
            .input(ids(&[1, 0]))
            .tolerance(1e-5, 1e-6)
            .expect_all(vec![
                f32s(&[1, 2, 2], &[-0.8999919, 1.8999848, -0.8999919, 1.8999848]).into(),
                Tensor::vector(vec![1i32]).into(),
                f32s(&[1, 2, 2], &[3.6, 5.2, 2.8, 4.4]).into(),
            ]);
    }
}
