//! One example through one version of the model, with a pipeline or without.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lehr_graph::dim::Assignment;
use lehr_graph::{Datum, Dim, Graph, TensorType, ValueType};
use lehr_pipeline::{Context, Pipeline, PipelineError};
use lehr_runtime::{Feeds, Port, Session};
use lehr_tensor::Tensor;

use super::DeployError;
use crate::recorded::Recording;
use crate::{Model, ModelOptions, PredictError, made_up};

/// What the model gets for one example.
#[derive(Clone, Debug)]
pub struct Fed {
    /// By the names of the model's inputs.
    pub feeds: Vec<(String, Datum)>,
    /// For the pipeline's second half, where there is one.
    pub context: Option<Context>,
}

/// Makes feeds of examples.
pub struct Feeder<'a> {
    /// What happens before and after the model.
    pub pipeline: Option<&'a Pipeline>,
    /// The examples.
    pub files: &'a [PathBuf],
    /// Inputs of the model.
    pub inputs: Vec<Port>,
    /// Outputs of the model.
    pub outputs: Vec<Port>,
}

impl<'a> Feeder<'a> {
    /// A feeder for `model`.
    pub fn new(model: &Model, pipeline: Option<&'a Pipeline>, files: &'a [PathBuf]) -> Self {
        Self { pipeline, files, inputs: model.inputs(), outputs: model.outputs() }
    }

    /// The example of that number as the model gets it; without examples there is one that is made up.
    pub fn feed(&self, index: usize) -> Result<Fed, DeployError> {
        match (self.files.get(index), self.pipeline) {
            (Some(file), Some(pipeline)) => prepare(pipeline, file),
            (Some(file), None) => recorded(file, &self.inputs, &self.outputs),
            (None, _) => {
                let feeds = made_up::inputs(&self.inputs, &Assignment::new(), |_| {});
                Ok(Fed { feeds: feeds.map_err(DeployError::NoInputs)?, context: None })
            }
        }
    }

    /// How many examples there are; at least one.
    pub fn count(&self) -> usize {
        self.files.len().max(1)
    }

    /// What messages call the example.
    pub fn name(&self, index: usize) -> String {
        self.files.get(index).map_or_else(|| "made up inputs".to_owned(), |file| file.display().to_string())
    }

    /// The graph with inputs of the sizes of these feeds, so that its work is a number. Where sizes contradict, which
    /// the run tells, it is the graph as it was.
    pub fn at_sizes(&self, graph: &Graph, fed: &Fed) -> Graph {
        let mut sized = graph.clone();
        for (name, value) in &fed.feeds {
            let input = graph.inputs().iter().copied().find(|&id| graph.value(id).name() == Some(name));
            let (Some(input), Some(tensor)) = (input, value.as_tensor()) else { continue };
            let shape = tensor.shape().iter().map(|&size| Dim::from(size)).collect();
            let given = ValueType::Tensor(TensorType { dtype: None, shape: Some(shape), known: None });
            match graph.value(input).ty().refine(&given) {
                Ok(refined) => sized.set_type(input, refined),
                Err(_) => return graph.clone(),
            }
        }
        match sized.infer_types() {
            Ok(_) => sized,
            Err(_) => graph.clone(),
        }
    }
}

fn prepare(pipeline: &Pipeline, file: &Path) -> Result<Fed, DeployError> {
    let prepared = pipeline.prepare(&file.into(), false).map_err(PredictError::from)?;
    let feeds = prepared.feeds.into_iter().map(|(name, tensor)| (name, Datum::Tensor(tensor))).collect();
    let mut fed = Fed { feeds, context: Some(prepared.context) };
    let zero =
        pipeline.states().iter().map(|state| (state.input.clone(), Datum::Tensor(state.initial.clone())));
    fed.feeds.extend(zero);
    Ok(fed)
}

fn recorded(file: &Path, inputs: &[Port], outputs: &[Port]) -> Result<Fed, DeployError> {
    let recording = Recording::read(file, inputs, outputs).map_err(|error| {
        let problem = error.to_string();
        PredictError::Pipeline(PipelineError::Source { source_name: file.display().to_string(), problem })
    })?;
    Ok(Fed { feeds: recording.inputs, context: None })
}

/// A version of the model that is ready to run.
pub struct Runner {
    session: Session,
    path: PathBuf,
}

impl Runner {
    /// Compiles `model`, which was read from `path`.
    pub fn new(model: &Model, options: &ModelOptions, path: &Path) -> Result<Self, DeployError> {
        let session = model
            .session(options)
            .map_err(|error| DeployError::Model { path: path.to_owned(), error: Box::new(error) })?;
        Ok(Self { session, path: path.to_owned() })
    }

    /// The session.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// All outputs for one example.
    pub fn run(&mut self, fed: &Fed) -> Result<Vec<(String, Datum)>, DeployError> {
        let feeds: Feeds = fed.feeds.iter().cloned().collect();
        let outputs = self.session.run(feeds).map_err(|error| PredictError::Run {
            source_name: self.path.display().to_string(),
            error: Box::new(error),
        })?;
        Ok(outputs.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }

    /// The median of `runs` runs in milliseconds, after one that does not count, and the most bytes that were alive.
    pub fn measure(&mut self, fed: &Fed, runs: usize) -> Result<(f64, u64), DeployError> {
        self.run(fed)?;
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            self.run(fed)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok((median, self.session.statistics().peak_bytes as u64))
    }
}

/// The tensors among some outputs.
pub fn tensors(outputs: &[(String, Datum)]) -> Vec<(String, Tensor)> {
    outputs.iter().filter_map(|(name, value)| Some((name.clone(), value.as_tensor()?.clone()))).collect()
}
