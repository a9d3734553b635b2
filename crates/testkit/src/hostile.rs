//! What every reader must survive: open, upgrade, infer, verify, and one bounded run. Shared by the fuzz targets and by
//! the smoke test that runs them on mutated files.

mod pipeline;

use bytes::Bytes;
use lehr::Model;
use lehr_bundle::Bundle;
use lehr_formats::onnx;
use lehr_graph::text;
use lehr_graph::verify::{Level, verify};
use lehr_graph::wire;
use lehr_ops::registry::Operators;

pub use self::pipeline::pipeline;
use crate::bounded::{Limits, run_bounded};

/// The bytes as an ONNX model.
pub fn onnx_model(bytes: &[u8]) {
    let reading = onnx::read_bytes(Bytes::copy_from_slice(bytes), None);
    for finding in &reading.diagnostics {
        assert!(!finding.to_string().is_empty());
    }
    let Ok(model) = reading.into_model() else { return };
    if let Err(problems) = verify(&model.graph, Level::Wellformed) {
        panic!("the reader made a graph that is not well formed: {problems:?}");
    }
    let _ = run_bounded(&model.graph, 1, Limits::default());
    let _ = onnx::to_bytes(&model.graph, &onnx::WriteOptions::default());
}

/// The bytes as a text graph; what parses must print and parse again to the same.
pub fn text_graph(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let Ok(graph) = text::parse(source, &Operators) else { return };
    let printed = text::print_full(&graph);
    let again = text::parse(&printed, &Operators).expect("what was printed parses");
    assert!(again == graph, "printing and parsing changed the graph:\n{printed}");
    // The text form writes any graph; the verifier says which make sense.
    if verify(&graph, Level::Wellformed).is_ok() {
        let encoded = wire::encode_inline(&graph).expect("a well-formed graph has a binary form");
        let decoded = wire::decode_inline(&encoded.into(), &Operators).expect("what was encoded decodes");
        assert!(decoded == graph, "encoding and decoding changed the graph:\n{printed}");
        let _ = run_bounded(&graph, 1, Limits::default());
    }
}

/// The bytes as a binary graph; what decodes must encode and decode again to the same.
pub fn wire_graph(bytes: &[u8]) {
    let Ok(graph) = wire::decode_inline(&Bytes::copy_from_slice(bytes), &Operators) else { return };
    let encoded = wire::encode_inline(&graph).expect("a decoded graph has a binary form");
    let again = wire::decode_inline(&encoded.into(), &Operators).expect("what was encoded decodes");
    assert!(again == graph, "encoding and decoding changed the graph");
    let _ = run_bounded(&graph, 1, Limits::default());
}

/// The bytes as a bundle: as they are, and with the hashes that they should have, without which nearly everything is
/// refused at once. What loads must be writable and load again to the same.
pub fn bundle(bytes: &[u8]) {
    load_bundle(bytes);
    load_bundle(&with_hashes(bytes));
}

/// Bytes of the header of a bundle.
const BUNDLE_HEADER: usize = 128;

/// The bytes with the length of the file, the hash of the table and the hash of the header where they belong.
fn with_hashes(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    let Some((header, rest)) = bytes.split_first_chunk_mut::<BUNDLE_HEADER>() else { return bytes };
    let hash = |bytes: &[u8]| *lehr_bundle::hash_reader(bytes).expect("memory can be read").0.as_bytes();
    header[16..24].copy_from_slice(&length);
    let table_length = u64::from_le_bytes(header[32..40].try_into().expect("eight bytes"));
    let table = usize::try_from(table_length).ok().and_then(|length| rest.get(..length));
    header[48..80].copy_from_slice(&hash(table.unwrap_or_default()));
    let header_hash = hash(&header[..96]);
    header[96..].copy_from_slice(&header_hash);
    bytes
}

fn load_bundle(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    let Ok(bundle) = Bundle::from_bytes(shared.clone()) else { return };
    let _ = bundle.verify();
    let Ok(model) = Model::from_bundle(shared) else { return };
    if let Err(problems) = verify(model.graph(), Level::Wellformed) {
        panic!("the reader made a graph that is not well formed: {problems:?}");
    }
    let written = model.to_bundle(model.contents()).expect("what was read can be written");
    let again = Bundle::from_bytes(written.clone().into()).expect("what was written opens");
    assert!(again.verify().is_clean());
    let again = Model::from_bundle(written).expect("what was written loads");
    assert!(again.graph() == model.graph() && again.contents() == model.contents());
    let _ = run_bounded(model.graph(), 1, Limits::default());
}

/// The bytes as an `.npy` or `.npz` file.
pub fn npy_file(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    if let Ok(tensor) = lehr_tensor::npy::read_bytes(shared) {
        let mut out = Vec::new();
        if lehr_tensor::npy::write(&mut out, &tensor).is_ok() {
            let again = lehr_tensor::npy::read_bytes(out.into()).expect("what was written reads");
            assert_eq!(again.shape(), tensor.shape());
        }
    }
    let _ = lehr_tensor::npz::read(std::io::Cursor::new(bytes));
}
