//! `AveragePool`: <https://onnx.ai/onnx/operators/onnx__AveragePool.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::operand::{floats, rounded};
use crate::pooling::{Pooling, pool_axes, pool_cost, pooled_shape};
use crate::window::{AutoPad, WindowAttributes, window_of};

declare_op! {
    /// Mean of each window, over the elements inside the input or, on demand, over the padding's zeros too.
    pub struct AveragePool("", "AveragePool", 22) inputs(1, 1) outputs(1, 1) flags() {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// The number of windows is rounded up.
        ceil_mode: bool = false,
        /// Padding counts as zeros.
        count_include_pad: bool = false,
        /// Steps between window elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Sizes of the window.
        kernel_shape: Vec<i64>,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl AveragePool {
    pub(crate) fn window(&self) -> WindowAttributes<'_> {
        window_of!(self, self.dilations.as_deref(), self.ceil_mode)
    }
}

impl Op for AveragePool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = pooled_shape(&self.window(), &self.kernel_shape, cx)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let pooling = Pooling::new(&self.window(), &self.kernel_shape, x.shape())?;
        pooling.check_size(cx, x.dtype())?;
        let values = floats(cx, 0)?;
        let y = pooling.map(|positions, index| {
            let (sum, inside) = positions.fold((0.0, 0usize), |(sum, n), at| (sum + values[at], n + 1));
            let padded =
                || pooling.window.axes.iter().zip(index).map(|(axis, &at)| axis.padded_taps(at)).product();
            let count: usize = if self.count_include_pad { padded() } else { inside };
            if count == 0 { 0.0 } else { sum / count as f64 }
        });
        let y = rounded(x.dtype(), &pooling.output, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        pool_cost(io, &self.kernel_shape)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        pool_axes(io)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let ones = self.dilations.iter().flatten().all(|&d| d == 1);
        drop_attribute(cx, "dilations", 19, ones)?;
        drop_attribute(cx, "ceil_mode", 10, !self.ceil_mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn op(kernel: &[i64]) -> AveragePool {
        AveragePool {
            auto_pad: AutoPad::NotSet,
            ceil_mode: false,
            count_include_pad: false,
            dilations: None,
            kernel_shape: kernel.to_vec(),
            pads: None,
            strides: None,
        }
    }

    #[test]
    fn counts_with_and_without_padding() {
        let x = f32s(&[1, 1, 4], &[1., 2., 3., 4.]);
        let padded = AveragePool { pads: Some(vec![1, 1]), strides: Some(vec![2]), ..op(&[3]) };
        Case::new(padded.clone()).input(x.clone()).expect(f32s(&[1, 1, 2], &[1.5, 3.]));
        Case::new(AveragePool { count_include_pad: true, ..padded.clone() })
            .input(x.clone())
            .expect(f32s(&[1, 1, 2], &[1., 3.]));
        // The last window leaves the padded input by one element, which never counts.
        let ceil = AveragePool { ceil_mode: true, count_include_pad: true, pads: Some(vec![0, 1]), ..padded };
        Case::new(AveragePool { strides: Some(vec![3]), ..ceil })
            .input(x)
            .expect(f32s(&[1, 1, 2], &[2., 2.]));
        let dilated = AveragePool { dilations: Some(vec![1, 2]), ..op(&[2, 2]) };
        Case::new(dilated)
            .input(f32s(&[1, 1, 2, 3], &[1., 2., 3., 4., 5., 6.]))
            .expect(f32s(&[1, 1, 1, 1], &[3.5]));
    }
}
