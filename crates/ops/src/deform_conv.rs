//! `DeformConv`: <https://onnx.ai/onnx/operators/onnx__DeformConv.html>

use lehr_graph::{AxisMap, Cost, EvalCx, InferCx, Op, OpError, Signature, declare_op};

use crate::convolution::{ConvAttributes, Convolution, conv_axes, conv_cost, group_count};
use crate::operand::{bounded_len, check_shape, floats, optional_floats, present_dtype, rounded};
use crate::window::{AutoPad, WindowAttributes};

declare_op! {
    /// Convolution whose taps are moved by offsets (input 2), interpolated linearly between elements (zero outside), and
    /// weighted by a mask (input 4).
    pub struct DeformConv("", "DeformConv", 22) inputs(3, 5) outputs(1, 1) flags() {
        /// Steps between kernel elements along each axis.
        dilations: Option<Vec<i64>> = None,
        /// Number of groups of channels that do not see each other.
        group: i64 = 1,
        /// Kernel sizes; those of the weights when absent.
        kernel_shape: Option<Vec<i64>> = None,
        /// Number of groups of input channels that share offsets and mask.
        offset_group: i64 = 1,
        /// Padding: all beginnings, then all ends.
        pads: Option<Vec<i64>> = None,
        /// Steps between windows along each axis.
        strides: Option<Vec<i64>> = None,
    }
}

impl DeformConv {
    fn geometry(&self) -> ConvAttributes<'_> {
        ConvAttributes {
            window: WindowAttributes {
                auto_pad: AutoPad::NotSet,
                strides: self.strides.as_deref(),
                pads: self.pads.as_deref(),
                dilations: self.dilations.as_deref(),
                ceil_mode: false,
            },
            kernel_shape: self.kernel_shape.as_deref(),
            group: self.group,
        }
    }
}

impl Op for DeformConv {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = present_dtype(cx)?;
        group_count("offset_group", self.offset_group)?;
        let shape = self.geometry().infer(cx, 0, 1)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, w) = (cx.tensor(0)?, cx.tensor(1)?);
        let conv = self.geometry().fit(x.shape(), w.shape())?;
        let offset_groups = group_count("offset_group", self.offset_group)?;
        if conv.in_channels % offset_groups != 0 {
            return Err(OpError::attribute(
                "offset_group",
                format!("expected a divisor of {} channels, got {offset_groups}", conv.in_channels),
            ));
        }
        let shape = conv.output();
        bounded_len(cx, x.dtype(), &shape)?;
        let (taps, rank) = (conv.window.kernel_len(), conv.window.axes.len());
        let expected = |per_tap: usize| {
            let channels = offset_groups.saturating_mul(taps).saturating_mul(per_tap);
            [conv.batch, channels].into_iter().chain(conv.window.output()).collect::<Vec<_>>()
        };
        check_shape(2, cx.tensor(2)?, &expected(rank))?;
        if let Some(mask) = cx.optional_tensor(4)? {
            check_shape(4, mask, &expected(1))?;
        }
        let deformed = Deformed {
            x: floats(cx, 0)?,
            w: floats(cx, 1)?,
            offsets: floats(cx, 2)?,
            mask: optional_floats(cx, 4)?,
            offset_groups,
            conv,
        };
        let mut y = deformed.sums();
        if let Some(bias) = optional_floats(cx, 3)? {
            check_shape(3, cx.tensor(3)?, &[deformed.conv.out_channels])?;
            deformed.conv.add_bias(&mut y, &bias);
        }
        let y = rounded(x.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        conv_cost(io, 1)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        // Offsets may reach anywhere along the spatial axes.
        let mut map = conv_axes(io, 0, 1, self.group);
        for role in map.outputs.iter_mut().flat_map(|roles| roles.iter_mut().skip(2)) {
            *role = lehr_graph::AxisRole::Mixed;
        }
        // Offsets and mask have a batch axis of their own.
        for role in map.outputs.iter_mut().filter_map(|roles| roles.first_mut()) {
            let batches = [0, 2, 4].into_iter().filter(|&i| io.inputs.get(i).copied().flatten().is_some());
            *role = lehr_graph::AxisRole::Independent(batches.map(|input| (input, 0)).collect());
        }
        map.with_values_along(io, 1, &[3])
    }
}

struct Deformed {
    conv: Convolution,
    offset_groups: usize,
    x: Vec<f64>,
    w: Vec<f64>,
    offsets: Vec<f64>,
    mask: Option<Vec<f64>>,
}

impl Deformed {
    fn sums(&self) -> Vec<f64> {
        let Convolution { batch, in_channels, out_channels, groups, .. } = self.conv;
        let window = &self.conv.window;
        let (pixels, taps, input) = (window.output_len(), window.kernel_len(), window.input_len());
        let (c_in, c_out) = (in_channels / groups, out_channels / groups);
        let per_offset = in_channels / self.offset_groups;
        let mut y = vec![0.0; batch * out_channels * pixels];
        let mut position = vec![0.0; window.axes.len()];
        window.for_each(|at, index, _| {
            for n in 0..batch {
                for c in 0..in_channels {
                    let plane = &self.x[(n * in_channels + c) * input..][..input];
                    let group = n * self.offset_groups + c / per_offset;
                    for tap in 0..taps {
                        self.locate(group, tap, at, index, &mut position);
                        let mask = self.mask.as_ref().map_or(1.0, |m| m[(group * taps + tap) * pixels + at]);
                        let value = mask * self.interpolated(plane, &position);
                        let first = c / c_in * c_out;
                        for m in first..first + c_out {
                            let weight = self.w[(m * c_in + c % c_in) * taps + tap];
                            y[(n * out_channels + m) * pixels + at] += weight * value;
                        }
                    }
                }
            }
        });
        y
    }

    /// Where tap `tap` of the window at `index` (flat `at`) reads.
    fn locate(&self, group: usize, tap: usize, at: usize, index: &[usize], position: &mut [f64]) {
        let window = &self.conv.window;
        let (pixels, taps, rank) = (window.output_len(), window.kernel_len(), window.axes.len());
        let mut rest = tap;
        for axis in (0..rank).rev() {
            let a = &window.axes[axis];
            let step = rest % a.kernel;
            rest /= a.kernel;
            let offset = self.offsets[((group * taps + tap) * rank + axis) * pixels + at];
            let regular = (index[axis] * a.stride + step * a.dilation) as f64 - a.begin as f64;
            position[axis] = regular + offset;
        }
    }

    /// The plane at a real position, linear between its elements, zero outside.
    fn interpolated(&self, plane: &[f64], position: &[f64]) -> f64 {
        let axes = &self.conv.window.axes;
        let mut sum = 0.0;
        for corner in 0..1usize << axes.len().min(16) {
            let (mut weight, mut at) = (1.0, 0);
            for (axis, (a, &p)) in axes.iter().zip(position).enumerate() {
                let low = p.floor();
                let upper = corner >> axis & 1 == 1;
                let index = if upper { low + 1.0 } else { low };
                weight *= if upper { p - low } else { 1.0 - (p - low) };
                if !(0.0..a.input as f64).contains(&index) {
                    weight = 0.0;
                    break;
                }
                at = at * a.input + index as usize;
            }
            if weight != 0.0 {
                sum += weight * plane[at];
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn offsets_and_mask() {
        let op = DeformConv {
            dilations: None,
            group: 1,
            kernel_shape: Some(vec![2, 2]),
            offset_group: 1,
            pads: Some(vec![0; 4]),
            strides: None,
        };
        let mut offsets = [0.0; 32];
        offsets[..4].copy_from_slice(&[0.5, 0.0, -0.25, 1.0]);
        Case::new(op)
            .input(f32s(&[1, 1, 3, 3], &[0., 1., 2., 3., 4., 5., 6., 7., 8.]))
            .constant(f32s(&[1, 1, 2, 2], &[1., 2., 3., 4.]))
            .input(f32s(&[1, 8, 2, 2], &offsets))
            .constant(f32s(&[1], &[1.]))
            .input(f32s(&[1, 4, 2, 2], &[1., 0.5].repeat(8)))
            .expect(f32s(&[1, 1, 2, 2], &[29.5, 19.5, 57.25, 36.]));
    }
}
