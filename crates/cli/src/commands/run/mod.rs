//! `lehr run`: answers for pictures, recordings, text, tables or arrays; or plain outputs for recorded inputs.

mod answers;
mod batch;
mod recorded;
mod sink;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use lehr::batch::{Labels, Shard, expand};
use lehr::{Model, ModelOptions, Pipeline, PipelineError, PredictError, Predictor, bundled_pipeline};

pub use answers::summary;

use crate::arguments::{Execution, Feed, Json};
use crate::failure::Failure;

/// Run a model: on files through its pipeline, or on recorded inputs
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model file
    model: PathBuf,

    /// Pictures, recordings, texts, tables, arrays; folders and patterns name many
    #[arg(value_name = "INPUT", conflicts_with = "feed")]
    inputs: Vec<String>,

    /// Text to run the model on, instead of files
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["inputs", "feed"])]
    text: Option<String>,

    /// What happens before and after the model; the bundle's own without it
    #[arg(long, value_name = "PIPELINE.toml", conflicts_with = "feed")]
    pipeline: Option<PathBuf>,

    #[command(flatten)]
    feed: Feed,

    /// Save what is computed: with --feed an .npz of outputs by name; else a .jsonl or .csv file with a line for each
    /// input, which is written as the answers come
    #[arg(long, value_name = "OUT")]
    save: Option<PathBuf>,

    /// Go on where an earlier run to the same --save file stopped: inputs that it answered are left out
    #[arg(long, requires = "save", conflicts_with = "feed")]
    resume: bool,

    /// Take only one of N equal parts of the inputs, as 2/4
    #[arg(long, value_name = "I/N", conflicts_with = "feed")]
    shard: Option<Shard>,

    /// Right answers, to tell how many are: lines of file name, tab, label
    #[arg(long, value_name = "LABELS.tsv", conflicts_with = "feed")]
    labels: Option<PathBuf>,

    /// Draw answers on the pictures: a .png file for one input, a folder for many
    #[arg(long, value_name = "OUT", conflicts_with = "feed")]
    draw: Option<PathBuf>,

    /// Show at most K classes; with --feed the K largest elements of each row along the last axis
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Measure every node
    #[arg(long)]
    profile: bool,

    /// Evaluate every node by its reference definition: slow, to compare with
    #[arg(long)]
    reference: bool,

    #[command(flatten)]
    execution: Execution,

    #[command(flatten)]
    json: Json,
}

impl Arguments {
    fn options(&self) -> ModelOptions {
        ModelOptions { reference: self.reference, ..self.execution.options() }
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = super::load(&arguments.model)?;
    if arguments.inputs.is_empty() && arguments.text.is_none() {
        return recorded::run(arguments, &model);
    }
    let pipeline = pipeline(&model, &arguments.model, arguments.pipeline.as_deref())?;
    let labels = arguments.labels.as_deref().map(Labels::read).transpose().map_err(data)?;
    if let Some(text) = &arguments.text {
        let predictor = predictor(arguments, &model, pipeline, arguments.options())?;
        return answers::one(arguments, predictor, lehr::Source::text(text.clone()), None);
    }
    let mut files = expand(&arguments.inputs).map_err(data)?;
    if let Some(shard) = arguments.shard {
        files = shard.of(files);
    }
    if let ([file], None) = (files.as_slice(), &arguments.save) {
        let predictor = predictor(arguments, &model, pipeline, arguments.options())?;
        let label = labels.as_ref().and_then(|labels| labels.of(file));
        return answers::one(arguments, predictor, file.as_path().into(), label);
    }
    // Many inputs are faster side by side than each on all threads.
    let streams = arguments.execution.threads.map_or_else(lehr::runtime::physical_cores, usize::from);
    let options = ModelOptions { threads: Some(1), ..arguments.options() };
    let predictor = predictor(arguments, &model, pipeline, options)?;
    let streams = NonZero::new(streams).unwrap_or(NonZero::<usize>::MIN);
    batch::run(arguments, predictor, files, &labels.unwrap_or_default(), streams)
}

/// The pipeline in a file, or the one that came with the model.
pub fn pipeline(model: &Model, path: &Path, file: Option<&Path>) -> Result<Pipeline, Failure> {
    if let Some(file) = file {
        return Pipeline::load(file).map_err(|error| pipeline_failure(file, &error));
    }
    let bundled = bundled_pipeline(model).map_err(|error| pipeline_failure(path, &error))?;
    bundled.ok_or_else(|| {
        let message = "holds no pipeline; give --pipeline, or recorded inputs with --feed";
        Failure::Message(format!("'{}' {message}", path.display()))
    })
}

/// What is wrong with a pipeline, and where it stands.
pub fn pipeline_failure(path: &Path, error: &PipelineError) -> Failure {
    Failure::Message(format!("'{}': {error}", path.display()))
}

fn predictor(
    arguments: &Arguments,
    model: &Model,
    pipeline: Pipeline,
    options: ModelOptions,
) -> Result<Predictor, Failure> {
    let mut predictor = Predictor::new(model, pipeline, &options).map_err(|error| match error {
        PredictError::Model(error) => Failure::model(&arguments.model, error),
        other => Failure::Message(format!("'{}': {other}", arguments.model.display())),
    })?;
    predictor.set_keep_pictures(arguments.draw.is_some());
    Ok(predictor)
}

fn data(error: lehr::batch::BatchError) -> Failure {
    Failure::Message(error.to_string())
}
