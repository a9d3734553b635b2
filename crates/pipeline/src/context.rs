//! What steps remember of one source, for the steps behind the model.

use lehr_tensor::Tensor;

use crate::{Audio, Image};

/// What is known of one source on its way through a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// What messages call the source.
    pub source: String,
    /// How the model's picture lies in the user's.
    pub geometry: Option<Geometry>,
    /// The user's picture, kept only when somebody will draw on it.
    pub picture: Option<Image>,
    /// Whether to keep the picture.
    pub keep_picture: bool,
    /// What the recording was.
    pub audio: Option<AudioFacts>,
    /// The tensors that the model got, by name.
    pub fed: Vec<(String, Tensor)>,
}

impl Context {
    /// The tensor that the model got under that name.
    pub fn fed(&self, name: &str) -> Option<&Tensor> {
        self.fed.iter().find(|(fed, _)| fed == name).map(|(_, tensor)| tensor)
    }
}

/// What a recording was before it was cut into frames. Steps that change its rate or length keep this up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFacts {
    /// Samples per second.
    pub rate: u32,
    /// Samples of each channel.
    pub samples: usize,
    /// Samples from the beginning of one frame to the next; 1 before it is cut.
    pub hop: usize,
}

impl AudioFacts {
    /// Of a recording that is not cut yet.
    pub fn of(audio: &Audio) -> Self {
        Self { rate: audio.rate(), samples: audio.samples(), hop: 1 }
    }
}

/// Maps pixels of the user's picture to those of the model's: `model = user · scale + offset`, by axis (x, y) of the
/// model's picture, whose x is the user's y where the picture was transposed.
///
/// Steps that resize, crop, pad, flip or rotate keep it up to date; steps behind the model undo it. Positions are
/// continuous: the first pixel reaches from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Width and height of the user's picture, upright.
    pub original: (usize, usize),
    /// Width and height of the model's picture.
    pub current: (usize, usize),
    /// Factors.
    pub scale: (f64, f64),
    /// Summands.
    pub offset: (f64, f64),
    /// Whether the model's x is the user's y.
    pub transposed: bool,
}

impl Geometry {
    /// Of a picture that was not changed.
    pub fn identity(width: usize, height: usize) -> Self {
        Self {
            original: (width, height),
            current: (width, height),
            scale: (1.0, 1.0),
            offset: (0.0, 0.0),
            transposed: false,
        }
    }

    /// The picture was resized to this size.
    pub fn resized(&mut self, width: usize, height: usize) {
        let factor = (width as f64 / self.current.0 as f64, height as f64 / self.current.1 as f64);
        self.scale = (self.scale.0 * factor.0, self.scale.1 * factor.1);
        self.offset = (self.offset.0 * factor.0, self.offset.1 * factor.1);
        self.current = (width, height);
    }

    /// A window of this size was cut out (or, with negative positions, the picture was padded to it).
    pub fn cut(&mut self, left: i64, top: i64, width: usize, height: usize) {
        self.offset = (self.offset.0 - left as f64, self.offset.1 - top as f64);
        self.current = (width, height);
    }

    /// Left and right were swapped.
    pub fn mirrored(&mut self) {
        self.scale.0 = -self.scale.0;
        self.offset.0 = self.current.0 as f64 - self.offset.0;
    }

    /// Up and down were swapped.
    pub fn upended(&mut self) {
        self.scale.1 = -self.scale.1;
        self.offset.1 = self.current.1 as f64 - self.offset.1;
    }

    /// Rows became columns.
    pub fn transpose(&mut self) {
        for pair in [&mut self.scale, &mut self.offset] {
            *pair = (pair.1, pair.0);
        }
        self.current = (self.current.1, self.current.0);
        self.transposed = !self.transposed;
    }

    /// Where a point of the model's picture lies in the user's.
    pub fn undo(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = ((x - self.offset.0) / self.scale.0, (y - self.offset.1) / self.scale.1);
        if self.transposed { (y, x) } else { (x, y) }
    }

    /// As [`undo`](Self::undo), kept inside the picture.
    pub fn undo_inside(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = self.undo(x, y);
        (x.clamp(0.0, self.original.0 as f64), y.clamp(0.0, self.original.1 as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_through_resize_pad_crop_and_flip() {
        let mut geometry = Geometry::identity(200, 100);
        geometry.resized(100, 50);
        geometry.cut(0, -25, 100, 100);
        geometry.mirrored();
        geometry.cut(10, 0, 80, 100);
        // (40, 20) → resized (20, 10) → padded (20, 35) → mirrored (80, 35) → cropped (70, 35)
        assert_eq!(geometry.undo(70.0, 35.0), (40.0, 20.0));
        assert_eq!(geometry.undo_inside(-1000.0, 1000.0), (200.0, 100.0));
    }
}
