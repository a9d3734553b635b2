//! A pipeline that is ready to be used.

use std::collections::BTreeMap;
use std::path::Path;

use lehr_tensor::{Bytes, CastOptions, DataType, Tensor, checked_len, npy};

use crate::manifest::{Constant, InputSpec, Kind, Manifest, OneOrMany, OutputSpec};
use crate::{
    Affine, AffineTail, Answers, Context, Files, Folder, Item, ItemType, PipelineError, Place, Side, Source,
    Step, Text, steps,
};

/// The largest file that is taken as a source, in bytes.
const MAX_SOURCE: u64 = 1 << 30;

/// The most numbers of all constants together: a line of text asks for them.
const MAX_CONSTANT: usize = 1 << 24;

/// The most numbers of all states together.
const MAX_STATE: usize = 1 << 28;

/// Everything before and after a model.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) inputs: Vec<Input>,
    pub(crate) constants: Vec<(String, Tensor)>,
    pub(crate) states: Vec<CarriedState>,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) tensors: BTreeMap<String, String>,
    pub(crate) dtype: Option<DataType>,
    pub(crate) steps: Vec<Placed>,
}

#[derive(Debug)]
pub(crate) struct Output {
    name: String,
    called: String,
    pub(crate) tensors: BTreeMap<String, String>,
    pub(crate) steps: Vec<Placed>,
}

/// A step and where it stands.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) place: Place,
    pub(crate) step: Box<dyn Step>,
}

/// A value that a model hands to its next run.
#[derive(Clone, Debug)]
pub struct CarriedState {
    /// The model's input.
    pub input: String,
    /// The model's output.
    pub output: String,
    /// What the first run gets.
    pub initial: Tensor,
}

/// What a model gets for one source, and what is remembered of it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Tensors by the names of the model's inputs, without states.
    pub feeds: Vec<(String, Tensor)>,
    /// For [`Pipeline::finish`].
    pub context: Context,
}

impl Pipeline {
    /// Reads a pipeline from its text; files that steps name are in `files`.
    ///
    /// # Errors
    /// [`PipelineError`] with the step that is at fault.
    pub fn parse(text: &str, files: &dyn Files) -> Result<Self, PipelineError> {
        Self::build(Manifest::parse(text)?, files)
    }

    /// Reads a pipeline from a file; files that steps name lie beside it.
    ///
    /// # Errors
    /// As [`Pipeline::parse`], and when the file can not be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| source_error(path.display(), error))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&text, &Folder(folder))
    }

    /// Makes the steps that a manifest names.
    ///
    /// # Errors
    /// As [`Pipeline::parse`].
    pub fn build(manifest: Manifest, files: &dyn Files) -> Result<Self, PipelineError> {
        let inputs = manifest.inputs.into_iter().map(|spec| input(spec, files)).collect::<Result<_, _>>()?;
        let outputs =
            manifest.outputs.into_iter().map(|spec| output(spec, files)).collect::<Result<_, _>>()?;
        check_sizes(
            "constants",
            MAX_CONSTANT,
            manifest.constants.iter().map(|spec| (&spec.name, &spec.shape)),
        )?;
        check_sizes("states", MAX_STATE, manifest.states.iter().map(|state| (&state.input, &state.shape)))?;
        let constants = manifest.constants.iter().map(constant).collect::<Result<_, _>>()?;
        let states = manifest.states.into_iter().map(|state| {
            let dtype = dtype(&state.dtype, &state.input)?;
            let initial = Tensor::zeros(dtype, &state.shape)
                .map_err(|error| PipelineError::Manifest(format!("state '{}': {error}", state.input)))?;
            Ok(CarriedState { input: state.input, output: state.output, initial })
        });
        Ok(Self { inputs, constants, states: states.collect::<Result<_, PipelineError>>()?, outputs })
    }

    /// Values that the model hands to its next run.
    pub fn states(&self) -> &[CarriedState] {
        &self.states
    }

    /// Whether the model's input of that name is always the same.
    pub fn is_constant(&self, name: &str) -> bool {
        self.constants.iter().any(|(constant, _)| constant == name)
    }

    /// The inputs' names and the kinds of what the user gives for them.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.inputs.iter().map(|input| (input.name.as_str(), input.kind))
    }

    /// Names of the model's outputs that are looked at.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().flat_map(|output| output.sources().map(|(_, name)| name))
    }

    /// Names of the model's inputs that get something.
    pub(crate) fn fed_names(&self) -> impl Iterator<Item = &str> {
        let own = self.inputs.iter().flat_map(|input| {
            let single = input.tensors.is_empty().then_some(input.name.as_str());
            single.into_iter().chain(input.tensors.values().map(String::as_str))
        });
        let constants = self.constants.iter().map(|(name, _)| name.as_str());
        own.chain(constants).chain(self.states.iter().map(|state| state.input.as_str()))
    }

    /// The affine end of an input's steps, if it has one.
    pub fn affine_tail(&self, input: &str) -> Option<AffineTail> {
        let input = self.inputs.iter().find(|candidate| candidate.name == input)?;
        let affine: Vec<Affine> = input.steps.iter().map(|placed| placed.step.affine()).collect();
        AffineTail::of(&input.name, &affine)
    }

    /// Turns a source into what the model gets. Every input is made of the same source.
    ///
    /// # Errors
    /// [`PipelineError::Source`] and [`PipelineError::Run`], which name the source.
    pub fn prepare(&self, source: &Source, keep_picture: bool) -> Result<Prepared, PipelineError> {
        let mut context = Context { source: source.name(), keep_picture, ..Context::default() };
        let content = read(source)?;
        let mut feeds = self.constants.clone();
        for input in &self.inputs {
            let item = load(input.kind, content.clone(), &context.source)?;
            let item = apply(&input.steps, item, &mut context)?;
            feed(input, item, &context.source, &mut feeds)?;
        }
        context.fed = feeds.clone();
        Ok(Prepared { feeds, context })
    }

    /// Turns what the model gave into answers.
    ///
    /// # Errors
    /// [`PipelineError::Run`], which names the source.
    pub fn finish(&self, mut context: Context, given: &[(String, Tensor)]) -> Result<Answers, PipelineError> {
        let mut answers = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            let mut tensors = Vec::new();
            for (called, name) in output.sources() {
                let tensor = given.iter().find(|(given, _)| given == name).map(|(_, tensor)| tensor.clone());
                let tensor = tensor.ok_or_else(|| PipelineError::Source {
                    source_name: context.source.clone(),
                    problem: format!("the model gave no output '{name}'"),
                })?;
                tensors.push((called.to_owned(), tensor));
            }
            let item = match (output.tensors.is_empty(), tensors.pop()) {
                (true, Some((_, tensor))) => Item::Tensor(tensor),
                (_, last) => Item::Tensors(tensors.into_iter().chain(last).collect()),
            };
            answers.push((output.called.clone(), apply(&output.steps, item, &mut context)?));
        }
        Ok(Answers(answers))
    }
}

impl Output {
    /// What the first step calls each of the model's outputs, and its name in the model.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        let single = self.tensors.is_empty().then_some((self.name.as_str(), self.name.as_str()));
        single.into_iter().chain(self.tensors.iter().map(|(called, name)| (called.as_str(), name.as_str())))
    }
}

fn input(spec: InputSpec, files: &dyn Files) -> Result<Input, PipelineError> {
    let dtype = spec.dtype.as_deref().map(|name| dtype(name, &spec.name)).transpose()?;
    let steps = placed(Side::Input, &spec.name, spec.all_steps()?, files)?;
    Ok(Input { name: spec.name, kind: spec.kind, tensors: spec.tensors, dtype, steps })
}

fn output(spec: OutputSpec, files: &dyn Files) -> Result<Output, PipelineError> {
    let called = spec.answer().to_owned();
    let steps = placed(Side::Output, &spec.name, spec.steps, files)?;
    Ok(Output { name: spec.name, called, tensors: spec.tensors, steps })
}

fn placed(
    side: Side,
    name: &str,
    specs: Vec<toml::Table>,
    files: &dyn Files,
) -> Result<Vec<Placed>, PipelineError> {
    let specs = specs.into_iter().enumerate();
    specs
        .map(|(index, mut parameters)| {
            let (declared, place) = declared(side, name, index, &mut parameters)?;
            match declared.build(parameters, files) {
                Ok(step) => Ok(Placed { place, step }),
                Err(error) => Err(PipelineError::Build { place: Box::new(place), error: Box::new(error) }),
            }
        })
        .collect()
}

/// Takes `op` out of the parameters and finds the step.
pub(crate) fn declared(
    side: Side,
    name: &str,
    index: usize,
    parameters: &mut toml::Table,
) -> Result<(&'static crate::Declared, Place), PipelineError> {
    let op = match parameters.remove("op") {
        Some(toml::Value::String(op)) => op,
        _ => String::new(),
    };
    let place = Place { side, name: name.to_owned(), index, op };
    match steps::find(&place.op) {
        Some(declared) => Ok((declared, place)),
        None => {
            Err(PipelineError::UnknownStep { nearest: steps::nearest(&place.op), place: Box::new(place) })
        }
    }
}

/// Fails unless tensors of these names and sizes have at most `most` numbers together.
fn check_sizes<'a>(
    what: &str,
    most: usize,
    tensors: impl Iterator<Item = (&'a String, &'a Vec<usize>)>,
) -> Result<(), PipelineError> {
    let mut total = 0usize;
    for (name, shape) in tensors {
        let count = checked_len(shape)
            .map_err(|error| PipelineError::Manifest(format!("{what}: '{name}': {error}")))?;
        total = total.saturating_add(count);
        if total > most {
            let problem =
                format!("expected at most {most} numbers in all {what}, got {total} up to '{name}'");
            return Err(PipelineError::Manifest(problem));
        }
    }
    Ok(())
}

fn constant(spec: &Constant) -> Result<(String, Tensor), PipelineError> {
    let failed = |problem: String| PipelineError::Manifest(format!("constant '{}': {problem}", spec.name));
    let dtype = dtype(&spec.dtype, &spec.name)?;
    let numbers = match &spec.value {
        OneOrMany::Many(numbers) => numbers.clone(),
        OneOrMany::One(number) => {
            vec![*number; checked_len(&spec.shape).map_err(|error| failed(error.to_string()))?]
        }
    };
    let tensor = Tensor::from_vec(&spec.shape, numbers).and_then(|t| t.cast(dtype, CastOptions::default()));
    tensor.map(|tensor| (spec.name.clone(), tensor)).map_err(|error| failed(error.to_string()))
}

fn dtype(name: &str, place: &str) -> Result<DataType, PipelineError> {
    DataType::from_name(name).ok_or_else(|| {
        PipelineError::Manifest(format!(
            "'{place}': expected an element type such as f32, i64 or u8, got '{name}'"
        ))
    })
}

/// What a source holds, before it is known what the inputs want of it.
fn read(source: &Source) -> Result<Item, PipelineError> {
    match source {
        Source::Item { item, .. } => Ok(item.clone()),
        Source::Bytes { bytes, .. } => Ok(Item::Bytes(bytes.clone())),
        Source::Path(path) => {
            let failed = |error| source_error(path.display(), error);
            let size = std::fs::metadata(path).map_err(failed)?.len();
            if size > MAX_SOURCE {
                let problem = format!("expected a file of at most {MAX_SOURCE} bytes, got {size}");
                return Err(PipelineError::Source { source_name: source.name(), problem });
            }
            Ok(Item::Bytes(Bytes::from(std::fs::read(path).map_err(failed)?)))
        }
    }
}

/// Bytes become what they stand for where no step says how.
fn load(kind: Kind, item: Item, source: &str) -> Result<Item, PipelineError> {
    let failed = |problem: String| PipelineError::Source { source_name: source.to_owned(), problem };
    let Item::Bytes(bytes) = item else { return Ok(item) };
    match kind {
        Kind::Text => match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Item::Text(Text { first: text.to_owned(), second: None })),
            Err(error) => {
                Err(failed(format!("expected UTF-8 text: byte {} is not valid", error.valid_up_to())))
            }
        },
        Kind::Tensor => npy::read_bytes(bytes).map(Item::Tensor).map_err(|error| failed(error.to_string())),
        _ => Ok(Item::Bytes(bytes)),
    }
}

fn apply(steps: &[Placed], mut item: Item, context: &mut Context) -> Result<Item, PipelineError> {
    for Placed { place, step } in steps {
        item = step.apply(item, context).map_err(|error| PipelineError::Run {
            source_name: context.source.clone(),
            place: Box::new(place.clone()),
            error: Box::new(error),
        })?;
    }
    Ok(item)
}

/// The kinds of items through steps, or the first step that does not take what it gets.
pub(crate) fn walk(steps: &[Placed], mut ty: ItemType) -> Result<ItemType, String> {
    for Placed { place, step } in steps {
        ty = step.infer(&ty).map_err(|error| format!("{place}: {error}"))?;
    }
    Ok(ty)
}

/// Adds what the last step of an input gave to the feeds.
fn feed(
    input: &Input,
    item: Item,
    source: &str,
    feeds: &mut Vec<(String, Tensor)>,
) -> Result<(), PipelineError> {
    let failed = |problem: String| PipelineError::Source { source_name: source.to_owned(), problem };
    let cast = |tensor: Tensor| match input.dtype {
        Some(dtype) if dtype != tensor.dtype() => {
            tensor.cast(dtype, CastOptions::default()).map_err(|error| failed(error.to_string()))
        }
        _ => Ok(tensor),
    };
    match item {
        Item::Tensor(tensor) if input.tensors.is_empty() => feeds.push((input.name.clone(), cast(tensor)?)),
        Item::Tensors(tensors) if !input.tensors.is_empty() => {
            for (name, tensor) in tensors {
                if let Some(fed) = input.tensors.get(&name) {
                    feeds.push((fed.clone(), cast(tensor)?));
                }
            }
        }
        other => {
            return Err(failed(format!(
                "the last step of input '{}' gives {}, not tensors",
                input.name,
                other.ty()
            )));
        }
    }
    Ok(())
}

fn source_error(name: impl std::fmt::Display, error: std::io::Error) -> PipelineError {
    PipelineError::Source { source_name: name.to_string(), problem: format!("can not be read: {error}") }
}
