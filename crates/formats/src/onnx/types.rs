//! `TypeProto` to value types and back.

use lehr_graph::{Dim, Shape, TensorType, ValueType};
use lehr_tensor::DataType;

use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::type_proto::{self, Value};
use super::proto::{TensorShapeProto, TypeProto};

/// The type that `proto` declares, as far as it does.
pub(super) fn read_type(proto: &TypeProto) -> ValueType {
    match &proto.value {
        Some(Value::TensorType(t)) => read_tensor_type(t.elem_type, t.shape.as_ref()),
        Some(Value::SparseTensorType(t)) => read_tensor_type(t.elem_type, t.shape.as_ref()),
        Some(Value::SequenceType(s)) => ValueType::Sequence(Box::new(item(s.elem_type.as_deref()))),
        Some(Value::OptionalType(o)) => ValueType::Optional(Box::new(item(o.elem_type.as_deref()))),
        Some(Value::MapType(m)) => match m.key_type.and_then(DataType::from_onnx) {
            Some(key) => ValueType::Map { key, value: Box::new(item(m.value_type.as_deref())) },
            None => ValueType::Unknown,
        },
        Some(Value::OpaqueType(_)) | None => ValueType::Unknown,
    }
}

fn item(proto: Option<&TypeProto>) -> ValueType {
    proto.map(read_type).unwrap_or_default()
}

fn read_tensor_type(elem_type: Option<i32>, shape: Option<&TensorShapeProto>) -> ValueType {
    let dtype = elem_type.and_then(DataType::from_onnx);
    ValueType::Tensor(TensorType { dtype, shape: shape.map(read_shape), known: None })
}

fn read_shape(proto: &TensorShapeProto) -> Shape {
    proto.dim.iter().map(read_dim).collect()
}

fn read_dim(proto: &Dimension) -> Dim {
    match &proto.value {
        Some(dimension::Value::DimValue(size)) => u64::try_from(*size).map_or(Dim::Unknown, Dim::Fixed),
        // Exporters write "?" for every size that they do not know: not one size with that name.
        Some(dimension::Value::DimParam(name)) if !name.is_empty() && name != "?" => Dim::symbol(name),
        _ => Dim::Unknown,
    }
}

/// The declaration of a type; `None` while its element type is not known.
pub(super) fn write_type(ty: &ValueType) -> Option<TypeProto> {
    let value = match ty {
        ValueType::Unknown => return None,
        ValueType::Tensor(t) => Value::TensorType(type_proto::Tensor {
            elem_type: Some(t.dtype?.to_onnx()),
            shape: t.shape.as_ref().map(write_shape),
        }),
        ValueType::Sequence(inner) => Value::SequenceType(Box::new(type_proto::Sequence {
            elem_type: Some(Box::new(write_type(inner)?)),
        })),
        ValueType::Optional(inner) => Value::OptionalType(Box::new(type_proto::Optional {
            elem_type: Some(Box::new(write_type(inner)?)),
        })),
        ValueType::Map { key, value } => Value::MapType(Box::new(type_proto::Map {
            key_type: Some(key.to_onnx()),
            value_type: Some(Box::new(write_type(value)?)),
        })),
    };
    Some(TypeProto { denotation: None, value: Some(value) })
}

fn write_shape(shape: &Shape) -> TensorShapeProto {
    TensorShapeProto { dim: shape.dims().iter().map(write_dim).collect() }
}

fn write_dim(dim: &Dim) -> Dimension {
    let value = match dim {
        Dim::Fixed(size) => Some(dimension::Value::DimValue(i64::try_from(*size).unwrap_or(i64::MAX))),
        Dim::Expr(_) => Some(dimension::Value::DimParam(dim.to_string())),
        Dim::Unknown => None,
    };
    Dimension { denotation: None, value }
}
