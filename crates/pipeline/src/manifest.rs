//! The text form of a pipeline, `pipeline.toml`.
//!
//! ```toml
//! schema = 1
//!
//! [[input]]
//! name = "image"                  # the model's input
//! kind = "image"                  # what the user gives: image, audio, text, table, tensor or bytes
//! steps = [
//!   { op = "decode_image" },
//!   { op = "layout", order = "CHW" },
//! ]
//!
//! [[output]]
//! name = "logits"                 # the model's output
//! steps = [{ op = "softmax" }, { op = "top_k", k = 5 }]
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PipelineError, import};

/// The version of the schema that is written and read.
pub const SCHEMA: u32 = 1;

/// A pipeline as its file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form of this file.
    pub schema: u32,
    /// What the model gets, one entry for each thing that a user gives.
    #[serde(default, rename = "input")]
    pub inputs: Vec<InputSpec>,
    /// Inputs that are always the same.
    #[serde(default, rename = "constant", skip_serializing_if = "Vec::is_empty")]
    pub constants: Vec<Constant>,
    /// Values that the model hands to its next run.
    #[serde(default, rename = "state", skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<State>,
    /// What becomes of what the model gives.
    #[serde(default, rename = "output")]
    pub outputs: Vec<OutputSpec>,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The model's input; where the steps give several named tensors, what to call this input in messages.
    pub name: String,
    /// What the user gives: `image`, `audio`, `text`, `table`, `tensor` or `bytes`.
    pub kind: Kind,
    /// Steps by a name, which come before `steps`: see [`import::preset`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The model's input for each tensor that the last step gives, where it gives several:
    /// `tensors = { ids = "input_ids", mask = "attention_mask" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tensors: BTreeMap<String, String>,
    /// Element type of what the model gets; the last tensor is cast to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What is done, each with its `op`.
    #[serde(default)]
    pub steps: Vec<toml::Table>,
}

/// What a user gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A picture.
    Image,
    /// A recording.
    Audio,
    /// Text.
    Text,
    /// Rows of named columns.
    Table,
    /// An array.
    Tensor,
    /// A file, whatever is in it.
    Bytes,
}

/// An input that is always the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The model's input.
    pub name: String,
    /// Its element type.
    pub dtype: String,
    /// Its sizes; none for a single number.
    #[serde(default)]
    pub shape: Vec<usize>,
    /// Its numbers; one number fills the whole shape.
    pub value: OneOrMany,
}

/// A number or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(f64),
    /// Several.
    Many(Vec<f64>),
}

/// A value that the model hands to its next run; it is zero before the first. With states, the rows of the inputs are
/// given one after the other, and the outputs are put together again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The model's input.
    pub input: String,
    /// The model's output that becomes the input of the next run.
    pub output: String,
    /// Its element type.
    pub dtype: String,
    /// Its sizes.
    pub shape: Vec<usize>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// The model's output; with `tensors`, what to call the answer.
    pub name: String,
    /// The model's outputs that the first step takes together, by the names that it knows them under:
    /// `tensors = { boxes = "out_0", scores = "out_1" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tensors: BTreeMap<String, String>,
    /// What to call the answer; the name without it.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// What is done, each with its `op`.
    #[serde(default)]
    pub steps: Vec<toml::Table>,
}

impl InputSpec {
    /// The preset's steps and the input's own.
    ///
    /// # Errors
    /// [`PipelineError::Manifest`] for a preset that there is not, or that is for another kind of input.
    pub fn all_steps(&self) -> Result<Vec<toml::Table>, PipelineError> {
        let Some(name) = &self.preset else { return Ok(self.steps.clone()) };
        let failed = |problem| PipelineError::Manifest(format!("input '{}': {problem}", self.name));
        let preset = import::preset(name).ok_or_else(|| {
            failed(format!("there is no preset '{name}'; there are torchvision/…, keras/… and timm/…"))
        })?;
        if preset.kind != self.kind {
            return Err(failed(format!("preset '{name}' is for inputs of kind {:?}", preset.kind)));
        }
        Ok(preset.steps.into_iter().chain(self.steps.iter().cloned()).collect())
    }
}

impl OutputSpec {
    /// What the answer is called.
    pub fn answer(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.name)
    }
}

impl Manifest {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`PipelineError::Manifest`] with line and column.
    pub fn parse(text: &str) -> Result<Self, PipelineError> {
        let version: Version = toml::from_str(text).map_err(malformed)?;
        if version.schema > SCHEMA {
            return Err(PipelineError::Manifest(format!(
                "expected schema {SCHEMA} or older, got {}: it was written for a newer version",
                version.schema
            )));
        }
        toml::from_str(text).map_err(malformed)
    }

    /// The text form.
    ///
    /// # Errors
    /// [`PipelineError::Manifest`] for numbers that the text form can not hold.
    pub fn to_text(&self) -> Result<String, PipelineError> {
        toml::to_string(self).map_err(|error| PipelineError::Manifest(error.to_string()))
    }
}

/// The part that every version has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

fn malformed(error: toml::de::Error) -> PipelineError {
    PipelineError::Manifest(error.to_string().trim_end().to_owned())
}
