//! Windows that slide over the spatial axes of convolutions and poolings: kernel, stride, dilation and padding, for
//! symbolic sizes (inference) and numbers (evaluation).

use lehr_graph::{Dim, OpError, Shape, attribute_enum};

attribute_enum! {
    /// Where padding comes from.
    pub enum AutoPad {
        /// From `pads`.
        NotSet = "NOTSET",
        /// So that the output has ⌈input / stride⌉ elements; an odd one out is added at the end.
        SameUpper = "SAME_UPPER",
        /// As `SameUpper`; an odd one out is added at the beginning.
        SameLower = "SAME_LOWER",
        /// None.
        Valid = "VALID",
    }
}

/// Largest kernel size, stride, dilation or padding, so that no sum or product of a few of them overflows.
const LIMIT: i64 = i32::MAX as i64;

/// The attributes that describe a window, as operators hold them. Absent lists are all ones (pads: all zeros).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowAttributes<'a> {
    pub(crate) auto_pad: AutoPad,
    pub(crate) strides: Option<&'a [i64]>,
    pub(crate) pads: Option<&'a [i64]>,
    pub(crate) dilations: Option<&'a [i64]>,
    pub(crate) ceil_mode: bool,
}

/// The [`WindowAttributes`] of an operator with the customary fields.
macro_rules! window_of {
    ($op:expr) => {
        $crate::window::window_of!($op, $op.dilations.as_deref(), false)
    };
    ($op:expr, $dilations:expr, $ceil:expr) => {
        $crate::window::WindowAttributes {
            auto_pad: $op.auto_pad,
            strides: $op.strides.as_deref(),
            pads: $op.pads.as_deref(),
            dilations: $dilations,
            ceil_mode: $ceil,
        }
    };
}
pub(crate) use window_of;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Explicit { begin: usize, end: usize },
    SameUpper,
    SameLower,
}

/// The window along one axis, before the size of the input is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowRule {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    padding: Padding,
    ceil: bool,
}

/// The window along one axis of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowAxis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

impl WindowRule {
    /// Whether the axis stays as it is.
    pub(crate) fn is_identity(&self) -> bool {
        let padded = matches!(self.padding, Padding::Explicit { begin, end } if (begin, end) != (0, 0));
        (self.kernel, self.stride) == (1, 1) && !padded
    }
}

impl WindowAxis {
    /// Whether the axis stays as it is.
    pub(crate) fn is_identity(&self) -> bool {
        (self.kernel, self.stride, self.begin) == (1, 1, 0) && self.output == self.input
    }
}

/// One element of a window: flat position in the kernel and in the spatial axes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) kernel: usize,
    pub(crate) input: usize,
}

impl WindowAttributes<'_> {
    /// One rule per spatial axis for a kernel of the given sizes.
    pub(crate) fn rules(&self, kernel: &[usize]) -> Result<Vec<WindowRule>, OpError> {
        let n = kernel.len();
        let strides = list("strides", self.strides, n, 1, 1)?;
        let dilations = list("dilations", self.dilations, n, 1, 1)?;
        let pads = list("pads", self.pads, 2 * n, 0, 0)?;
        let rule = |i: usize| {
            if kernel[i] == 0 || kernel[i] > LIMIT as usize {
                return Err(OpError::shape(format!(
                    "kernel axis {i}: expected a size from 1 to {LIMIT}, got {}",
                    kernel[i]
                )));
            }
            let padding = match self.auto_pad {
                AutoPad::NotSet => Padding::Explicit { begin: pads[i], end: pads[n + i] },
                AutoPad::SameUpper => Padding::SameUpper,
                AutoPad::SameLower => Padding::SameLower,
                AutoPad::Valid => Padding::Explicit { begin: 0, end: 0 },
            };
            // A valid window never starts in padding, so that rounding up would only add windows that leave the input.
            let ceil = self.ceil_mode && self.auto_pad == AutoPad::NotSet;
            Ok(WindowRule { kernel: kernel[i], stride: strides[i], dilation: dilations[i], padding, ceil })
        };
        (0..n).map(rule).collect()
    }

    /// Spatial sizes of the output for spatial sizes of the input; all unknown while the kernel is.
    pub(crate) fn output_dims(&self, kernel: Option<&[usize]>, input: &[Dim]) -> Result<Vec<Dim>, OpError> {
        let Some(kernel) = kernel else { return Ok(vec![Dim::Unknown; input.len()]) };
        check_rank(kernel, input.len())?;
        let rules = self.rules(kernel)?;
        rules.iter().zip(input).enumerate().map(|(axis, (rule, size))| rule.output_dim(axis, size)).collect()
    }

    /// The window over an input of the given spatial sizes.
    pub(crate) fn fit(&self, kernel: &[usize], input: &[usize]) -> Result<Window, OpError> {
        check_rank(kernel, input.len())?;
        let rules = self.rules(kernel)?;
        let axes = rules.iter().zip(input).enumerate().map(|(axis, (rule, &size))| rule.fit(axis, size));
        Ok(Window { axes: axes.collect::<Result<_, _>>()? })
    }
}

fn check_rank(kernel: &[usize], rank: usize) -> Result<(), OpError> {
    if kernel.len() == rank {
        return Ok(());
    }
    Err(OpError::shape(format!("kernel {kernel:?}: expected {rank} sizes, one per spatial axis")))
}

/// The list with its default, checked for length and range.
pub(crate) fn list(
    name: &str,
    values: Option<&[i64]>,
    len: usize,
    default: usize,
    least: i64,
) -> Result<Vec<usize>, OpError> {
    let Some(values) = values.filter(|v| !v.is_empty()) else { return Ok(vec![default; len]) };
    if values.len() != len {
        return Err(OpError::attribute(name, format!("expected {len} values, got {}", values.len())));
    }
    let check = |&v: &i64| match usize::try_from(v) {
        Ok(size) if (least..=LIMIT).contains(&v) => Ok(size),
        _ => Err(OpError::attribute(name, format!("expected values from {least} to {LIMIT}, got {v}"))),
    };
    values.iter().map(check).collect()
}

/// The kernel sizes in the attribute `kernel_shape`.
pub(crate) fn kernel_sizes(kernel_shape: &[i64]) -> Result<Vec<usize>, OpError> {
    list("kernel_shape", Some(kernel_shape), kernel_shape.len(), 1, 1)
}

impl WindowRule {
    /// Elements from the first to the last of the dilated window.
    pub(crate) fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    fn output_dim(&self, axis: usize, input: &Dim) -> Result<Dim, OpError> {
        if let Some(size) = input.as_fixed() {
            return self.fit(axis, size).map(|fitted| Dim::from(fitted.output));
        }
        let (stride, one) = (Dim::from(self.stride), Dim::Fixed(1));
        let Padding::Explicit { begin, end } = self.padding else { return Ok(input.ceil_div(&stride)) };
        // Added as one number, since a size minus the extent may look negative where it is not.
        let (padding, extent) = (Dim::from(begin + end), Dim::from(self.extent()));
        let steps = match (&padding, &extent) {
            (Dim::Fixed(p), Dim::Fixed(e)) if p >= e => input.add(&Dim::Fixed(p - e)),
            (Dim::Fixed(p), Dim::Fixed(e)) => input.sub(&Dim::Fixed(e - p)),
            _ => Dim::Unknown,
        };
        if !self.ceil {
            return Ok(steps.floor_div(&stride).add(&one));
        }
        let starts = input.add(&Dim::from(begin)).sub(&one).floor_div(&stride).add(&one);
        Ok(steps.ceil_div(&stride).add(&one).minimum(&starts))
    }

    /// The window over `input` elements.
    pub(crate) fn fit(&self, axis: usize, input: usize) -> Result<WindowAxis, OpError> {
        let too_large = || OpError::shape(format!("spatial axis {axis}: size {input} is too large"));
        let extent = self.extent();
        let (begin, end, output) = match self.padding {
            Padding::Explicit { begin, end } => {
                let padded = input.checked_add(begin + end).ok_or_else(too_large)?;
                let Some(steps) = padded.checked_sub(extent) else {
                    return Err(OpError::shape(format!(
                        "spatial axis {axis}: the window spans {extent}, the padded input has {padded}"
                    )));
                };
                let floor = steps / self.stride + 1;
                // Windows that would start in the padding at the end do not count.
                let starts = (input + begin).div_ceil(self.stride);
                let output = if self.ceil { (steps.div_ceil(self.stride) + 1).min(starts) } else { floor };
                (begin, end, output)
            }
            same => {
                let output = input.div_ceil(self.stride);
                let spanned = output.saturating_sub(1).checked_mul(self.stride).ok_or_else(too_large)?;
                let needed =
                    if output == 0 { 0 } else { spanned.checked_add(extent).ok_or_else(too_large)? };
                let total = needed.saturating_sub(input);
                let small = total / 2;
                let (begin, end) =
                    if same == Padding::SameUpper { (small, total - small) } else { (total - small, small) };
                (begin, end, output)
            }
        };
        let (kernel, stride, dilation) = (self.kernel, self.stride, self.dilation);
        Ok(WindowAxis { input, output, kernel, stride, dilation, begin, end })
    }
}

impl WindowAxis {
    /// Kernel positions of window `at` with their input positions, those outside the input left out.
    fn taps(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let start = at * self.stride;
        let first = self.begin.saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        let end = (self.begin + self.input).saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        let (begin, dilation) = (self.begin, self.dilation);
        (first..end).map(move |k| (k, start + k * dilation - begin))
    }

    /// How many kernel positions of window `at` lie in the input or its padding.
    pub(crate) fn padded_taps(&self, at: usize) -> usize {
        let left = (self.begin + self.input + self.end).saturating_sub(at * self.stride);
        left.div_ceil(self.dilation).min(self.kernel)
    }
}

/// The window over all spatial axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) axes: Vec<WindowAxis>,
}

impl Window {
    /// Spatial sizes of the output.
    pub(crate) fn output(&self) -> Vec<usize> {
        self.axes.iter().map(|a| a.output).collect()
    }

    /// Spatial elements of the input.
    pub(crate) fn input_len(&self) -> usize {
        self.axes.iter().map(|a| a.input).fold(1, usize::saturating_mul)
    }

    /// Spatial elements of the output.
    pub(crate) fn output_len(&self) -> usize {
        self.axes.iter().map(|a| a.output).fold(1, usize::saturating_mul)
    }

    /// Elements of the kernel.
    pub(crate) fn kernel_len(&self) -> usize {
        self.axes.iter().map(|a| a.kernel).fold(1, usize::saturating_mul)
    }

    /// Calls `f` with the flat position, the index and the taps of each window.
    pub(crate) fn for_each(&self, mut f: impl FnMut(usize, &[usize], &[Tap])) {
        let mut index = vec![0; self.axes.len()];
        let (mut taps, mut next) = (Vec::new(), Vec::new());
        for flat in 0..self.output_len() {
            taps.clear();
            taps.push(Tap { kernel: 0, input: 0 });
            for (axis, &at) in self.axes.iter().zip(&index) {
                next.clear();
                for tap in &taps {
                    next.extend(axis.taps(at).map(|(k, i)| Tap {
                        kernel: tap.kernel * axis.kernel + k,
                        input: tap.input * axis.input + i,
                    }));
                }
                std::mem::swap(&mut taps, &mut next);
            }
            f(flat, &index, &taps);
            for (at, axis) in index.iter_mut().zip(&self.axes).rev() {
                *at += 1;
                if *at < axis.output {
                    break;
                }
                *at = 0;
            }
        }
    }
}

/// `[batch, channels, spatial…]` as a shape.
pub(crate) fn image_shape(batch: &Dim, channels: Dim, spatial: Vec<Dim>) -> Shape {
    [batch.clone(), channels].into_iter().chain(spatial).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes<'a>(
        auto_pad: AutoPad,
        strides: &'a [i64],
        pads: &'a [i64],
        ceil: bool,
    ) -> WindowAttributes<'a> {
        WindowAttributes {
            auto_pad,
            strides: Some(strides),
            pads: Some(pads),
            dilations: None,
            ceil_mode: ceil,
        }
    }

    #[test]
    fn numbers_and_symbols_agree() {
        let h = Dim::symbol("h");
        let cases = [
            (attributes(AutoPad::NotSet, &[1], &[1, 1], false), 3),
            (attributes(AutoPad::NotSet, &[2], &[3, 3], false), 7),
            (attributes(AutoPad::NotSet, &[2], &[0, 0], true), 3),
            (attributes(AutoPad::NotSet, &[3], &[1, 2], true), 3),
            (attributes(AutoPad::SameUpper, &[2], &[], false), 3),
            (attributes(AutoPad::Valid, &[2], &[], true), 3),
        ];
        for (attributes, kernel) in cases {
            let symbolic = attributes.output_dims(Some(&[kernel]), std::slice::from_ref(&h)).unwrap();
            for size in 7..20u64 {
                let fitted = attributes.fit(&[kernel], &[size as usize]).unwrap();
                let bound = symbolic[0].substitute(&"h".into(), &Dim::Fixed(size));
                assert_eq!(bound, Dim::from(fitted.axes[0].output), "{attributes:?} at {size}");
            }
        }
        let same = attributes(AutoPad::NotSet, &[1], &[1, 1], false)
            .output_dims(Some(&[3]), std::slice::from_ref(&h));
        assert_eq!(same.unwrap(), [h]);
    }

    #[test]
    fn windows_outside_are_errors() {
        let valid = attributes(AutoPad::NotSet, &[1], &[0, 1], false);
        assert!(valid.fit(&[4], &[2]).unwrap_err().to_string().contains("spans 4"));
        assert!(attributes(AutoPad::NotSet, &[0], &[0, 0], false).fit(&[1], &[2]).is_err());
        assert!(attributes(AutoPad::NotSet, &[1], &[-1, 0], false).fit(&[1], &[2]).is_err());
    }

    #[test]
    fn taps_skip_the_padding() {
        let window = attributes(AutoPad::NotSet, &[2], &[1, 1], false).fit(&[3], &[4]).unwrap();
        let mut seen = Vec::new();
        window.for_each(|_, _, taps| seen.push(taps.iter().map(|t| (t.kernel, t.input)).collect::<Vec<_>>()));
        assert_eq!(seen, [vec![(1, 0), (2, 1)], vec![(0, 1), (1, 2), (2, 3)]]);
        assert_eq!(window.axes[0].padded_taps(0), 3);
    }
}
