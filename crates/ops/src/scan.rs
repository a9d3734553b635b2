//! `Scan`: <https://onnx.ai/onnx/operators/onnx__Scan.html>

use std::sync::Arc;

use lehr_graph::{
    Datum, Dim, EvalCx, Graph, InferCx, Op, OpError, OpRef, ReadCx, ReadValues, Shape, TensorType, ValueType,
    declare_op,
};
use lehr_tensor::Tensor;

use crate::axis::resolve_axis;
use crate::iteration::{Collected, infer_body, stacked_type, types_of_no_iteration, without_contents};
use crate::movement::count;
use crate::scan_8;
use crate::split::narrow;

declare_op! {
    /// Runs the body for each slice of the last `num_scan_inputs` inputs. The inputs before are states, carried from
    /// one slice to the next; further outputs of the body are collected along a new axis.
    pub struct Scan("", "Scan", 25) inputs(1, usize::MAX) outputs(1, usize::MAX) flags(CONTROL_FLOW)
    read(Self::read) {
        /// Takes the states and one slice of each scanned input.
        body: Arc<Graph>,
        /// How many inputs are scanned.
        num_scan_inputs: i64,
        /// For each scanned input the axis; 0 by default.
        scan_input_axes: Option<Vec<i64>> = None,
        /// For each scanned input whether it is scanned backwards; forwards by default.
        scan_input_directions: Option<Vec<i64>> = None,
        /// For each collected output the axis; 0 by default.
        scan_output_axes: Option<Vec<i64>> = None,
        /// For each collected output whether results are prepended; appended by default.
        scan_output_directions: Option<Vec<i64>> = None,
    }
}

/// Numbers of a node's inputs and outputs by kind.
pub(crate) struct Layout {
    pub(crate) states: usize,
    pub(crate) scanned: usize,
    pub(crate) collected: usize,
}

impl Scan {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() < 9 {
            return scan_8::read(cx);
        }
        let op = Self::from_attributes(cx.attributes())?;
        cx.emit_same(op)
    }

    /// The kinds of inputs and outputs of a node with that many inputs.
    pub(crate) fn layout(&self, n_inputs: usize) -> Result<Layout, OpError> {
        let wrong = || {
            OpError::shape(format!(
                "the body has {} inputs and {} outputs, which do not fit {n_inputs} inputs of which {} are scanned",
                self.body.inputs().len(),
                self.body.outputs().len(),
                self.num_scan_inputs
            ))
        };
        let formal = n_inputs.checked_sub(self.body.captures().len()).ok_or_else(wrong)?;
        let scanned = usize::try_from(self.num_scan_inputs).ok().filter(|&n| n > 0).ok_or_else(wrong)?;
        let states = formal.checked_sub(scanned).ok_or_else(wrong)?;
        let collected = self.body.outputs().len().checked_sub(states).ok_or_else(wrong)?;
        if self.body.inputs().len() != formal {
            return Err(wrong());
        }
        Ok(Layout { states, scanned, collected })
    }
}

fn entry(list: &Option<Vec<i64>>, index: usize) -> i64 {
    list.as_ref().and_then(|l| l.get(index).copied()).unwrap_or(0)
}

impl Op for Scan {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let layout = self.layout(cx.n_inputs())?;
        let initial = (0..layout.states).map(|i| cx.ty(i).cloned().unwrap_or_default()).collect();
        let mut length = Dim::Unknown;
        let mut slices = Vec::with_capacity(layout.scanned);
        for i in 0..layout.scanned {
            let ty = cx.require(layout.states + i)?;
            slices.push(Some(match ty.shape() {
                Some(shape) => {
                    let axis = resolve_axis(entry(&self.scan_input_axes, i), shape.rank())?;
                    let mut dims = shape.dims().to_vec();
                    let size = dims.remove(axis);
                    if size.equal(&length) == Some(false) {
                        return Err(OpError::shape(format!("scanned inputs of {length} and {size} steps")));
                    }
                    if length.as_fixed().is_none() && !size.is_unknown() {
                        length = size;
                    }
                    ValueType::Tensor(TensorType {
                        dtype: ty.dtype(),
                        shape: Some(Shape::from(dims)),
                        known: None,
                    })
                }
                None => ValueType::Tensor(TensorType { dtype: ty.dtype(), shape: None, known: None }),
            }));
        }
        let formal = layout.states + layout.scanned;
        let captures: Vec<_> = (formal..cx.n_inputs()).map(|i| cx.ty(i).cloned()).collect();
        let types = infer_body(&self.body, initial, 0, |states| {
            states
                .iter()
                .cloned()
                .map(Some)
                .chain(slices.iter().cloned())
                .chain(captures.iter().cloned())
                .collect()
        })?;
        for (i, ty) in types.carried.into_iter().enumerate() {
            cx.set(i, ty);
        }
        for (i, ty) in types.outputs.iter().skip(layout.states).enumerate() {
            let axis = entry(&self.scan_output_axes, i);
            cx.set(layout.states + i, stacked_type(&without_contents(ty), axis, &length));
        }
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let layout = self.layout(cx.n_inputs())?;
        let formal = layout.states + layout.scanned;
        let mut states: Vec<Option<Datum>> = cx.inputs()[..layout.states].to_vec();
        let captures = cx.inputs()[formal..].to_vec();
        let mut scanned = Vec::with_capacity(layout.scanned);
        let mut length = None;
        for i in 0..layout.scanned {
            let x = cx.tensor(layout.states + i)?;
            let axis = resolve_axis(entry(&self.scan_input_axes, i), x.rank())?;
            let size = x.shape()[axis];
            if *length.get_or_insert(size) != size {
                return Err(OpError::shape(format!("scanned input {i} has {size} steps, others {length:?}")));
            }
            scanned.push((x, axis, entry(&self.scan_input_directions, i) != 0));
        }
        let length = length.unwrap_or(0);
        let mut collected: Vec<Collected> = Vec::new();
        collected.resize_with(layout.collected, Collected::default);
        for step in 0..length {
            cx.environment().check()?;
            let slices = scanned.iter().map(|&(x, axis, backwards)| {
                let at = if backwards { length - 1 - step } else { step };
                Ok(Some(slice_at(x, axis, at)?.into()))
            });
            let slices = slices.collect::<Result<Vec<Option<Datum>>, OpError>>()?;
            let inputs = states.into_iter().chain(slices).chain(captures.iter().cloned()).collect();
            let mut outputs = cx.run_graph(&self.body, inputs)?.into_iter();
            states = outputs.by_ref().take(layout.states).map(Some).collect();
            for (results, value) in collected.iter_mut().zip(outputs) {
                results.push(value, cx.environment())?;
            }
        }
        let types = if length == 0 && layout.collected > 0 {
            let slices = scanned.iter().map(|&(x, axis, _)| {
                let mut sizes = x.shape().to_vec();
                sizes.remove(axis);
                Some(ValueType::tensor(x.dtype(), Shape::from(&sizes[..])))
            });
            let ty = |v: &Option<Datum>| v.as_ref().map(Datum::value_type);
            types_of_no_iteration(
                &self.body,
                states.iter().map(ty).chain(slices).chain(captures.iter().map(ty)),
            )?
        } else {
            vec![ValueType::Unknown; self.body.outputs().len()]
        };
        for (i, state) in states.into_iter().enumerate() {
            if let Some(state) = state {
                cx.set(i, state);
            }
        }
        for (i, results) in collected.into_iter().enumerate() {
            let axis = entry(&self.scan_output_axes, i);
            let backwards = entry(&self.scan_output_directions, i) != 0;
            let y = results.stack(axis, backwards, &types[layout.states + i])?;
            cx.set(layout.states + i, y);
        }
        Ok(())
    }

    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        vec![("body", &self.body)]
    }

    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let [body] = graphs.try_into().ok()?;
        Some(Arc::new(Self { body, ..self.clone() }))
    }
}

/// The slice at index `at` of `axis`, without the axis.
fn slice_at(x: &Tensor, axis: usize, at: usize) -> Result<Tensor, OpError> {
    let mut shape = x.shape().to_vec();
    shape.remove(axis);
    if count(&shape) == 0 {
        return Ok(Tensor::zeros(x.dtype(), &shape)?);
    }
    Ok(narrow(x, axis, at, 1)?.reshape(&shape)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::Add;
    use crate::testing::{Case, f32s};
    use lehr_graph::Origin;

    #[test]
    fn running_sums_forwards_and_backwards() {
        let mut g = Graph::new("body");
        let (sum, x) = (g.add_input("sum", ValueType::Unknown), g.add_input("x", ValueType::Unknown));
        let node = g.add_node(Arc::new(Add {}), vec![Some(sum), Some(x)], 1, "", Origin::default()).unwrap();
        let y = g.node(node).outputs()[0];
        g.set_outputs(vec![y, y]);
        let body = Arc::new(g);
        for (backwards, all) in [(0, [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]), (1, [6.0, 5.0, 3.0, 15.0, 11.0, 6.0])]
        {
            Case::new(Scan {
                body: body.clone(),
                num_scan_inputs: 1,
                scan_input_axes: Some(vec![1]),
                scan_input_directions: Some(vec![backwards]),
                scan_output_axes: Some(vec![-1]),
                scan_output_directions: Some(vec![backwards]),
            })
            .input(f32s(&[2], &[0.0, 0.0]))
            .input(f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
            .expect_all(vec![f32s(&[2], &[6.0, 15.0]).into(), f32s(&[2, 3], &all).into()]);
        }
    }
}
