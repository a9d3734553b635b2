//! A model with what happens before and after it: something a user has in, an answer out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lehr_graph::{Datum, Dim, Shape, ValueType};
use lehr_pipeline::{
    Answers, Image, InMemory, Pipeline, PipelineError, Port as PipelinePort, Prepared, Signature, Source,
    TensorType,
};
use lehr_runtime::{CompiledModel, Feeds, Port, RunError, Session};
use lehr_tensor::Tensor;

use crate::rows;
use crate::{Model, ModelError, ModelOptions};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The model can not be loaded or compiled.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The pipeline can not be built, or fails on a source.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The pipeline does not fit the model: everything that is wrong.
    #[error("the pipeline does not fit the model: {}", .0.join("; "))]
    Mismatch(Vec<String>),
    /// The model comes without a pipeline.
    #[error("'{}' holds no pipeline", .0.display())]
    NoPipeline(PathBuf),
    /// The model fails on a source.
    #[error("'{source_name}': {error}")]
    Run {
        /// What the source is called.
        source_name: String,
        /// Why.
        error: Box<RunError>,
    },
}

/// Where the time of predictions went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Sources that were answered.
    pub sources: u64,
    /// Before the model.
    pub prepare: Duration,
    /// In the model.
    pub infer: Duration,
    /// Behind the model.
    pub finish: Duration,
}

impl Timings {
    /// The sum.
    pub fn total(&self) -> Duration {
        self.prepare + self.infer + self.finish
    }

    /// Adds those of another predictor.
    pub fn add(&mut self, other: &Self) {
        self.sources += other.sources;
        self.prepare += other.prepare;
        self.infer += other.infer;
        self.finish += other.finish;
    }
}

/// Values that a model hands from one prediction to the next, by the names of its inputs.
#[derive(Clone, Debug, Default)]
pub struct Carried(Vec<(String, Tensor)>);

/// A model between its pipeline's two halves. Give each thread its own by [`Predictor::fork`], which is cheap.
#[derive(Debug)]
pub struct Predictor {
    pipeline: Arc<Pipeline>,
    session: Session,
    timings: Timings,
    keep_pictures: bool,
}

impl Predictor {
    /// Compiles `model` and puts it into `pipeline`.
    ///
    /// # Errors
    /// [`PredictError::Mismatch`] when they do not fit, [`PredictError::Model`].
    pub fn new(model: &Model, pipeline: Pipeline, options: &ModelOptions) -> Result<Self, PredictError> {
        let problems = pipeline.check(&signature(model));
        if !problems.is_empty() {
            return Err(PredictError::Mismatch(problems));
        }
        Ok(Self::with_session(Arc::new(pipeline), model.session(options)?))
    }

    /// Compiles the model of a bundle and puts it into the pipeline that came with it.
    ///
    /// # Errors
    /// As [`Predictor::new`]; [`PredictError::NoPipeline`] for files without one.
    pub fn load(path: impl AsRef<Path>, options: &ModelOptions) -> Result<Self, PredictError> {
        let path = path.as_ref();
        let model = Model::load(path)?;
        match bundled_pipeline(&model)? {
            Some(pipeline) => Self::new(&model, pipeline, options),
            None => Err(PredictError::NoPipeline(path.to_owned())),
        }
    }

    fn with_session(pipeline: Arc<Pipeline>, session: Session) -> Self {
        Self { pipeline, session, timings: Timings::default(), keep_pictures: false }
    }

    /// Another one of the same model, for another thread.
    #[must_use]
    pub fn fork(&self) -> Self {
        let session = Session::new(Arc::clone(self.session.model()));
        Self { keep_pictures: self.keep_pictures, ..Self::with_session(Arc::clone(&self.pipeline), session) }
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The compiled model.
    pub fn model(&self) -> &Arc<CompiledModel> {
        self.session.model()
    }

    /// The session that the model runs in, for deadlines, cancelling and profiles.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Where the time went so far.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// Answers for one source: a path, bytes, a picture, a recording, text, a table or a tensor.
    ///
    /// # Errors
    /// [`PredictError`], which names the source and the step.
    pub fn predict(&mut self, source: impl Into<Source>) -> Result<Answers, PredictError> {
        self.predict_from(source, &mut Carried::default())
    }

    /// As [`predict`](Self::predict), going on with what the model handed over in the prediction before.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_from(
        &mut self,
        source: impl Into<Source>,
        carried: &mut Carried,
    ) -> Result<Answers, PredictError> {
        Ok(self.answer(source.into(), carried)?.0)
    }

    /// As [`predict`](Self::predict), with the user's picture, upright, if it was one and is kept.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_with_picture(
        &mut self,
        source: impl Into<Source>,
    ) -> Result<(Answers, Option<Image>), PredictError> {
        self.answer(source.into(), &mut Carried::default())
    }

    fn answer(
        &mut self,
        source: Source,
        carried: &mut Carried,
    ) -> Result<(Answers, Option<Image>), PredictError> {
        let start = Instant::now();
        let mut prepared = self.pipeline.prepare(&source, self.keep_pictures)?;
        let prepared_at = Instant::now();
        let outputs = self.infer(&prepared, carried)?;
        let inferred_at = Instant::now();
        let picture = prepared.context.picture.take();
        let answers = self.pipeline.finish(prepared.context, &outputs)?;
        self.timings.sources += 1;
        self.timings.prepare += prepared_at - start;
        self.timings.infer += inferred_at - prepared_at;
        self.timings.finish += inferred_at.elapsed();
        Ok((answers, picture))
    }

    /// Answers for several sources, each with its own error. Sources of equal sizes go through the model together where
    /// its first axis is open.
    pub fn predict_batch(&mut self, sources: &[Source]) -> Vec<Result<Answers, PredictError>> {
        let start = Instant::now();
        let prepared: Vec<_> =
            sources.iter().map(|source| self.pipeline.prepare(source, self.keep_pictures)).collect();
        self.timings.prepare += start.elapsed();
        let together = self.infer_together(&prepared);
        let mut answers = Vec::with_capacity(prepared.len());
        for (index, prepared) in prepared.into_iter().enumerate() {
            let outputs = together.as_ref().and_then(|outputs| outputs.get(index)).cloned();
            answers.push(prepared.map_err(PredictError::from).and_then(|prepared| {
                let outputs = match outputs {
                    Some(outputs) => outputs,
                    None => {
                        let start = Instant::now();
                        let outputs = self.infer(&prepared, &mut Carried::default())?;
                        self.timings.infer += start.elapsed();
                        outputs
                    }
                };
                let start = Instant::now();
                let answers = self.pipeline.finish(prepared.context, &outputs)?;
                self.timings.finish += start.elapsed();
                self.timings.sources += 1;
                Ok(answers)
            }));
        }
        answers
    }

    /// Whether the user's pictures are kept, to draw answers on.
    pub fn set_keep_pictures(&mut self, keep: bool) {
        self.keep_pictures = keep;
    }

    /// What the model gives for what is prepared.
    fn infer(
        &mut self,
        prepared: &Prepared,
        carried: &mut Carried,
    ) -> Result<Vec<(String, Tensor)>, PredictError> {
        if self.pipeline.states().is_empty() {
            return self.run(&prepared.feeds, &prepared.context.source);
        }
        let mut steps = Vec::new();
        for row in 0..rows::count(&prepared.feeds, |name| self.pipeline.is_constant(name)) {
            let mut feeds = rows::take(&prepared.feeds, row, |name| self.pipeline.is_constant(name))
                .map_err(|error| pipeline_error(&prepared.context.source, &error))?;
            for state in self.pipeline.states() {
                let value = carried.0.iter().find(|(name, _)| *name == state.input);
                let value = value.map_or_else(|| state.initial.clone(), |(_, value)| value.clone());
                feeds.push((state.input.clone(), value));
            }
            let outputs = self.run(&feeds, &prepared.context.source)?;
            carried.0.clear();
            for state in self.pipeline.states() {
                let next = outputs.iter().find(|(name, _)| *name == state.output);
                carried.0.extend(next.map(|(_, value)| (state.input.clone(), value.clone())));
            }
            steps.push(outputs);
        }
        rows::concatenate(&steps).map_err(|error| pipeline_error(&prepared.context.source, &error))
    }

    fn run(
        &mut self,
        feeds: &[(String, Tensor)],
        source: &str,
    ) -> Result<Vec<(String, Tensor)>, PredictError> {
        let feeds: Feeds =
            feeds.iter().map(|(name, tensor)| (name.clone(), Datum::Tensor(tensor.clone()))).collect();
        let outputs = self
            .session
            .run(feeds)
            .map_err(|error| PredictError::Run { source_name: source.to_owned(), error: Box::new(error) })?;
        let tensors =
            outputs.iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_tensor()?.clone())));
        Ok(tensors.collect())
    }

    /// One run for all sources, if they can be put together; the outputs of each.
    fn infer_together(
        &mut self,
        prepared: &[Result<Prepared, PipelineError>],
    ) -> Option<Vec<Vec<(String, Tensor)>>> {
        let all: Vec<&Prepared> = prepared.iter().map(Result::as_ref).collect::<Result<_, _>>().ok()?;
        let stateless = self.pipeline.states().is_empty();
        if all.len() < 2 || !stateless || !self.session.model().inputs().iter().all(has_open_first_axis) {
            return None;
        }
        let feeds: Vec<_> = all.iter().map(|prepared| prepared.feeds.clone()).collect();
        if !rows::have_equal_shapes(&feeds) {
            return None;
        }
        let start = Instant::now();
        let counts: Vec<usize> = feeds.iter().map(|feeds| rows::count(feeds, |_| false)).collect();
        let outputs = self.run(&rows::concatenate(&feeds).ok()?, "batch").ok()?;
        self.timings.infer += start.elapsed();
        rows::split(&outputs, &counts)
    }
}

/// The pipeline that came with a model in its bundle.
///
/// # Errors
/// When there is one that can not be built.
pub fn bundled_pipeline(model: &Model) -> Result<Option<Pipeline>, PipelineError> {
    let contents = model.contents();
    let files = InMemory(contents.files.clone());
    contents.pipeline.as_ref().map(|text| Pipeline::parse(text, &files)).transpose()
}

fn pipeline_error(source: &str, problem: &str) -> PredictError {
    PredictError::Pipeline(PipelineError::Source {
        source_name: source.to_owned(),
        problem: problem.to_owned(),
    })
}

fn has_open_first_axis(input: &Port) -> bool {
    let ValueType::Tensor(ty) = &input.ty else { return false };
    let first = ty.shape.as_ref().and_then(|shape| shape.iter().next());
    first.is_some_and(|dim| dim.as_fixed().is_none())
}

/// The inputs and outputs of a model as pipelines see them.
pub fn signature(model: &Model) -> Signature {
    let ports = |ports: Vec<Port>| {
        ports.into_iter().map(|port| PipelinePort { ty: tensor_type(&port.ty), name: port.name }).collect()
    };
    Signature { inputs: ports(model.inputs()), outputs: ports(model.outputs()) }
}

fn tensor_type(ty: &ValueType) -> TensorType {
    let ValueType::Tensor(ty) = ty else { return TensorType::default() };
    TensorType { dtype: ty.dtype, shape: ty.shape.as_ref().map(sizes) }
}

fn sizes(shape: &Shape) -> Vec<Option<usize>> {
    let size = |dim: &Dim| dim.as_fixed();
    shape.iter().map(size).collect()
}
