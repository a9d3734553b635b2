//! What reductions over axes share: <https://onnx.ai/onnx/operators/onnx__ReduceSum.html> and its family.

use lehr_graph::dim::SymInt;
use lehr_graph::{
    AxisMap, AxisRole, Builder, Cost, Dim, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx,
    ReadValues, Shape, Signature, SymValues, ValueId, WriteCx,
};
use lehr_tensor::{Tensor, Wide};

use crate::axis::resolve_axes;
use crate::renamed_axes::{constant_ints, has_input, ints_like, keeps_order, reduced, renamed_axes};

/// The attributes that all reductions have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// Reduced axes stay with size 1.
    pub keepdims: bool,
    /// An absent or empty list of axes means none, instead of all.
    pub noop_with_empty_axes: bool,
}

impl Modes {
    fn axes(self, given: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, OpError> {
        match given {
            Some(axes) if !axes.is_empty() => resolve_axes(&axes, rank),
            _ if self.noop_with_empty_axes => Ok(Vec::new()),
            _ => Ok((0..rank).collect()),
        }
    }

    fn reduced<T: Clone>(self, dims: &[T], axes: &[usize], one: &T) -> Vec<T> {
        dims.iter()
            .enumerate()
            .filter(|(axis, _)| self.keepdims || !axes.contains(axis))
            .map(|(axis, dim)| if axes.contains(&axis) { one.clone() } else { dim.clone() })
            .collect()
    }
}

/// What is computed from the elements of one group. An empty group is allowed; `None` means that it has no value.
pub(crate) struct Reduction {
    /// On floating-point numbers; rounded to the type afterwards.
    pub float: fn(&[f64]) -> f64,
    /// On signed integers; the result wraps to the type.
    pub signed: fn(&[i64]) -> Option<i64>,
    /// On unsigned integers; the result wraps to the type.
    pub unsigned: fn(&[u64]) -> Option<u64>,
    /// On truth values, where the operator takes them.
    pub truth: Option<fn(&[bool]) -> bool>,
}

/// Reads a reduction, whose axes were an attribute in older opsets.
pub(crate) fn read(cx: &mut ReadCx<'_>, op: impl Op) -> Result<ReadValues, OpError> {
    let inputs = cx.inputs_with_ints(1, "axes")?;
    cx.emit(op, inputs, 1)
}

/// Writes a reduction for an opset before `axes_input`, in which the axes became an input.
pub(crate) fn write(cx: &mut WriteCx<'_>, modes: Modes, axes_input: i64) -> Result<(), OpError> {
    if cx.opset() >= axes_input {
        return Ok(());
    }
    let constant = cx.io().constants.get(1).copied().flatten();
    let has_axes = cx.inputs_mut().len() > 1;
    if modes.noop_with_empty_axes && constant.is_none_or(|axes| axes.is_empty()) {
        return Err(OpError::Unsupported(format!(
            "opset {} has no 'noop_with_empty_axes', and the axes are not a constant with contents",
            cx.opset()
        )));
    }
    cx.attributes_mut().remove("noop_with_empty_axes");
    if has_axes && constant.is_some_and(|axes| axes.is_empty()) {
        cx.inputs_mut().truncate(1);
        return Ok(());
    }
    cx.ints_to_attribute(1, "axes")
}

/// Output 0 has the type of input 0 without the reduced axes.
pub(crate) fn infer(cx: &mut InferCx<'_>, modes: Modes) -> Result<(), OpError> {
    let dtype = cx.dtype(0)?;
    let shape = infer_shape(cx, modes)?;
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

fn infer_shape(cx: &InferCx<'_>, modes: Modes) -> Result<Option<Shape>, OpError> {
    let Some(shape) = cx.shape(0) else { return Ok(None) };
    let given = if cx.has_input(1) { known_axes(cx)? } else { Some(None) };
    let Some(given) = given else {
        return Ok(modes.keepdims.then(|| Shape::unknown(shape.rank())));
    };
    let axes = modes.axes(given, shape.rank())?;
    Ok(Some(modes.reduced(shape.dims(), &axes, &Dim::Fixed(1)).into_iter().collect()))
}

/// The axes of input 1 in as far as they are known; `Some(None)` never.
fn known_axes(cx: &InferCx<'_>) -> Result<Option<Option<Vec<i64>>>, OpError> {
    if let Some(axes) = cx.constant_ints(1)? {
        return Ok(Some(Some(axes)));
    }
    let empty = cx.shape(1).is_some_and(|s| s.numel().as_fixed() == Some(0));
    Ok(cx.known(1).and_then(|k| k.as_constants()).or(empty.then(Vec::new)).map(Some))
}

/// Sets the known contents of output 0 when everything of a known vector is folded into one number.
pub(crate) fn infer_known(cx: &mut InferCx<'_>, start: &SymInt, f: impl Fn(&SymInt, &SymInt) -> SymInt) {
    let Some(x) = cx.known(0) else { return };
    let Some(shape) = cx.outputs().first().and_then(|t| t.shape()).and_then(Shape::as_fixed) else { return };
    if x.rank() != 1 || shape.iter().product::<usize>() != 1 {
        return;
    }
    let total = match x.values() {
        [] => start.clone(),
        [first, rest @ ..] => rest.iter().fold(first.clone(), |a, b| f(&a, b)),
    };
    cx.set_known(0, SymValues::filled(&shape, &total).ok());
}

/// Evaluates `f` on each group of elements that differ in the reduced axes alone.
pub(crate) fn eval(cx: &mut EvalCx<'_>, modes: Modes, f: &Reduction) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let axes = modes.axes(cx.optional_ints(1)?, x.rank())?;
    let shape = modes.reduced(x.shape(), &axes, &1);
    let groups = Groups::new(x.shape(), &axes);
    let y = match x.widen() {
        Wide::F(v) => Wide::F(groups.map(&v, f.float)),
        Wide::I(v) => Wide::I(valued(groups.map(&v, f.signed))?),
        Wide::U(v) => Wide::U(valued(groups.map(&v, f.unsigned))?),
        Wide::B(v) => match f.truth {
            Some(truth) => Wide::B(groups.map(&v, truth)),
            None => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
        },
        _ => return Err(OpError::input_type(0, "a numeric type", x.dtype())),
    };
    let y = match y {
        // An empty group has the least or greatest value of the wide type; the narrow type has its own.
        Wide::I(v) => Wide::I(v.into_iter().map(|n| clamp_signed(n, x.dtype().bits(), groups.len)).collect()),
        Wide::U(v) => {
            Wide::U(v.into_iter().map(|n| clamp_unsigned(n, x.dtype().bits(), groups.len)).collect())
        }
        other => other,
    };
    cx.set(0, Tensor::narrow(x.dtype(), &shape, y)?);
    Ok(())
}

fn valued<T>(values: Vec<Option<T>>) -> Result<Vec<T>, OpError> {
    let all: Option<Vec<T>> = values.into_iter().collect();
    all.ok_or_else(|| OpError::value("reduction of nothing, which has no integer value"))
}

fn clamp_signed(n: i64, bits: usize, group: usize) -> i64 {
    let shift = 64usize.saturating_sub(bits).min(63);
    if group == 0 { n.clamp(i64::MIN >> shift, i64::MAX >> shift) } else { n }
}

fn clamp_unsigned(n: u64, bits: usize, group: usize) -> u64 {
    if group == 0 { n.min(u64::MAX >> 64usize.saturating_sub(bits).min(63)) } else { n }
}

/// Where the elements of each group lie in a row-major tensor.
struct Groups {
    /// Start of each group, in the order of the result.
    starts: Vec<usize>,
    /// Places of a group's elements relative to its start.
    offsets: Vec<usize>,
    len: usize,
}

impl Groups {
    fn new(shape: &[usize], axes: &[usize]) -> Self {
        let strides = lehr_tensor::row_major_strides(shape);
        let places = |reduced: bool| {
            let chosen = (0..shape.len()).filter(|axis| axes.contains(axis) == reduced);
            chosen.fold(vec![0], |places, axis| {
                let step = strides.get(axis).copied().unwrap_or(0);
                let size = shape.get(axis).copied().unwrap_or(1);
                places.iter().flat_map(|&at| (0..size).map(move |i| at + i * step)).collect()
            })
        };
        let (starts, offsets) = (places(false), places(true));
        Self { starts, len: offsets.len(), offsets }
    }

    fn map<T: Copy, R>(&self, values: &[T], f: impl Fn(&[T]) -> R) -> Vec<R> {
        let mut group = Vec::with_capacity(self.len);
        self.starts
            .iter()
            .map(|start| {
                group.clear();
                group.extend(self.offsets.iter().filter_map(|at| values.get(start + at).copied()));
                f(&group)
            })
            .collect()
    }
}

/// One operation for each element that is read, as for the global poolings that say the same.
pub(crate) fn cost(io: &Signature<'_>) -> Cost {
    Cost::of_macs(io, io.input_shape(0).map_or(Dim::Unknown, Shape::numel))
}

/// Output axes come from the kept input axes.
pub(crate) fn axes(io: &Signature<'_>, modes: Modes) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    let Some(shape) = io.input_shape(0) else { return map };
    let constant = io.constants.get(1).copied().flatten();
    let given = match (io.inputs.get(1).copied().flatten(), constant) {
        (None, _) => None,
        (Some(_), Some(axes)) => axes.to_i64s().ok(),
        (Some(_), None) => return map,
    };
    let Ok(axes) = modes.axes(given, shape.rank()) else { return map };
    let all: Vec<usize> = (0..shape.rank()).collect();
    let kept = modes.reduced(&all, &axes, &usize::MAX);
    map.outputs = vec![
        kept.into_iter()
            .map(|axis| match axis {
                usize::MAX => AxisRole::Mixed,
                axis => AxisRole::Independent(vec![(0, axis)]),
            })
            .collect(),
    ];
    map.reduced = axes.into_iter().map(|axis| (0, axis)).collect();
    map
}

/// The reduction of a value in another order of axes, which keeps the order in which each group is added up.
pub(crate) fn permuted(io: &Signature<'_>, order: &Permutation, modes: Modes) -> Option<Permuted> {
    let given = if has_input(io, 1) { Some(constant_ints(io, 1)?) } else { None };
    let axes = modes.axes(given.clone(), order.rank()).ok()?;
    if !keeps_order(io, order, &axes) {
        return None;
    }
    let permuted = reduced(io, None, order, &axes, modes.keepdims);
    let Some(given) = given else { return Some(permuted) };
    Some(permuted.with_constant(1, ints_like(io, 1, renamed_axes(&given, order)?)?))
}

/// A reduction of `x` over the axes of the node that `builder` expresses.
pub(crate) fn call(builder: &mut Builder, op: impl Op, x: ValueId) -> Result<ValueId, OpError> {
    let inputs = match builder.input(1) {
        Some(axes) => vec![Some(x), Some(axes)],
        None => vec![Some(x)],
    };
    let outputs = builder.call_n(op, &inputs, 1)?;
    outputs.first().copied().ok_or(OpError::MissingInput { index: 0 })
}
