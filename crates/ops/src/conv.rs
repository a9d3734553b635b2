//! `Conv`: <https://onnx.ai/onnx/operators/onnx__Conv.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_kernels::gemm::Activation;
use lehr_tensor::Tensor;

use crate::conv_kernel::{FastConv, conv_cpu_op};

use crate::convolution::{ConvAttributes, conv_axes, conv_cost, conv_of};
use crate::operand::{
    bounded_len, check_dtype, check_shape, floats, optional_floats, present_dtype, rounded,
};
use crate::window::AutoPad;

declare_op! {
    /// Convolution of `[N, C, D1…]` with weights `[M, C/group, k1…]` and a bias of M values, over any number of axes.
    pub struct Conv("", "Conv", 22) inputs(2, 3) outputs(1, 1) flags() {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl FastConv for Conv {
    fn geometry(&self) -> ConvAttributes<'_> {
        conv_of!(self)
    }

    fn activation(&self) -> Result<Activation, OpError> {
        Ok(Activation::None)
    }
}

conv_cpu_op!(Conv);

/// Inference of Conv and its fused form.
pub(crate) fn infer_conv(attributes: &ConvAttributes<'_>, cx: &mut InferCx<'_>) -> Result<(), OpError> {
    let dtype = present_dtype(cx)?;
    let shape = attributes.infer(cx, 0, 1)?;
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

/// The convolution of inputs 0 and 1 with the optional bias 2, unrounded, and its shape.
pub(crate) fn conv_sums(
    attributes: &ConvAttributes<'_>,
    cx: &EvalCx<'_>,
) -> Result<(Vec<usize>, Vec<f64>), OpError> {
    let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
    check_dtype(1, w, x.dtype())?;
    let conv = attributes.fit(x.shape(), w.shape())?;
    let shape = conv.output();
    bounded_len(cx, x.dtype(), &shape)?;
    let mut y = conv.sums(&floats(cx, 0)?, &floats(cx, 1)?);
    if let Some(bias) = optional_floats(cx, 2)? {
        check_shape(2, cx.tensor(2)?, &[conv.out_channels])?;
        conv.add_bias(&mut y, &bias);
    }
    Ok((shape, y))
}

impl Op for Conv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_conv(&self.geometry(), cx)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (shape, y) = conv_sums(&self.geometry(), cx)?;
        let y: Tensor = rounded(cx.tensor(0)?.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        conv_cost(io, 1)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        conv_axes(io, 0, 1, self.group).with_values_along(io, 1, &[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn conv() -> Conv {
        Conv {
            auto_pad: AutoPad::NotSet,
            dilations: None,
            group: 1,
            kernel_shape: None,
            pads: None,
            strides: None,
        }
    }

    fn counting(shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        f32s(shape, &(0..len).map(|i| i as f32).collect::<Vec<_>>())
    }

    #[test]
    fn two_axes_with_padding_strides_and_bias() {
        let op = Conv { pads: Some(vec![1, 1, 1, 1]), strides: Some(vec![2, 2]), ..conv() };
        let ones = f32s(&[1, 1, 3, 3], &[1.0; 9]);
        let y = f32s(&[1, 1, 4, 3], &[12., 27., 24., 63., 108., 81., 123., 198., 141., 112., 177., 124.]);
        Case::new(op.clone()).input(counting(&[1, 1, 7, 5])).constant(ones.clone()).expect(y.clone());
        Case::new(op.clone()).input(counting(&[1, 1, 7, 5])).input(ones.clone()).expect(y);
        let biased = f32s(&[1, 1, 1, 1], &[8.5]);
        Case::new(op)
            .input(counting(&[1, 1, 2, 2]))
            .constant(ones)
            .constant(f32s(&[1], &[2.5]))
            .expect(biased);
    }

    #[test]
    fn one_axis_groups_dilations_and_same_padding() {
        let op = Conv { group: 2, dilations: Some(vec![2]), auto_pad: AutoPad::SameUpper, ..conv() };
        let w = f32s(&[2, 1, 2], &[1., 10., -1., 1.]);
        let x = f32s(&[1, 2, 4], &[0., 1., 2., 3., 4., 5., 6., 7.]);
        // SAME_UPPER of extent 3: one element of padding on each side.
        let y_same = f32s(&[1, 2, 4], &[10., 20., 31., 2., 5., 2., 2., -6.]);
        Case::new(op.clone()).input(x.clone()).constant(w.clone()).expect(y_same);
        let op = Conv { auto_pad: AutoPad::NotSet, pads: Some(vec![0, 2]), ..op };
        Case::new(op).input(x).constant(w).expect(f32s(&[1, 2, 4], &[20., 31., 2., 3., 2., 2., -6., -7.]));
    }

    #[test]
    fn three_axes() {
        let w = f32s(&[1, 1, 2, 1, 2], &[1., 2., 3., 4.]);
        Case::new(conv())
            .input(counting(&[1, 1, 2, 2, 3]))
            .constant(w)
            .expect(f32s(&[1, 1, 1, 2, 2], &[48., 58., 78., 88.]));
    }

    #[test]
    fn misfits() {
        let x = counting(&[1, 3, 4, 4]);
        Case::new(conv()).input(x.clone()).input(counting(&[2, 2, 3, 3])).expect_error("channels");
        Case::new(conv()).input(x.clone()).input(counting(&[2, 3, 5, 3])).expect_error("spans 5");
        Case::new(Conv { group: 0, ..conv() }).input(x.clone()).input(x).expect_error("at least 1");
    }
}
