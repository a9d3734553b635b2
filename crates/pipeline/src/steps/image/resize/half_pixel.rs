//! Resizing as TensorFlow, ONNX and PyTorch do it where they do not antialias: interpolation in single precision.
//!
//! They differ in where a new pixel lies in the picture and in what is beyond its edge. Bilinear and bicubic give
//! numbers, also for bytes; nearest keeps what there is.

use super::lines::{Lines, interpolated, picked};
use super::{Filter, opencv};
use crate::{Image, Pixels, StepError};

/// Where new pixels lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Middles of pixels are mapped to each other, as in TensorFlow 2. Bicubic has a = -1/2, and neighbours beyond
    /// the edge have no weight.
    TensorFlow,
    /// As above, as in ONNX's `Resize` with `half_pixel` and PyTorch's `interpolate`: bicubic has a = -3/4, the edge
    /// repeats, and nearest rounds a half down.
    HalfPixel,
    /// Upper left corners of pixels are mapped to each other, as in TensorFlow 1.
    Corner,
    /// Middles of the first and of the last pixels are mapped to each other.
    Ends,
}

/// The picture in the given size.
///
/// # Errors
/// None that a valid picture can cause.
pub fn resized(
    image: &Image,
    (width, height): (usize, usize),
    filter: Filter,
    position: Position,
) -> Result<Image, StepError> {
    let pixels = match image.pixels() {
        Pixels::U8(values) if filter == Filter::Nearest => {
            Pixels::U8(nearest(values, image, (width, height), position))
        }
        Pixels::F32(values) if filter == Filter::Nearest => {
            Pixels::F32(nearest(values, image, (width, height), position))
        }
        Pixels::U8(values) => Pixels::F32(filtered(values, image, (width, height), filter, position)),
        Pixels::F32(values) => Pixels::F32(filtered(values, image, (width, height), filter, position)),
    };
    Image::new(width, height, image.color(), pixels)
}

impl Position {
    /// Where the middle of a new pixel lies in the old line, if middles of old pixels are at whole numbers.
    fn of(self, index: usize, from: usize, to: usize) -> f32 {
        let (index, scale) = (index as f32, from as f32 / to as f32);
        match self {
            Self::TensorFlow => (index + 0.5) * scale - 0.5,
            Self::HalfPixel => (index + 0.5) / (to as f32 / from as f32) - 0.5,
            Self::Corner => index * scale,
            Self::Ends if to == 1 => 0.0,
            Self::Ends => index * ((from - 1) as f32 / (to - 1) as f32),
        }
    }

    fn nearest(self, index: usize, from: usize, to: usize) -> usize {
        let place = match self {
            Self::TensorFlow => ((index as f32 + 0.5) * (from as f32 / to as f32)).floor(),
            Self::HalfPixel => (self.of(index, from, to) - 0.5).ceil(),
            Self::Corner => self.of(index, from, to).floor(),
            Self::Ends => self.of(index, from, to).round(),
        };
        // Conversions saturate at 0.
        (place as usize).min(from - 1)
    }

    fn linear(self, from: usize, to: usize) -> Lines<2, f32> {
        Lines::new(from, to, |index| {
            let position = self.of(index, from, to);
            let part = position - position.floor();
            (position.floor() as i64, [1.0 - part, part])
        })
    }

    fn cubic(self, from: usize, to: usize) -> Lines<4, f32> {
        Lines::new(from, to, |index| {
            let position = self.of(index, from, to);
            let (first, part) = (position.floor() as i64 - 1, position - position.floor());
            match self {
                Self::TensorFlow => (first, inside_only(keys(part), first, from)),
                _ => (first, opencv::cubic(part)),
            }
        })
    }
}

/// Keys' cubic convolution with a = -1/2: weights of the four neighbours of a point that lies `x` behind the second.
fn keys(x: f32) -> [f32; 4] {
    let inner = |x: f32| (1.5 * x - 2.5) * x * x + 1.0;
    let outer = |x: f32| ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    [outer(1.0 + x), inner(x), inner(1.0 - x), outer(2.0 - x)]
}

/// Weights of neighbours that lie in the line, scaled so that they add up to 1.
fn inside_only(weights: [f32; 4], first: i64, from: usize) -> [f32; 4] {
    let inside = |k: usize| (0..from as i64).contains(&(first + k as i64));
    let kept: [f32; 4] = std::array::from_fn(|k| if inside(k) { weights[k] } else { 0.0 });
    let sum: f32 = kept.iter().sum();
    kept.map(|weight| weight / sum)
}

fn nearest<T: Copy>(
    values: &[T],
    image: &Image,
    (width, height): (usize, usize),
    position: Position,
) -> Vec<T> {
    let places = |from: usize, to: usize| -> Vec<usize> {
        (0..to).map(|index| position.nearest(index, from, to)).collect()
    };
    let (columns, rows) = (places(image.width(), width), places(image.height(), height));
    picked(values, (image.width(), image.color().channels()), &columns, &rows)
}

fn filtered<T: Copy + Into<f32>>(
    values: &[T],
    image: &Image,
    (width, height): (usize, usize),
    filter: Filter,
    position: Position,
) -> Vec<f32> {
    let line = (image.width(), image.color().channels());
    match filter {
        Filter::Bicubic => {
            let columns = position.cubic(image.width(), width);
            let rows = position.cubic(image.height(), height);
            interpolated(values, line, &columns, &rows, sum, sum)
        }
        _ => {
            let columns = position.linear(image.width(), width);
            let rows = position.linear(image.height(), height);
            interpolated(values, line, &columns, &rows, sum, sum)
        }
    }
}

fn sum<const K: usize, T: Copy + Into<f32>>(values: [T; K], weights: [f32; K]) -> f32 {
    values.into_iter().zip(weights).map(|(value, weight)| value.into() * weight).sum()
}
