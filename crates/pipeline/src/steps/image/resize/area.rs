//! OpenCV's `INTER_AREA` of a picture that shrinks: each new pixel is the mean of the area that it covers.

use super::opencv::{Sizes, scale};

/// Whether neither side grows.
pub fn shrinks(Sizes { from, to, .. }: Sizes) -> bool {
    scale(from.0, to.0) >= 1.0 && scale(from.1, to.1) >= 1.0
}

/// Whether both sides become half as long, in which case OpenCV's bilinear filter is this one.
pub fn halves(sizes: Sizes) -> bool {
    factors(sizes) == Some((2, 2))
}

/// By how much both sides shrink, when these are whole numbers.
fn factors(Sizes { from, to, .. }: Sizes) -> Option<(usize, usize)> {
    let whole = |from: usize, to: usize| from.is_multiple_of(to).then_some(from / to);
    whole(from.0, to.0).zip(whole(from.1, to.1))
}

/// Bytes, rounded to the nearest (a half to the even one; up where both sides are halved).
pub fn shrunk_bytes(values: &[u8], sizes: Sizes) -> Vec<u8> {
    match factors(sizes) {
        Some((2, 2)) => blocks(values, sizes, (2, 2), u32::from, |sum| ((sum + 2) >> 2) as u8),
        Some(factors) => {
            let part = 1.0 / (factors.0 * factors.1) as f32;
            blocks(values, sizes, factors, u32::from, |sum| (sum as f32 * part).round_ties_even() as u8)
        }
        None => {
            means(values, sizes, f32::from).into_iter().map(|mean| mean.round_ties_even() as u8).collect()
        }
    }
}

/// Numbers.
pub fn shrunk_numbers(values: &[f32], sizes: Sizes) -> Vec<f32> {
    match factors(sizes) {
        Some(factors) => {
            let part = 1.0 / (factors.0 * factors.1) as f32;
            blocks(values, sizes, factors, |value| value, |sum| sum * part)
        }
        None => means(values, sizes, |value| value),
    }
}

/// Sums of whole blocks.
fn blocks<T: Copy, S: Copy + Default + std::ops::AddAssign>(
    values: &[T],
    Sizes { from, to, channels }: Sizes,
    (across, down): (usize, usize),
    widen: impl Fn(T) -> S,
    finish: impl Fn(S) -> T,
) -> Vec<T> {
    let mut made = Vec::with_capacity(to.0 * to.1 * channels);
    let mut sums = vec![S::default(); to.0 * channels];
    for rows in values.chunks_exact(from.0 * channels * down) {
        sums.fill(S::default());
        for row in rows.chunks_exact(from.0 * channels) {
            for (sum, block) in sums.chunks_exact_mut(channels).zip(row.chunks_exact(across * channels)) {
                for pixel in block.chunks_exact(channels) {
                    for (sum, value) in sum.iter_mut().zip(pixel) {
                        *sum += widen(*value);
                    }
                }
            }
        }
        made.extend(sums.iter().map(|sum| finish(*sum)));
    }
    made
}

/// A part of a new pixel: which one, the pixel that covers the part, and how large it is.
#[derive(Clone, Copy)]
struct Part {
    to: usize,
    from: usize,
    weight: f32,
}

/// The parts of all new pixels of a line. Parts of less than a thousandth of a pixel are left away.
fn parts(from: usize, to: usize) -> Vec<Part> {
    const LEAST: f64 = 1e-3;
    let scale = scale(from, to);
    let mut parts = Vec::with_capacity(from + 2 * to);
    for index in 0..to {
        let start = index as f64 * scale;
        let end = start + scale;
        let length = scale.min(from as f64 - start);
        let last = (end.floor() as usize).min(from - 1);
        let first = (start.ceil() as usize).min(last);
        let before = first as f64 - start;
        if before > LEAST {
            parts.push(Part { to: index, from: first - 1, weight: (before / length) as f32 });
        }
        let whole = (1.0 / length) as f32;
        parts.extend((first..last).map(|place| Part { to: index, from: place, weight: whole }));
        let after = end - last as f64;
        if after > LEAST {
            let weight = (after.min(1.0).min(length) / length) as f32;
            parts.push(Part { to: index, from: last, weight });
        }
    }
    parts
}

fn means<T: Copy>(values: &[T], Sizes { from, to, channels }: Sizes, widen: impl Fn(T) -> f32) -> Vec<f32> {
    let (columns, rows) = (parts(from.0, to.0), parts(from.1, to.1));
    let length = to.0 * channels;
    let mut made = vec![0.0; to.1 * length];
    let mut line = vec![0.0; length];
    let mut held = None;
    for row in rows {
        if held != Some(row.from) {
            line.fill(0.0);
            let source = &values[row.from * from.0 * channels..(row.from + 1) * from.0 * channels];
            for part in &columns {
                let pixel = &source[part.from * channels..(part.from + 1) * channels];
                let sums = &mut line[part.to * channels..(part.to + 1) * channels];
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += widen(*value) * part.weight;
                }
            }
            held = Some(row.from);
        }
        let sums = &mut made[row.to * length..(row.to + 1) * length];
        for (sum, value) in sums.iter_mut().zip(&line) {
            *sum += value * row.weight;
        }
    }
    made
}
