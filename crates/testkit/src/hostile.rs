//! What every reader must survive: open, upgrade, infer, verify, and one bounded run. Shared by the fuzz targets and by
//! the smoke test that runs them on mutated files.

use bytes::Bytes;
use lehr_formats::onnx;
use lehr_graph::text;
use lehr_graph::verify::{Level, verify};
use lehr_graph::wire;
use lehr_ops::registry::Operators;

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
