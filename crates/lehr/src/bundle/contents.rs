//! What a bundle holds besides the model.

use std::collections::BTreeMap;

use lehr_tensor::Bytes;

use super::Provenance;

/// What belongs to a model and is shipped with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Pre- and post-processing, as TOML.
    pub pipeline: Option<String>,
    /// Files that the pipeline names, by relative path with `/`: labels, vocabularies. They stay in the mapped file.
    pub files: BTreeMap<String, Bytes>,
    /// How the model was made.
    pub provenance: Provenance,
}
