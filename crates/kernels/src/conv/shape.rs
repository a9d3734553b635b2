//! The geometry of a convolution.

use crate::ShapeError;

/// What determines a convolution over `D` spatial axes; [`ConvShape::new`] checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvParams<const D: usize> {
    /// Images.
    pub batch: usize,
    /// Channels of the input, a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of the output, a multiple of `groups`.
    pub out_channels: usize,
    /// Independent groups of channels.
    pub groups: usize,
    /// Spatial extents of the input.
    pub input: [usize; D],
    /// Spatial extents of the kernel.
    pub kernel: [usize; D],
    /// Steps of the window.
    pub strides: [usize; D],
    /// Distances of the taps.
    pub dilations: [usize; D],
    /// Zeros in front of each axis.
    pub pads_begin: [usize; D],
    /// Zeros behind each axis.
    pub pads_end: [usize; D],
}

/// A valid geometry: every extent is at least one, the window fits the padded input, and all sizes of input, output and
/// weights and of a padded plane fit the address space as `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape<const D: usize> {
    params: ConvParams<D>,
    output: [usize; D],
}

impl<const D: usize> ConvShape<D> {
    /// Checks the parameters and derives the output extents `(input + pads - window) / stride + 1`.
    ///
    /// # Errors
    /// A size is zero (other than `batch`), channels are no multiple of `groups`, the window is larger than the padded input,
    /// or a tensor does not fit the address space.
    pub fn new(params: ConvParams<D>) -> Result<Self, ShapeError> {
        let p = &params;
        let channels =
            [("groups", p.groups), ("input channels", p.in_channels), ("output channels", p.out_channels)];
        let axes = [
            ("input extent", &p.input),
            ("kernel extent", &p.kernel),
            ("stride", &p.strides),
            ("dilation", &p.dilations),
        ];
        let extents = axes.iter().flat_map(|(what, sizes)| sizes.iter().map(move |size| (*what, *size)));
        if let Some((what, _)) = channels.into_iter().chain(extents).find(|(_, size)| *size == 0) {
            return Err(ShapeError::Zero { what });
        }
        for (what, got) in &channels[1..] {
            if !got.is_multiple_of(p.groups) {
                return Err(ShapeError::NotMultiple { what, got: *got, of: p.groups });
            }
        }
        let mut output = [0; D];
        for (axis, out) in output.iter_mut().enumerate() {
            *out = out_extent(p, axis)?;
        }
        // Kernels copy padded rows, up to a vector of steps longer, to scratch; that has to be addressable too.
        let padded = std::array::from_fn::<_, D, _>(|axis| {
            p.input[axis] + p.pads_begin[axis] + p.pads_end[axis] + 8 * p.strides[axis]
        });
        if product(&[], &padded).is_none_or(|len| len > isize::MAX as usize / 64) {
            return Err(ShapeError::TooLarge { what: "padded input" });
        }
        let input_len = product(&[p.batch, p.in_channels], &p.input);
        let output_len = product(&[p.batch, p.out_channels], &output);
        let weight_len = product(&[p.out_channels, p.in_channels / p.groups], &p.kernel);
        for (what, len) in [("input", input_len), ("output", output_len), ("weights", weight_len)] {
            // Half of the address space leaves room for rounding up to tiles and for pointer arithmetic.
            if len.is_none_or(|len| len > isize::MAX as usize / 8) {
                return Err(ShapeError::TooLarge { what });
            }
        }
        Ok(ConvShape { params, output })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &ConvParams<D> {
        &self.params
    }

    /// Spatial extents of the output.
    #[must_use]
    pub fn output(&self) -> [usize; D] {
        self.output
    }

    /// Channels of the output.
    #[must_use]
    pub fn out_channels(&self) -> usize {
        self.params.out_channels
    }

    /// Groups of channels.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.params.groups
    }

    /// Number of weights.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        self.out_channels() * self.k()
    }

    /// Multiply-adds of one run, saturating.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.params.batch.saturating_mul(self.out_pixels()).saturating_mul(self.weight_len())
    }

    /// Whether every group has one input channel.
    #[must_use]
    pub fn is_depthwise(&self) -> bool {
        self.params.in_channels == self.params.groups && self.params.groups > 1
    }

    /// Input channels of a group.
    pub(crate) fn group_in(&self) -> usize {
        self.params.in_channels / self.params.groups
    }

    /// Output channels of a group.
    pub(crate) fn group_out(&self) -> usize {
        self.params.out_channels / self.params.groups
    }

    /// Length of the sum for one output value.
    pub(crate) fn k(&self) -> usize {
        self.group_in() * self.taps()
    }

    /// Taps of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.params.kernel.iter().product()
    }

    /// Values of an input channel.
    pub(crate) fn in_pixels(&self) -> usize {
        self.params.input.iter().product()
    }

    /// Values of an output channel.
    pub(crate) fn out_pixels(&self) -> usize {
        self.output.iter().product()
    }

    pub(super) fn assert_covers(&self, input: &[f32], output: &[f32]) {
        let need = self.params.batch * self.params.in_channels * self.in_pixels();
        assert!(input.len() >= need, "input of {}, expected {need}", input.len());
        let need = self.params.batch * self.params.out_channels * self.out_pixels();
        assert!(output.len() >= need, "output of {}, expected {need}", output.len());
    }

    /// Output positions along `axis` whose tap `tap` falls inside the input.
    pub(super) fn valid(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let p = &self.params;
        let (stride, shift, pad) = (p.strides[axis], tap * p.dilations[axis], p.pads_begin[axis]);
        let first = pad.saturating_sub(shift).div_ceil(stride);
        let end = (p.input[axis] + pad).saturating_sub(shift).div_ceil(stride);
        first..end.min(self.output[axis]).max(first)
    }
}

fn out_extent<const D: usize>(p: &ConvParams<D>, axis: usize) -> Result<usize, ShapeError> {
    let too_large = ShapeError::TooLarge { what: "padded input or window" };
    let window = (p.kernel[axis] - 1).checked_mul(p.dilations[axis]).and_then(|reach| reach.checked_add(1));
    let padded =
        p.input[axis].checked_add(p.pads_begin[axis]).and_then(|extent| extent.checked_add(p.pads_end[axis]));
    let (Some(window), Some(padded)) = (window, padded) else { return Err(too_large) };
    // Leaves room for the sums of extents and steps that kernels form.
    if padded > isize::MAX as usize / 64 || p.strides[axis] > isize::MAX as usize / 64 {
        return Err(too_large);
    }
    if window > padded {
        return Err(ShapeError::WindowTooLarge { what: "convolution", window, input: padded });
    }
    Ok((padded - window) / p.strides[axis] + 1)
}

fn product(a: &[usize], b: &[usize]) -> Option<usize> {
    a.iter().chain(b).try_fold(1_usize, |product, size| product.checked_mul(*size))
}
