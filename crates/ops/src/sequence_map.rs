//! `SequenceMap`: <https://onnx.ai/onnx/operators/onnx__SequenceMap.html>

use std::sync::Arc;

use lehr_graph::infer::infer_outputs;
use lehr_graph::{Datum, EvalCx, Graph, InferCx, Op, OpError, OpRef, ValueType, declare_op};

use crate::iteration::without_contents;
use crate::sequence_position::item_type;

declare_op! {
    /// Runs the body for each item of sequence 0 (and of further sequences; tensors are given to every run) and puts
    /// its outputs into sequences.
    pub struct SequenceMap("", "SequenceMap", 17) inputs(1, usize::MAX) outputs(1, usize::MAX) flags(CONTROL_FLOW) {
        /// Takes one item of each sequence, and the tensors.
        body: Arc<Graph>,
    }
}

impl SequenceMap {
    fn formal(&self, n_inputs: usize) -> Result<usize, OpError> {
        let formal = self.body.inputs().len();
        if formal == 0 || n_inputs != formal + self.body.captures().len() {
            return Err(OpError::shape(format!("the body has {formal} inputs, the node {n_inputs}")));
        }
        Ok(formal)
    }
}

impl Op for SequenceMap {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let formal = self.formal(cx.n_inputs())?;
        item_type(cx, 0)?;
        let types: Vec<_> = (0..cx.n_inputs())
            .map(|i| match cx.ty(i) {
                Some(ValueType::Sequence(item)) if i < formal => Some((**item).clone()),
                other => other.cloned(),
            })
            .collect();
        let outputs = infer_outputs(&self.body, &types)?;
        for (i, ty) in outputs.iter().enumerate() {
            cx.set(i, ValueType::Sequence(Box::new(without_contents(ty))));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let formal = self.formal(cx.n_inputs())?;
        let len = cx.sequence(0)?.len();
        let mut results: Vec<Vec<Datum>> = vec![Vec::with_capacity(len); self.body.outputs().len()];
        for at in 0..len {
            cx.environment().check()?;
            let item = |(index, value): (usize, &Option<Datum>)| match value {
                Some(Datum::Sequence(items)) if index < formal => match items.get(at) {
                    Some(item) => Ok(Some(item.clone())),
                    None => Err(OpError::shape(format!(
                        "input {index} has {} items, expected {len}",
                        items.len()
                    ))),
                },
                other => Ok(other.clone()),
            };
            let inputs = cx.inputs().iter().enumerate().map(item).collect::<Result<_, _>>()?;
            for (list, value) in results.iter_mut().zip(cx.run_graph(&self.body, inputs)?) {
                list.push(value);
            }
        }
        for (i, list) in results.into_iter().enumerate() {
            cx.set(i, Datum::Sequence(list));
        }
        Ok(())
    }

    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        vec![("body", &self.body)]
    }

    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let [body] = graphs.try_into().ok()?;
        Some(Arc::new(Self { body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;
    use crate::testing::{Case, f32s};
    use lehr_graph::Origin;

    #[test]
    fn maps_items_and_repeats_tensors() {
        let mut g = Graph::new("body");
        let inputs = ["a", "b"].map(|name| Some(g.add_input(name, ValueType::Unknown)));
        let node = g.add_node(Arc::new(Add {}), inputs.to_vec(), 1, "", Origin::default()).unwrap();
        g.set_outputs(g.node(node).outputs().to_vec());
        let sequence = |v: [f32; 2]| Datum::Sequence(v.iter().map(|&x| f32s(&[1], &[x]).into()).collect());
        Case::new(SequenceMap { body: Arc::new(g) })
            .input(sequence([1.0, 2.0]))
            .input(f32s(&[1], &[10.0]))
            .expect(sequence([11.0, 12.0]));
    }
}
