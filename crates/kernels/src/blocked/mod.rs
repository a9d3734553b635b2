//! Kernels on channels in blocks of eight (`c8`): what convolutional networks are computed on from end to end.
//!
//! Maps of C channels, H rows and W columns are `ceil(C / 8)` planes of `H * W` pixels of eight channels: channel `c` at
//! `(y, x)` is element `c / 8 * plane + (y * W + x) * 8 + c % 8`. A vector holds the same pixel of eight channels, so that
//! taps of a window are only distances, products read their input in place, and stores are whole vectors. Lanes behind
//! the last channel are computed like the others, from weights of zero; convolutions read them with weights of zero,
//! so any finite content is right.

mod conv;
mod depthwise;
mod filtering;
mod finish;
mod first;
mod interleave;
mod layout;
mod placement;
#[cfg(test)]
mod testing;
mod tile;
mod transposed;
mod winograd;

pub use conv::{BlockedConv, conv_blocked, conv_blocked_scratch_len};
pub use depthwise::{BlockedDepthwise, depthwise_blocked, depthwise_blocked_scratch_len};
pub use first::{FirstConv, conv_first, conv_first_scratch_len};
pub use interleave::interleave_blocked;
pub use layout::{from_blocked, to_blocked};
pub use transposed::{
    BlockedTransposed, TransposedParams, transposed_blocked, transposed_blocked_scratch_len,
};
pub use winograd::{BlockedWinograd, WinogradTile, winograd_blocked, winograd_blocked_scratch_len};

use std::ops::Range;

use crate::ShapeError;
use crate::gemm::Activation;

/// Channels of a block.
pub const BLOCK: usize = crate::simd::LANES;

/// The geometry of blocked maps of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Maps {
    channels: usize,
    pixels: usize,
    plane: usize,
}

impl Maps {
    /// Maps of `channels` channels of `pixels` pixels each, planes next to each other.
    ///
    /// # Errors
    /// The maps do not fit the address space.
    pub fn new(channels: usize, pixels: usize) -> Result<Self, ShapeError> {
        let plane = pixels.checked_mul(BLOCK);
        let len = plane.and_then(|plane| plane.checked_mul(channels.div_ceil(BLOCK)));
        match (plane, len) {
            (Some(plane), Some(len)) if len <= isize::MAX as usize / 8 => {
                Ok(Maps { channels, pixels, plane })
            }
            _ => Err(ShapeError::TooLarge { what: "blocked maps" }),
        }
    }

    /// Channels without the spare lanes.
    #[must_use]
    pub fn channels(self) -> usize {
        self.channels
    }

    /// Blocks of channels.
    #[must_use]
    pub fn blocks(self) -> usize {
        self.channels.div_ceil(BLOCK)
    }

    /// Pixels of a channel.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.pixels
    }

    /// Elements from a block to the next one.
    #[must_use]
    pub fn plane(self) -> usize {
        self.plane
    }

    /// Elements in all.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a number of elements to allocate")]
    pub fn len(self) -> usize {
        self.blocks() * self.plane
    }
}

/// What a convolution reads.
#[derive(Debug, Clone, Copy)]
pub struct BlockedInput<'a> {
    /// All images.
    pub maps: &'a [f32],
    /// What the channels are multiplied by: lanes of all images.
    pub factors: Option<&'a [f32]>,
}

/// `activation(sums + bias + residual)`. The default is the plain sums.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockedEpilogue<'a> {
    /// One value per output channel, spare lanes included.
    pub bias: Option<&'a [f32]>,
    /// What is added: maps of the output's geometry, all images.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// What every kernel asserts of what it is called with: `input` values of an image in, `output` maps of it out.
fn assert_fits(
    images: usize,
    (x, input): (&[f32], usize),
    (y, output): (&[f32], Maps),
    epilogue: &BlockedEpilogue<'_>,
    (scratch, scratch_len): (&[f32], usize),
) {
    let (input, len) = (images * input, images * output.len());
    assert!(x.len() >= input, "input of {}, expected {input}", x.len());
    assert!(y.len() >= len, "output of {}, expected {len}", y.len());
    epilogue.assert_covers(output.blocks() * BLOCK, len);
    assert!(scratch.len() >= scratch_len, "scratch of {}, expected {scratch_len}", scratch.len());
}

impl BlockedEpilogue<'_> {
    fn assert_covers(&self, lanes: usize, output: usize) {
        if let Some(bias) = self.bias {
            assert!(bias.len() >= lanes, "{} biases for {lanes} lanes of output channels", bias.len());
        }
        if let Some(residual) = self.residual {
            assert!(residual.len() >= output, "residual of {}, expected {output}", residual.len());
        }
    }
}

/// Part `index` of `total` things in `count` parts that differ by at most one.
fn part(total: usize, count: usize, index: usize) -> Range<usize> {
    total * index / count..total * (index + 1) / count
}
