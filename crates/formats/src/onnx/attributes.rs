//! `AttributeProto` to attributes, subgraphs excepted (those need the scope they stand in).

use lehr_graph::Attribute;
use lehr_ops::schema::AttributeKind;

use super::external::ExternalFiles;
use super::proto::AttributeProto;
use super::proto::attribute_proto::AttributeType;
use super::tensor::{read_sparse, read_tensor};
use super::types::read_type;

/// The kind of an attribute; files of early versions leave it out, and then the filled field tells.
pub(super) fn kind_of(proto: &AttributeProto) -> Option<AttributeType> {
    let declared = proto.r#type.and_then(|t| AttributeType::try_from(t).ok());
    match declared {
        Some(AttributeType::Undefined) | None => filled_field(proto),
        known => known,
    }
}

fn filled_field(proto: &AttributeProto) -> Option<AttributeType> {
    use AttributeType as T;
    let fields = [
        (proto.f.is_some(), T::Float),
        (proto.i.is_some(), T::Int),
        (proto.s.is_some(), T::String),
        (proto.t.is_some(), T::Tensor),
        (proto.g.is_some(), T::Graph),
        (proto.sparse_tensor.is_some(), T::SparseTensor),
        (proto.tp.is_some(), T::TypeProto),
        (!proto.floats.is_empty(), T::Floats),
        (!proto.ints.is_empty(), T::Ints),
        (!proto.strings.is_empty(), T::Strings),
        (!proto.tensors.is_empty(), T::Tensors),
        (!proto.graphs.is_empty(), T::Graphs),
    ];
    fields.into_iter().find(|(filled, _)| *filled).map(|(_, kind)| kind)
}

/// The kind as the schema table names it.
pub(super) fn schema_kind(kind: AttributeType) -> Option<AttributeKind> {
    use AttributeType as T;
    Some(match kind {
        T::Undefined => return None,
        T::Float => AttributeKind::Float,
        T::Int => AttributeKind::Int,
        T::String => AttributeKind::String,
        T::Tensor => AttributeKind::Tensor,
        T::Graph => AttributeKind::Graph,
        T::SparseTensor => AttributeKind::SparseTensor,
        T::TypeProto => AttributeKind::TypeProto,
        T::Floats => AttributeKind::Floats,
        T::Ints => AttributeKind::Ints,
        T::Strings => AttributeKind::Strings,
        T::Tensors => AttributeKind::Tensors,
        T::Graphs => AttributeKind::Graphs,
        T::SparseTensors => AttributeKind::SparseTensors,
        T::TypeProtos => AttributeKind::TypeProtos,
    })
}

/// The value of an attribute that is not a graph.
///
/// # Errors
/// A sentence about what is wrong with it.
pub(super) fn read_attribute(proto: &AttributeProto, files: &mut ExternalFiles) -> Result<Attribute, String> {
    use AttributeType as T;
    match kind_of(proto) {
        Some(T::Float) => Ok(Attribute::Float(proto.f.unwrap_or_default())),
        Some(T::Int) => Ok(Attribute::Int(proto.i.unwrap_or_default())),
        Some(T::String) => text(proto.s.as_deref().unwrap_or_default()).map(Attribute::String),
        Some(T::Tensor) => {
            read_tensor(proto.t.as_ref().ok_or("the tensor is missing")?, files).map(Attribute::Tensor)
        }
        Some(T::SparseTensor) => {
            read_sparse(proto.sparse_tensor.as_ref().ok_or("the tensor is missing")?, files)
                .map(Attribute::Tensor)
        }
        Some(T::TypeProto) => Ok(Attribute::Type(proto.tp.as_ref().map(read_type).unwrap_or_default())),
        Some(T::Floats) => Ok(Attribute::Floats(proto.floats.clone())),
        Some(T::Ints) | None => Ok(Attribute::Ints(proto.ints.clone())),
        Some(T::Strings) => {
            proto.strings.iter().map(|s| text(s)).collect::<Result<_, _>>().map(Attribute::Strings)
        }
        Some(T::Tensors) => proto
            .tensors
            .iter()
            .map(|t| read_tensor(t, files))
            .collect::<Result<_, _>>()
            .map(Attribute::Tensors),
        Some(other) => Err(format!("attributes of kind {} are not supported", other.as_str_name())),
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "the text is not valid UTF-8".into())
}
