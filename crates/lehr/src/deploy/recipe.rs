//! The recipe of a deployment, `deploy.toml`.
//!
//! ```toml
//! schema = 1
//! name = "text-orientation"
//! model = "model.onnx"            # any readable model
//! pipeline = "pipeline.toml"      # what happens before and after it
//!
//! [optimize]
//! level = 2
//! shapes = { x = [1, 3, 224, 224] }   # optional, as are batch, exact, only and disable
//!
//! [data]                          # to verify with, and for the report
//! inputs = ["pictures/*.png"]
//! labels = "labels.tsv"           # file name, tab, label
//! ```
//!
//! Paths are relative to the recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lehr_passes::bind_shapes::Bindings;
use serde::{Deserialize, Serialize};

use super::DeployError;

/// The version of the schema that is read.
const SCHEMA: u32 = 1;

/// What is to be made of which model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Version of the form of this file.
    pub schema: u32,
    /// What to call the result.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// What happens before and after the model.
    #[serde(default)]
    pub pipeline: Option<PathBuf>,
    /// The bundle to write; `NAME.lehr` beside the recipe without it.
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// The report to write; `NAME.html` beside the recipe without it.
    #[serde(default)]
    pub report: Option<PathBuf>,
    /// How the graph is optimised.
    #[serde(default)]
    pub optimize: OptimizeStage,
    /// What it is verified and shown with.
    #[serde(default)]
    pub data: Data,
    /// When the result counts as equal.
    #[serde(default)]
    pub verify: VerifyStage,
    /// How speed is measured.
    #[serde(default)]
    pub measure: MeasureStage,
}

/// How the graph is optimised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizeStage {
    /// From 0 (not at all) to 3.
    pub level: u8,
    /// Whether only passes run that keep every result bit for bit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// The only passes that run, unless empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<String>,
    /// Passes that are left out.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub disable: BTreeSet<String>,
    /// Shapes of inputs and sizes (lists of one) of symbolic dimensions, settled before the passes run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Size of the first dimension of every input where it is symbolic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
}

impl OptimizeStage {
    /// The sizes that are settled.
    pub fn bindings(&self) -> Bindings {
        Bindings { named: self.shapes.clone().into_iter().collect(), batch: self.batch }
    }
}

impl Default for OptimizeStage {
    fn default() -> Self {
        Self {
            level: 2,
            exact: false,
            only: BTreeSet::new(),
            disable: BTreeSet::new(),
            shapes: BTreeMap::new(),
            batch: None,
        }
    }
}

/// What a deployment is verified and shown with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Files, folders and patterns.
    pub inputs: Vec<String>,
    /// Right answers: lines of file name, tab, label.
    pub labels: Option<PathBuf>,
}

/// When the result counts as equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyStage {
    /// Largest allowed max|a−b| / max|b| of any output against the imported graph.
    pub tolerance: f64,
}

impl Default for VerifyStage {
    fn default() -> Self {
        Self { tolerance: 1e-4 }
    }
}

/// How speed is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasureStage {
    /// Runs of each model.
    pub runs: usize,
    /// Threads; one for each physical core without it.
    pub threads: Option<usize>,
}

impl Default for MeasureStage {
    fn default() -> Self {
        Self { runs: 30, threads: None }
    }
}

impl Recipe {
    /// Reads a recipe; its paths become relative to the current folder.
    ///
    /// # Errors
    /// [`DeployError::Recipe`] with line and column.
    pub fn load(path: &Path) -> Result<Self, DeployError> {
        let failed = |problem: String| DeployError::Recipe { path: path.to_owned(), problem };
        let text =
            std::fs::read_to_string(path).map_err(|error| failed(format!("can not be read: {error}")))?;
        let recipe: Self =
            toml::from_str(&text).map_err(|error| failed(error.to_string().trim_end().to_owned()))?;
        recipe.validate().map_err(failed)?;
        Ok(recipe.relative_to(path.parent().unwrap_or(Path::new(""))))
    }

    fn validate(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("expected schema {SCHEMA}, got {}", self.schema));
        }
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return Err(format!("expected a name that can be a file name, got '{}'", self.name));
        }
        if self.optimize.level > 3 {
            return Err(format!("expected an optimisation level from 0 to 3, got {}", self.optimize.level));
        }
        if self.verify.tolerance.is_nan() || self.verify.tolerance < 0.0 {
            return Err(format!("expected a tolerance of 0 or more, got {}", self.verify.tolerance));
        }
        if self.measure.runs == 0 || self.measure.threads == Some(0) {
            return Err("expected at least 1 measured run and 1 thread".to_owned());
        }
        Ok(())
    }

    fn relative_to(self, folder: &Path) -> Self {
        let inside = |path: PathBuf| folder.join(path);
        let patterns = self.data.inputs.iter();
        let inputs = patterns.map(|pattern| folder.join(pattern).to_string_lossy().into_owned()).collect();
        let output = self.output.unwrap_or_else(|| PathBuf::from(format!("{}.lehr", self.name)));
        let report = self.report.unwrap_or_else(|| PathBuf::from(format!("{}.html", self.name)));
        Self {
            model: inside(self.model),
            pipeline: self.pipeline.map(inside),
            output: Some(inside(output)),
            report: Some(inside(report)),
            data: Data { inputs, labels: self.data.labels.map(inside) },
            ..self
        }
    }
}
