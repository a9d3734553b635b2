//! Into blocks of channels and back.

use super::{BLOCK, Maps};
use crate::isa::{Isa, SimdOp};
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Pixels that a task moves at least.
const PIXELS: usize = 2048;

/// Blocks `images` images of channels-first maps; spare lanes become zero.
///
/// # Panics
/// If a slice is too short.
pub fn to_blocked(team: &Team, isa: Isa, maps: Maps, images: usize, input: &[f32], output: &mut [f32]) {
    let each = maps.channels() * maps.pixels();
    assert!(input.len() >= images * each, "input of {}, expected {}", input.len(), images * each);
    assert!(
        output.len() >= images * maps.len(),
        "output of {}, expected {}",
        output.len(),
        images * maps.len()
    );
    let parts = Parts::new(output);
    for_blocks(team, maps, images, |image, block, from, pixels| {
        let first = image * each + block * BLOCK * maps.pixels() + from;
        // SAFETY: blocks and ranges of pixels are disjoint.
        let out =
            unsafe { parts.get(image * maps.len() + block * maps.plane() + from * BLOCK, pixels * BLOCK) };
        let channels = BLOCK.min(maps.channels() - block * BLOCK);
        isa.dispatch(Gather { input: &input[first..], stride: maps.pixels(), channels, out });
    });
}

/// The opposite of [`to_blocked`].
///
/// # Panics
/// If a slice is too short.
pub fn from_blocked(team: &Team, isa: Isa, maps: Maps, images: usize, input: &[f32], output: &mut [f32]) {
    let each = maps.channels() * maps.pixels();
    assert!(input.len() >= images * maps.len(), "input of {}, expected {}", input.len(), images * maps.len());
    assert!(output.len() >= images * each, "output of {}, expected {}", output.len(), images * each);
    let parts = Parts::new(output);
    for_blocks(team, maps, images, |image, block, from, pixels| {
        let start = image * maps.len() + block * maps.plane() + from * BLOCK;
        let channels = BLOCK.min(maps.channels() - block * BLOCK);
        let first = image * each + block * BLOCK * maps.pixels() + from;
        let input = &input[start..start + pixels * BLOCK];
        isa.dispatch(Scatter { input, parts, first, stride: maps.pixels(), channels });
    });
}

fn for_blocks(team: &Team, maps: Maps, images: usize, body: impl Fn(usize, usize, usize, usize) + Sync) {
    let (blocks, pixels) = (maps.blocks(), maps.pixels());
    let per_block = pixels.div_ceil(PIXELS);
    let task = |task: usize| {
        let (plane, part) = (task / per_block.max(1), task % per_block.max(1));
        let from = part * PIXELS;
        body(plane / blocks, plane % blocks, from, PIXELS.min(pixels - from));
    };
    let tasks = images * blocks * per_block;
    if images * maps.len() < 1 << 14 {
        return (0..tasks).for_each(task);
    }
    team.parallel_for(tasks, task);
}

struct Gather<'a> {
    input: &'a [f32],
    stride: usize,
    channels: usize,
    out: &'a mut [f32],
}

impl SimdOp for Gather<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let pixels = self.out.len() / BLOCK;
        let whole = if self.channels == BLOCK { pixels / BLOCK * BLOCK } else { 0 };
        for x in (0..whole).step_by(BLOCK) {
            let mut rows = [s.splat(0.0); BLOCK];
            for (channel, row) in rows.iter_mut().enumerate() {
                let line = &self.input[channel * self.stride + x..][..BLOCK];
                // SAFETY: eight values.
                *row = unsafe { s.load(line.as_ptr()) };
            }
            let out = &mut self.out[x * BLOCK..][..BLOCK * BLOCK];
            for (pixel, row) in s.transpose(rows).into_iter().enumerate() {
                // SAFETY: pixel < 8 of 64 values.
                unsafe { s.store(out.as_mut_ptr().add(pixel * BLOCK), row) };
            }
        }
        for (x, out) in self.out.chunks_exact_mut(BLOCK).enumerate().skip(whole) {
            for (channel, out) in out.iter_mut().enumerate() {
                *out = if channel < self.channels { self.input[channel * self.stride + x] } else { 0.0 };
            }
        }
    }
}

struct Scatter<'a> {
    input: &'a [f32],
    parts: Parts<'a, f32>,
    first: usize,
    stride: usize,
    channels: usize,
}

impl SimdOp for Scatter<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let pixels = self.input.len() / BLOCK;
        let whole = pixels / BLOCK * BLOCK;
        for x in (0..whole).step_by(BLOCK) {
            let mut rows = [s.splat(0.0); BLOCK];
            let pixels = &self.input[x * BLOCK..][..BLOCK * BLOCK];
            for (pixel, row) in rows.iter_mut().enumerate() {
                // SAFETY: pixel < 8 of 64 values.
                *row = unsafe { s.load(pixels.as_ptr().add(pixel * BLOCK)) };
            }
            for (channel, row) in s.transpose(rows).into_iter().enumerate().take(self.channels) {
                // SAFETY: ranges of pixels of different tasks and channels are disjoint.
                let line = unsafe { self.parts.get(self.first + channel * self.stride + x, BLOCK) };
                // SAFETY: eight values.
                unsafe { s.store(line.as_mut_ptr(), row) };
            }
        }
        for channel in 0..self.channels {
            // SAFETY: as above.
            let line = unsafe { self.parts.get(self.first + channel * self.stride + whole, pixels - whole) };
            for (out, pixel) in line.iter_mut().zip(self.input[whole * BLOCK..].chunks_exact(BLOCK)) {
                *out = pixel[channel];
            }
        }
    }
}
