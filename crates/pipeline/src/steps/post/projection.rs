//! How a map that a model gives (a mask, a heat map) lies on the picture that the user gave.

use super::planes::Sizes;
use crate::{Context, Geometry, StepError};

/// The most pixels that a map is resized to.
const MAX_PIXELS: usize = 1 << 28;

/// Maps pixels of a map to pixels of the user's picture and back. Positions are continuous: the first pixel reaches from
/// 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    geometry: Geometry,
    /// Pixels of the map for each pixel of the model's picture.
    density: (f64, f64),
}

impl Projection {
    /// Of a map over the whole of the model's picture. Without a picture, the map stands for itself.
    pub fn of(width: usize, height: usize, context: &Context) -> Self {
        let geometry = context.geometry.unwrap_or_else(|| Geometry::identity(width, height));
        let (model_width, model_height) = geometry.current;
        let density = (width as f64 / model_width as f64, height as f64 / model_height as f64);
        Self { geometry, density }
    }

    /// Width and height of the user's picture.
    pub fn original(&self) -> (usize, usize) {
        self.geometry.original
    }

    /// Where a point of the map lies in the user's picture.
    pub fn to_user(&self, x: f64, y: f64) -> (f64, f64) {
        self.geometry.undo(x / self.density.0, y / self.density.1)
    }

    /// Where a point of the user's picture lies in the map.
    fn to_map(self, x: f64, y: f64) -> (f64, f64) {
        let Geometry { scale, offset, .. } = self.geometry;
        ((x * scale.0 + offset.0) * self.density.0, (y * scale.1 + offset.1) * self.density.1)
    }

    /// A value for each pixel of the user's picture, row by row, of the positions of its centre in the map.
    ///
    /// # Errors
    /// [`StepError::TooLarge`].
    pub fn resize<T>(&self, value: impl Fn(f64, f64) -> T) -> Result<Vec<T>, StepError> {
        let (width, height) = self.original();
        let pixels = width.saturating_mul(height);
        if pixels > MAX_PIXELS {
            return Err(StepError::TooLarge {
                what: "pixels of the picture",
                limit: MAX_PIXELS as u64,
                got: pixels as u64,
            });
        }
        let columns: Vec<f64> = (0..width).map(|x| self.to_map(x as f64 + 0.5, 0.0).0).collect();
        let mut values = Vec::with_capacity(pixels);
        for row in 0..height {
            let (_, y) = self.to_map(0.0, row as f64 + 0.5);
            values.extend(columns.iter().map(|x| value(*x, y)));
        }
        Ok(values)
    }
}

/// The pixel at a position, if it is inside.
pub fn pixel_at(sizes: Sizes, x: f64, y: f64) -> Option<usize> {
    let inside = x >= 0.0 && y >= 0.0 && x < sizes.width as f64 && y < sizes.height as f64;
    inside.then(|| y as usize * sizes.width + x as usize)
}
