//! `preprocessor_config.json`, which lies beside models on the Hugging Face Hub.
//!
//! What is followed is the arithmetic of the processors of transformers that work on NumPy arrays and Pillow's
//! pictures.

use serde_json::{Map, Value};

use super::ImportError;
use super::picture::{CLIP, HALF, IMAGENET, Norm, PART, Steps, numbers, pixels, size};
use crate::InputSpec;

/// Settings that do not change the picture of a single input.
const HARMLESS: &[&str] = &[
    "_valid_processor_keys",
    "auto_map",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_annotations",
    "do_convert_rgb",
    "do_reduce_labels",
    "feature_extractor_type",
    "format",
    "image_processor_type",
    "image_seq_length",
    "input_data_format",
    "model_input_names",
    "num_labels",
    "processor_class",
    "reduce_labels",
    "return_tensors",
    "segmentation_maps",
];

/// What a kind of processor does where its file does not say.
struct Defaults {
    /// Its name, without the endings that it had in the course of time.
    kind: &'static str,
    /// Whether a size of one number is that of a square, or of the short side.
    square: bool,
    resample: u64,
    center_crop: bool,
    norm: Option<Norm>,
    /// The part of the side that is left of the picture's middle.
    crop_pct: Option<f64>,
    flip: bool,
}

const fn defaults(
    kind: &'static str,
    square: bool,
    resample: u64,
    center_crop: bool,
    norm: Norm,
) -> Defaults {
    Defaults { kind, square, resample, center_crop, norm: Some(norm), crop_pct: None, flip: false }
}

const KINDS: &[Defaults] = &[
    defaults("Beit", true, 3, true, HALF),
    defaults("Bit", false, 3, true, CLIP),
    defaults("Blip", true, 3, false, CLIP),
    defaults("CLIP", false, 3, true, CLIP),
    Defaults { crop_pct: Some(224.0 / 256.0), ..defaults("ConvNext", false, 2, false, HALF) },
    defaults("DPT", true, 3, false, HALF),
    defaults("DeiT", true, 3, true, HALF),
    defaults("EfficientNet", true, 0, false, HALF),
    defaults("MobileNetV1", false, 2, true, HALF),
    defaults("MobileNetV2", false, 2, true, HALF),
    Defaults { norm: None, flip: true, ..defaults("MobileViT", false, 2, true, HALF) },
    Defaults { crop_pct: Some(0.9), ..defaults("PoolFormer", false, 3, true, IMAGENET) },
    defaults("Pvt", true, 2, false, IMAGENET),
    defaults("Segformer", true, 2, false, IMAGENET),
    defaults("Siglip", true, 3, false, HALF),
    defaults("ViT", true, 2, false, HALF),
];

/// The input of a model by its `preprocessor_config.json`. It is called `pixel_values`, as such models call theirs.
///
/// # Errors
/// [`ImportError::Unknown`] for settings that may change the picture and are not known, all at once;
/// [`ImportError::Value`] for values that no step can follow or that are missing.
pub fn preprocessor_config(text: &str) -> Result<InputSpec, ImportError> {
    let values: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| ImportError::Json(error.to_string()))?;
    let mut config = Config::new(values)?;
    let mut steps = Steps::decoded();
    steps = config.resized(steps)?;
    steps = config.cropped(steps)?;
    steps = config.rescaled(steps)?;
    steps = config.normalized(steps)?;
    if config.flag("do_flip_channel_order")?.unwrap_or(config.kind.is_some_and(|kind| kind.flip)) {
        steps = steps.then("color", [("to", "bgr".into())]);
    }
    steps = config.padded(steps)?;
    config.finish()?;
    Ok(steps.into_input("pixel_values", "CHW"))
}

/// What is left of the file.
struct Config {
    values: Map<String, Value>,
    kind: Option<&'static Defaults>,
}

impl Config {
    fn new(values: Map<String, Value>) -> Result<Self, ImportError> {
        let name =
            ["image_processor_type", "feature_extractor_type"].into_iter().find_map(|key| values.get(key));
        let name = name.and_then(Value::as_str).unwrap_or_default();
        let endings = ["Fast", "ImageProcessor", "FeatureExtractor"];
        let kind = endings.iter().fold(name, |name, ending| name.strip_suffix(ending).unwrap_or(name));
        if let "Levit" | "Perceiver" = kind {
            return Err(ImportError::value(
                "image_processor_type",
                "one whose sizes mean what they say",
                name,
            ));
        }
        Ok(Self { kind: KINDS.iter().find(|known| known.kind == kind), values })
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.is_some_and(|known| known.kind == kind)
    }

    /// Takes a value; `null` is none.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, ImportError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| ImportError::value(key, "true or false", value))
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, ImportError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| ImportError::value(key, "a number", value))
    }

    fn size(&mut self, key: &str) -> Result<Option<Size>, ImportError> {
        let square = self.kind.map(|kind| kind.square);
        let square = self.values.get("default_to_square").and_then(Value::as_bool).or(square);
        let Some(value) = self.take(key) else { return Ok(None) };
        let side = |name: &str| value.get(name).and_then(side);
        let keys = value.as_object().map_or(0, Map::len);
        let size = match (side("height"), side("width"), side("shortest_edge"), square) {
            (Some(height), Some(width), None, _) if keys == 2 => Some(Size::Exact { height, width }),
            (None, None, Some(short_side), _) if keys == 1 => Some(Size::ShortSide(short_side)),
            // A crop is always as high as it is wide.
            (None, None, None, square) => match (self::side(&value), key, square) {
                (Some(side), "crop_size", _) | (Some(side), _, Some(true)) => {
                    Some(Size::Exact { height: side, width: side })
                }
                (Some(side), _, Some(false)) => Some(Size::ShortSide(side)),
                _ => None,
            },
            _ => None,
        };
        let expected = "height and width, shortest_edge alone, or a number for a known kind of processor";
        size.map(Some).ok_or_else(|| ImportError::value(key, expected, value))
    }

    fn resized(&mut self, steps: Steps) -> Result<Steps, ImportError> {
        let wanted = self.flag("do_resize")?.unwrap_or(true);
        let size = self.size("size")?;
        let default = self.kind.map(|kind| kind.resample);
        let filter = match self.take("resample").map_or(default, |value| value.as_u64()) {
            Some(0) => Some("nearest"),
            Some(1) => Some("lanczos"),
            Some(2) => Some("bilinear"),
            Some(3) => Some("bicubic"),
            Some(4) => Some("box"),
            _ => None,
        };
        let crop_pct = self.number("crop_pct")?.or(self.kind.and_then(|kind| kind.crop_pct));
        if self.flag("keep_aspect_ratio")? == Some(true) {
            return Err(ImportError::value("keep_aspect_ratio", "false", true));
        }
        if let Some(multiple) = self.number("ensure_multiple_of")?.filter(|multiple| *multiple != 1.0) {
            return Err(ImportError::value("ensure_multiple_of", "1", multiple));
        }
        if !wanted {
            return Ok(steps);
        }
        let size = size.ok_or_else(|| ImportError::value("size", "the size of the picture", "nothing"))?;
        let filter = (
            "filter",
            filter
                .ok_or_else(|| {
                    ImportError::value(
                        "resample",
                        "0 to 4 (nearest, lanczos, bilinear, bicubic, box)",
                        "something else",
                    )
                })?
                .into(),
        );
        let enlarged = |side: u32, part: f64| (f64::from(side) / part) as u32;
        Ok(match (size, crop_pct) {
            (Size::ShortSide(side), Some(part)) if self.is("ConvNext") && side < 384 => steps
                .then("resize", [("short_side", pixels(enlarged(side, part))), filter])
                .then("center_crop", [("size", self::size(side, side)), ("rounding", "down".into())]),
            (Size::ShortSide(side), Some(_)) if self.is("ConvNext") => {
                steps.then("resize", [("size", self::size(side, side)), filter])
            }
            (Size::ShortSide(side), Some(part)) if self.is("PoolFormer") => {
                steps.then("resize", [("short_side", pixels(enlarged(side, part))), filter])
            }
            (_, Some(part)) => {
                return Err(ImportError::value("crop_pct", "nothing for such a processor", part));
            }
            (Size::ShortSide(side), None) => steps.then("resize", [("short_side", pixels(side)), filter]),
            (Size::Exact { height, width }, None) => {
                steps.then("resize", [("size", self::size(height, width)), filter])
            }
        })
    }

    fn cropped(&mut self, steps: Steps) -> Result<Steps, ImportError> {
        let size = self.size("crop_size")?;
        let default = self.kind.map_or(size.is_some(), |kind| kind.center_crop);
        match (self.flag("do_center_crop")?.unwrap_or(default), size) {
            (false, _) => Ok(steps),
            (true, Some(Size::Exact { height, width })) => {
                Ok(steps
                    .then("center_crop", [("size", self::size(height, width)), ("rounding", "down".into())]))
            }
            (true, Some(Size::ShortSide(side))) => {
                Err(ImportError::value("crop_size", "height and width", format!("shortest_edge {side}")))
            }
            (true, None) => Err(ImportError::value("crop_size", "the size of the middle", "nothing")),
        }
    }

    fn rescaled(&mut self, steps: Steps) -> Result<Steps, ImportError> {
        let factor = self.number("rescale_factor")?.unwrap_or(PART);
        let offset = self.flag("rescale_offset")?.unwrap_or(false);
        Ok(match (self.flag("do_rescale")?.unwrap_or(true), offset) {
            (false, _) => steps,
            (true, false) => steps.then("scale", [("by", factor.into())]),
            (true, true) => steps.then("scale", [("by", factor.into()), ("offset", (-1.0).into())]),
        })
    }

    fn normalized(&mut self, steps: Steps) -> Result<Steps, ImportError> {
        let norm = self.kind.and_then(|kind| kind.norm);
        let (mean, std) = (self.channels("image_mean")?, self.channels("image_std")?);
        let default = norm.is_some() || mean.is_some() || std.is_some();
        let again = self.is("EfficientNet") && self.flag("include_top")?.unwrap_or(true);
        let wanted = self.flag("do_normalize")?.unwrap_or(default);
        if !wanted && !again {
            return Ok(steps);
        }
        let missing =
            |key: &'static str| move || ImportError::value(key, "a number for each channel", "nothing");
        let mean = mean.or(norm.map(|norm| norm.0)).ok_or_else(missing("image_mean"))?;
        let std = std.or(norm.map(|norm| norm.1)).ok_or_else(missing("image_std"))?;
        let steps = if wanted { steps.normalized((mean, std)) } else { steps };
        Ok(match again {
            true => steps.then("normalize", [("mean", 0.0.into()), ("std", numbers(&std))]),
            false => steps,
        })
    }

    fn channels(&mut self, key: &str) -> Result<Option<[f64; 3]>, ImportError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let numbers = match &value {
            Value::Array(numbers) => numbers.iter().map(Value::as_f64).collect::<Option<Vec<_>>>(),
            value => value.as_f64().map(|number| vec![number; 3]),
        };
        let numbers = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
        numbers.map(Some).ok_or_else(|| ImportError::value(key, "a number or three", value))
    }

    /// Pads up to the largest picture of a batch do nothing to one picture.
    fn padded(&mut self, steps: Steps) -> Result<Steps, ImportError> {
        let wanted = self.flag("do_pad")?.unwrap_or(false);
        let divisor = self.number("size_divisor")?;
        let to = self.size("pad_size")?;
        match (wanted, divisor, to) {
            (false, ..) | (true, None, None) => Ok(steps),
            (true, None, Some(Size::Exact { height, width })) => {
                Ok(steps.then("pad", [("size", self::size(height, width))]))
            }
            _ => {
                Err(ImportError::value("do_pad", "false, or pad_size with height and width", "another rule"))
            }
        }
    }

    /// Fails when there are settings left.
    fn finish(self) -> Result<(), ImportError> {
        let unknown: Vec<String> = self
            .values
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| !HARMLESS.contains(&key.as_str()))
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(ImportError::Unknown(unknown)) }
    }
}

/// What `size` says.
#[derive(Clone, Copy, Debug)]
enum Size {
    Exact { height: u32, width: u32 },
    ShortSide(u32),
}

/// A number of pixels that is not zero.
fn side(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|side| u32::try_from(side).ok()).filter(|side| *side > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIP_CONFIG: &str = r#"{"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.5, 0.25, 0.125], "image_std": [1.0, 2.0, 4.0],
        "resample": 3, "size": 224}"#;

    fn steps(text: &str) -> Vec<String> {
        let steps = preprocessor_config(text).unwrap().steps;
        steps.iter().map(|step| step.to_string().trim().replace('\n', ", ").replace('"', "'")).collect()
    }

    #[test]
    fn settings_become_steps() {
        assert_eq!(
            steps(CLIP_CONFIG),
            [
                "op = 'decode_image'",
                "op = 'resize', short_side = 224, filter = 'bicubic'",
                "op = 'center_crop', size = [224, 224], rounding = 'down'",
                "op = 'scale', by = 0.00392156862745098",
                "op = 'normalize', mean = [0.5, 0.25, 0.125], std = [1.0, 2.0, 4.0]",
                "op = 'layout', order = 'CHW'",
                "op = 'batch'",
            ]
        );
        let square =
            steps(r#"{"image_processor_type": "ViTImageProcessorFast", "size": 384, "do_normalize": false}"#);
        assert_eq!(square[1], "op = 'resize', size = [384, 384], filter = 'bilinear'");
        assert_eq!(square.len(), 5);
        let convnext =
            steps(r#"{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}}"#);
        assert_eq!(convnext[1], "op = 'resize', short_side = 256, filter = 'bilinear'");
        let pad = r#"{"do_resize": false, "do_pad": true, "pad_size": {"height": 8, "width": 9}}"#;
        assert_eq!(steps(pad)[2], "op = 'pad', size = [8, 9]");
    }

    #[test]
    fn what_can_not_be_followed_is_an_error() {
        let message = |text: &str| preprocessor_config(text).unwrap_err().to_string();
        let unknown = CLIP_CONFIG.replace("\"size\"", "\"do_sharpen\": true, \"apply_ocr\": true, \"size\"");
        assert_eq!(
            message(&unknown),
            "these settings are not known and may change the picture: do_sharpen, apply_ocr"
        );
        let sizes = [
            r#"{"size": 224, "resample": 2}"#,
            r#"{"size": {"shortest_edge": 800, "longest_edge": 1333}, "resample": 2}"#,
            r#"{"size": {"height": 0, "width": 2}, "resample": 2}"#,
        ];
        for text in sizes {
            assert!(
                message(text).starts_with("'size': expected height and width, shortest_edge alone"),
                "{text}"
            );
        }
        assert!(message(r#"{"resample": 2}"#).contains("'size'"));
        assert!(message(r#"{"size": {"height": 2, "width": 2}}"#).contains("'resample'"));
        assert!(message(r#"{"size": {"height": 2, "width": 2}, "resample": 5}"#).contains("'resample'"));
        assert!(message(r#"{"do_resize": "yes"}"#).contains("expected true or false, got \"yes\""));
        assert!(message(r#"{"do_resize": false, "image_mean": [1, 2]}"#).contains("'image_mean'"));
        assert!(message(r#"{"do_resize": false, "do_pad": true, "size_divisor": 32}"#).contains("'do_pad'"));
        assert!(
            message(r#"{"image_processor_type": "LevitImageProcessor"}"#).contains("LevitImageProcessor")
        );
        assert!(message("[]").starts_with("it is not the JSON that was expected"));
    }
}
