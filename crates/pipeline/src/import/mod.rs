//! What other projects say about a model's input, as steps: presets by name and the files that they publish.
//!
//! A preset can stand in a manifest in place of its steps:
//!
//! ```toml
//! [[input]]
//! name = "input"
//! kind = "image"
//! preset = "torchvision/resnet50_v2"
//! ```

mod hugging_face;
mod keras;
mod picture;
mod tflite;
mod timm;
mod torchvision;

pub use hugging_face::preprocessor_config;
pub use tflite::normalization;
pub use timm::pretrained_config;

use crate::InputSpec;

/// Why a file of another project can not be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The text is not what it should be.
    #[error("it is not the JSON that was expected: {0}")]
    Json(String),
    /// A value is missing, or there is no step for it.
    #[error("'{key}': expected {expected}, got {got}")]
    Value {
        /// Its name.
        key: String,
        /// What can be taken over.
        expected: String,
        /// What is there.
        got: String,
    },
    /// Settings that may change the picture and are not known here.
    #[error("these settings are not known and may change the picture: {}", .0.join(", "))]
    Unknown(Vec<String>),
}

impl ImportError {
    fn value(key: &str, expected: &str, got: impl std::fmt::Display) -> Self {
        Self::Value { key: key.to_owned(), expected: expected.to_owned(), got: got.to_string() }
    }
}

/// The input that a preset stands for: pictures up to tensors, with a name that may be changed.
///
/// - `torchvision/imagenet` and `torchvision/MODEL`, with the version of the weights where there are several
///   (`torchvision/resnet50_v2`, `torchvision/vit_b_16_swag_e2e`): [`names`] lists them.
/// - `keras/caffe`, `keras/tf` and `keras/torch` are the modes of `keras.applications`, of pictures of 224×224
///   pixels; `keras/tf-299` of others.
/// - `timm/NORM-FILTER-CROP-SIZE`, as in `timm/imagenet-bicubic-0.95-224`: NORM is `imagenet`, `inception` (all 0.5)
///   or `clip`, FILTER `bilinear` or `bicubic`, CROP the model's `crop_pct`.
pub fn preset(name: &str) -> Option<InputSpec> {
    let (family, rest) = name.split_once('/')?;
    match family {
        "torchvision" => torchvision::preset(rest),
        "keras" => keras::preset(rest),
        "timm" => timm::preset(rest),
        _ => None,
    }
}

/// Names of presets; of those with numbers in their names one of each kind.
pub fn names() -> impl Iterator<Item = String> {
    let torchvision = torchvision::names().map(|name| format!("torchvision/{name}"));
    let keras = keras::MODES.iter().map(|(name, _)| format!("keras/{name}"));
    let timm = timm::NORMS.iter().map(|(name, ..)| format!("timm/{name}-bicubic-0.9-224"));
    torchvision.chain(keras).chain(timm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Manifest, NoFiles, Pipeline};

    #[test]
    fn every_name_is_a_preset_that_can_be_built() {
        for name in names() {
            let input = preset(&name).unwrap_or_else(|| panic!("{name}"));
            let manifest = Manifest {
                schema: 1,
                inputs: vec![input],
                constants: Vec::new(),
                states: Vec::new(),
                outputs: Vec::new(),
            };
            Pipeline::build(manifest, &NoFiles).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for name in
            ["torchvision", "torchvision/", "keras/tf-", "keras/tf-0", "timm/imagenet-bicubic-0-224", "x/y"]
        {
            assert!(preset(name).is_none(), "{name}");
        }
    }
}
