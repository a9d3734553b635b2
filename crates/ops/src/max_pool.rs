//! `MaxPool`: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>

use lehr_graph::{AxisMap, AxisRole, Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};
use lehr_tensor::{DataType, Tensor};

use crate::downgrade::drop_attribute;
use crate::operand::exact;
use crate::pooling::{Pooling, pool_axes, pool_cost, pooled_shape};
use crate::window::{AutoPad, WindowAttributes, window_of};

declare_op! {
    /// Largest element of each window (padding never counts), and on demand where it lies in the input.
    pub struct MaxPool("", "MaxPool", 22) inputs(1, 1) outputs(1, 2) flags() {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// The number of windows is rounded up.
        ceil_mode: bool = false,
        /// Steps between window elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Sizes of the window.
        kernel_shape: Vec<i64>,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// 1 counts the positions in output 1 along the first spatial axis first (column-major), 0 along the last.
        storage_order: i64 = 0,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl MaxPool {
    pub(crate) fn window(&self) -> WindowAttributes<'_> {
        window_of!(self, self.dilations.as_deref(), self.ceil_mode)
    }
}

impl Op for MaxPool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = pooled_shape(&self.window(), &self.kernel_shape, cx)?;
        cx.set_tensor(0, dtype, shape.clone());
        cx.set_tensor(1, Some(DataType::I64), shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let pooling = Pooling::new(&self.window(), &self.kernel_shape, x.shape())?;
        pooling.check_size(cx, DataType::I64)?;
        let values = x.to_f64s()?;
        // A window that lies in the padding altogether has no largest element.
        let best: Vec<Option<usize>> = pooling.map(|positions, _| {
            positions.reduce(|best, at| {
                let larger = values[at] > values[best] || (values[at].is_nan() && !values[best].is_nan());
                if larger { at } else { best }
            })
        });
        let lowest = if x.dtype().is_unsigned_int() { 0.0 } else { f64::NEG_INFINITY };
        let y = best.iter().map(|at| at.map_or(lowest, |at| values[at])).collect();
        let y = exact(x.dtype(), &pooling.output, y)?;
        if cx.n_outputs() > 1 {
            let spatial = &x.shape()[2..];
            let plane = pooling.window.input_len().max(1);
            let index = |at: usize| match self.storage_order {
                0 => at,
                _ => at - at % plane + column_major(at % plane, spatial),
            };
            let indices: Vec<i64> = best.iter().map(|at| at.map_or(-1, |at| index(at) as i64)).collect();
            cx.set(1, Tensor::from_vec(&pooling.output, indices)?);
        }
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        pool_cost(io, &self.kernel_shape)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = pool_axes(io);
        // Positions count the samples and channels before.
        map.outputs.iter_mut().skip(1).for_each(|roles| roles.fill(AxisRole::Mixed));
        map
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        drop_attribute(cx, "storage_order", 8, self.storage_order == 0)
    }
}

/// A row-major position counted along the first axis first instead.
fn column_major(at: usize, sizes: &[usize]) -> usize {
    let mut rest = at;
    let mut digits = vec![0; sizes.len()];
    for (digit, &size) in digits.iter_mut().zip(sizes).rev() {
        *digit = rest % size.max(1);
        rest /= size.max(1);
    }
    digits.iter().zip(sizes).rev().fold(0, |position, (digit, size)| position * size + digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn op(kernel: &[i64]) -> MaxPool {
        MaxPool {
            auto_pad: AutoPad::NotSet,
            ceil_mode: false,
            dilations: None,
            kernel_shape: kernel.to_vec(),
            pads: None,
            storage_order: 0,
            strides: None,
        }
    }

    #[test]
    fn values_and_positions() {
        let x = f32s(&[1, 2, 2, 3], &[1., 5., 2., 4., 3., 6., -1., -5., -2., -4., -3., -6.]);
        let y = f32s(&[1, 2, 1, 2], &[5., 6., -1., -2.]);
        let rows = i64s(&[1, 2, 1, 2], &[1, 5, 6, 8]);
        Case::new(op(&[2, 2])).input(x.clone()).expect(y.clone());
        Case::new(op(&[2, 2])).input(x.clone()).expect_all(vec![y.clone().into(), rows.into()]);
        let columns = i64s(&[1, 2, 1, 2], &[2, 5, 6, 10]);
        let by_columns = MaxPool { storage_order: 1, ..op(&[2, 2]) };
        Case::new(by_columns).input(x.clone()).expect_all(vec![y.into(), columns.into()]);
        let ceil = MaxPool {
            ceil_mode: true,
            strides: Some(vec![2, 2]),
            pads: Some(vec![0, 0, 0, 0]),
            ..op(&[2, 2])
        };
        Case::new(ceil).input(x).expect(f32s(&[1, 2, 1, 2], &[5., 6., -1., -2.]));
    }

    #[test]
    fn padding_dilation_and_bytes() {
        let x = f32s(&[1, 1, 4], &[-4., -1., -2., -3.]);
        let padded = MaxPool { pads: Some(vec![1, 1]), dilations: Some(vec![2]), ..op(&[2]) };
        Case::new(padded).input(x).expect(f32s(&[1, 1, 4], &[-1., -2., -1., -2.]));
        let bytes = Tensor::from_slice(&[1, 1, 3], &[200u8, 7, 9]).unwrap();
        Case::new(op(&[2])).input(bytes).expect(Tensor::from_slice(&[1, 1, 2], &[200u8, 9]).unwrap());
    }
}
