//! How a model was made: its source, and every stage with settings and results.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a model comes from and what was done to it. Nothing in it depends on time or machine unless a stage says so,
/// so that the same work gives the same bytes. Fields that this version does not know are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The file that was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What was done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A model file, told by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name without folders.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// BLAKE3 of the content in hexadecimal digits; of the model file alone where weights lie beside it.
    pub blake3: String,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One stage on the way from the source to the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What was done: `optimize`, `quantize` …
    pub stage: String,
    /// How.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub results: Map<String, Value>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Provenance {
    /// The provenance of a model that was read from `path`: reads and hashes the whole file.
    ///
    /// # Errors
    /// When the file can not be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let (blake3, bytes) = lehr_bundle::hash_reader(File::open(path)?)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = Source { file, bytes, blake3: blake3.to_string(), other: Map::new() };
        Ok(Self { source: Some(source), ..Self::default() })
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Stage {
    /// A stage; settings and results are the fields of two JSON objects.
    pub fn new(stage: impl Into<String>, settings: Value, results: Value) -> Self {
        let fields = |value: Value| match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { stage: stage.into(), settings: fields(settings), results: fields(results), other: Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_kept() {
        let json = json!({
            "source": {"file": "m.onnx", "bytes": 3, "blake3": "00", "licence": "MIT"},
            "stages": [{"stage": "optimize", "settings": {"level": 2}, "machine": "x"}],
            "signed_by": "nobody",
        });
        let provenance: Provenance = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(provenance.stages[0].settings["level"], 2);
        assert_eq!(serde_json::to_value(&provenance).unwrap(), json);
        assert!(!provenance.is_empty() && serde_json::from_str::<Provenance>("{}").unwrap().is_empty());
    }
}
