//! A model file and the way from it to a session.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lehr_formats::onnx;
use lehr_graph::diagnostic::{Code, has_errors};
use lehr_graph::{Diagnostic, Graph, text};
use lehr_ops::registry::Operators;
use lehr_passes::bind_shapes::{BindError, Bindings, bind_shapes};
use lehr_passes::{OptLevel, Options as PassOptions, PassError, Report, lowering, pipeline};
use lehr_runtime::{CompileError, CompileOptions, CompiledModel, Keep, Port, Session, Tier, keep_values};
use lehr_tensor::Bytes;

use crate::bundle::{self, Bundle, BundleError, Contents, OpenOptions};

/// A model as its file describes it.
#[derive(Clone, Debug)]
pub struct Model {
    graph: Graph,
    opsets: BTreeMap<String, i64>,
    producer: String,
    findings: Vec<Diagnostic>,
    contents: Contents,
}

/// How a model file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Read files into memory instead of mapping them: for files that may be truncated or rewritten in place while the
    /// model is in use.
    pub copy: bool,
}

/// How a model is made to run.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// How much the graph is optimised.
    pub optimize: OptLevel,
    /// Threads; `None` takes one for each physical core. Results do not depend on it.
    pub threads: Option<usize>,
    /// Inner values to give out behind the outputs.
    pub keep: Keep,
    /// Instruction set; `None` takes the best of the machine, or what `LEHR_ISA` says.
    pub isa: Option<Tier>,
    /// Evaluate every node by its reference definition: slow, to compare with.
    pub reference: bool,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { optimize: OptLevel::O2, threads: None, keep: Keep::Nothing, isa: None, reference: false }
    }
}

/// Why a model can not be loaded or compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file can not be used; all findings, warnings included.
    #[error("{}", in_lines(.0))]
    Unusable(Vec<Diagnostic>),
    /// Sizes do not fit the graph.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A pass is at fault.
    #[error(transparent)]
    Optimize(#[from] PassError),
    /// The graph can not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl ModelError {
    /// All findings about the file; empty when it was read without errors.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Unusable(findings) => findings,
            Self::Bind(_) | Self::Optimize(_) | Self::Compile(_) => &[],
        }
    }
}

fn in_lines(findings: &[Diagnostic]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A model as far as it could be read, and everything found on the way.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What could be read; incomplete when there are errors.
    pub model: Option<Model>,
    /// All findings.
    pub findings: Vec<Diagnostic>,
}

impl Model {
    /// Loads an `.onnx` file, a `.lehr` bundle (whatever its name is), or a graph in its text form (`.txt`). Weights
    /// stay in the mapped file, which must not be truncated while the model is in use: see [`LoadOptions::copy`].
    ///
    /// # Errors
    /// [`ModelError::Unusable`] with everything that is wrong with the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::load_with(path, LoadOptions::default())
    }

    /// As [`Model::load`], with a choice.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(path: impl AsRef<Path>, options: LoadOptions) -> Result<Self, ModelError> {
        Self::usable(Self::examine_with(path, options))
    }

    /// Loads an ONNX model from memory; external data is looked for in `folder`.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_onnx(bytes: impl Into<Bytes>, folder: Option<&Path>) -> Result<Self, ModelError> {
        Self::usable(Self::examined(onnx::read_bytes(bytes.into(), folder)))
    }

    /// Loads a bundle from memory; large weights share it.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bundle(bytes: impl Into<Bytes>) -> Result<Self, ModelError> {
        Self::usable(Self::examined_bundle(Bundle::from_bytes(bytes.into())))
    }

    /// Reads as much of a file as possible and gives all findings about it.
    pub fn examine(path: impl AsRef<Path>) -> Examined {
        Self::examine_with(path, LoadOptions::default())
    }

    /// As [`Model::examine`], with a choice.
    pub fn examine_with(path: impl AsRef<Path>, options: LoadOptions) -> Examined {
        let path = path.as_ref();
        let ends_in = |ending: &str| path.extension().is_some_and(|extension| extension == ending);
        if ends_in("txt") {
            return Self::examine_text(path);
        }
        if path.is_dir() {
            let finding = Diagnostic::error(
                Code::Unreadable,
                format!("'{}' is a folder, expected a model file", path.display()),
            );
            return Examined { model: None, findings: vec![finding] };
        }
        if ends_in("lehr") || bundle::is_bundle(path).unwrap_or(false) {
            let mut examined = Self::examined_bundle(Bundle::open(path, OpenOptions { copy: options.copy }));
            for finding in &mut examined.findings {
                finding.message = format!("'{}' can not be read: {}", path.display(), finding.message);
            }
            return examined;
        }
        Self::examined(onnx::read_file_with(path, onnx::ReadOptions { copy: options.copy }))
    }

    fn examined_bundle(bundle: Result<Bundle, BundleError>) -> Examined {
        match bundle {
            Ok(bundle) => bundle::examine(&bundle),
            Err(error) => Examined { model: None, findings: vec![bundle::finding(&error)] },
        }
    }

    fn examine_text(path: &Path) -> Examined {
        let failed = |code, problem: String| {
            let finding = Diagnostic::error(code, format!("'{}' can not be read: {problem}", path.display()));
            Examined { model: None, findings: vec![finding] }
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return failed(Code::Unreadable, error.to_string()),
        };
        match text::parse(&text, &Operators) {
            Ok(graph) => Examined { model: Some(Self::from_graph(graph)), findings: Vec::new() },
            Err(error) => failed(Code::Malformed, error.to_string()),
        }
    }

    fn examined(reading: onnx::Reading) -> Examined {
        let findings = reading.diagnostics;
        let model = reading.model.map(|model| Self {
            graph: model.graph,
            opsets: model.opsets,
            producer: model.producer,
            findings: findings.clone(),
            contents: Contents::default(),
        });
        Examined { model, findings }
    }

    fn usable(examined: Examined) -> Result<Self, ModelError> {
        match examined.model {
            Some(model) if !has_errors(&examined.findings) => Ok(model),
            _ => Err(ModelError::Unusable(examined.findings)),
        }
    }

    /// A model of a graph that was made in the program.
    pub fn from_graph(graph: Graph) -> Self {
        Self::assemble(graph, BTreeMap::new(), String::new(), Contents::default())
    }

    pub(crate) fn assemble(
        graph: Graph,
        opsets: BTreeMap<String, i64>,
        producer: String,
        contents: Contents,
    ) -> Self {
        Self { graph, opsets, producer, findings: Vec::new(), contents }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The same model with other things that belong to it.
    #[must_use]
    pub fn with_contents(self, contents: Contents) -> Self {
        Self { contents, ..self }
    }

    /// The same model with another graph.
    #[must_use]
    pub fn with_graph(self, graph: Graph) -> Self {
        Self { graph, ..self }
    }

    /// The graph by value.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Opset versions that the file names, by domain; the default domain has the empty name.
    pub fn opsets(&self) -> &BTreeMap<String, i64> {
        &self.opsets
    }

    /// The program that wrote the file.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Warnings and notes from reading.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.findings
    }

    /// What came with the model in its bundle; empty for other files.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Inputs in the order of the graph.
    pub fn inputs(&self) -> Vec<Port> {
        let values = self.graph.inputs().iter().map(|&id| self.graph.value(id));
        values.map(|v| Port { name: v.name().unwrap_or_default().to_owned(), ty: v.ty().clone() }).collect()
    }

    /// Outputs in the order of the graph.
    pub fn outputs(&self) -> Vec<Port> {
        let values = self.graph.outputs().iter().enumerate();
        values
            .map(|(index, &id)| Port {
                name: self.graph.output_name(index).to_owned(),
                ty: self.graph.value(id).ty().clone(),
            })
            .collect()
    }

    /// The model with inputs and symbols of the sizes given.
    ///
    /// # Errors
    /// [`ModelError::Bind`].
    pub fn bound(mut self, bindings: &Bindings) -> Result<Self, ModelError> {
        bind_shapes(&mut self.graph, bindings)?;
        Ok(self)
    }

    /// Optimises the graph; the report says what was done, and why the rest was not.
    ///
    /// # Errors
    /// [`ModelError::Optimize`].
    pub fn optimized(mut self, level: OptLevel, options: &PassOptions) -> Result<(Self, Report), ModelError> {
        let report = pipeline(level).run(&mut self.graph, options)?;
        Ok((self, report))
    }

    /// Optimises and compiles the model.
    ///
    /// # Errors
    /// [`ModelError::Optimize`], [`ModelError::Compile`].
    pub fn compile(&self, options: &ModelOptions) -> Result<CompiledModel, ModelError> {
        let mut graph = self.graph.clone();
        let kept = keep_values(&mut graph, &options.keep)?;
        if options.optimize > OptLevel::O0 {
            pipeline(options.optimize).run(&mut graph, &PassOptions::default())?;
        }
        if !options.reference {
            lowering().run(&mut graph, &PassOptions::default())?;
        }
        let compile = CompileOptions {
            kept,
            isa: options.isa,
            threads: options.threads,
            kernels: !options.reference,
            ..CompileOptions::default()
        };
        Ok(CompiledModel::new(graph, compile)?)
    }

    /// Optimises and compiles the model for one session.
    ///
    /// # Errors
    /// As [`Model::compile`].
    pub fn session(&self, options: &ModelOptions) -> Result<Session, ModelError> {
        Ok(Session::new(Arc::new(self.compile(options)?)))
    }

    /// Writes the model as an `.onnx` file, or nothing at all.
    ///
    /// # Errors
    /// [`ModelError::Unusable`] with everything that the asked opset can not express, or why the file can not be written.
    pub fn write_onnx(
        &self,
        path: impl AsRef<Path>,
        options: &onnx::WriteOptions,
    ) -> Result<onnx::WriteSummary, ModelError> {
        onnx::write_file(&self.graph, path.as_ref(), options).map_err(ModelError::Unusable)
    }

    /// Writes the model and what belongs to it as a `.lehr` bundle, or nothing at all. What came with the model is
    /// written only if it is in `contents`.
    ///
    /// # Errors
    /// [`ModelError::Unusable`] with why the bundle can not be written.
    pub fn write_bundle(
        &self,
        path: impl AsRef<Path>,
        contents: &Contents,
    ) -> Result<bundle::WriteSummary, ModelError> {
        bundle::write_file(self, contents, path.as_ref())
            .map_err(|finding| ModelError::Unusable(vec![finding]))
    }

    /// The model and what belongs to it as the bytes of a `.lehr` bundle.
    ///
    /// # Errors
    /// As [`Model::write_bundle`].
    pub fn to_bundle(&self, contents: &Contents) -> Result<Vec<u8>, ModelError> {
        bundle::to_bytes(self, contents).map_err(|finding| ModelError::Unusable(vec![finding]))
    }

    /// The model as the bytes of an `.onnx` file.
    ///
    /// # Errors
    /// As [`Model::write_onnx`].
    pub fn to_onnx(&self, options: &onnx::WriteOptions) -> Result<Vec<u8>, ModelError> {
        onnx::to_bytes(&self.graph, options).map_err(ModelError::Unusable)
    }
}
