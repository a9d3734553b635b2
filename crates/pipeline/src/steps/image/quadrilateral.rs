//! A quadrilateral of a picture, straightened: what lies between an object's corners, for the next model.
//!
//! As `getPerspectiveTransform` and `warpPerspective` of OpenCV 5 with `INTER_CUBIC` and `BORDER_REPLICATE`, to one
//! step of a byte. (OpenCV 4 rounds the weights to positions of 1/32 of a pixel.)

use super::resize::cubic;
use super::size::checked_area;
use crate::{Image, Pixels, StepError};

/// Cuts the quadrilateral with these corners (clockwise from the upper left, in pixels) out of a picture of bytes. The
/// result is as wide and high as the longer of the opposite sides, at least one pixel.
///
/// # Errors
/// [`StepError::Malformed`] for corners that are not finite or lie on one line, [`StepError::TooLarge`],
/// [`StepError::Kind`] for pictures of numbers.
pub fn cut(image: &Image, corners: [[f32; 2]; 4]) -> Result<Image, StepError> {
    let Pixels::U8(source) = image.pixels() else {
        return Err(StepError::kind("a picture of bytes", "one of numbers"));
    };
    let corners = corners.map(|corner| corner.map(f64::from));
    let side = |a: usize, b: usize| {
        let [dx, dy] = [corners[a][0] - corners[b][0], corners[a][1] - corners[b][1]];
        dx.hypot(dy)
    };
    let (width, height) = (side(0, 1).max(side(2, 3)), side(0, 3).max(side(1, 2)));
    let limit = f64::from(u16::MAX);
    if !(width <= limit && height <= limit) {
        return Err(StepError::malformed(format!(
            "expected sides of at most {limit} pixels, got {width}×{height}"
        )));
    }
    // Bounded by the check above.
    let (width, height) = ((width as usize).max(1), (height as usize).max(1));
    checked_area(width, height)?;
    let map = Perspective::new(corners, width as f64, height as f64)
        .ok_or_else(|| StepError::malformed("the corners of the quadrilateral lie on one line"))?;
    let channels = image.color().channels();
    let sampler = Sampler { source, width: image.width(), height: image.height(), channels };
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = map.apply(x as f64, y as f64);
            sampler.sample(from_x, from_y, &mut pixels);
        }
    }
    Image::new(width, height, image.color(), Pixels::U8(pixels))
}

/// A projective map of the plane; the last of its nine numbers is 1.
struct Perspective([f64; 8]);

impl Perspective {
    /// The map from the corners of an upright rectangle to `corners`.
    fn new(corners: [[f64; 2]; 4], width: f64, height: f64) -> Option<Self> {
        let rectangle = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        let mut rows = [[0.0; 9]; 8];
        for (index, ([x, y], [u, v])) in rectangle.into_iter().zip(corners).enumerate() {
            rows[index] = [x, y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u, u];
            rows[index + 4] = [0.0, 0.0, 0.0, x, y, 1.0, -x * v, -y * v, v];
        }
        solve(rows).map(Self)
    }

    fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f, g, h] = self.0;
        let w = g * x + h * y + 1.0;
        ((a * x + b * y + c) / w, (d * x + e * y + f) / w)
    }
}

/// Gauss' elimination with pivots; `None` when the rows depend on each other.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let top = rows[column];
        if top[column].abs() <= 1e-10 || top[column].is_nan() {
            return None;
        }
        for other in (0..8).filter(|&other| other != column) {
            let factor = rows[other][column] / top[column];
            rows[other].iter_mut().zip(top).for_each(|(value, above)| *value -= factor * above);
        }
    }
    Some(std::array::from_fn(|index| rows[index][8] / rows[index][index]))
}

struct Sampler<'a> {
    source: &'a [u8],
    width: usize,
    height: usize,
    channels: usize,
}

impl Sampler<'_> {
    /// Appends the pixel at a position between pixels; beyond the edge the nearest pixel counts.
    fn sample(&self, x: f64, y: f64, pixels: &mut Vec<u8>) {
        let (columns, x_weights) = taps(x, self.width);
        let (rows, y_weights) = taps(y, self.height);
        for channel in 0..self.channels {
            let mut sum = 0.0;
            for (&row, y_weight) in rows.iter().zip(y_weights) {
                let line: f64 = columns
                    .iter()
                    .zip(x_weights)
                    .map(|(&column, weight)| {
                        weight * f64::from(self.source[(row * self.width + column) * self.channels + channel])
                    })
                    .sum();
                sum += y_weight * line;
            }
            // Clamped to the range of the type.
            pixels.push(sum.round().clamp(0.0, 255.0) as u8);
        }
    }
}

/// The four pixels around a position on an axis of `size` pixels, and their weights.
fn taps(position: f64, size: usize) -> ([usize; 4], [f64; 4]) {
    let last = size.saturating_sub(1);
    let position = if position.is_nan() { 0.0 } else { position.clamp(-4.0, size as f64 + 4.0) };
    let floor = position.floor();
    // In range after the clamp above and the one below.
    let pixel = |offset: f64| (floor + offset).clamp(0.0, last as f64) as usize;
    let weights = cubic((position - floor) as f32).map(f64::from);
    ([pixel(-1.0), pixel(0.0), pixel(1.0), pixel(2.0)], weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    fn ramp() -> Image {
        Image::new(8, 6, Color::Gray, Pixels::U8((0..48).map(|value| value * 5).collect())).unwrap()
    }

    #[test]
    fn an_upright_rectangle_is_copied() {
        let cut = cut(&ramp(), [[2.0, 1.0], [5.0, 1.0], [5.0, 3.0], [2.0, 3.0]]).unwrap();
        assert_eq!((cut.width(), cut.height()), (3, 2));
        assert_eq!(*cut.pixels(), Pixels::U8([10, 11, 12, 18, 19, 20].map(|value| value * 5).to_vec()));
    }

    #[test]
    fn corners_without_an_area_are_refused_and_those_outside_take_the_edge() {
        assert!(cut(&ramp(), [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]).is_err());
        assert!(cut(&ramp(), [[f32::NAN; 2]; 4]).is_err());
        assert!(cut(&ramp(), [[0.0, 0.0], [1e9, 0.0], [1e9, 1.0], [0.0, 1.0]]).is_err());
        let outside = cut(&ramp(), [[-50.0, -50.0], [-47.0, -50.0], [-47.0, -47.0], [-50.0, -47.0]]).unwrap();
        assert_eq!(*outside.pixels(), Pixels::U8(vec![0; 9]));
    }
}
