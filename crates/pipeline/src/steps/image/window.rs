//! A window over a picture: inside it the picture's pixels, outside a fill value. Crops and pads are windows.

use serde::{Deserialize, Serialize};

use super::size::{checked_area, geometry};
use crate::{Context, Image, Pixels, StepError};

/// Where a window lies on a picture, in pixels; it may reach beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From the picture's left edge.
    pub left: i64,
    /// From the picture's upper edge.
    pub top: i64,
    /// Of the window.
    pub width: usize,
    /// Of the window.
    pub height: usize,
}

/// Where a picture lies in a larger one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// In its upper left corner.
    #[default]
    TopLeft,
    /// In its middle; of an odd number of pixels the larger part is to the right and below.
    Center,
}

impl Anchor {
    /// The larger picture as a window over the smaller one, of which it must not be smaller. Sizes are width and
    /// height.
    pub fn window(self, inner: (usize, usize), outer: (usize, usize)) -> Window {
        let before = |inner: usize, outer: usize| match self {
            Self::TopLeft => 0,
            // Half of a length always fits.
            Self::Center => -((outer.saturating_sub(inner) / 2) as i64),
        };
        Window {
            left: before(inner.0, outer.0),
            top: before(inner.1, outer.1),
            width: outer.0,
            height: outer.1,
        }
    }
}

/// What lies outside of the picture: one value for all channels, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fill {
    /// The same in every channel.
    One(f32),
    /// By channel.
    Channels(Vec<f32>),
}

impl Default for Fill {
    fn default() -> Self {
        Self::One(0.0)
    }
}

impl Fill {
    /// The value of each channel.
    fn channels(&self, channels: usize) -> Result<Vec<f32>, StepError> {
        match self {
            Self::One(value) => Ok(vec![*value; channels]),
            Self::Channels(values) if values.len() == channels => Ok(values.clone()),
            Self::Channels(values) => {
                let expected = format!("one value or {channels}, as many as the picture has channels");
                Err(StepError::parameter("value", expected, format!("{} values", values.len())))
            }
        }
    }

    /// As [`channels`](Self::channels), for bytes.
    fn bytes(&self, channels: usize) -> Result<Vec<u8>, StepError> {
        let byte = |value: f32| match value {
            value if (0.0..=255.0).contains(&value) && value.fract() == 0.0 => Ok(value as u8),
            value => {
                Err(StepError::parameter("value", "whole numbers from 0 to 255 for a u8 picture", value))
            }
        };
        self.channels(channels)?.into_iter().map(byte).collect()
    }
}

/// What the window shows; the geometry follows.
///
/// # Errors
/// [`StepError::TooLarge`] for a window that is too large, [`StepError::Parameter`] for a fill that does not suit the
/// picture.
pub fn cut(image: Image, window: Window, fill: &Fill, context: &mut Context) -> Result<Image, StepError> {
    let area = checked_area(window.width, window.height)?;
    let whole = Window { left: 0, top: 0, width: image.width(), height: image.height() };
    geometry(context, &image).cut(window.left, window.top, window.width, window.height);
    if window == whole {
        return Ok(image);
    }
    let (color, size) = (image.color(), (image.width(), image.height()));
    let channels = color.channels();
    let pixels = match image.pixels() {
        Pixels::U8(values) => {
            Pixels::U8(pasted(values, size, window, filled(&fill.bytes(channels)?, area), channels))
        }
        Pixels::F32(values) => {
            Pixels::F32(pasted(values, size, window, filled(&fill.channels(channels)?, area), channels))
        }
    };
    Image::new(window.width, window.height, color, pixels)
}

fn filled<T: Copy>(fill: &[T], area: usize) -> Vec<T> {
    match fill {
        [one] => vec![*one; area],
        channels => channels.repeat(area),
    }
}

/// `canvas`, of the window's size, with the part of the picture that lies in it.
fn pasted<T: Copy>(
    values: &[T],
    (width, height): (usize, usize),
    window: Window,
    mut canvas: Vec<T>,
    channels: usize,
) -> Vec<T> {
    let (x, from_x, columns) = overlap(window.left, window.width, width);
    let (y, from_y, rows) = overlap(window.top, window.height, height);
    if columns == 0 {
        return canvas;
    }
    let targets = canvas.chunks_exact_mut(window.width * channels).skip(y).take(rows);
    let sources = values.chunks_exact(width * channels).skip(from_y);
    for (target, source) in targets.zip(sources) {
        target[x * channels..(x + columns) * channels]
            .copy_from_slice(&source[from_x * channels..(from_x + columns) * channels]);
    }
    canvas
}

/// Where an axis of a window that begins at `start` meets a picture of `size`: the position in the window, the
/// position in the picture, and the length.
fn overlap(start: i64, length: usize, size: usize) -> (usize, usize, usize) {
    let magnitude = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    match start < 0 {
        true => (magnitude.min(length), 0, length.saturating_sub(magnitude).min(size)),
        false => (0, magnitude.min(size), size.saturating_sub(magnitude).min(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    #[test]
    fn a_window_may_reach_beyond_the_picture_or_miss_it() {
        let image = Image::new(3, 2, Color::Gray, Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap();
        let cut = |left, top, width, height| {
            let window = Window { left, top, width, height };
            cut(image.clone(), window, &Fill::One(9.0), &mut Context::default()).map(Image::into_pixels)
        };
        assert_eq!(cut(1, 0, 2, 1).unwrap(), Pixels::U8(vec![2, 3]));
        assert_eq!(cut(-1, 1, 5, 2).unwrap(), Pixels::U8(vec![9, 4, 5, 6, 9, 9, 9, 9, 9, 9]));
        assert_eq!(cut(7, 7, 2, 1).unwrap(), Pixels::U8(vec![9, 9]));
        assert_eq!(cut(i64::MIN, i64::MAX, 1, 1).unwrap(), Pixels::U8(vec![9]));
        assert!(cut(0, 0, usize::MAX, 2).is_err());
        assert!(cut(0, 0, 0, 2).is_err());
    }

    #[test]
    fn a_fill_must_suit_the_picture() {
        assert_eq!(Fill::Channels(vec![1.0, 2.0, 3.0]).bytes(3).unwrap(), [1, 2, 3]);
        assert!(Fill::Channels(vec![1.0, 2.0]).bytes(3).is_err());
        assert!(Fill::One(0.5).bytes(3).is_err());
        assert!(Fill::One(-1.0).bytes(1).is_err());
        assert_eq!(Fill::One(-0.5).channels(1).unwrap(), [-0.5]);
    }
}
