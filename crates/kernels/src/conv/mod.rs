//! `f32` convolution, channels first (`N C spatial`), weights `[out, in / groups, kernel]`.
//!
//! Two dimensions: as a product of packed weights and panels of the unfolded image, which are built on the fly
//! (`im2col`), or directly for depthwise convolutions (`depthwise`). One dimension is two with height 1. Three and
//! more go through a plain loop ([`conv_direct`]).

mod depthwise;
mod direct;
mod im2col;
mod shape;

pub use direct::conv_direct;
pub use shape::{ConvParams, ConvShape};

use crate::ShapeError;
use crate::elementwise::unary_in_place_alone;
use crate::gemm::{Activation, MatRef, pack_a_into, packed_a_len};
use crate::isa::Isa;
use crate::scratch::AlignedVec;
use crate::team::{Parts, Team};

/// `activation(conv + beta * output + bias)`. The default is the plain convolution.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConvEpilogue<'a> {
    /// One value per output channel.
    pub bias: Option<&'a [f32]>,
    /// Factor of what the output held before; zero means that it is not read. One fuses a residual addition.
    pub beta: f32,
    /// Applied last.
    pub activation: Activation,
}

impl ConvEpilogue<'_> {
    fn assert_covers(&self, channels: usize) {
        if let Some(bias) = self.bias {
            assert!(bias.len() >= channels, "{} biases for {channels} output channels", bias.len());
        }
    }

    /// The activations that are not applied in registers.
    fn finish(&self, isa: Isa, row: &mut [f32]) {
        if let Activation::Unary(op) = self.activation {
            unary_in_place_alone(isa, op, row);
        }
    }
}

/// Multiply-adds below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 200_000;

/// Weights of a two-dimensional convolution in the form its algorithm reads. The format is the same on all tiers.
#[derive(Debug, Clone)]
pub struct PackedConv(AlignedVec);

impl PackedConv {
    /// Packs weights of shape `[out_channels, in_channels / groups, kernel]`.
    ///
    /// # Errors
    /// `weights` has another length than the shape says, or the packed form does not fit the address space.
    pub fn pack(shape: &ConvShape<2>, weights: &[f32]) -> Result<Self, ShapeError> {
        let expected = shape.weight_len();
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        if shape.is_depthwise() {
            return Ok(PackedConv(AlignedVec::from_slice(weights)));
        }
        let mut data = AlignedVec::zeroed(packed_len(shape)?);
        let (k, rows) = (shape.k(), shape.group_out());
        let each = data.as_slice().len() / shape.groups();
        for (weights, out) in weights.chunks_exact(rows * k).zip(data.as_mut_slice().chunks_exact_mut(each)) {
            pack_a_into(MatRef::rows(weights, k), 0..rows, 0..k, out);
        }
        Ok(PackedConv(data))
    }

    /// The form which kernels take.
    #[must_use]
    pub fn view(&self) -> PackedConvRef<'_> {
        PackedConvRef(self.0.as_slice())
    }
}

fn packed_len(shape: &ConvShape<2>) -> Result<usize, ShapeError> {
    packed_a_len(shape.group_out(), shape.k())
        .and_then(|len| len.checked_mul(shape.groups()))
        .ok_or(ShapeError::TooLarge { what: "packed weights" })
}

/// Packed weights in memory owned by someone else, such as a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct PackedConvRef<'a>(&'a [f32]);

impl<'a> PackedConvRef<'a> {
    /// Takes the stored form of the packed weights of `shape`.
    ///
    /// # Errors
    /// `data` has another length than the packed weights of this shape.
    pub fn new(shape: &ConvShape<2>, data: &'a [f32]) -> Result<Self, ShapeError> {
        let expected = if shape.is_depthwise() { shape.weight_len() } else { packed_len(shape)? };
        if data.len() != expected {
            return Err(ShapeError::Mismatch {
                what: "length of the packed weights",
                got: data.len(),
                expected,
            });
        }
        Ok(PackedConvRef(data))
    }

    /// The stored form.
    #[must_use]
    pub fn as_slice(&self) -> &'a [f32] {
        self.0
    }
}

/// Scratch values that [`conv2d`] needs.
#[must_use]
pub fn conv2d_scratch_len(team: &Team, shape: &ConvShape<2>) -> usize {
    let each = if shape.is_depthwise() { depthwise::scratch_len(shape) } else { im2col::scratch_len(shape) };
    each * team.threads()
}

/// Two-dimensional convolution of `input` (`[batch, in_channels, h, w]`) into `output` (`[batch, out_channels, h, w]`).
///
/// # Panics
/// If a slice is too short for the shape, `packed` belongs to another shape, or `scratch` is shorter than
/// [`conv2d_scratch_len`].
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn conv2d(
    team: &Team,
    isa: Isa,
    shape: &ConvShape<2>,
    packed: PackedConvRef<'_>,
    input: &[f32],
    output: &mut [f32],
    epilogue: &ConvEpilogue<'_>,
    scratch: &mut [f32],
) {
    shape.assert_covers(input, output);
    epilogue.assert_covers(shape.out_channels());
    assert!(PackedConvRef::new(shape, packed.0).is_ok(), "packed weights of another shape");
    let scratch_len = conv2d_scratch_len(team, shape);
    assert!(scratch.len() >= scratch_len, "scratch of {}, expected {scratch_len}", scratch.len());
    let job = Job {
        isa,
        shape,
        weights: packed.0,
        input,
        output: Parts::new(output),
        epilogue,
        scratch: Parts::new(scratch),
        scratch_each: scratch_len / team.threads(),
    };
    if shape.is_depthwise() { depthwise::run(team, &job) } else { im2col::run(team, &job) }
}

/// What all tasks of a convolution share; lengths are checked.
struct Job<'a> {
    isa: Isa,
    shape: &'a ConvShape<2>,
    weights: &'a [f32],
    input: &'a [f32],
    output: Parts<'a, f32>,
    epilogue: &'a ConvEpilogue<'a>,
    scratch: Parts<'a, f32>,
    scratch_each: usize,
}

impl Job<'_> {
    /// The scratch of a worker.
    ///
    /// # Safety
    /// No two live results have the same `worker`.
    #[allow(clippy::mut_from_ref, reason = "the caller promises one borrow per worker")]
    unsafe fn scratch_of(&self, worker: usize) -> &mut [f32] {
        // SAFETY: stretches of different workers are disjoint.
        unsafe { self.scratch.get(worker * self.scratch_each, self.scratch_each) }
    }

    /// The plane of an input channel.
    fn plane(&self, index: usize) -> &[f32] {
        let len = self.shape.in_pixels();
        &self.input[index * len..(index + 1) * len]
    }
}

#[cfg(test)]
mod tests;
