//! Resizing as Pillow does it, to the bit.
//!
//! A line is resampled by a filter whose support grows with the factor by which the line shrinks. Rows and columns
//! are two passes of which each rounds. Bytes are computed with weights of 22 bits behind the point, other numbers in
//! double precision. Nearest is separate: the pixel under the new pixel's middle.

use std::f64::consts::PI;

use super::Filter;
use super::lines::picked;
use super::taps::Taps;
use crate::{Image, Pixels, StepError};

/// Bits behind the point of a weight: 32 without 8 for the pixel and 2 for weights whose sum exceeds 1.
const PRECISION: u32 = 32 - 8 - 2;

/// The picture in the given size.
///
/// # Errors
/// None that a valid picture can cause.
pub fn resized(image: &Image, width: usize, height: usize, filter: Filter) -> Result<Image, StepError> {
    let from = (image.width(), image.height());
    let channels = image.color().channels();
    let pixels = match (image.pixels(), Kernel::of(filter)) {
        (Pixels::U8(values), None) => Pixels::U8(nearest(values, from, (width, height), channels)),
        (Pixels::F32(values), None) => Pixels::F32(nearest(values, from, (width, height), channels)),
        (Pixels::U8(values), Some(kernel)) => {
            Pixels::U8(filtered(values, from, (width, height), channels, kernel))
        }
        (Pixels::F32(values), Some(kernel)) => {
            Pixels::F32(filtered(values, from, (width, height), channels, kernel))
        }
    };
    Image::new(width, height, image.color(), pixels)
}

/// A filter's function and the distance from which on it is zero.
#[derive(Clone, Copy)]
struct Kernel {
    support: f64,
    weight: fn(f64) -> f64,
}

impl Kernel {
    fn of(filter: Filter) -> Option<Self> {
        let (support, weight): (f64, fn(f64) -> f64) = match filter {
            Filter::Nearest => return None,
            Filter::Box | Filter::Area => (0.5, boxed),
            Filter::Bilinear => (1.0, triangle),
            Filter::Bicubic => (2.0, cubic),
            Filter::Lanczos => (3.0, lanczos),
        };
        Some(Self { support, weight })
    }
}

fn boxed(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic convolution with a = -1/2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// What pixels are and how they are summed up.
trait Sample: Copy + Default {
    type Weight: Copy;
    type Sum: Copy;
    /// What a sum begins with, so that it is rounded in the end.
    const START: Self::Sum;

    fn weight(weight: f64) -> Self::Weight;
    fn add(sum: Self::Sum, sample: Self, weight: Self::Weight) -> Self::Sum;
    fn finish(sum: Self::Sum) -> Self;
}

impl Sample for u8 {
    type Weight = i32;
    type Sum = i32;
    const START: i32 = 1 << (PRECISION - 1);

    fn weight(weight: f64) -> i32 {
        let scaled = weight * f64::from(1 << PRECISION);
        (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
    }

    #[inline(always)]
    fn add(sum: i32, sample: u8, weight: i32) -> i32 {
        // No overflow: the magnitudes of a filter's weights add up to less than 2.
        sum.wrapping_add(i32::from(sample).wrapping_mul(weight))
    }

    #[inline(always)]
    fn finish(sum: i32) -> u8 {
        (sum >> PRECISION).clamp(0, 255) as u8
    }
}

impl Sample for f32 {
    type Weight = f64;
    type Sum = f64;
    const START: f64 = 0.0;

    fn weight(weight: f64) -> f64 {
        weight
    }

    #[inline(always)]
    fn add(sum: f64, sample: f32, weight: f64) -> f64 {
        sum + f64::from(sample) * weight
    }

    #[inline(always)]
    fn finish(sum: f64) -> f32 {
        sum as f32
    }
}

fn taps<T: Sample>(from: usize, to: usize, kernel: Kernel) -> Taps<T::Weight> {
    let scale = from as f64 / to as f64;
    // A filter covers at least what it covers in a picture of the same size.
    let widened = scale.max(1.0);
    let support = kernel.support * widened;
    let mut taps = Taps::with_capacity(to, (support.ceil() as usize).saturating_mul(2) + 1);
    let mut weights = Vec::new();
    for index in 0..to {
        let center = (index as f64 + 0.5) * scale;
        // Conversions to integers saturate at 0, where the line begins.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        weights.clear();
        let inverse = 1.0 / widened;
        weights.extend((first..end).map(|x| (kernel.weight)((x as f64 - center + 0.5) * inverse)));
        let sum: f64 = weights.iter().sum();
        let norm = if sum == 0.0 { 1.0 } else { sum };
        taps.push(first, weights.iter().map(|weight| T::weight(weight / norm)));
    }
    taps
}

/// Whether columns come before rows. Pillow up to 12 never does that; from 13 on it does where a picture loses more
/// than twice as many rows as columns. The results differ by rounding.
fn columns_first((from_width, from_height): (usize, usize), (width, height): (usize, usize)) -> bool {
    height < from_height && from_height - height > 2 * from_width.saturating_sub(width)
}

fn filtered<T: Sample>(
    values: &[T],
    from: (usize, usize),
    to: (usize, usize),
    channels: usize,
    kernel: Kernel,
) -> Vec<T> {
    let horizontal = (to.0 != from.0).then(|| taps::<T>(from.0, to.0, kernel));
    let vertical = (to.1 != from.1).then(|| taps::<T>(from.1, to.1, kernel));
    let across = |rows: &[T], width: usize| match channels {
        1 => horizontal.as_ref().map(|taps| each_row::<T, 1>(rows, width, taps)),
        _ => horizontal.as_ref().map(|taps| each_row::<T, 3>(rows, width, taps)),
    };
    let Some(vertical) = &vertical else {
        return across(values, from.0).unwrap_or_else(|| values.to_vec());
    };
    if columns_first(from, to) {
        let flattened = each_column(values, 0, from.0 * channels, vertical);
        return across(&flattened, from.0).unwrap_or(flattened);
    }
    // Only rows that the second pass looks at go through the first.
    let (first, count) = vertical.needed();
    let rows = &values[first * from.0 * channels..(first + count) * from.0 * channels];
    match across(rows, from.0) {
        Some(narrowed) => each_column(&narrowed, first, to.0 * channels, vertical),
        None => each_column(rows, first, to.0 * channels, vertical),
    }
}

/// The horizontal pass over pixels of `N` channels.
fn each_row<T: Sample, const N: usize>(rows: &[T], width: usize, taps: &Taps<T::Weight>) -> Vec<T> {
    let mut narrowed = Vec::with_capacity(rows.len() / width * taps.iter().len());
    for row in rows.chunks_exact(width * N) {
        let row = row.as_chunks::<N>().0;
        for (first, weights) in taps.iter() {
            let mut sums = [T::START; N];
            for (pixel, weight) in row[first..first + weights.len()].iter().zip(weights) {
                for (sum, sample) in sums.iter_mut().zip(pixel) {
                    *sum = T::add(*sum, *sample, *weight);
                }
            }
            narrowed.extend(sums.map(T::finish));
        }
    }
    narrowed
}

/// The vertical pass; the first of `rows` is row `offset` of the picture.
fn each_column<T: Sample>(rows: &[T], offset: usize, length: usize, taps: &Taps<T::Weight>) -> Vec<T> {
    let mut flattened = Vec::with_capacity(length * taps.iter().len());
    let mut sums = vec![T::START; length];
    for (first, weights) in taps.iter() {
        sums.fill(T::START);
        let sources = rows.chunks_exact(length).skip(first - offset);
        for (row, weight) in sources.zip(weights) {
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum = T::add(*sum, *sample, *weight);
            }
        }
        flattened.extend(sums.iter().map(|sum| T::finish(*sum)));
    }
    flattened
}

fn nearest<T: Copy>(values: &[T], from: (usize, usize), to: (usize, usize), channels: usize) -> Vec<T> {
    picked(values, (from.0, channels), &places(from.0, to.0), &places(from.1, to.1))
}

/// The pixel under the middle of each new one. Positions are summed up step by step, with the rounding errors of
/// that.
fn places(from: usize, to: usize) -> Vec<usize> {
    let scale = from as f64 / to as f64;
    let mut position = scale * 0.5;
    let mut places = Vec::with_capacity(to);
    for _ in 0..to {
        places.push((position as usize).min(from - 1));
        position += scale;
    }
    places
}
