//! ONNX models: reading of opsets 1 to 28 into the one dialect of the graph, and writing from opset 13 up.

mod attributes;
mod check;
pub mod data;
mod external;
pub mod proto;
mod read;
mod sort;
mod stream;
mod tensor;
mod tensor_write;
mod types;
mod write;
mod write_graph;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use lehr_graph::Graph;
use lehr_graph::diagnostic::{Code, Diagnostic, has_errors};
use lehr_ops::schema::NEWEST_OPSET;
use lehr_tensor::map_file;
use prost::Message;

use external::ExternalFiles;
use proto::ModelProto;

pub use write::{OLDEST_WRITABLE_OPSET, WriteOptions, WriteSummary, to_bytes, to_message, write_file};

/// A model as read: its graph and what the file says about itself.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The graph, in the semantics of the newest opset.
    pub graph: Graph,
    /// Version of the file format.
    pub ir_version: i64,
    /// Opset versions by domain; the default domain has the empty name.
    pub opsets: BTreeMap<String, i64>,
    /// The program that wrote the file, with its version.
    pub producer: String,
    /// Free text about the model.
    pub doc: String,
}

/// What a reading gives: always every finding, and the model as far as it could be read.
#[derive(Debug)]
pub struct Reading {
    /// The model; incomplete when there are errors among the findings.
    pub model: Option<Model>,
    /// All findings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Reading {
    /// The model, if nothing is wrong with it.
    ///
    /// # Errors
    /// All findings, when one of them is an error.
    pub fn into_model(self) -> Result<Model, Vec<Diagnostic>> {
        match self.model {
            Some(model) if !has_errors(&self.diagnostics) => Ok(model),
            _ => Err(self.diagnostics),
        }
    }

    fn failed(finding: Diagnostic) -> Self {
        Self { model: None, diagnostics: vec![finding] }
    }
}

/// How a model file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Read files into memory instead of mapping them: for files that may be truncated or rewritten in place while the
    /// model is in use.
    pub copy: bool,
}

/// Reads a model file; weights stay slices of the mapped file, external data is looked for beside it.
///
/// The file must not be truncated while the model is in use: see [`ReadOptions::copy`].
pub fn read_file(path: &Path) -> Reading {
    read_file_with(path, ReadOptions::default())
}

/// As [`read_file`], with a choice.
pub fn read_file_with(path: &Path, options: ReadOptions) -> Reading {
    match file_bytes(path, options) {
        Ok(bytes) => {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            read_whole(bytes, ExternalFiles::new(Some(folder), options))
        }
        Err(error) => Reading::failed(Diagnostic::error(
            Code::Unreadable,
            format!("'{}' can not be read: {error}", path.display()),
        )),
    }
}

/// Reads a model from memory; `folder` is where external data may lie.
pub fn read_bytes(bytes: Bytes, folder: Option<&Path>) -> Reading {
    read_whole(bytes, ExternalFiles::new(folder, ReadOptions::default()))
}

fn file_bytes(path: &Path, options: ReadOptions) -> std::io::Result<Bytes> {
    if options.copy { Ok(std::fs::read(path)?.into()) } else { map_file(path) }
}

fn read_whole(bytes: Bytes, external: ExternalFiles) -> Reading {
    if bytes.is_empty() {
        return Reading::failed(Diagnostic::error(
            Code::Malformed,
            "the file is empty, expected an ONNX model",
        ));
    }
    let proto = match ModelProto::decode(bytes) {
        Ok(proto) => proto,
        Err(error) => {
            let finding =
                Diagnostic::error(Code::Malformed, format!("not an ONNX model, or damaged: {error}"));
            return Reading::failed(finding);
        }
    };
    if proto.graph.is_none() {
        return Reading::failed(Diagnostic::error(
            Code::Malformed,
            "the file holds no graph, expected an ONNX model",
        ));
    }
    let mut diagnostics = Vec::new();
    let opsets = read::opsets(&proto.opset_import);
    if let Some(&opset) = opsets.get("").filter(|&&v| v > NEWEST_OPSET) {
        let message =
            format!("opset {opset} is newer than {NEWEST_OPSET}, the newest known; it is read as that");
        diagnostics.push(Diagnostic::warning(Code::NewerVersion, message));
    }
    let graph = read::read_graph(&proto, external, &mut diagnostics);
    let model = Model {
        graph,
        ir_version: proto.ir_version(),
        opsets,
        producer: format!("{} {}", proto.producer_name(), proto.producer_version()).trim().to_owned(),
        doc: proto.doc_string().to_owned(),
    };
    Reading { model: Some(model), diagnostics }
}
