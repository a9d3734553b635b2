//! `ConvTranspose`: <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>

use lehr_graph::{AxisMap, Cost, Dim, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};

use crate::convolution::{conv_axes, group_count, per_axis};
use crate::operand::{
    bounded_len, check_dtype, check_shape, floats, optional_floats, present_dtype, rounded,
};
use crate::window::{AutoPad, Window, WindowAxis, image_shape, kernel_sizes, list};

declare_op! {
    /// The gradient of a convolution with respect to its input, with weights `[C, M/group, k1…]`.
    pub struct ConvTranspose("", "ConvTranspose", 22) inputs(2, 3) outputs(1, 1) flags() {
        /// Padding rule.
        auto_pad: AutoPad = AutoPad::NotSet,
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Elements added at the end of each output axis.
        output_padding: Option<Vec<i64>> = None,
        /// Spatial sizes of the output, from which the padding then follows.
        output_shape: Option<Vec<i64>> = None,
        /// Padding that is cut off: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

/// A transposed convolution of known sizes.
#[derive(Clone, Debug)]
pub(crate) struct Transposed {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) groups: usize,
    /// The window of the convolution that this is the transpose of: its input is the output here.
    pub(crate) window: Window,
}

impl Transposed {
    /// Shape of the output.
    pub(crate) fn output(&self) -> Vec<usize> {
        let spatial = self.window.axes.iter().map(|a| a.input);
        [self.batch, self.out_channels].into_iter().chain(spatial).collect()
    }

    /// The sums, without bias. Slices have the lengths of their shapes.
    pub(crate) fn sums(&self, x: &[f64], w: &[f64]) -> Vec<f64> {
        let (n_in, n_out, kernel) =
            (self.window.output_len(), self.window.input_len(), self.window.kernel_len());
        let mut y = vec![0.0; self.batch.saturating_mul(self.out_channels).saturating_mul(n_out)];
        let (c_in, c_out) = (self.in_channels / self.groups, self.out_channels / self.groups);
        self.window.for_each(|at, _, taps| {
            for n in 0..self.batch {
                for c in 0..self.in_channels {
                    let value = x[(n * self.in_channels + c) * n_in + at];
                    for m in 0..c_out {
                        let out = n * self.out_channels + c / c_in * c_out + m;
                        let (y, w) = (&mut y[out * n_out..], &w[(c * c_out + m) * kernel..]);
                        taps.iter().for_each(|tap| y[tap.input] += value * w[tap.kernel]);
                    }
                }
            }
        });
        y
    }
}

struct Lists {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    output_padding: Vec<usize>,
    output_shape: Option<Vec<usize>>,
}

impl ConvTranspose {
    fn lists(&self, n: usize) -> Result<Lists, OpError> {
        let output_shape = match self.output_shape.as_deref().filter(|s| !s.is_empty()) {
            // Some files list batch and channels too.
            Some(sizes) if sizes.len() == n + 2 => Some(list("output_shape", Some(&sizes[2..]), n, 0, 1)?),
            Some(sizes) => Some(list("output_shape", Some(sizes), n, 0, 1)?),
            None => None,
        };
        Ok(Lists {
            strides: list("strides", self.strides.as_deref(), n, 1, 1)?,
            dilations: list("dilations", self.dilations.as_deref(), n, 1, 1)?,
            pads: list("pads", self.pads.as_deref(), 2 * n, 0, 0)?,
            output_padding: per_axis("output_padding", self.output_padding.as_deref(), n)?,
            output_shape,
        })
    }

    fn axis(&self, lists: &Lists, axis: usize, input: usize, kernel: usize) -> Result<WindowAxis, OpError> {
        let n = lists.strides.len();
        let (stride, dilation) = (lists.strides[axis], lists.dilations[axis]);
        let too_large = || OpError::shape(format!("spatial axis {axis}: size {input} is too large"));
        if kernel == 0 {
            return Err(OpError::shape(format!("kernel axis {axis}: expected at least 1, got 0")));
        }
        let extent = (kernel - 1).checked_mul(dilation).ok_or_else(too_large)? + 1;
        let full = match input {
            0 => 0,
            _ => (input - 1)
                .checked_mul(stride)
                .and_then(|s| s.checked_add(extent + lists.output_padding[axis]))
                .ok_or_else(too_large)?,
        };
        let same = matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower);
        let wanted = match &lists.output_shape {
            Some(sizes) => Some(sizes[axis]),
            None if same => Some(input.checked_mul(stride).ok_or_else(too_large)?),
            None => None,
        };
        let (begin, end, output) = match wanted {
            Some(output) => {
                let total = full.saturating_sub(output);
                let small = total / 2;
                let upper = self.auto_pad == AutoPad::SameUpper;
                let (begin, end) = if upper { (small, total - small) } else { (total - small, small) };
                (begin, end, output)
            }
            None => {
                let valid = self.auto_pad == AutoPad::Valid;
                let (begin, end) = if valid { (0, 0) } else { (lists.pads[axis], lists.pads[n + axis]) };
                let output = full.checked_sub(begin + end).ok_or_else(|| {
                    OpError::attribute(
                        "pads",
                        format!("{begin} + {end} exceed the {full} elements of axis {axis}"),
                    )
                })?;
                (begin, end, output)
            }
        };
        Ok(WindowAxis { input: output, output: input, kernel, stride, dilation, begin, end })
    }

    fn output_dim(
        &self,
        lists: &Lists,
        axis: usize,
        input: &Dim,
        kernel: Option<usize>,
    ) -> Result<Dim, OpError> {
        if let Some(sizes) = &lists.output_shape {
            return Ok(Dim::from(sizes[axis]));
        }
        let stride = Dim::from(lists.strides[axis]);
        if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
            return Ok(input.mul(&stride));
        }
        let Some(kernel) = kernel else { return Ok(Dim::Unknown) };
        if let Some(size) = input.as_fixed() {
            return Ok(Dim::from(self.axis(lists, axis, size, kernel)?.input));
        }
        let one = self.axis(lists, axis, 1, kernel).map(|a| Dim::from(a.input));
        // Each further input element adds one stride; with padding beyond the kernel, one element has no output at all.
        Ok(match one {
            Ok(one) => input.mul(&stride).add(&one).sub(&stride),
            Err(_) => Dim::Unknown,
        })
    }

    /// The operation for inputs of the given shapes.
    pub(crate) fn fit(&self, x: &[usize], w: &[usize]) -> Result<Transposed, OpError> {
        let groups = group_count("group", self.group)?;
        let ([batch, in_channels, spatial @ ..], [w_channels, per_group, kernel @ ..]) = (x, w) else {
            return Err(OpError::shape(format!("expected at least rank 3, got {x:?} and {w:?}")));
        };
        let fits = in_channels == w_channels && in_channels % groups == 0;
        let out_channels = per_group.checked_mul(groups);
        let (Some(out_channels), true) = (out_channels, fits && !spatial.is_empty() && x.len() == w.len())
        else {
            return Err(OpError::shape(format!(
                "weights {w:?} in {groups} groups do not fit an input of shape {x:?}"
            )));
        };
        self.check_kernel(kernel)?;
        let lists = self.lists(spatial.len())?;
        let axes = (0..spatial.len()).map(|i| self.axis(&lists, i, spatial[i], kernel[i]));
        let window = Window { axes: axes.collect::<Result<_, _>>()? };
        Ok(Transposed { batch: *batch, in_channels: *in_channels, out_channels, groups, window })
    }

    fn check_kernel(&self, kernel: &[usize]) -> Result<(), OpError> {
        let Some(attribute) = self.kernel_shape.as_deref().filter(|k| !k.is_empty()) else { return Ok(()) };
        if kernel_sizes(attribute)? == kernel {
            return Ok(());
        }
        Err(OpError::attribute(
            "kernel_shape",
            format!("expected {kernel:?}, the sizes of the weights, got {attribute:?}"),
        ))
    }

    /// Shape of the output for inputs of the given shapes.
    pub(crate) fn output_shape(&self, x: &Shape, w: Option<&Shape>) -> Result<Shape, OpError> {
        let groups = group_count("group", self.group)?;
        let [batch, channels, spatial @ ..] = x.dims() else {
            return Err(OpError::shape(format!("input 0: expected at least rank 3, got {x}")));
        };
        let n = spatial.len();
        let attribute = self.kernel_shape.as_deref().map(kernel_sizes).transpose()?;
        let mut kernel: Vec<Option<usize>> = match attribute {
            Some(sizes) if sizes.len() == n => sizes.into_iter().map(Some).collect(),
            _ => vec![None; n],
        };
        let mut out_channels = Dim::Unknown;
        if let Some(w) = w {
            let [w_channels, per_group, sizes @ ..] = w.dims() else {
                return Err(OpError::shape(format!("input 1: expected rank {}, got {w}", n + 2)));
            };
            if sizes.len() != n || n == 0 || w_channels.equal(channels) == Some(false) {
                return Err(OpError::shape(format!("weights {w} do not fit an input of shape {x}")));
            }
            out_channels = per_group.mul(&Dim::from(groups));
            for (kernel, size) in kernel.iter_mut().zip(sizes) {
                *kernel = size.as_fixed().or(*kernel);
            }
        }
        let lists = self.lists(n)?;
        let spatial = (0..n).map(|i| self.output_dim(&lists, i, &spatial[i], kernel[i]));
        Ok(image_shape(batch, out_channels, spatial.collect::<Result<_, _>>()?))
    }
}

impl Op for ConvTranspose {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        let shape = cx.shape(0).map(|x| self.output_shape(x, cx.shape(1))).transpose()?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        check_dtype(1, w, x.dtype())?;
        let op = self.fit(x.shape(), w.shape())?;
        let shape = op.output();
        bounded_len(cx, x.dtype(), &shape)?;
        let n_out = op.window.input_len();
        let mut y = op.sums(&floats(cx, 0)?, &floats(cx, 1)?);
        if let Some(bias) = optional_floats(cx, 2)? {
            check_shape(2, cx.tensor(2)?, &[op.out_channels])?;
            for (row, bias) in y.chunks_exact_mut(n_out.max(1)).zip(bias.iter().cycle()) {
                row.iter_mut().for_each(|y| *y += bias);
            }
        }
        let y = rounded(x.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let elements = io.input_shape(0).map_or(Dim::Unknown, Shape::numel);
        let filter = io
            .input_shape(1)
            .filter(|s| s.rank() > 1)
            .map_or(Dim::Unknown, |s| s.dims()[1..].iter().fold(Dim::Fixed(1), |a, b| a.mul(b)));
        Cost::of_macs(io, elements.mul(&filter))
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = conv_axes(io, 0, 1, self.group);
        if self.group == 1 {
            if let Some(role) = map.outputs.first_mut().and_then(|roles| roles.get_mut(1)) {
                *role = lehr_graph::AxisRole::Independent(vec![(1, 1)]);
            }
            map.reduced = vec![(0, 1), (1, 0)];
        }
        map.with_values_along(io, 1, &[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn op() -> ConvTranspose {
        ConvTranspose {
            auto_pad: AutoPad::NotSet,
            dilations: None,
            group: 1,
            kernel_shape: None,
            output_padding: None,
            output_shape: None,
            pads: None,
            strides: None,
        }
    }

    #[test]
    fn scatters_with_strides_padding_and_bias() {
        let x = f32s(&[1, 1, 3], &[1., 2., 3.]);
        let w = f32s(&[1, 2, 3], &[1., 10., 100., 1., 1., 1.]);
        Case::new(op())
            .input(x.clone())
            .constant(w.clone())
            .constant(f32s(&[2], &[0.5, 0.]))
            .expect(f32s(&[1, 2, 5], &[1.5, 12.5, 123.5, 230.5, 300.5, 1., 3., 6., 5., 3.]));
        let strided = ConvTranspose {
            strides: Some(vec![2]),
            pads: Some(vec![1, 0]),
            output_padding: Some(vec![1]),
            ..op()
        };
        Case::new(strided)
            .input(x.clone())
            .input(w.clone())
            .expect(f32s(&[1, 2, 7], &[10., 102., 20., 203., 30., 300., 0., 1., 3., 2., 5., 3., 3., 0.]));
        let same = ConvTranspose { auto_pad: AutoPad::SameUpper, strides: Some(vec![2]), ..op() };
        Case::new(same)
            .input(x.clone())
            .input(w.clone())
            .expect(f32s(&[1, 2, 6], &[1., 10., 102., 20., 203., 30., 1., 1., 3., 2., 5., 3.]));
        let sized = ConvTranspose { output_shape: Some(vec![8]), strides: Some(vec![2]), ..op() };
        Case::new(sized).input(x.clone()).input(w.clone()).expect(f32s(
            &[1, 2, 8],
            &[1., 10., 102., 20., 203., 30., 300., 0., 1., 1., 3., 2., 5., 3., 3., 0.],
        ));
        Case::new(ConvTranspose { pads: Some(vec![9, 9]), ..op() }).input(x).input(w).expect_error("pads");
    }

    #[test]
    fn groups() {
        let x = f32s(&[1, 2, 1, 2], &[1., 2., 3., 4.]);
        let w = f32s(&[2, 1, 1, 2], &[1., -1., 2., 0.]);
        let y = f32s(&[1, 2, 1, 3], &[1., 1., -2., 6., 8., 0.]);
        Case::new(ConvTranspose { group: 2, ..op() }).input(x).constant(w).expect(y);
    }
}
