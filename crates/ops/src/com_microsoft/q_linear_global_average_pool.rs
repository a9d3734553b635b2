//! `QLinearGlobalAveragePool`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearGlobalAveragePool>

use lehr_graph::{Builder, Dim, InferCx, Op, OpError, declare_op};

use super::quantized::through_reals;
use crate::reduce_mean::ReduceMean;

declare_op! {
    /// The average over all spatial axes of 8-bit values.
    ///
    /// Inputs: X, its scale and zero point, scale and zero point of the result.
    pub struct QLinearGlobalAveragePool("com.microsoft", "QLinearGlobalAveragePool", 1) inputs(5, 5) outputs(1, 1)
    flags() {
        /// Channels are the last axis instead of the second.
        channels_last: bool = false,
    }
}

impl QLinearGlobalAveragePool {
    fn spatial(&self, rank: usize) -> Result<std::ops::Range<usize>, OpError> {
        match rank {
            0..=2 => Err(OpError::shape(format!("input 0: expected at least rank 3, got rank {rank}"))),
            _ if self.channels_last => Ok(1..rank - 1),
            _ => Ok(2..rank),
        }
    }
}

impl Op for QLinearGlobalAveragePool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let mut shape = cx.shape(0).cloned();
        if let Some(shape) = &mut shape {
            let spatial = self.spatial(shape.rank())?;
            shape.dims_mut()[spatial].fill(Dim::Fixed(1));
        }
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let axes: Vec<i64> = self.spatial(builder.rank(x)?)?.map(|a| a as i64).collect();
        through_reals(builder, |builder, x| {
            let axes = builder.vector(&axes);
            builder.call(ReduceMean { keepdims: true, noop_with_empty_axes: false }, &[x, axes])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;
    use lehr_tensor::Tensor;

    // Numbers of ONNX Runtime.
    #[test]
    fn both_layouts() {
        let data: Vec<u8> = (0..16).map(|i| i * 10).collect();
        for (channels_last, shape, out, y) in [
            (false, [1, 1, 4, 4], [1, 1, 1, 1], vec![103u8]),
            (true, [1, 4, 2, 2], [1, 1, 1, 2], vec![96, 110]),
        ] {
            Case::new(QLinearGlobalAveragePool { channels_last })
                .input(Tensor::from_slice(&shape, &data).unwrap())
                .input(Tensor::scalar(0.1f32))
                .input(Tensor::scalar(5u8))
                .input(Tensor::scalar(0.07f32))
                .input(Tensor::scalar(3u8))
                .expect(Tensor::from_vec(&out, y).unwrap());
        }
    }
}
