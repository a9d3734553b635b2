//! What Softmax, LogSoftmax and Hardmax share: one axis along which they work, and reading of the opsets before 13, in
//! which they worked on all axes from one on together.

use lehr_graph::{
    AxisMap, AxisRole, Cost, Dim, EvalCx, Op, OpError, ReadCx, ReadValues, Shape, Signature, ValueId,
};
use lehr_tensor::{Tensor, Wide};

use crate::axis::{resolve_axis, split_at_axis};
use crate::flatten::Flatten;
use crate::reshape::Reshape;
use crate::shape;

/// Emits `op` along the file's axis.
pub(crate) fn read<O: Op>(cx: &mut ReadCx<'_>, op: impl Fn(i64) -> O) -> Result<ReadValues, OpError> {
    let axis = cx.attribute::<i64>("axis")?;
    if cx.opset() >= 13 {
        return cx.emit_same(op(axis.unwrap_or(-1)));
    }
    let x = cx.require(0)?;
    let axis = axis.unwrap_or(1);
    let Some(shape) = cx.ty(x).shape().cloned() else {
        let rows = cx.emit_one(Flatten { axis }, &[x])?;
        let rows = cx.emit_one(op(-1), &[rows])?;
        return Ok(vec![in_shape_of(cx, rows, x)?]);
    };
    // The axis behind the last one is allowed: it flattens to rows of one element.
    let axis = if usize::try_from(axis) == Ok(shape.rank()) {
        shape.rank()
    } else {
        resolve_axis(axis, shape.rank())?
    };
    let (_, trailing) = shape.dims().split_at(axis);
    let long: Vec<usize> = (axis..shape.rank()).filter(|&a| shape.get(a) != Some(&Dim::Fixed(1))).collect();
    match long.as_slice() {
        [] if axis < shape.rank() => cx.emit_same(op(-1)),
        [only] => cx.emit_same(op(i64::try_from(*only).unwrap_or(-1))),
        _ if trailing.contains(&Dim::Fixed(0)) => cx.emit_same(op(-1)),
        _ => flattened(cx, x, axis, trailing, op(-1)).map(|y| vec![y]),
    }
}

/// `op` on the flattened input, in its shape again.
fn flattened(
    cx: &mut ReadCx<'_>,
    x: ValueId,
    axis: usize,
    trailing: &[Dim],
    op: impl Op,
) -> Result<ValueId, OpError> {
    let unknown = trailing.iter().filter(|d| d.as_fixed().is_none()).count();
    // A zero in the shape copies the size, a minus one takes the rest.
    let leading = vec![0i64; axis];
    let mut flat = leading.clone();
    flat.push(if trailing.is_empty() { 1 } else { -1 });
    let mut full = leading;
    full.extend(trailing.iter().map(|d| d.as_fixed().and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)));
    let flat = cx.ints(&flat);
    let rows = cx.emit_one(Reshape { allowzero: false }, &[x, flat])?;
    let rows = cx.emit_one(op, &[rows])?;
    if unknown > 1 {
        return in_shape_of(cx, rows, x);
    }
    let full = cx.ints(&full);
    cx.emit_one(Reshape { allowzero: false }, &[rows, full])
}

fn in_shape_of(cx: &mut ReadCx<'_>, rows: ValueId, x: ValueId) -> Result<ValueId, OpError> {
    let shape = cx.emit_one(shape::Shape { start: 0, end: None }, &[x])?;
    cx.emit_one(Reshape { allowzero: true }, &[rows, shape])
}

/// Evaluates `f` on each line of elements along the axis.
pub(crate) fn eval(cx: &mut EvalCx<'_>, axis: i64, f: impl Fn(&mut [f64])) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let Wide::F(mut values) = x.widen() else {
        return Err(OpError::input_type(0, "a floating-point type", x.dtype()));
    };
    // A scalar is a line of one element.
    let shape = if x.rank() == 0 { &[1] } else { x.shape() };
    let (outer, n, inner) = split_at_axis(shape, resolve_axis(axis, shape.len())?);
    for o in 0..outer {
        for i in 0..inner {
            let place = |k: usize| (o * n + k) * inner + i;
            let mut line: Vec<f64> = (0..n).map(|k| values[place(k)]).collect();
            f(&mut line);
            line.into_iter().enumerate().for_each(|(k, v)| values[place(k)] = v);
        }
    }
    cx.set(0, Tensor::narrow(x.dtype(), x.shape(), Wide::F(values))?);
    Ok(())
}

/// Every other axis is independent.
pub(crate) fn axes(io: &Signature<'_>, axis: i64) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    let Some(rank) = io.input_shape(0).map(Shape::rank) else { return map };
    let Ok(axis) = resolve_axis(axis, rank) else { return map };
    let role = |a| if a == axis { AxisRole::Mixed } else { AxisRole::Independent(vec![(0, a)]) };
    map.outputs = vec![(0..rank).map(role).collect()];
    map.reduced = vec![(0, axis)];
    map
}

/// A sum and a product for each element.
pub(crate) fn cost(io: &Signature<'_>) -> Cost {
    Cost::of_macs(io, io.input_shape(0).map_or(Dim::Unknown, Shape::numel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lehr_graph::{Attribute, Graph, Origin, SourceNode, ValueType};
    use lehr_tensor::DataType;

    fn operators(opset: i64, axis: Option<i64>, shape: &str) -> String {
        let mut graph = Graph::new("g");
        let shape = shape.parse::<Shape>().unwrap();
        let x = graph.add_input("x", ValueType::tensor(DataType::F32, shape));
        let mut node = SourceNode { op_type: "Softmax".into(), opset, n_outputs: 1, ..Default::default() };
        if let Some(axis) = axis {
            node.attributes.set("axis", Attribute::Int(axis));
        }
        let mut cx = ReadCx::new(&mut graph, &node, vec![Some(x)], Origin::default());
        let y = read(&mut cx, |axis| crate::softmax::Softmax { axis }).unwrap();
        let ty = graph.value(y[0]).ty().to_string();
        let ops = graph.topological_order().into_iter().map(|id| format!("{:?}", graph.node(id).op()));
        format!("{} -> {ty}", ops.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn old_forms() {
        let plain = "Reshape { allowzero: false }";
        for (opset, axis, shape, want) in [
            (13, None, "[2,3,4]", "Softmax { axis: -1 } -> f32[2,3,4]".to_owned()),
            (12, None, "[2,3]", "Softmax { axis: 1 } -> f32[2,3]".to_owned()),
            (12, None, "[N,1000,1,1]", "Softmax { axis: 1 } -> f32[N,1000,1,1]".to_owned()),
            (11, Some(-1), "[2,3,4]", "Softmax { axis: 2 } -> f32[2,3,4]".to_owned()),
            (1, None, "[N,3,H]", format!("{plain} Softmax {{ axis: -1 }} {plain} -> f32[N,3,H]")),
            (
                1,
                None,
                "[N,C,H]",
                format!(
                    "{plain} Softmax {{ axis: -1 }} Shape {{ start: 0, end: None }} Reshape {{ allowzero: true }} -> f32[N,C,H]"
                ),
            ),
            (1, None, "[5]", format!("{plain} Softmax {{ axis: -1 }} {plain} -> f32[5]")),
        ] {
            assert_eq!(operators(opset, axis, shape), want);
        }
    }
}
