//! Reading of the first form of Scan (opset 8), which scans axis 1 of every sequence of a batch along axis 0, each up
//! to its own length: a scan over the batch whose body scans one sequence.

use std::sync::Arc;

use lehr_graph::{Graph, Op, OpError, Origin, ReadCx, ReadValues, TensorType, ValueId, ValueType};
use lehr_tensor::{DataType, Tensor};

use crate::concat::Concat;
use crate::gather::Gather;
use crate::pad::{Pad, PadMode};
use crate::scan::Scan;
use crate::shape::Shape;
use crate::slice::Slice;
use crate::sub::Sub;

/// Builds today's form.
///
/// # Errors
/// When the body does not fit the node.
pub(crate) fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
    let body: Arc<Graph> = cx.attributes().require("body")?;
    let inner = Scan {
        body: body.clone(),
        num_scan_inputs: cx.attributes().require("num_scan_inputs")?,
        scan_input_axes: None,
        scan_input_directions: cx.attribute("directions")?,
        scan_output_axes: None,
        scan_output_directions: None,
    };
    let mut inputs = cx.inputs().to_vec();
    if inputs.is_empty() {
        return Err(OpError::MissingInput { index: 1 });
    }
    let lengths = inputs.remove(0);
    let layout = inner.layout(inputs.len())?;
    let formal = layout.states + layout.scanned;
    let outer_body = sequence_graph(inner, &inputs, formal, lengths.is_some())?;
    let mut outer_inputs = inputs[..formal].to_vec();
    outer_inputs.extend(lengths.map(Some));
    let scanned = outer_inputs.len();
    outer_inputs.extend_from_slice(&inputs[formal..]);
    let outer = Scan {
        body: Arc::new(outer_body),
        num_scan_inputs: i64::try_from(scanned).unwrap_or(i64::MAX),
        scan_input_axes: None,
        scan_input_directions: None,
        scan_output_axes: None,
        scan_output_directions: None,
    };
    let n = cx.n_outputs();
    cx.emit(outer, outer_inputs, n)
}

/// The graph for one sequence of the batch: its inputs are the slices of all values, then its length if there is one.
fn sequence_graph(
    inner: Scan,
    inputs: &[Option<ValueId>],
    formal: usize,
    has_length: bool,
) -> Result<Graph, OpError> {
    let layout = inner.layout(inputs.len())?;
    let mut g = Graph::new("sequence");
    let mut given: Vec<ValueId> =
        (0..formal).map(|i| g.add_input(format!("x{i}"), ValueType::Unknown)).collect();
    let length = has_length.then(|| {
        let scalar =
            TensorType { dtype: Some(DataType::I64), shape: Some(lehr_graph::Shape::new()), known: None };
        g.add_input("length", ValueType::Tensor(scalar))
    });
    let captures: Vec<Option<ValueId>> = inner
        .body
        .captures()
        .iter()
        .map(|&id| {
            let value = inner.body.value(id);
            Some((value.name().unwrap_or_default().to_owned(), value.ty().clone()))
        })
        .map(|capture| capture.map(|(name, ty)| g.add_capture(name, ty)))
        .collect();
    let mut missing = None;
    if let Some(length) = length {
        let first = g.add_constant(Tensor::vector(vec![0i64]), None);
        let one_length = one(&mut g, crate::unsqueeze::Unsqueeze {}, &[length, first])?;
        let sizes = one(&mut g, Shape { start: 0, end: None }, &[given[layout.states]])?;
        let total = one(&mut g, Gather { axis: 0 }, &[sizes, first])?;
        missing = Some(one(&mut g, Sub {}, &[total, one_length])?);
        for value in &mut given[layout.states..] {
            *value = one(&mut g, Slice {}, &[*value, first, one_length, first])?;
        }
    }
    let n = layout.states + layout.collected;
    let node_inputs = given.into_iter().map(Some).chain(captures).collect();
    let node = g.add_node(Arc::new(inner), node_inputs, n, "", Origin::default())?;
    let mut outputs = g.node(node).outputs().to_vec();
    if let Some(missing) = missing {
        // What lies behind the end of a shorter sequence is zero.
        let first = g.add_constant(Tensor::vector(vec![0i64]), None);
        let pads = one(&mut g, Concat { axis: 0 }, &[first, missing])?;
        for value in &mut outputs[layout.states..] {
            let inputs = vec![Some(*value), Some(pads), None, Some(first)];
            let pad = Pad { mode: PadMode::Constant };
            let node = g.add_node(Arc::new(pad), inputs, 1, "", Origin::default())?;
            *value = g.node(node).outputs()[0];
        }
    }
    g.set_outputs(outputs);
    Ok(g)
}

fn one(g: &mut Graph, op: impl Op, inputs: &[ValueId]) -> Result<ValueId, OpError> {
    let node =
        g.add_node(Arc::new(op), inputs.iter().copied().map(Some).collect(), 1, "", Origin::default())?;
    Ok(g.node(node).outputs()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;
    use crate::evaluate::Reference;
    use crate::testing::{f32s, i64s};
    use lehr_graph::{Attribute, Datum, SourceNode};

    #[test]
    fn each_sequence_runs_to_its_own_length() {
        let mut body = Graph::new("body");
        let inputs = [body.add_input("sum", ValueType::Unknown), body.add_input("x", ValueType::Unknown)];
        let y = one(&mut body, Add {}, &inputs).unwrap();
        body.set_outputs(vec![y, y]);
        let mut node = SourceNode { op_type: "Scan".into(), opset: 8, n_outputs: 2, ..SourceNode::default() };
        node.attributes.set("body", Attribute::Graph(Arc::new(body)));
        node.attributes.set("num_scan_inputs", Attribute::Int(1));
        for (lengths, last, all) in [
            (Some(vec![3i64, 1]), [6.0, 4.0], [1.0, 3.0, 6.0, 4.0, 0.0, 0.0]),
            (None, [6.0, 15.0], [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]),
        ] {
            let mut g = Graph::new("test");
            let ids: Vec<_> = (0..3).map(|i| g.add_input(format!("{i}"), ValueType::Unknown)).collect();
            let inputs = vec![lengths.is_some().then_some(ids[0]), Some(ids[1]), Some(ids[2])];
            let outputs = read(&mut ReadCx::new(&mut g, &node, inputs, Origin::default())).unwrap();
            g.set_outputs(outputs);
            let values: Vec<Option<Datum>> = vec![
                lengths.map(|l| i64s(&[2], &l).into()),
                Some(f32s(&[2, 1], &[0.0, 0.0]).into()),
                Some(f32s(&[2, 3, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).into()),
            ];
            let got = Reference::default().run(&g, values).unwrap();
            assert_eq!(got, vec![f32s(&[2, 1], &last).into(), f32s(&[2, 3, 1], &all).into()]);
        }
    }
}
