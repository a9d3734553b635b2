//! Writes model files: the message, its weights inline or beside it, and the file itself, all or nothing.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use lehr_graph::Graph;
use lehr_graph::diagnostic::{Code, Diagnostic};
use lehr_ops::schema::NEWEST_OPSET;
use lehr_tensor::AtomicFile;
use prost::Message;

use super::proto::tensor_proto::DataLocation;
use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto};
use super::stream::write_message;
use super::write_graph::{Written, write_graph};

/// The oldest opset that can be asked for.
pub const OLDEST_WRITABLE_OPSET: i64 = 13;
/// Opset tried first when none is asked for: what today's runtimes all read.
const PREFERRED_OPSET: i64 = 21;
/// Protobuf messages end at 2 GiB; above this the weights go beside the model.
const MOST_INLINE_BYTES: usize = 1_900_000_000;
/// Smaller weights stay inline: a reference would take as much room.
const LEAST_EXTERNAL_BYTES: usize = 1024;
/// Alignment of external weights, so that they can be mapped.
const EXTERNAL_ALIGNMENT: usize = 4096;

/// How a model is written.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Opset of the default domain, 13 or newer; without one, the lowest from 21 up that has all operators as they are
    /// (or needs to express the fewest by simpler ones).
    pub opset: Option<i64>,
    /// Keep weights of 1 KiB and more in a file beside the model. Models that would exceed 1.9 GB do so anyway.
    pub external_data: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteSummary {
    /// Opset of the default domain.
    pub opset: i64,
    /// Size of the model file.
    pub bytes: usize,
    /// The file beside it and its size, if there is one.
    pub external: Option<(PathBuf, usize)>,
}

/// The graph as a model message of the asked opset, weights inline.
///
/// # Errors
/// Every node that the opset can not express.
pub fn to_message(graph: &Graph, options: &WriteOptions) -> Result<ModelProto, Vec<Diagnostic>> {
    let range = match options.opset {
        Some(opset) if !(OLDEST_WRITABLE_OPSET..=NEWEST_OPSET).contains(&opset) => {
            let message = format!(
                "opset {opset} can not be written, expected {OLDEST_WRITABLE_OPSET} to {NEWEST_OPSET}"
            );
            return Err(vec![Diagnostic::error(Code::NotWritable, message)]);
        }
        Some(opset) => opset..=opset,
        None => PREFERRED_OPSET..=NEWEST_OPSET,
    };
    let mut best: Option<(i64, Written)> = None;
    let mut problems = Vec::new();
    for opset in range {
        let written = write_graph(graph, opset);
        if !written.problems.is_empty() {
            problems = written.problems;
            continue;
        }
        let whole = written.expanded == 0;
        if best.as_ref().is_none_or(|(_, b)| written.expanded < b.expanded) {
            best = Some((opset, written));
        }
        if whole {
            break;
        }
    }
    let Some((opset, written)) = best else { return Err(problems) };
    let import = |(domain, version)| OperatorSetIdProto { domain: Some(domain), version: Some(version) };
    Ok(ModelProto {
        ir_version: Some(ir_version(opset)),
        producer_name: Some("lehr".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(written.graph),
        opset_import: written.domains.into_iter().map(import).collect(),
        metadata_props: graph.meta().iter().map(|(k, v)| entry(k, v)).collect(),
        ..ModelProto::default()
    })
}

/// The graph as the bytes of a model file.
///
/// # Errors
/// As [`to_message`].
pub fn to_bytes(graph: &Graph, options: &WriteOptions) -> Result<Vec<u8>, Vec<Diagnostic>> {
    Ok(to_message(graph, options)?.encode_to_vec())
}

/// Writes a model file, or nothing at all.
///
/// # Errors
/// As [`to_message`], and when a file can not be written.
pub fn write_file(
    graph: &Graph,
    path: &Path,
    options: &WriteOptions,
) -> Result<WriteSummary, Vec<Diagnostic>> {
    let mut proto = to_message(graph, options)?;
    let opset = proto.opset_import.iter().find(|i| i.domain().is_empty()).map_or(0, |i| i.version());
    let external = options.external_data || proto.encoded_len() > MOST_INLINE_BYTES;
    let failed = |e: std::io::Error| {
        vec![Diagnostic::error(Code::Unreadable, format!("'{}' can not be written: {e}", path.display()))]
    };
    let side = external.then(|| side_path(path));
    let mut side_file = None;
    if let Some(side) = &side {
        let location = side.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut file = AtomicFile::create(side).map_err(failed)?;
        let length = move_weights(&mut proto, &location, &mut file).map_err(failed)?;
        side_file = Some((file, length));
    }
    let mut file = AtomicFile::create(path).map_err(failed)?;
    let mut buffered = BufWriter::new(&mut file);
    let bytes = write_message(proto, &mut buffered).map_err(failed)?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    let mut external = None;
    if let (Some((side_file, length)), Some(side)) = (side_file, side) {
        side_file.commit().map_err(failed)?;
        external = Some((side, length));
    }
    file.commit().map_err(failed)?;
    Ok(WriteSummary { opset, bytes, external })
}

/// The file format version that came with an opset.
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        24 => 12,
        25..=27 => 13,
        _ => 14,
    }
}

fn side_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".data");
    path.with_file_name(name)
}

/// Moves the larger weights into `file`; returns its length.
fn move_weights(proto: &mut ModelProto, location: &str, file: &mut impl Write) -> std::io::Result<usize> {
    let mut at = 0usize;
    let Some(graph) = &mut proto.graph else { return Ok(0) };
    for tensor in &mut graph.initializer {
        let Some(raw) = tensor.raw_data.take_if(|raw| raw.len() >= LEAST_EXTERNAL_BYTES) else { continue };
        let padding = at.next_multiple_of(EXTERNAL_ALIGNMENT) - at;
        file.write_all(&vec![0; padding])?;
        at += padding;
        file.write_all(&raw)?;
        refer_to(tensor, location, at, raw.len());
        at += raw.len();
    }
    Ok(at)
}

fn refer_to(tensor: &mut TensorProto, location: &str, offset: usize, length: usize) {
    tensor.data_location = Some(DataLocation::External as i32);
    tensor.external_data = vec![
        entry("location", location),
        entry("offset", &offset.to_string()),
        entry("length", &length.to_string()),
    ];
}

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}
