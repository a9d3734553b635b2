//! A file node held against the schema of its opset.

use lehr_graph::diagnostic::{Code, Diagnostic};
use lehr_graph::{Graph, SourceNode, ValueId};
use lehr_ops::schema::{self, SchemaProblem, Slot, check_node};

use super::attributes::{kind_of, schema_kind};
use super::proto::NodeProto;

/// What the standard has to say against the node. Warnings only: whether it can be read is for the operator to say.
pub(super) fn check_against_schema(
    source: &SourceNode,
    graph: &Graph,
    inputs: &[Option<ValueId>],
    proto: &NodeProto,
) -> Vec<Diagnostic> {
    let Some(schema) = schema::schema(&source.domain, &source.op_type, source.opset) else {
        return Vec::new();
    };
    let types: Vec<Option<String>> = inputs
        .iter()
        .take(proto.input.len())
        .map(|id| id.and_then(|id| graph.value(id).ty().onnx_type_string()))
        .collect();
    let slots: Vec<Slot<'_>> = inputs
        .iter()
        .take(proto.input.len())
        .zip(&types)
        .map(|(id, ty)| match (id, ty) {
            (None, _) => Slot::Absent,
            (Some(_), None) => Slot::Untyped,
            (Some(_), Some(ty)) => Slot::Typed(ty),
        })
        .collect();
    let outputs: Vec<Slot<'_>> =
        proto.output.iter().map(|name| if name.is_empty() { Slot::Absent } else { Slot::Untyped }).collect();
    let attributes: Vec<_> =
        proto.attribute.iter().filter_map(|a| Some((a.name(), kind_of(a).and_then(schema_kind)?))).collect();
    check_node(schema, &slots, &outputs, &attributes).into_iter().filter_map(report).collect()
}

fn report(problem: SchemaProblem) -> Option<Diagnostic> {
    let code = match problem {
        // Deprecated operators are read as their successors.
        SchemaProblem::Deprecated { .. } => return None,
        SchemaProblem::UnknownAttribute { .. } => Code::Ignored,
        SchemaProblem::RepeatedAttribute { .. }
        | SchemaProblem::MissingAttribute { .. }
        | SchemaProblem::AttributeKind { .. } => Code::BadAttribute,
        _ => Code::BadInputs,
    };
    Some(Diagnostic::warning(code, problem.to_string()))
}
