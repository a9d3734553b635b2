//! Writes a model message without building it in memory: the weights go from where they lie to the file.
//!
//! The bytes are those of the same message with another order of fields, which protobuf leaves to the writer
//! (<https://protobuf.dev/programming-guides/encoding/#order>): the graph is the last field of the model and its weights
//! are the last fields of the graph.

use std::io::{self, Write};

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::proto::{ModelProto, TensorProto};

/// Number of the field `graph` of a model.
const GRAPH: u32 = 7;
/// Number of the field `initializer` of a graph.
const INITIALIZER: u32 = 5;
/// Number of the field `raw_data` of a tensor.
const RAW_DATA: u32 = 9;

/// Writes `proto`; returns the number of bytes.
///
/// # Errors
/// Those of the file.
pub(super) fn write_message(mut proto: ModelProto, file: &mut impl Write) -> io::Result<usize> {
    let graph = proto.graph.take();
    let model = proto.encode_to_vec();
    file.write_all(&model)?;
    let Some(mut graph) = graph else { return Ok(model.len()) };
    let initializers = std::mem::take(&mut graph.initializer);
    let weights: Vec<_> = initializers.into_iter().map(Weight::new).collect();
    let rest = graph.encode_to_vec();
    let len = rest.len() + weights.iter().map(Weight::field_len).sum::<usize>();
    let head = head_of(GRAPH, len);
    file.write_all(&head)?;
    file.write_all(&rest)?;
    for weight in &weights {
        weight.write(file)?;
    }
    Ok(model.len() + head.len() + len)
}

/// A tensor apart from its raw data.
struct Weight {
    fields: Vec<u8>,
    raw: Option<Bytes>,
}

impl Weight {
    fn new(mut tensor: TensorProto) -> Self {
        let raw = tensor.raw_data.take();
        Weight { fields: tensor.encode_to_vec(), raw }
    }

    /// Length of the tensor.
    fn len(&self) -> usize {
        self.fields.len() + self.raw.as_ref().map_or(0, |raw| field_len(RAW_DATA, raw.len()))
    }

    /// Length of the field of the graph that holds the tensor.
    fn field_len(&self) -> usize {
        field_len(INITIALIZER, self.len())
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        file.write_all(&head_of(INITIALIZER, self.len()))?;
        file.write_all(&self.fields)?;
        if let Some(raw) = &self.raw {
            file.write_all(&head_of(RAW_DATA, raw.len()))?;
            file.write_all(raw)?;
        }
        Ok(())
    }
}

/// What stands in front of the content of a field of known length.
fn head_of(field: u32, len: usize) -> Vec<u8> {
    let mut head = Vec::new();
    encode_key(field, WireType::LengthDelimited, &mut head);
    encode_varint(len as u64, &mut head);
    head
}

fn field_len(field: u32, len: usize) -> usize {
    key_len(field) + encoded_len_varint(len as u64) + len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{GraphProto, OperatorSetIdProto};

    #[test]
    fn what_is_written_reads_back_as_the_message() {
        let raw = |len: usize| TensorProto {
            name: Some(format!("w{len}")),
            dims: vec![i64::try_from(len).unwrap()],
            raw_data: Some(Bytes::from(vec![7; len])),
            ..TensorProto::default()
        };
        let strings = TensorProto { string_data: vec![Bytes::from_static(b"s")], ..TensorProto::default() };
        let graph = GraphProto {
            name: Some("g".into()),
            initializer: vec![raw(0), raw(1), raw(300), strings],
            doc_string: Some("d".into()),
            ..GraphProto::default()
        };
        let import = OperatorSetIdProto { domain: Some(String::new()), version: Some(21) };
        let model = ModelProto {
            ir_version: Some(10),
            graph: Some(graph),
            opset_import: vec![import],
            ..ModelProto::default()
        };
        for model in [model, ModelProto::default()] {
            let mut bytes = Vec::new();
            let len = write_message(model.clone(), &mut bytes).unwrap();
            assert_eq!((len, bytes.len()), (model.encoded_len(), model.encoded_len()));
            assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap(), model);
        }
    }
}
