//! `Loop`: <https://onnx.ai/onnx/operators/onnx__Loop.html>

use std::sync::Arc;

use lehr_graph::{
    Datum, Dim, EvalCx, Graph, InferCx, Op, OpError, OpRef, Shape, ValueId, ValueType, declare_op,
};
use lehr_tensor::{DataType, Tensor};

use crate::identity::Identity;
use crate::iteration::{
    BodyTypes, Collected, infer_body, stacked_type, types_of_no_iteration, without_contents,
};

declare_op! {
    /// Runs the body again and again: at most as often as input 0 says, as long as the condition (input 1, then the
    /// body's first output) holds. The other inputs are carried from one iteration to the next; further outputs of the
    /// body are collected along a new first axis.
    pub struct Loop("", "Loop", 25) inputs(0, usize::MAX) outputs(0, usize::MAX) flags(CONTROL_FLOW) {
        /// Takes the iteration's number, the condition and the carried values.
        body: Arc<Graph>,
    }
}

impl Loop {
    /// How many values are carried, for a node with that many inputs.
    fn carried(&self, n_inputs: usize) -> Result<usize, OpError> {
        let formal = n_inputs.checked_sub(self.body.captures().len());
        let (outputs, expected) = (self.body.outputs().len(), self.body.inputs().len().saturating_sub(2));
        match formal.map(|formal| formal.saturating_sub(2)) {
            Some(carried) if carried == expected && outputs > carried => Ok(carried),
            _ => Err(OpError::shape(format!(
                "the body has {} inputs and {outputs} outputs, which do not fit a node of {n_inputs} inputs",
                self.body.inputs().len()
            ))),
        }
    }

    fn infer_types(&self, cx: &InferCx<'_>) -> Result<BodyTypes, OpError> {
        let carried = self.carried(cx.n_inputs())?;
        let initial = (2..2 + carried).map(|i| cx.ty(i).cloned().unwrap_or_default()).collect();
        let captures: Vec<_> = self.capture_slots(cx.n_inputs()).map(|i| cx.ty(i).cloned()).collect();
        infer_body(&self.body, initial, 1, |carried| {
            let number = ValueType::tensor(DataType::I64, Shape::new());
            let condition = ValueType::tensor(DataType::Bool, Shape::new());
            let given = [number, condition].into_iter().chain(carried.iter().cloned()).map(Some);
            given.chain(captures.iter().cloned()).collect()
        })
    }

    fn capture_slots(&self, n_inputs: usize) -> std::ops::Range<usize> {
        n_inputs.saturating_sub(self.body.captures().len())..n_inputs
    }

    /// Whether the condition can not end the loop: the body hands its own one through, or a constant.
    fn runs_to_the_end(&self, cx: &InferCx<'_>) -> bool {
        let is_true = |t: &Tensor| t.as_slice::<bool>().is_ok_and(|v| v.first() == Some(&true));
        let starts = !cx.has_input(1) || cx.constant(1).is_some_and(is_true);
        let source = self.body.outputs().first().map(|&v| through_identities(&self.body, v));
        starts
            && source.is_some_and(|v| {
                self.body.inputs().get(1) == Some(&v) || self.body.constant(v).is_some_and(is_true)
            })
    }

    fn trips(&self, cx: &InferCx<'_>) -> Dim {
        if !self.runs_to_the_end(cx) {
            return Dim::Unknown;
        }
        let most = cx.known(0).and_then(|k| k.sole().cloned());
        most.map_or(Dim::Unknown, |m| m.maximum(&0.into()).to_dim())
    }
}

fn through_identities(graph: &Graph, mut value: ValueId) -> ValueId {
    while let Some(node) = graph.producer(value).map(|id| graph.node(id)) {
        match (node.op().is::<Identity>(), node.input(0)) {
            (true, Some(input)) => value = input,
            _ => break,
        }
    }
    value
}

impl Op for Loop {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let types = self.infer_types(cx)?;
        let carried = types.carried.len();
        let trips = self.trips(cx);
        for (i, ty) in types.carried.into_iter().enumerate() {
            cx.set(i, ty);
        }
        for (i, ty) in types.outputs.iter().enumerate().skip(1 + carried) {
            cx.set(i - 1, stacked_type(&without_contents(ty), 0, &trips));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let n_carried = self.carried(cx.n_inputs())?;
        let most = match cx.optional_ints(0)?.as_deref() {
            None | Some([]) => i64::MAX,
            Some([most]) => *most,
            Some(other) => {
                return Err(OpError::shape(format!("the trip count has {} elements", other.len())));
            }
        };
        let mut condition = match cx.optional_tensor(1)? {
            None => true,
            Some(t) if t.is_empty() => true,
            Some(t) => truth(t)?,
        };
        let captures = cx.inputs()[self.capture_slots(cx.n_inputs())].to_vec();
        let mut carried: Vec<Option<Datum>> = (2..2 + n_carried).map(|i| cx.datum(i).cloned()).collect();
        let mut collected: Vec<Collected> = Vec::new();
        collected.resize_with(self.body.outputs().len() - 1 - n_carried, Collected::default);
        let mut number = 0;
        while number < most && condition {
            cx.environment().check()?;
            let given = [Some(Tensor::scalar(number).into()), Some(Tensor::scalar(condition).into())];
            let inputs = given.into_iter().chain(carried).chain(captures.iter().cloned()).collect();
            let mut outputs = cx.run_graph(&self.body, inputs)?.into_iter();
            condition = match outputs.next() {
                Some(Datum::Tensor(t)) => truth(&t)?,
                _ => return Err(OpError::value("the body gives no condition")),
            };
            carried = outputs.by_ref().take(n_carried).map(Some).collect();
            for (results, value) in collected.iter_mut().zip(outputs) {
                results.push(value, cx.environment())?;
            }
            number += 1;
        }
        let types = if number == 0 && !collected.is_empty() {
            let given = [
                ValueType::tensor(DataType::I64, Shape::new()),
                ValueType::tensor(DataType::Bool, Shape::new()),
            ];
            let values = carried.iter().chain(&captures).map(|v| v.as_ref().map(Datum::value_type));
            types_of_no_iteration(&self.body, given.into_iter().map(Some).chain(values))?
        } else {
            vec![ValueType::Unknown; self.body.outputs().len()]
        };
        for (i, value) in carried.into_iter().enumerate() {
            if let Some(value) = value {
                cx.set(i, value);
            }
        }
        for (i, results) in collected.into_iter().enumerate() {
            let y = results.stack(0, false, &types[1 + n_carried + i])?;
            cx.set(n_carried + i, y);
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

fn truth(condition: &Tensor) -> Result<bool, OpError> {
    match condition.as_slice::<bool>()?[..] {
        [truth] => Ok(truth),
        ref other => Err(OpError::shape(format!("the condition needs one element, got {}", other.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;
    use crate::concat::Concat;
    use crate::testing::{Case, f32s, i64s};
    use lehr_graph::Origin;

    /// Carries `x ← op(x, captured)` and collects the new `x`.
    fn body(op: impl Op, ty: ValueType) -> Arc<Graph> {
        let mut g = Graph::new("body");
        g.add_input("i", ValueType::tensor(DataType::I64, Shape::new()));
        let condition = g.add_input("go", ValueType::tensor(DataType::Bool, Shape::new()));
        let x = g.add_input("x", ty);
        let step = g.add_capture("step", ValueType::Unknown);
        let node = g.add_node(Arc::new(op), vec![Some(x), Some(step)], 1, "", Origin::default()).unwrap();
        let y = g.node(node).outputs()[0];
        g.set_outputs(vec![condition, y, y]);
        Arc::new(g)
    }

    #[test]
    fn carries_and_collects() {
        let body = body(Add {}, ValueType::Unknown);
        for (trips, last, all) in [(3i64, 7.0, vec![3.0, 5.0, 7.0]), (0, 1.0, vec![])] {
            Case::new(Loop { body: body.clone() })
                .constant(Tensor::scalar(trips))
                .absent()
                .input(f32s(&[1], &[1.0]))
                .input(f32s(&[1], &[2.0]))
                .run(2)
                .map(|ways| {
                    let outputs = &ways[0].1;
                    assert_eq!(outputs[0], Some(f32s(&[1], &[last]).into()));
                    let Some(Datum::Tensor(t)) = &outputs[1] else { panic!("not set") };
                    assert_eq!(*t, f32s(&[all.len(), 1], &all));
                })
                .unwrap();
        }
    }

    #[test]
    fn a_growing_value_loses_its_size_only() {
        let body = body(Concat { axis: 0 }, ValueType::Unknown);
        let (x, step) = (ValueType::tensor(DataType::I64, Shape::from([Dim::Fixed(1)])), i64s(&[1], &[4]));
        let step = Datum::from(step).value_type();
        let trips = Tensor::scalar(2i64);
        let mut cx = InferCx::new(
            vec![Some(&ValueType::Unknown), None, Some(&x), Some(&step)],
            vec![Some(&trips), None, None, None],
            2,
        );
        Loop { body }.infer(&mut cx).unwrap();
        let types = cx.finish();
        assert_eq!(types[0], ValueType::tensor(DataType::I64, Shape::unknown(1)));
        assert_eq!(types[1], ValueType::tensor(DataType::I64, Shape::from([Dim::Fixed(2), Dim::Unknown])));
    }
}
