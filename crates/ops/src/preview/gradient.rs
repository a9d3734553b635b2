//! `Gradient`: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Gradient.html>
//!
//! Exists while reading only: it becomes the ordinary nodes that reverse mode gives.

use std::collections::{HashMap, HashSet};

use lehr_graph::{EvalCx, Graph, InferCx, NodeId, Op, OpError, ReadCx, ReadValues, ValueId, declare_op};

use super::derivative::{Reverse, derivatives};

declare_op! {
    /// The derivatives of the value named `y` by those named in `xs`, where the inputs stand for the values named in
    /// `xs` and then `zs`.
    pub struct Gradient("ai.onnx.preview.training", "Gradient", 1) inputs(1, usize::MAX) outputs(1, usize::MAX)
    flags() read(Self::read) {
        /// What is differentiated.
        y: String,
        /// Other values that `y` depends on.
        zs: Option<Vec<String>> = None,
        /// By what it is differentiated.
        xs: Vec<String>,
    }
}

impl Op for Gradient {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        for index in 0..self.xs.len() {
            let ty = cx.require(index)?.clone();
            cx.set(index, ty);
        }
        Ok(())
    }

    fn eval(&self, _cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        Err(OpError::Unsupported("a gradient is only defined within the graph that it was read with".into()))
    }
}

impl Gradient {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        let find = |cx: &ReadCx<'_>, attribute: &str, name: &str| {
            cx.value_named(name).ok_or_else(|| {
                OpError::attribute(attribute, format!("there is no value '{name}' before this node"))
            })
        };
        let y = find(cx, "y", &op.y)?;
        let zs = op.zs.as_deref().unwrap_or_default();
        let mut leaves = Vec::with_capacity(op.xs.len() + zs.len());
        for name in &op.xs {
            leaves.push(find(cx, "xs", name)?);
        }
        for name in zs {
            leaves.push(find(cx, "zs", name)?);
        }
        if cx.inputs().len() != leaves.len() {
            return Err(OpError::shape(format!(
                "expected {} inputs, got {}",
                leaves.len(),
                cx.inputs().len()
            )));
        }
        let tape = tape(cx.graph(), y, &leaves);
        let values = forward(cx, &tape, &leaves)?;
        backward(cx, &tape, y, &leaves[..op.xs.len()], &values)
    }
}

/// The nodes between `leaves` and `y`, each behind those it reads from.
fn tape(graph: &Graph, y: ValueId, leaves: &[ValueId]) -> Vec<NodeId> {
    let mut needed = HashSet::new();
    let mut open = vec![y];
    while let Some(value) = open.pop() {
        let Some(node) = graph.producer(value).filter(|_| !leaves.contains(&value)) else { continue };
        if needed.insert(node) {
            open.extend(graph.node(node).inputs().iter().flatten());
        }
    }
    graph.topological_order().into_iter().filter(|node| needed.contains(node)).collect()
}

/// What stands for each value of the tape: itself, or what the nodes give when the inputs are other values than the
/// leaves.
fn forward(
    cx: &mut ReadCx<'_>,
    tape: &[NodeId],
    leaves: &[ValueId],
) -> Result<HashMap<ValueId, ValueId>, OpError> {
    let mut values = HashMap::new();
    for (index, &leaf) in leaves.iter().enumerate() {
        values.insert(leaf, cx.require(index)?);
    }
    if values.iter().all(|(leaf, input)| leaf == input) {
        return Ok(values);
    }
    for &id in tape {
        let node = cx.graph().node(id).clone();
        let inputs = node.inputs().iter().map(|v| v.map(|v| values.get(&v).copied().unwrap_or(v))).collect();
        let outputs = cx.emit_shared(node.op_ref().clone(), inputs, node.outputs().len())?;
        values.extend(node.outputs().iter().copied().zip(outputs));
    }
    Ok(values)
}

/// The derivatives of `y` by `xs`, from the last node of the tape to the first.
fn backward(
    cx: &mut ReadCx<'_>,
    tape: &[NodeId],
    y: ValueId,
    xs: &[ValueId],
    values: &HashMap<ValueId, ValueId>,
) -> Result<ReadValues, OpError> {
    let current = |v: ValueId| values.get(&v).copied().unwrap_or(v);
    let mut active: HashSet<ValueId> = xs.iter().copied().collect();
    for &id in tape {
        let node = cx.graph().node(id);
        if node.inputs().iter().flatten().any(|v| active.contains(v)) {
            active.extend(node.outputs());
        }
    }
    let mut reverse = Reverse::new(cx);
    let mut sums: HashMap<ValueId, ValueId> = HashMap::new();
    sums.insert(y, reverse.filled_like(current(y), 1.0)?);
    for &id in tape.iter().rev() {
        let node = reverse.graph().node(id).clone();
        let [output, others @ ..] = node.outputs() else { continue };
        if !active.contains(output) && !others.iter().any(|o| active.contains(o)) {
            continue;
        }
        if others.iter().any(|other| sums.contains_key(other)) {
            return Err(OpError::Unsupported(format!(
                "the gradient through another output than the first of {}",
                node.op().full_name()
            )));
        }
        let Some(&gradient) = sums.get(output) else { continue };
        let inputs: Vec<_> = node.inputs().iter().map(|v| v.map(current)).collect();
        let wanted: Vec<_> = node.inputs().iter().map(|v| v.is_some_and(|v| active.contains(&v))).collect();
        let parts = derivatives(&mut reverse, node.op(), &inputs, current(*output), gradient, &wanted)?;
        for (input, part) in node.inputs().iter().zip(parts) {
            let (Some(input), Some(part)) = (*input, part) else { continue };
            if !active.contains(&input) {
                continue;
            }
            let part = reverse.reduced_to(part, current(input))?;
            let sum = match sums.get(&input) {
                Some(&sum) => reverse.add(sum, part)?,
                None => part,
            };
            sums.insert(input, sum);
        }
    }
    let mut outputs = Vec::with_capacity(xs.len());
    for x in xs {
        outputs.push(match sums.get(x) {
            Some(&sum) => sum,
            None => reverse.filled_like(current(*x), 0.0)?,
        });
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;
    use crate::evaluate::Reference;
    use crate::mul::Mul;
    use crate::testing::f32s;
    use lehr_graph::{Attribute, Attributes, Datum, Origin, SourceNode, ValueType};
    use lehr_tensor::DataType;
    use std::sync::Arc;

    /// `y = (a + b)·a`, and the gradient by both at `inputs`; b is broadcast.
    fn gradients(elsewhere: bool) -> Vec<Datum> {
        let mut graph = Graph::new("g");
        let ty = |n: u64| ValueType::tensor(DataType::F32, [lehr_graph::Dim::Fixed(n)].into_iter().collect());
        let (a, b) = (graph.add_input("a", ty(2)), graph.add_input("b", ty(1)));
        let other = graph.add_input("other", ty(2));
        let sum = graph.add_node(Arc::new(Add {}), vec![Some(a), Some(b)], 1, "", Origin::default()).unwrap();
        let sum = graph.node(sum).outputs()[0];
        let y = graph.add_node(Arc::new(Mul {}), vec![Some(sum), Some(a)], 1, "", Origin::default()).unwrap();
        let y = graph.node(y).outputs()[0];
        graph.set_value_name(y, Some("y"));
        let mut attributes = Attributes::new();
        attributes.set("xs", Attribute::Strings(vec!["a".into(), "b".into()]));
        attributes.set("y", Attribute::String("y".into()));
        let node = SourceNode { attributes, opset: 1, n_outputs: 2, ..SourceNode::default() };
        let at = if elsewhere { other } else { a };
        let mut cx = ReadCx::new(&mut graph, &node, vec![Some(at), Some(b)], Origin::default());
        let outputs = (Gradient::SCHEMA.read)(&mut cx).unwrap();
        graph.set_outputs(outputs);
        let inputs = [f32s(&[2], &[1.0, 2.0]), f32s(&[1], &[10.0]), f32s(&[2], &[3.0, 4.0])];
        Reference::default().run(&graph, inputs.map(|t| Some(t.into())).to_vec()).unwrap()
    }

    #[test]
    fn sums_over_paths_and_broadcast_axes() {
        // dy/da = 2a + b, dy/db = Σ a.
        assert_eq!(gradients(false), [f32s(&[2], &[12.0, 14.0]).into(), f32s(&[1], &[3.0]).into()]);
        assert_eq!(gradients(true), [f32s(&[2], &[16.0, 18.0]).into(), f32s(&[1], &[7.0]).into()]);
    }
}
