//! What a deployment did: the facts that the table, the provenance in the bundle and the report are made of.

use std::path::PathBuf;

use lehr_graph::Graph;
use lehr_passes::manager::{Effect, Row};
use lehr_pipeline::{Answers, Image};
use lehr_runtime::Profile;
use serde::Serialize;

use crate::summary::Summary;

/// Everything that is known at the end of a deployment.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the recipe calls it.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// The bundle that was written.
    pub bundle: PathBuf,
    /// The program that wrote the model file.
    pub producer: String,
    /// The stages in their order.
    pub stages: Vec<Stage>,
    /// The graph as it was read, with its summary.
    pub before: Snapshot,
    /// The graph as it is in the bundle, with its summary.
    pub after: Snapshot,
    /// How often which pass edited the graph.
    pub passes: Vec<PassCount>,
    /// One measured run after the other of the graph in the bundle, on the first example.
    pub profile: Profile,
    /// The segments of the bundle and their bytes.
    pub segments: Vec<(String, u64)>,
    /// The examples and what the bundle says of them.
    pub examples: Vec<Example>,
    /// What it was measured on.
    pub machine: Machine,
}

/// A graph and what it consists of.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The graph.
    pub graph: Graph,
    /// Operators, parameters, work.
    pub summary: Summary,
}

/// One stage of a deployment; `None` where a stage has no such figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stage {
    /// `import`, `optimize`, `bundle` …
    pub name: String,
    /// What was done, in a few words.
    pub note: String,
    /// Seconds that the stage took.
    pub seconds: f64,
    /// Nodes of the graph after it.
    pub nodes: Option<usize>,
    /// Elements of all constants after it.
    pub parameters: Option<u64>,
    /// Bytes of the file, or of the constants where there is no file.
    pub bytes: Option<u64>,
    /// Multiply-accumulates of one inference.
    pub macs: Option<u64>,
    /// Estimated energy of one inference in microjoules.
    pub energy_uj: Option<f64>,
    /// Median milliseconds of one inference.
    pub milliseconds: Option<f64>,
    /// The most bytes of computed values alive at once.
    pub peak_bytes: Option<u64>,
    /// Largest max|a−b| / max|b| of any output on the examples, against the imported graph.
    pub max_difference: Option<f64>,
}

/// What a pass did to the graph; changes that make it less are negative, symbols count as 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PassCount {
    /// Its name.
    pub pass: String,
    /// Its error class: `bit-exact`, `rounding` or `reassociation`.
    pub exactness: String,
    /// Edits.
    pub edits: usize,
    /// Change of the number of nodes.
    pub nodes: i64,
    /// Change of the bytes of constants.
    pub parameter_bytes: i64,
    /// Change of the multiply-accumulates of one inference.
    pub macs: i64,
    /// Change of the bytes that nodes read and write.
    pub bytes_moved: i64,
    /// Change of the estimated energy of one inference in microjoules.
    pub energy_uj: f64,
    /// Milliseconds in the pass.
    pub milliseconds: f64,
}

impl From<&Row> for PassCount {
    fn from(row: &Row) -> Self {
        let Effect { nodes, parameter_bytes, macs, bytes, energy_pj } = row.effect;
        Self {
            pass: row.pass.to_owned(),
            exactness: row.exactness.name().to_owned(),
            edits: row.edits,
            nodes,
            parameter_bytes,
            macs,
            bytes_moved: bytes,
            energy_uj: energy_pj as f64 / 1e6,
            milliseconds: row.time.as_secs_f64() * 1e3,
        }
    }
}

/// An example and what the deployed model says of it.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its file.
    pub source: PathBuf,
    /// The picture, if it is one.
    pub picture: Option<Image>,
    /// What the model says.
    pub answers: Answers,
    /// The label that it should have.
    pub expected: Option<String>,
    /// Whether the best class has that label.
    pub correct: Option<bool>,
}

/// What it was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Instruction set that the kernels use.
    pub isa: String,
    /// Threads.
    pub threads: usize,
    /// Version of this library.
    pub version: String,
}
