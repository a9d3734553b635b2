//! Inputs of timm's models: by the settings that distinguish them, or by their published `config.json`.

use serde::Deserialize;

use super::ImportError;
use super::picture::{CLIP, HALF, IMAGENET, Norm, PART, Steps, pixels, size};
use crate::InputSpec;

/// Means and deviations by name.
pub const NORMS: &[(&str, Norm)] = &[("imagenet", IMAGENET), ("inception", HALF), ("clip", CLIP)];

/// `NORM-FILTER-CROP-SIZE`.
pub fn preset(name: &str) -> Option<InputSpec> {
    let parts: Vec<&str> = name.split('-').collect();
    let [norm, filter @ ("bilinear" | "bicubic"), crop, side] = parts[..] else { return None };
    let (_, norm) = NORMS.iter().find(|(known, _)| *known == norm)?;
    let side = side.parse().ok().filter(|side| *side > 0)?;
    Some(input(side, crop.parse().ok().filter(in_range)?, filter, *norm))
}

fn in_range(crop: &f64) -> bool {
    *crop > 0.0 && *crop <= 1.0
}

fn input(side: u32, crop: f64, filter: &str, norm: Norm) -> InputSpec {
    // Conversions saturate; a side that is too large is refused with the step.
    let short_side = (f64::from(side) / crop).floor() as u32;
    Steps::decoded()
        .then("resize", [("short_side", pixels(short_side)), ("filter", filter.into())])
        .then("center_crop", [("size", size(side, side))])
        .then("scale", [("by", PART.into())])
        .normalized(norm)
        .into_input("input", "CHW")
}

/// What of a `config.json` says how pictures are prepared.
#[derive(Deserialize)]
struct Config {
    pretrained_cfg: Pretrained,
}

#[derive(Deserialize)]
struct Pretrained {
    input_size: [u32; 3],
    interpolation: String,
    crop_pct: f64,
    #[serde(default)]
    crop_mode: Option<String>,
    mean: [f64; 3],
    std: [f64; 3],
}

/// The input of a model of timm by the `config.json` that lies beside its weights.
///
/// # Errors
/// [`ImportError`] for another text, pictures that are not square, and crops that are not in the middle.
pub fn pretrained_config(text: &str) -> Result<InputSpec, ImportError> {
    let Config { pretrained_cfg: config } =
        serde_json::from_str(text).map_err(|error| ImportError::Json(error.to_string()))?;
    let side = match config.input_size {
        [3, height, width] if height == width && height > 0 => height,
        other => return Err(ImportError::value("input_size", "[3, n, n]", format!("{other:?}"))),
    };
    if config.crop_mode.as_deref().is_some_and(|mode| mode != "center") {
        return Err(ImportError::value("crop_mode", "\"center\"", config.crop_mode.unwrap_or_default()));
    }
    if !in_range(&config.crop_pct) {
        return Err(ImportError::value("crop_pct", "a number above 0 and up to 1", config.crop_pct));
    }
    let filter = match config.interpolation.as_str() {
        known @ ("bilinear" | "bicubic" | "nearest" | "lanczos") => known,
        other => {
            let expected = "\"nearest\", \"bilinear\", \"bicubic\" or \"lanczos\"";
            return Err(ImportError::value("interpolation", expected, other));
        }
    };
    Ok(input(side, config.crop_pct, filter, (config.mean, config.std)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_config_is_the_preset_of_its_settings() {
        let config = r#"{"architecture": "resnet50", "pretrained_cfg": {"tag": "a1_in1k", "input_size": [3, 224, 224],
            "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center", "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225]}}"#;
        assert_eq!(pretrained_config(config).unwrap(), preset("imagenet-bicubic-0.95-224").unwrap());
        let wrong = config.replace("\"center\"", "\"squash\"");
        assert_eq!(
            pretrained_config(&wrong).unwrap_err().to_string(),
            "'crop_mode': expected \"center\", got squash"
        );
        assert!(pretrained_config("{}").unwrap_err().to_string().contains("missing field `pretrained_cfg`"));
    }
}
