//! `QLinearAveragePool`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearAveragePool>

use lehr_graph::{Builder, InferCx, Op, OpError, Shape, ValueType, declare_op};

use super::quantized::through_reals;
use crate::average_pool::AveragePool;
use crate::transpose::Transpose;
use crate::window::AutoPad;

declare_op! {
    /// Averages over windows of 8-bit values.
    ///
    /// Inputs: X, its scale and zero point, scale and zero point of the result.
    pub struct QLinearAveragePool("com.microsoft", "QLinearAveragePool", 1) inputs(4, 5) outputs(1, 1) flags() {
        /// Where padding comes from.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Round the size of the output up.
        ceil_mode: bool = false,
        /// Channels are the last axis instead of the second.
        channels_last: bool = false,
        /// Count padded positions in the divisor.
        count_include_pad: bool = false,
        /// Size of the window along each axis.
        kernel_shape: Vec<i64>,
        /// Padding at the beginnings, then at the ends.
        pads: Option<Vec<i64>> = None,
        /// Steps along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl QLinearAveragePool {
    fn pool(&self) -> AveragePool {
        AveragePool {
            auto_pad: self.auto_pad,
            ceil_mode: self.ceil_mode,
            count_include_pad: self.count_include_pad,
            dilations: None,
            kernel_shape: self.kernel_shape.clone(),
            pads: self.pads.clone(),
            strides: self.strides.clone(),
        }
    }
}

/// Order of axes that brings channels from the end to the second place, or back.
fn channels_second(rank: usize, back: bool) -> Option<Vec<i64>> {
    let rank = i64::try_from(rank).ok().filter(|&r| r > 1)?;
    let order: Vec<i64> = if back {
        [0].into_iter().chain(2..rank).chain([1]).collect()
    } else {
        [0, rank - 1].into_iter().chain(1..rank - 1).collect()
    };
    Some(order)
}

fn permuted(shape: &Shape, order: &[i64]) -> Shape {
    order.iter().filter_map(|&a| shape.get(usize::try_from(a).ok()?).cloned()).collect()
}

impl Op for QLinearAveragePool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let Some(mut shape) = cx.shape(0).cloned() else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let rank = shape.rank();
        let order = channels_second(rank, false).filter(|_| self.channels_last);
        if let Some(order) = &order {
            shape = permuted(&shape, order);
        }
        let ty = match dtype {
            Some(_) => ValueType::tensor(lehr_tensor::DataType::F32, shape),
            None => ValueType::Unknown,
        };
        let mut inner = InferCx::new(vec![Some(&ty)], vec![None], 1);
        self.pool().infer(&mut inner)?;
        let mut pooled = inner.outputs().first().and_then(ValueType::shape).cloned();
        if order.is_some() {
            let back = channels_second(rank, true).unwrap_or_default();
            pooled = pooled.map(|shape| permuted(&shape, &back));
        }
        cx.set_tensor(0, dtype, pooled);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let rank = if self.channels_last { builder.rank(x)? } else { 0 };
        through_reals(builder, |builder, mut x| {
            if self.channels_last {
                x = builder.call(Transpose { perm: channels_second(rank, false) }, &[x])?;
            }
            let mut y = builder.call(self.pool(), &[x])?;
            if self.channels_last {
                y = builder.call(Transpose { perm: channels_second(rank, true) }, &[y])?;
            }
            Ok(y)
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
        for (channels_last, shape, out) in
            [(false, [1, 1, 4, 4], [1, 1, 2, 2]), (true, [1, 4, 4, 1], [1, 2, 2, 1])]
        {
            let op = QLinearAveragePool {
                auto_pad: AutoPad::NotSet,
                ceil_mode: false,
                channels_last,
                count_include_pad: false,
                kernel_shape: vec![2, 2],
                pads: None,
                strides: Some(vec![2, 2]),
            };
            Case::new(op)
                .input(Tensor::from_slice(&shape, &data).unwrap())
                .input(Tensor::scalar(0.1f32))
                .input(Tensor::scalar(5u8))
                .input(Tensor::scalar(0.07f32))
                .input(Tensor::scalar(3u8))
                .expect(Tensor::from_vec(&out, vec![32u8, 60, 146, 174]).unwrap());
        }
    }
}
