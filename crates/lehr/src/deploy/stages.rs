//! The stages of a deployment, one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lehr_graph::dim::Assignment;
use lehr_passes::{OptLevel, Options as PassOptions};
use lehr_pipeline::{Answers, Folder, Pipeline, Recorder};
use lehr_runtime::Profile;
use lehr_tensor::Bytes;
use serde_json::json;

use super::evidence::largest_difference;
use super::recipe::OptimizeStage;
use super::runner::{Fed, Feeder, Runner, tensors};
use super::{DeployError, Event, Example, Machine, Outcome, PassCount, Recipe, Snapshot, Stage};
use crate::batch::{Labels, expand, is_right};
use crate::bundle::{self, Bundle, Contents, OpenOptions, Provenance};
use crate::summary::Summary;
use crate::{Model, ModelOptions, PredictError, Predictor, signature};

/// Examples whose pictures are kept for the report.
const MOST_EXAMPLES: usize = 60;

/// Does what the recipe says: the bundle is written, the outcome tells how it came about.
///
/// # Errors
/// [`DeployError`]; unless the bundle itself is at fault, a file that was there before is still there then.
pub fn deploy(recipe: &Recipe, on: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, DeployError> {
    let mut journal = Journal { on, stages: Vec::new() };
    let plan = Plan::new(recipe)?;
    let options =
        ModelOptions { optimize: OptLevel::O0, threads: recipe.measure.threads, ..ModelOptions::default() };

    let (imported, mut imported_runner, before) = import(&plan, &options, &mut journal)?;
    let feeder = Feeder::new(&imported, plan.pipeline.as_ref(), &plan.files);
    let (optimized, mut runner, after, passes) = optimize(&plan, &feeder, &imported, &options, &mut journal)?;
    verify(&plan, &feeder, &mut imported_runner, &mut runner, &mut journal)?;
    let segments = write(&plan, &optimized, &mut journal)?;
    let (examples, profile, machine) = run(&plan, &feeder, &mut runner, &mut journal)?;

    Ok(Outcome {
        name: recipe.name.clone(),
        model: recipe.model.clone(),
        bundle: plan.bundle.clone(),
        producer: imported.producer().to_owned(),
        stages: journal.stages,
        before,
        after,
        passes,
        profile,
        segments,
        examples,
        machine,
    })
}

/// What does not change from stage to stage.
struct Plan<'a> {
    recipe: &'a Recipe,
    pipeline: Option<Pipeline>,
    /// The text of the pipeline and the files that it names.
    parts: (Option<String>, BTreeMap<String, Bytes>),
    files: Vec<PathBuf>,
    labels: Labels,
    bundle: PathBuf,
}

impl<'a> Plan<'a> {
    fn new(recipe: &'a Recipe) -> Result<Self, DeployError> {
        let (mut pipeline, mut parts) = (None, (None, BTreeMap::new()));
        if let Some(path) = &recipe.pipeline {
            let text = std::fs::read_to_string(path)
                .map_err(|error| DeployError::Io { path: path.clone(), error })?;
            let recorder = Recorder::new(Folder(path.parent().unwrap_or(Path::new("")).to_owned()));
            let built = Pipeline::parse(&text, &recorder);
            pipeline = Some(
                built
                    .map_err(|error| DeployError::Pipeline { path: path.clone(), error: Box::new(error) })?,
            );
            parts = (Some(text), recorder.into_files());
        }
        let labels = recipe.data.labels.as_deref().map(Labels::read).transpose()?.unwrap_or_default();
        let files = expand(&recipe.data.inputs)?;
        let bundle = recipe.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.lehr", recipe.name)));
        Ok(Self { recipe, pipeline, parts, files, labels, bundle })
    }

    fn model_error(&self, error: crate::ModelError) -> DeployError {
        DeployError::Model { path: self.recipe.model.clone(), error: Box::new(error) }
    }
}

/// Tells whoever waits, and remembers the stages.
struct Journal<'a> {
    on: &'a mut dyn FnMut(Event<'_>),
    stages: Vec<Stage>,
}

impl Journal<'_> {
    fn begin(&mut self, stage: &str) -> Instant {
        (self.on)(Event::Begin(stage));
        Instant::now()
    }

    fn progress(&mut self, stage: &str, done: usize, total: usize) {
        (self.on)(Event::Progress { stage, done, total });
    }

    fn end(&mut self, since: Instant, stage: Stage) {
        let stage = Stage { seconds: since.elapsed().as_secs_f64(), ..stage };
        (self.on)(Event::End(&stage));
        self.stages.push(stage);
    }
}

/// The graph and its work for one example.
fn snapshot(model: &Model, feeder: &Feeder<'_>, fed: &Fed) -> Snapshot {
    let graph = feeder.at_sizes(model.graph(), fed);
    Snapshot { summary: Summary::of(&graph, &Assignment::new()), graph }
}

/// The facts about a graph.
fn described(name: &str, note: String, snapshot: &Snapshot) -> Stage {
    let summary = &snapshot.summary;
    Stage {
        name: name.to_owned(),
        note,
        nodes: Some(summary.nodes),
        parameters: Some(summary.parameters),
        bytes: Some(summary.parameter_bytes),
        macs: summary.macs.as_fixed().and_then(|macs| u64::try_from(macs).ok()),
        energy_uj: summary.energy.map(|energy| energy.total_uj()),
        ..Stage::default()
    }
}

fn import(
    plan: &Plan<'_>,
    options: &ModelOptions,
    journal: &mut Journal<'_>,
) -> Result<(Model, Runner, Snapshot), DeployError> {
    let since = journal.begin("import");
    let path = &plan.recipe.model;
    let model = Model::load(path).and_then(|model| model.bound(&plan.recipe.optimize.bindings()));
    let model = model.map_err(|error| plan.model_error(error))?;
    if let Some(pipeline) = &plan.pipeline {
        let problems = pipeline.check(&signature(&model));
        if !problems.is_empty() {
            return Err(PredictError::Mismatch(problems).into());
        }
    }
    let feeder = Feeder::new(&model, plan.pipeline.as_ref(), &plan.files);
    let fed = feeder.feed(0)?;
    let snapshot = snapshot(&model, &feeder, &fed);
    let mut runner = Runner::new(&model, options, path)?;
    let (milliseconds, peak) = runner.measure(&fed, plan.recipe.measure.runs)?;
    let file = std::fs::metadata(path).map_err(|error| DeployError::Io { path: path.clone(), error })?;
    let stage = Stage {
        bytes: Some(file.len()),
        milliseconds: Some(milliseconds),
        peak_bytes: Some(peak),
        ..described("import", format!("{} as one graph", file_name(path)), &snapshot)
    };
    journal.end(since, stage);
    Ok((model, runner, snapshot))
}

fn optimize(
    plan: &Plan<'_>,
    feeder: &Feeder<'_>,
    imported: &Model,
    options: &ModelOptions,
    journal: &mut Journal<'_>,
) -> Result<(Model, Runner, Snapshot, Vec<PassCount>), DeployError> {
    let since = journal.begin("optimize");
    let level = OptLevel::ALL[usize::from(plan.recipe.optimize.level).min(OptLevel::ALL.len() - 1)];
    let OptimizeStage { exact, only, disable, .. } = &plan.recipe.optimize;
    let passes = PassOptions {
        verify: true,
        exact: *exact,
        only: only.clone(),
        disable: disable.clone(),
        ..PassOptions::default()
    };
    let (model, report) =
        imported.clone().optimized(level, &passes).map_err(|error| plan.model_error(error))?;
    let fed = feeder.feed(0)?;
    let snapshot = snapshot(&model, feeder, &fed);
    let mut runner = Runner::new(&model, options, &plan.recipe.model)?;
    let (milliseconds, peak) = runner.measure(&fed, plan.recipe.measure.runs)?;
    let rows = report.rows.iter().filter(|row| row.edits > 0);
    let passes: Vec<_> = rows.map(PassCount::from).collect();
    let stage = Stage {
        milliseconds: Some(milliseconds),
        peak_bytes: Some(peak),
        ..described(
            "optimize",
            format!("level {}, {} edits", plan.recipe.optimize.level, report.edits),
            &snapshot,
        )
    };
    journal.end(since, stage);
    Ok((model, runner, snapshot, passes))
}

fn verify(
    plan: &Plan<'_>,
    feeder: &Feeder<'_>,
    imported: &mut Runner,
    optimized: &mut Runner,
    journal: &mut Journal<'_>,
) -> Result<(), DeployError> {
    let since = journal.begin("verify");
    let (count, tolerance) = (feeder.count(), plan.recipe.verify.tolerance);
    let progress = |done| journal.progress("verify", done, count);
    let largest = largest_difference(feeder, imported, optimized, tolerance, progress)?;
    let examples =
        if plan.files.is_empty() { "made up inputs".to_owned() } else { format!("{count} examples") };
    let stage = Stage {
        name: "verify".to_owned(),
        note: format!("{examples} against the imported graph"),
        max_difference: Some(largest),
        ..Stage::default()
    };
    journal.end(since, stage);
    Ok(())
}

/// Writes the bundle and looks at what was written; its segments and their bytes.
fn write(
    plan: &Plan<'_>,
    model: &Model,
    journal: &mut Journal<'_>,
) -> Result<Vec<(String, u64)>, DeployError> {
    let since = journal.begin("bundle");
    let path = &plan.bundle;
    let contents = Contents {
        pipeline: plan.parts.0.clone(),
        files: plan.parts.1.clone(),
        provenance: provenance(plan, &journal.stages)?,
    };
    model
        .write_bundle(path, &contents)
        .map_err(|error| DeployError::Model { path: path.clone(), error: Box::new(error) })?;
    let failed = |error| DeployError::Bundle { path: path.clone(), error: Box::new(error) };
    let bundle = Bundle::open(path, OpenOptions::default()).map_err(failed)?;
    if !bundle.verify().is_clean() {
        return Err(DeployError::Damaged(path.clone()));
    }
    let segments = bundle.segments().iter().map(|segment| (segment_name(segment), segment.length)).collect();
    let stage = Stage {
        name: "bundle".to_owned(),
        note: format!("{}, all hashes right", file_name(path)),
        bytes: Some(bundle.byte_len()),
        ..Stage::default()
    };
    journal.end(since, stage);
    Ok(segments)
}

fn segment_name(segment: &bundle::Segment) -> String {
    if segment.name.is_empty() {
        segment.kind.to_string()
    } else {
        format!("{} {}", segment.kind, segment.name)
    }
}

/// Where the model comes from and what was done to it; no times, so that the same work gives the same bytes.
fn provenance(plan: &Plan<'_>, stages: &[Stage]) -> Result<Provenance, DeployError> {
    let path = &plan.recipe.model;
    let source = Provenance::of_file(path).map_err(|error| DeployError::Io { path: path.clone(), error })?;
    let settings = |name: &str| match name {
        "optimize" => json!(plan.recipe.optimize),
        "verify" => json!({"tolerance": plan.recipe.verify.tolerance, "examples": plan.files.len()}),
        _ => json!({}),
    };
    let results = |stage: &Stage| {
        json!({
            "note": stage.note, "nodes": stage.nodes, "parameters": stage.parameters, "bytes": stage.bytes,
            "macs": stage.macs, "max_difference": stage.max_difference,
        })
    };
    let stages =
        stages.iter().map(|stage| bundle::Stage::new(&*stage.name, settings(&stage.name), results(stage)));
    Ok(Provenance { stages: stages.collect(), ..source })
}

/// Opens the bundle as a user would and answers the examples, which must be the answers of the optimised graph.
fn run(
    plan: &Plan<'_>,
    feeder: &Feeder<'_>,
    optimized: &mut Runner,
    journal: &mut Journal<'_>,
) -> Result<(Vec<Example>, Profile, Machine), DeployError> {
    let since = journal.begin("run");
    let path = &plan.bundle;
    let options = ModelOptions { threads: plan.recipe.measure.threads, ..ModelOptions::default() };
    let model = Model::load(path)
        .map_err(|error| DeployError::Model { path: path.clone(), error: Box::new(error) })?;
    let mut runner = Runner::new(&model, &options, path)?;
    let fed = feeder.feed(0)?;
    let (milliseconds, peak) = runner.measure(&fed, plan.recipe.measure.runs)?;
    runner.session_mut().set_profiling(true);
    runner.measure(&fed, plan.recipe.measure.runs)?;
    let profile = runner.session_mut().profile();
    let compiled = runner.session_mut().model();
    let machine = Machine {
        isa: compiled.tier().to_string(),
        threads: compiled.threads(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let examples = answer(plan, feeder, optimized, &model, &options, journal)?;
    let right = examples.iter().filter(|example| example.correct == Some(true)).count();
    let known = examples.iter().filter(|example| example.correct.is_some()).count();
    let note = match known {
        0 => format!("{} examples answered", examples.len()),
        known => format!("{right} of {known} examples right"),
    };
    let stage = Stage {
        name: "run".to_owned(),
        note,
        milliseconds: Some(milliseconds),
        peak_bytes: Some(peak),
        ..Stage::default()
    };
    journal.end(since, stage);
    Ok((examples, profile, machine))
}

fn answer(
    plan: &Plan<'_>,
    feeder: &Feeder<'_>,
    optimized: &mut Runner,
    model: &Model,
    options: &ModelOptions,
    journal: &mut Journal<'_>,
) -> Result<Vec<Example>, DeployError> {
    let (Some(own), Some(pipeline)) =
        (&plan.pipeline, crate::bundled_pipeline(model).map_err(PredictError::from)?)
    else {
        return Ok(Vec::new());
    };
    let mut predictor = Predictor::new(model, pipeline, options)?;
    let mut examples = Vec::new();
    for (index, file) in plan.files.iter().enumerate() {
        predictor.set_keep_pictures(index < MOST_EXAMPLES);
        let (answers, picture) = predictor.predict_with_picture(file.as_path())?;
        let comparable = own.states().is_empty();
        if comparable && answers != expected(own, feeder, optimized, index)? {
            return Err(DeployError::OtherAnswers { path: plan.bundle.clone(), example: feeder.name(index) });
        }
        let label = plan.labels.of(file).map(str::to_owned);
        let correct = label.as_deref().and_then(|label| is_right(&answers, label));
        examples.push(Example { source: file.clone(), picture, answers, expected: label, correct });
        journal.progress("run", index + 1, plan.files.len());
    }
    Ok(examples)
}

/// The answers of the graph before it was written.
fn expected(
    pipeline: &Pipeline,
    feeder: &Feeder<'_>,
    optimized: &mut Runner,
    index: usize,
) -> Result<Answers, DeployError> {
    let fed = feeder.feed(index)?;
    let outputs = tensors(&optimized.run(&fed)?);
    let answers = pipeline.finish(fed.context.unwrap_or_default(), &outputs).map_err(PredictError::from)?;
    Ok(answers)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
