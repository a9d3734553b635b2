//! Values in files of their own: `TensorProto`, `SequenceProto`, `OptionalProto` and `MapProto` messages, as the ONNX
//! backend suite stores inputs and outputs.

use bytes::Bytes;
use lehr_graph::datum::MapDatum;
use lehr_graph::{Datum, ValueType};
use lehr_tensor::Tensor;
use prost::Message;

use super::external::ExternalFiles;
use super::proto::{SparseTensorProto, TensorProto};
use super::tensor::{read_sparse, read_tensor};
use super::tensor_write::write_tensor;

/// `SequenceProto` of onnx-data.proto.
#[derive(Clone, PartialEq, Message)]
struct SequenceProto {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    elem_type: Option<i32>,
    #[prost(message, repeated, tag = "3")]
    tensors: Vec<TensorProto>,
    #[prost(message, repeated, tag = "4")]
    sparse_tensors: Vec<SparseTensorProto>,
    #[prost(message, repeated, tag = "5")]
    sequences: Vec<SequenceProto>,
    #[prost(message, repeated, tag = "6")]
    maps: Vec<MapProto>,
    #[prost(message, repeated, tag = "7")]
    optionals: Vec<OptionalProto>,
}

/// `MapProto` of onnx-data.proto.
#[derive(Clone, PartialEq, Message)]
struct MapProto {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    key_type: Option<i32>,
    #[prost(int64, repeated, packed = "false", tag = "3")]
    keys: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    string_keys: Vec<Bytes>,
    #[prost(message, optional, tag = "5")]
    values: Option<SequenceProto>,
}

/// `OptionalProto` of onnx-data.proto.
#[derive(Clone, PartialEq, Message)]
struct OptionalProto {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    elem_type: Option<i32>,
    #[prost(message, optional, boxed, tag = "3")]
    tensor: Option<Box<TensorProto>>,
    #[prost(message, optional, boxed, tag = "4")]
    sparse_tensor: Option<Box<SparseTensorProto>>,
    #[prost(message, optional, boxed, tag = "5")]
    sequence: Option<Box<SequenceProto>>,
    #[prost(message, optional, boxed, tag = "6")]
    map: Option<Box<MapProto>>,
    #[prost(message, optional, boxed, tag = "7")]
    optional: Option<Box<OptionalProto>>,
}

/// Reads one value; `ty` says which message the bytes hold (a tensor when unknown).
///
/// # Errors
/// A sentence about what is wrong with the bytes.
pub fn read_value(bytes: Bytes, ty: &ValueType) -> Result<Datum, String> {
    match ty {
        ValueType::Sequence(_) => sequence(&decode(bytes)?),
        ValueType::Optional(_) => optional(&decode(bytes)?),
        ValueType::Map { .. } => map(&decode(bytes)?),
        ValueType::Tensor(_) | ValueType::Unknown => tensor(&decode(bytes)?),
    }
}

/// A tensor as the bytes of a `TensorProto` with raw data.
pub fn write_tensor_message(name: &str, value: &Tensor) -> Vec<u8> {
    write_tensor(name, value).encode_to_vec()
}

fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, String> {
    M::decode(bytes).map_err(|e| format!("damaged value: {e}"))
}

fn tensor(proto: &TensorProto) -> Result<Datum, String> {
    read_tensor(proto, &mut ExternalFiles::default()).map(Datum::Tensor)
}

fn sequence(proto: &SequenceProto) -> Result<Datum, String> {
    let mut items = Vec::new();
    for item in &proto.tensors {
        items.push(tensor(item)?);
    }
    for item in &proto.sparse_tensors {
        items.push(Datum::Tensor(read_sparse(item, &mut ExternalFiles::default())?));
    }
    for item in &proto.sequences {
        items.push(sequence(item)?);
    }
    for item in &proto.maps {
        items.push(map(item)?);
    }
    for item in &proto.optionals {
        items.push(optional(item)?);
    }
    Ok(Datum::Sequence(items))
}

fn optional(proto: &OptionalProto) -> Result<Datum, String> {
    let inner = if let Some(item) = &proto.tensor {
        Some(tensor(item)?)
    } else if let Some(item) = &proto.sparse_tensor {
        Some(Datum::Tensor(read_sparse(item, &mut ExternalFiles::default())?))
    } else if let Some(item) = &proto.sequence {
        Some(sequence(item)?)
    } else if let Some(item) = &proto.map {
        Some(map(item)?)
    } else if let Some(item) = &proto.optional {
        Some(optional(item)?)
    } else {
        None
    };
    Ok(Datum::Optional(inner.map(Box::new)))
}

fn map(proto: &MapProto) -> Result<Datum, String> {
    let keys = if proto.string_keys.is_empty() {
        Tensor::vector(proto.keys.clone())
    } else {
        let keys: Vec<_> =
            proto.string_keys.iter().map(|k| String::from_utf8_lossy(k).into_owned()).collect();
        Tensor::from_strings(&[keys.len()], keys).map_err(|e| e.to_string())?
    };
    let values = match proto.values.as_ref().map(sequence).transpose()? {
        Some(Datum::Sequence(values)) => values,
        _ => Vec::new(),
    };
    if keys.len() != values.len() {
        return Err(format!("a map has {} keys and {} values", keys.len(), values.len()));
    }
    Ok(Datum::Map(MapDatum { keys, values }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_sequences() {
        let t = Tensor::from_slice(&[2], &[1.5f32, -2.0]).unwrap();
        let bytes = write_tensor_message("x", &t);
        assert_eq!(read_value(bytes.into(), &ValueType::Unknown).unwrap(), Datum::Tensor(t.clone()));
        let proto = SequenceProto { tensors: vec![write_tensor("", &t); 2], ..Default::default() };
        let ty = ValueType::Sequence(Box::default());
        let read = read_value(proto.encode_to_vec().into(), &ty).unwrap();
        assert_eq!(read, Datum::Sequence(vec![Datum::Tensor(t.clone()), Datum::Tensor(t)]));
        assert!(read_value(Bytes::from_static(b"\xff\xff"), &ty).is_err());
    }
}
