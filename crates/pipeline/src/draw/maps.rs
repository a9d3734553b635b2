//! Masks and heat maps over the picture.

use super::canvas::Canvas;
use super::palette::{Rgb, class_color, heat_color, mixed};
use super::pixels::range;
use crate::{HeatMap, Mask};

/// Colours the classes of a mask, each with a solid border; 0 stays as it is. The mask covers the whole picture of
/// `size` pixels.
pub fn mask(
    canvas: &mut Canvas,
    mask: &Mask,
    (width, height): (usize, usize),
    opacity: f32,
    color: impl Fn(u16) -> Rgb,
) {
    let at = |x: usize, y: usize| {
        let (column, row) = (x * mask.width / width, y * mask.height / height);
        mask.classes.get(row * mask.width + column).copied().unwrap_or(0)
    };
    for y in 0..height {
        for x in 0..width {
            let class = at(x, y);
            if class == 0 {
                continue;
            }
            let border = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)]
                .into_iter()
                .any(|(x, y)| x < width && y < height && at(x, y) != class);
            let color = color(class);
            match border {
                true => canvas.blend(x, y, mixed(color, [0, 0, 0], 0.25), 0.9),
                false => canvas.blend(x, y, color, opacity),
            }
        }
    }
}

/// The colour of a class of a mask.
pub fn mask_color(class: u16) -> Rgb {
    class_color(usize::from(class.saturating_sub(1)))
}

/// Colours a map, the more the larger its numbers are. It covers the whole picture of `size` pixels.
pub fn heat_map(canvas: &mut Canvas, map: &HeatMap, (width, height): (usize, usize), opacity: f32) {
    let (low, high) = scale(map);
    for y in 0..height {
        for x in 0..width {
            let (column, row) = (x * map.width / width, y * map.height / height);
            let value = map.values.get(row * map.width + column).copied().unwrap_or(f32::NAN);
            if !value.is_nan() {
                let part = ((value - low) / (high - low)).clamp(0.0, 1.0);
                canvas.blend(x, y, heat_color(part), opacity * (0.5 + 0.5 * part));
            }
        }
    }
}

/// The numbers at both ends of the colours: 0 and 1 where all numbers are between them.
pub fn scale(map: &HeatMap) -> (f32, f32) {
    match range(&map.values) {
        (low, high) if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
        ends => ends,
    }
}
