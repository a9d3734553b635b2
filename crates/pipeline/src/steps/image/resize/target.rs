//! How large a resized picture becomes: the rules of the libraries that models were trained with.

use crate::StepError;
use crate::steps::image::size::checked_area;

/// A rule for the size of a picture. Every number is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `size = [height, width]`.
    Exact {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// `short_side`: the shorter side gets this length and the longer one `⌊side · long / short⌋`, as in torchvision.
    /// With `max_side`, a longer side that would exceed it gets this length and the shorter one `⌊max_side · short /
    /// long⌋` of the lengths before.
    ShortSide {
        /// In pixels.
        side: usize,
        /// In pixels.
        max_side: Option<usize>,
    },
    /// `long_side`: the longer side gets this length, the other one is rounded to the nearest.
    LongSide {
        /// In pixels.
        side: usize,
    },
    /// `height`: the width becomes `⌈height · width / height before⌉` within `min_width` and `max_width`, as in front
    /// of PP-OCR's recogniser.
    Height {
        /// In pixels.
        height: usize,
        /// In pixels.
        min_width: Option<usize>,
        /// In pixels.
        max_width: Option<usize>,
    },
    /// `max_side`, `min_side`, `multiple_of`: a picture whose longer side exceeds `max_side` shrinks to it; otherwise
    /// one whose shorter side is below `min_side` grows to it, but not beyond `max_side`. Sides are then cut down to
    /// whole pixels and rounded to the nearest multiple (a half to the even one), at least one. That is PP-OCR's
    /// detector.
    Limits {
        /// In pixels.
        min_side: Option<usize>,
        /// In pixels.
        max_side: Option<usize>,
        /// In pixels.
        multiple_of: usize,
    },
}

impl Target {
    /// The size that a picture of this size gets.
    ///
    /// # Errors
    /// [`StepError::TooLarge`] when that has too many pixels.
    pub fn of(&self, width: usize, height: usize) -> Result<(usize, usize), StepError> {
        let (width, height) = match *self {
            Self::Exact { width, height } => (width, height),
            Self::ShortSide { side, max_side } => {
                by_sides(width, height, |short, long| short_side(side, max_side, short, long))
            }
            Self::LongSide { side } => by_sides(width, height, |short, long| {
                let exact = side as f64 / long as f64 * short as f64;
                (whole(exact + 0.5), side)
            }),
            Self::Height { height: target, min_width, max_width } => {
                let width = whole((target as f64 * (width as f64 / height as f64)).ceil());
                (width.max(min_width.unwrap_or(1)).min(max_width.unwrap_or(usize::MAX)), target)
            }
            Self::Limits { min_side, max_side, multiple_of } => {
                let ratio = ratio(min_side, max_side, width, height);
                let side = |side: usize| rounded((side as f64 * ratio).trunc(), multiple_of);
                (side(width), side(height))
            }
        };
        checked_area(width, height)?;
        Ok((width, height))
    }

    /// What of the new width and height is known whatever the picture.
    pub fn known(&self) -> (Option<usize>, Option<usize>) {
        match *self {
            Self::Exact { width, height } => (Some(width), Some(height)),
            Self::Height { height, .. } => (None, Some(height)),
            _ => (None, None),
        }
    }
}

/// Applies a rule for (short, long) to (width, height).
fn by_sides(width: usize, height: usize, rule: impl Fn(usize, usize) -> (usize, usize)) -> (usize, usize) {
    if width <= height {
        return rule(width, height);
    }
    let (short, long) = rule(height, width);
    (long, short)
}

fn short_side(side: usize, max_side: Option<usize>, short: usize, long: usize) -> (usize, usize) {
    let scaled = side.saturating_mul(long) / short;
    match max_side {
        Some(max) if scaled > max => ((max.saturating_mul(side) / scaled).max(1), max),
        _ => (side, scaled),
    }
}

/// By how much both sides grow.
fn ratio(min_side: Option<usize>, max_side: Option<usize>, width: usize, height: usize) -> f64 {
    let (short, long) = (width.min(height), width.max(height));
    let most = max_side.map_or(f64::INFINITY, |max| max as f64 / long as f64);
    match min_side {
        _ if most < 1.0 => most,
        Some(min) if short < min => (min as f64 / short as f64).min(most),
        _ => 1.0,
    }
}

/// The nearest multiple that is not zero.
fn rounded(side: f64, multiple: usize) -> usize {
    let count = whole((side / multiple as f64).round_ties_even());
    count.max(1).saturating_mul(multiple)
}

/// A number of pixels, at least one. Numbers that are too large saturate and are refused with the area.
fn whole(value: f64) -> usize {
    (value as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sides_follow_torchvision() {
        let target = Target::ShortSide { side: 256, max_side: None };
        assert_eq!(target.of(640, 427).unwrap(), (383, 256));
        assert_eq!(target.of(427, 640).unwrap(), (256, 383));
        assert_eq!(target.of(256, 256).unwrap(), (256, 256));
        assert!(target.of(1, 5000).is_err());
        let limited = Target::ShortSide { side: 800, max_side: Some(1333) };
        assert_eq!(limited.of(1000, 400).unwrap(), (1333, 533));
        assert_eq!(limited.of(1, 5000).unwrap(), (1, 1333));
    }

    #[test]
    fn a_size_that_would_take_all_memory_is_refused() {
        assert!(Target::ShortSide { side: 256, max_side: None }.of(1, 50_000).is_err());
        assert!(Target::Height { height: 1 << 40, min_width: None, max_width: None }.of(1, 1).is_err());
        assert!(Target::Exact { width: usize::MAX, height: 2 }.of(1, 1).is_err());
        assert!(Target::LongSide { side: usize::MAX }.of(3, 2).is_err());
    }

    #[test]
    fn text_lines_keep_their_ratio_rounded_up() {
        let target = Target::Height { height: 48, min_width: Some(16), max_width: Some(320) };
        assert_eq!(target.of(101, 32).unwrap(), (152, 48));
        assert_eq!(target.of(1000, 32).unwrap(), (320, 48));
        assert_eq!(target.of(3, 32).unwrap(), (16, 48));
    }

    #[test]
    fn limits_round_to_multiples() {
        let target = Target::Limits { min_side: None, max_side: Some(960), multiple_of: 32 };
        assert_eq!(target.of(1920, 1080).unwrap(), (960, 544));
        assert_eq!(target.of(100, 48).unwrap(), (96, 64));
        assert_eq!(target.of(5, 5000).unwrap(), (32, 960));
        let least = Target::Limits { min_side: Some(736), max_side: None, multiple_of: 32 };
        assert_eq!(least.of(300, 200).unwrap(), (1088, 736));
        let both = Target::Limits { min_side: Some(736), max_side: Some(1000), multiple_of: 1 };
        assert_eq!(both.of(300, 200).unwrap(), (1000, 666));
        let long = Target::LongSide { side: 640 };
        assert_eq!(long.of(1001, 500).unwrap(), (640, 320));
    }
}
