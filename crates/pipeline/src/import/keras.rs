//! `preprocess_input` of `keras.applications`, behind `load_img(target_size = …)`.

use super::picture::{IMAGENET, PART, Steps, size};
use crate::InputSpec;

/// What becomes of the picture's numbers.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Blue, green, red, less their means.
    Caffe,
    /// From -1 to 1.
    Tf,
    /// From 0 to 1, and ImageNet's means and deviations.
    Torch,
}

/// By name.
pub const MODES: &[(&str, Mode)] = &[("caffe", Mode::Caffe), ("tf", Mode::Tf), ("torch", Mode::Torch)];

/// `MODE` or `MODE-SIDE`.
pub fn preset(name: &str) -> Option<InputSpec> {
    let (mode, side) = match name.split_once('-') {
        Some((mode, side)) => (mode, side.parse().ok().filter(|side| *side > 0)?),
        None => (name, 224),
    };
    let (_, mode) = MODES.iter().find(|(known, _)| *known == mode)?;
    // `load_img` takes the nearest pixels where nothing else is asked for.
    let steps = Steps::decoded().then("resize", [("size", size(side, side)), ("filter", "nearest".into())]);
    let steps = match mode {
        Mode::Caffe => {
            let steps = steps.then("color", [("to", "bgr".into())]);
            steps.normalized(([103.939, 116.779, 123.68], [1.0; 3]))
        }
        Mode::Tf => steps.then("scale", [("by", (1.0 / 127.5).into()), ("offset", (-1.0).into())]),
        Mode::Torch => steps.then("scale", [("by", PART.into())]).normalized(IMAGENET),
    };
    Some(steps.into_input("input", "HWC"))
}
