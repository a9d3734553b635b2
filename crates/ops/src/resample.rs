//! Resampling along one axis: which input elements each output element is made of, and with which weights.

use lehr_graph::{OpError, attribute_enum};

use crate::movement::AxisPicks;

attribute_enum! {
    /// How an output position becomes an input position.
    pub enum CoordinateMode {
        /// Centres of elements correspond.
        HalfPixel = "half_pixel",
        /// As half pixel, about the middle of the axis when the scaled size was rounded.
        HalfPixelSymmetric = "half_pixel_symmetric",
        /// As half pixel, but 0 when the scaled size is 1.
        PytorchHalfPixel = "pytorch_half_pixel",
        /// First and last elements correspond.
        AlignCorners = "align_corners",
        /// Positions are divided by the scale.
        Asymmetric = "asymmetric",
        /// Half pixel without moving back by a half (opset 11 only).
        TfHalfPixelForNn = "tf_half_pixel_for_nn",
        /// The region of interest is stretched over the output.
        TfCropAndResize = "tf_crop_and_resize",
    }
}

attribute_enum! {
    /// Which neighbour stands for a position between two.
    pub enum NearestMode {
        /// The nearer one, the left one in the middle.
        RoundPreferFloor = "round_prefer_floor",
        /// The nearer one, the right one in the middle.
        RoundPreferCeil = "round_prefer_ceil",
        /// The left one.
        Floor = "floor",
        /// The right one.
        Ceil = "ceil",
    }
}

/// One axis of a resizing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AxisPlan {
    /// Size of the input.
    pub input: usize,
    /// Size of the output.
    pub output: usize,
    /// Output over input size, as given.
    pub scale: f64,
    /// Start and end of the region of interest as parts of the axis.
    pub roi: (f64, f64),
}

impl AxisPlan {
    /// Nothing changes along this axis.
    pub(crate) fn is_identity(&self) -> bool {
        self.input == self.output && (self.scale - 1.0).abs() < 1e-9 && self.roi == (0.0, 1.0)
    }

    /// The input position of output position `at`; `None` outside of the input when cropping.
    fn source(&self, at: usize, mode: CoordinateMode) -> Option<f64> {
        let (x, input) = (at as f64, self.input as f64);
        let scaled = self.scale * input;
        let half_pixel = (x + 0.5) / self.scale - 0.5;
        Some(match mode {
            CoordinateMode::HalfPixel => half_pixel,
            CoordinateMode::HalfPixelSymmetric => {
                input / 2.0 * (1.0 - self.output as f64 / scaled) + half_pixel
            }
            CoordinateMode::PytorchHalfPixel if scaled == 1.0 => 0.0,
            CoordinateMode::PytorchHalfPixel => half_pixel,
            CoordinateMode::AlignCorners if scaled == 1.0 => 0.0,
            CoordinateMode::AlignCorners => x * (input - 1.0) / (scaled - 1.0),
            CoordinateMode::Asymmetric => x / self.scale,
            CoordinateMode::TfHalfPixelForNn => (x + 0.5) / self.scale,
            CoordinateMode::TfCropAndResize => {
                let (start, end) = self.roi;
                let inside = if scaled == 1.0 {
                    (end - start) * (input - 1.0) / 2.0
                } else {
                    x * (end - start) * (input - 1.0) / (scaled - 1.0)
                };
                let source = inside + start * (input - 1.0);
                return (source >= 0.0 && source <= input - 1.0).then_some(source);
            }
        })
    }

    /// Each output element as one input element or the fill value.
    pub(crate) fn nearest(&self, mode: CoordinateMode, nearest: NearestMode) -> AxisPicks {
        let mut picks = AxisPicks::default();
        let last = self.input.saturating_sub(1) as f64;
        for at in 0..self.output {
            let Some(x) = self.source(at, mode) else {
                picks.fill(1);
                continue;
            };
            let x = match nearest {
                NearestMode::RoundPreferFloor => (x - 0.5).ceil(),
                NearestMode::RoundPreferCeil => (x + 0.5).floor(),
                NearestMode::Floor => x.floor(),
                NearestMode::Ceil => x.ceil(),
            };
            // Clamped into the axis; a position that is no number counts as 0.
            picks.push(x.clamp(0.0, last) as usize);
        }
        picks
    }

    /// Each output element as a weighted sum.
    ///
    /// # Errors
    /// When the scale asks for windows without bound.
    pub(crate) fn taps(
        &self,
        mode: CoordinateMode,
        filter: Filter,
        exclude_outside: bool,
    ) -> Result<Taps, OpError> {
        let width = filter.width(self.scale);
        let limit = self.input.saturating_mul(4).saturating_add(64);
        if width > limit {
            return Err(OpError::value(format!("scale {} needs windows of {width} elements", self.scale)));
        }
        let mut taps = Taps { width, indices: Vec::new(), weights: Vec::new(), outside: Vec::new() };
        let mut weights = vec![0.0; width];
        let last = self.input as i64 - 1;
        for at in 0..self.output {
            let source = self.source(at, mode);
            taps.outside.push(source.is_none());
            let x = source.unwrap_or(0.0).clamp(-1e15, 1e15);
            // An integral position belongs to the interval on its left.
            let floor = if x == x.floor() { x - 1.0 } else { x.floor() };
            let first = floor as i64 + 1 - width as i64 / 2;
            filter.weights(x - floor, self.scale, &mut weights);
            if exclude_outside {
                let index = |i: usize| first + i as i64;
                weights
                    .iter_mut()
                    .enumerate()
                    .filter(|(i, _)| !(0..=last).contains(&index(*i)))
                    .for_each(|(_, w)| *w = 0.0);
                let sum: f64 = weights.iter().sum();
                if sum != 0.0 {
                    weights.iter_mut().for_each(|w| *w /= sum);
                }
            }
            taps.indices.extend((0..width).map(|i| (first + i as i64).clamp(0, last.max(0)) as usize));
            taps.weights.extend_from_slice(&weights);
        }
        Ok(taps)
    }
}

/// A continuous filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    /// Cubic with this coefficient, else linear.
    pub cubic: Option<f64>,
    /// Widened when the output is smaller than the input.
    pub antialias: bool,
}

impl Filter {
    fn width(self, scale: f64) -> usize {
        let radius = if self.cubic.is_some() { 2.0 } else { 1.0 };
        if !self.antialias {
            return 2 * radius as usize;
        }
        let start = (-radius / scale.min(1.0)).floor() + 1.0;
        (2.0 - 2.0 * start).clamp(2.0, 1e12) as usize
    }

    /// Weights of the elements around a position that lies `ratio` in (0, 1] behind the middle one's left neighbour.
    fn weights(self, ratio: f64, scale: f64, weights: &mut [f64]) {
        let shrink = if self.antialias { scale.min(1.0) } else { 1.0 };
        let first = 1.0 - (weights.len() / 2) as f64;
        for (i, weight) in weights.iter_mut().enumerate() {
            let distance = ((first + i as f64 - ratio) * shrink).abs();
            *weight = match self.cubic {
                None => (1.0 - distance).clamp(0.0, 1.0),
                Some(a) => cubic(distance, a),
            };
        }
        if self.antialias {
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= sum);
        }
    }
}

/// The cubic convolution of Keys (1981, <https://ieeexplore.ieee.org/document/1163711>) at a distance.
pub(crate) fn cubic(x: f64, a: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// Weighted sums along one axis.
pub(crate) struct Taps {
    width: usize,
    indices: Vec<usize>,
    weights: Vec<f64>,
    outside: Vec<bool>,
}

impl Taps {
    /// Number of input positions per output position; those positions and their weights, one output position after the
    /// other.
    pub(crate) fn parts(&self) -> (usize, &[usize], &[f64]) {
        (self.width, &self.indices, &self.weights)
    }

    /// Applies the sums along the middle axis of `outer × input × inner` elements.
    pub(crate) fn apply(&self, source: &[f64], outer: usize, inner: usize, fill: f64) -> Vec<f64> {
        let output = self.outside.len();
        let input = source.len().checked_div(outer * inner).unwrap_or(0);
        let mut out = vec![0.0; outer * output * inner];
        for o in 0..outer {
            let plane = &source[o * input * inner..(o + 1) * input * inner];
            for at in 0..output {
                let row = &mut out[(o * output + at) * inner..(o * output + at + 1) * inner];
                if self.outside[at] {
                    row.fill(fill);
                    continue;
                }
                for tap in at * self.width..(at + 1) * self.width {
                    let (index, weight) = (self.indices[tap], self.weights[tap]);
                    if weight != 0.0 {
                        let from = &plane[index * inner..(index + 1) * inner];
                        row.iter_mut().zip(from).for_each(|(y, x)| *y += weight * x);
                    }
                }
            }
        }
        out
    }
}
