//! Resizing as OpenCV's `resize` does it: filters do not widen when a picture shrinks, except for `area`.
//!
//! Bytes are computed in fixed point with weights of 11 bits; bicubic and Lanczos results may differ by 1 from those
//! of OpenCV's vector code, which sums up in another order.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};

use super::lines::{Lines, interpolated, picked};
use super::{Filter, area};
use crate::{Image, Pixels, StepError};

/// Bits behind the point of a weight.
const PRECISION: u32 = 11;

/// Sizes before and after, and the channels.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Width and height of the picture.
    pub from: (usize, usize),
    /// Width and height that it gets.
    pub to: (usize, usize),
    /// Of each pixel.
    pub channels: usize,
}

/// By how much a side shrinks, with the rounding of the reciprocal of its reciprocal.
pub fn scale(from: usize, to: usize) -> f64 {
    1.0 / (to as f64 / from as f64)
}

/// The picture in the given size.
///
/// # Errors
/// None that a valid picture can cause.
pub fn resized(image: &Image, width: usize, height: usize, filter: Filter) -> Result<Image, StepError> {
    let from = (image.width(), image.height());
    let sizes = Sizes { from, to: (width, height), channels: image.color().channels() };
    let pixels = match image.pixels() {
        Pixels::U8(values) => Pixels::U8(resized_bytes(values, sizes, filter)),
        Pixels::F32(values) => Pixels::F32(resized_numbers(values, sizes, filter)),
    };
    Image::new(width, height, image.color(), pixels)
}

fn resized_bytes(values: &[u8], sizes: Sizes, filter: Filter) -> Vec<u8> {
    match filter {
        Filter::Nearest => nearest(values, sizes),
        Filter::Area | Filter::Box if area::shrinks(sizes) => area::shrunk_bytes(values, sizes),
        Filter::Bilinear if area::halves(sizes) => area::shrunk_bytes(values, sizes),
        Filter::Area | Filter::Box => bilinear_bytes(values, sizes, area_place),
        Filter::Bilinear => bilinear_bytes(values, sizes, linear_place),
        Filter::Bicubic => wide_bytes(values, sizes, cubic_place),
        Filter::Lanczos => wide_bytes(values, sizes, lanczos_place),
    }
}

fn resized_numbers(values: &[f32], sizes: Sizes, filter: Filter) -> Vec<f32> {
    match filter {
        Filter::Nearest => nearest(values, sizes),
        Filter::Area | Filter::Box if area::shrinks(sizes) => area::shrunk_numbers(values, sizes),
        Filter::Bilinear if area::halves(sizes) => area::shrunk_numbers(values, sizes),
        Filter::Area | Filter::Box => numbers(values, sizes, area_place),
        Filter::Bilinear => numbers(values, sizes, linear_place),
        Filter::Bicubic => numbers(values, sizes, cubic_place),
        Filter::Lanczos => numbers(values, sizes, lanczos_place),
    }
}

/// Where the neighbours of a new pixel begin, and their weights.
type Place<const K: usize> = fn(index: usize, from: usize, to: usize) -> (i64, [f32; K]);

fn nearest<T: Copy>(values: &[T], Sizes { from, to, channels }: Sizes) -> Vec<T> {
    let places = |from: usize, to: usize| -> Vec<usize> {
        (0..to).map(|index| ((index as f64 * scale(from, to)) as usize).min(from - 1)).collect()
    };
    picked(values, (from.0, channels), &places(from.0, to.0), &places(from.1, to.1))
}

/// Columns and rows. Along a row, neighbours beyond its ends lose their weight; along a column, the last row repeats.
fn linear_lines(Sizes { from, to, .. }: Sizes, place: Place<2>) -> (Lines<2, f32>, Lines<2, f32>) {
    let columns = Lines::new(from.0, to.0, |index| match place(index, from.0, to.0) {
        (first, _) if first < 0 => (0, [1.0, 0.0]),
        (first, _) if first >= from.0 as i64 - 1 => (from.0 as i64 - 1, [1.0, 0.0]),
        inside => inside,
    });
    (columns, Lines::new(from.1, to.1, |index| place(index, from.1, to.1)))
}

fn fixed(weight: f32) -> i32 {
    (weight * (1 << PRECISION) as f32).round_ties_even() as i32
}

fn bilinear_bytes(values: &[u8], sizes: Sizes, place: Place<2>) -> Vec<u8> {
    let (columns, rows) = linear_lines(sizes, place);
    let across = |[a, b]: [u8; 2], [v, w]: [i32; 2]| i32::from(a) * v + i32::from(b) * w;
    // Products are cut to 16 bits before they are added up, which is what OpenCV's vector code does.
    let down = |[a, b]: [i32; 2], [v, w]: [i32; 2]| {
        (((((a >> 4) * v) >> 16) + (((b >> 4) * w) >> 16) + 2) >> 2).clamp(0, 255) as u8
    };
    let line = (sizes.from.0, sizes.channels);
    interpolated(values, line, &columns.map(fixed), &rows.map(fixed), across, down)
}

fn wide_bytes<const K: usize>(values: &[u8], sizes: Sizes, place: Place<K>) -> Vec<u8> {
    let Sizes { from, to, channels } = sizes;
    let columns = Lines::new(from.0, to.0, |index| place(index, from.0, to.0)).map(fixed);
    let rows = Lines::new(from.1, to.1, |index| place(index, from.1, to.1)).map(fixed);
    let across = |pixels: [u8; K], weights: [i32; K]| -> i32 {
        pixels.iter().zip(weights).map(|(pixel, weight)| i32::from(*pixel) * weight).sum()
    };
    let down = |sums: [i32; K], weights: [i32; K]| {
        let sum: i64 =
            sums.iter().zip(weights).map(|(sum, weight)| i64::from(*sum) * i64::from(weight)).sum();
        ((sum + (1 << (2 * PRECISION - 1))) >> (2 * PRECISION)).clamp(0, 255) as u8
    };
    interpolated(values, (from.0, channels), &columns, &rows, across, down)
}

fn numbers<const K: usize>(values: &[f32], sizes: Sizes, place: Place<K>) -> Vec<f32> {
    let Sizes { from, to, channels } = sizes;
    let columns = Lines::new(from.0, to.0, |index| place(index, from.0, to.0));
    let rows = Lines::new(from.1, to.1, |index| place(index, from.1, to.1));
    let sum = |values: [f32; K], weights: [f32; K]| -> f32 {
        values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
    };
    interpolated(values, (from.0, channels), &columns, &rows, sum, sum)
}

/// The pixel before a new pixel's middle, and how far it is behind that pixel's middle.
fn middle(index: usize, from: usize, to: usize) -> (i64, f32) {
    let position = ((index as f64 + 0.5) * scale(from, to) - 0.5) as f32;
    (position.floor() as i64, position - position.floor())
}

fn linear_place(index: usize, from: usize, to: usize) -> (i64, [f32; 2]) {
    let (first, part) = middle(index, from, to);
    (first, [1.0 - part, part])
}

/// `area` of a picture that grows: the part of the new pixel that lies in the second neighbour.
fn area_place(index: usize, from: usize, to: usize) -> (i64, [f32; 2]) {
    let first = (index as f64 * scale(from, to)).floor();
    let part = ((index as f64 + 1.0) - (first + 1.0) * (to as f64 / from as f64)) as f32;
    let part = if part <= 0.0 { 0.0 } else { part - part.floor() };
    (first as i64, [1.0 - part, part])
}

/// Keys' cubic convolution with a = -3/4.
fn cubic_place(index: usize, from: usize, to: usize) -> (i64, [f32; 4]) {
    let (first, x) = middle(index, from, to);
    (first - 1, cubic(x))
}

/// Weights of the four neighbours of a point that lies `x` behind the second.
pub fn cubic(x: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let inner = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let outer = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
    let [second, third] = [inner(x), inner(1.0 - x)];
    [outer, second, third, 1.0 - outer - second - third]
}

/// Lanczos' window of four lobes, scaled so that the weights add up to 1.
fn lanczos_place(index: usize, from: usize, to: usize) -> (i64, [f32; 8]) {
    let (first, part) = middle(index, from, to);
    let x = f64::from(part);
    // sin and cos of an angle less multiples of 45°.
    const TURNS: [(f64, f64); 8] = [
        (1.0, 0.0),
        (-FRAC_1_SQRT_2, -FRAC_1_SQRT_2),
        (0.0, 1.0),
        (FRAC_1_SQRT_2, -FRAC_1_SQRT_2),
        (-1.0, 0.0),
        (FRAC_1_SQRT_2, FRAC_1_SQRT_2),
        (0.0, -1.0),
        (-FRAC_1_SQRT_2, FRAC_1_SQRT_2),
    ];
    let (sin, cos) = (-(x + 3.0) * FRAC_PI_4).sin_cos();
    let weights: [f32; 8] = std::array::from_fn(|k| {
        let distance = x + 3.0 - k as f64;
        if distance.abs() < 1e-6 {
            return 1e30;
        }
        let angle = -distance * FRAC_PI_4;
        ((TURNS[k].0 * sin + TURNS[k].1 * cos) / (angle * angle)) as f32
    });
    let norm = 1.0 / weights.iter().sum::<f32>();
    (first - 3, weights.map(|weight| weight * norm))
}
