//! Removes nodes whose result is one of their inputs: Identity, dropout in inference, and operators whose attributes or
//! sizes make them do nothing. Only what is exact to the bit counts: `x + 0.0` turns `-0.0` into `0.0` and stays.

use lehr_graph::dim::Dim;
use lehr_graph::{Flags, Op, PatchBuilder, Shape, Signature, ValueId, ValueType};
use lehr_ops::resize::{AspectPolicy, CoordinateMode, ResizeMode};
use lehr_ops::{
    add::Add, and::And, bitwise_or::BitwiseOr, bitwise_xor::BitwiseXor, cast::Cast, cast_like::CastLike,
    clip::Clip, concat::Concat, div::Div, expand::Expand, flatten::Flatten, identity::Identity, max::Max,
    mean::Mean, min::Min, mul::Mul, or::Or, pad::Pad, pow::Pow, reshape::Reshape, resize::Resize,
    slice::Slice, squeeze::Squeeze, sub::Sub, sum::Sum, tile::Tile, transpose::Transpose,
    unsqueeze::Unsqueeze, xor::Xor,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct RemoveIdentities;

impl Rewrite for RemoveIdentities {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "remove_identities",
            doc: "removes nodes that give back one of their inputs",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| ![Flags::OPAQUE, Flags::CONTROL_FLOW].iter().any(|&flag| op.flags().contains(flag)))
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let id = found.root();
        let graph = patch.graph();
        let node = graph.node(id);
        let Some((&output, others)) = node.outputs().split_first() else { return Err(Reject::NoEffect) };
        let io = graph.signature(id);
        let Some(input) = same_as(node.op(), &io).and_then(|index| node.input(index)) else {
            return Err(Reject::NoEffect);
        };
        if graph.value(output).uses().is_empty() {
            return Err(Reject::NoEffect);
        }
        let is_read = |v: &ValueId| !graph.value(*v).uses().is_empty();
        if others.iter().any(is_read) {
            return Err(Reject::because("another of its results is read"));
        }
        patch.replace(output, input);
        Ok(())
    }
}

/// The input that output 0 is equal to, bit for bit.
fn same_as(op: &dyn Op, io: &Signature<'_>) -> Option<usize> {
    if op.is::<Identity>() || (op.flags().contains(Flags::TRAINING) && is_inference(io)) {
        return Some(0);
    }
    if io.inputs.len() == 1 && is_fold(op) {
        return Some(0);
    }
    same_elements(op, io).or_else(|| neutral_operand(op, io))
}

/// Operators over any number of inputs, which give back a single one.
fn is_fold(op: &dyn Op) -> bool {
    op.is::<Concat>() || op.is::<Max>() || op.is::<Min>() || op.is::<Sum>() || op.is::<Mean>()
}

/// Whether no input says that this is training.
fn is_inference(io: &Signature<'_>) -> bool {
    io.inputs.iter().zip(&io.constants).all(|(ty, constant)| match (ty, constant) {
        (Some(ty), None) => ty.dtype().is_some_and(|d| d != DataType::Bool),
        (_, Some(constant)) => constant.dtype() != DataType::Bool || constant.bytes().iter().all(|&b| b == 0),
        (None, None) => true,
    })
}

/// Operators that only move elements, here nowhere.
fn same_elements(op: &dyn Op, io: &Signature<'_>) -> Option<usize> {
    if op.is::<Pad>() {
        return all_ints(io, 1, |x| x == 0).then_some(0);
    }
    if op.is::<Clip>() {
        let unbounded = io.inputs.iter().skip(1).all(Option::is_none);
        return unbounded.then_some(0);
    }
    if op.is::<Cast>() || op.is::<CastLike>() {
        let dtype = io.input_dtype(0)?;
        return (io.outputs.first()?.dtype() == Some(dtype)).then_some(0);
    }
    let (before, after) = (io.input_shape(0)?, io.output_shape(0)?);
    if before.equal(after) != Some(true) {
        return None;
    }
    let keeps_order = op.is::<Reshape>()
        || op.is::<Flatten>()
        || op.is::<Squeeze>()
        || op.is::<Unsqueeze>()
        // Repeating or broadcasting to the same size repeats nothing.
        || op.is::<Expand>()
        || op.is::<Tile>()
        // A forward slice as long as its axis is the axis.
        || (op.is::<Slice>() && (io.inputs.get(4).is_none_or(Option::is_none) || all_ints(io, 4, |x| x > 0)))
        || op.downcast_ref::<Resize>().is_some_and(|resize| has_scale_1(resize, io))
        || op.downcast_ref::<Transpose>().is_some_and(|t| keeps_axes(t, before));
    keeps_order.then_some(0)
}

/// Whether a Resize to the same size takes each element from its own place: so it is for scale 1, which sizes like those of
/// the input are, where positions fall on elements and nearest or linear weights are 1 and 0.
fn has_scale_1(resize: &Resize, io: &Signature<'_>) -> bool {
    use CoordinateMode::{TfCropAndResize, TfHalfPixelForNn};
    let moves = matches!(resize.coordinate_transformation_mode, TfCropAndResize | TfHalfPixelForNn);
    let is_exact = !moves && resize.mode != ResizeMode::Cubic && !resize.antialias;
    let is_given = |index: usize| io.inputs.get(index).is_some_and(Option::is_some);
    let scales = io.constants.get(2).copied().flatten().filter(|scales| !scales.is_empty());
    is_exact
        && match scales {
            Some(scales) => scales.to_f64s().is_ok_and(|scales| scales.iter().all(|&scale| scale == 1.0)),
            None => is_given(3) && resize.keep_aspect_ratio_policy == AspectPolicy::Stretch,
        }
}

/// Whether the axes that are longer than 1 keep their order.
fn keeps_axes(transpose: &Transpose, shape: &Shape) -> bool {
    let rank = shape.rank();
    let perm: Vec<usize> = match &transpose.perm {
        Some(perm) => perm.iter().filter_map(|&axis| usize::try_from(axis).ok()).collect(),
        None => (0..rank).rev().collect(),
    };
    let long = perm.iter().filter(|&&axis| shape.get(axis).is_some_and(|size| *size != Dim::Fixed(1)));
    perm.len() == rank && long.is_sorted()
}

fn all_ints(io: &Signature<'_>, index: usize, holds: impl Fn(i64) -> bool) -> bool {
    let constant = io.constants.get(index).copied().flatten();
    constant.and_then(|t| t.to_i64s().ok()).is_some_and(|values| values.into_iter().all(holds))
}

/// `x · 1`, `x - 0` and their like, where the other operand does not make the result larger.
fn neutral_operand(op: &dyn Op, io: &Signature<'_>) -> Option<usize> {
    let [_, _] = io.inputs.as_slice() else { return None };
    let both_sides = op.flags().contains(Flags::COMMUTATIVE);
    (0..if both_sides { 2 } else { 1 }).find(|&index| {
        let constant = io.constants.get(1 - index).copied().flatten();
        constant.is_some_and(|constant| is_neutral(op, constant)) && keeps_type(io, index)
    })
}

fn keeps_type(io: &Signature<'_>, index: usize) -> bool {
    let (Some(Some(before)), Some(after)) = (io.inputs.get(index), io.outputs.first()) else { return false };
    let (ValueType::Tensor(before), ValueType::Tensor(after)) = (before, after) else { return false };
    let same_shape = match (&before.shape, &after.shape) {
        (Some(before), Some(after)) => before.equal(after) == Some(true),
        _ => false,
    };
    before.dtype.is_some() && before.dtype == after.dtype && same_shape
}

fn is_neutral(op: &dyn Op, constant: &Tensor) -> bool {
    let all = |number: f64| match constant.widen() {
        // Bits decide: only -0.0 is neutral to addition, only 0.0 to subtraction.
        Wide::F(values) => values.iter().all(|x| x.to_bits() == number.to_bits()),
        Wide::I(values) => values.iter().all(|&x| x as f64 == number),
        Wide::U(values) => values.iter().all(|&x| x as f64 == number),
        _ => false,
    };
    let all_bool =
        |flag: bool| matches!(constant.widen(), Wide::B(values) if values.iter().all(|&x| x == flag));
    if op.is::<Add>() {
        return all(-0.0);
    }
    if op.is::<Sub>() || op.is::<BitwiseOr>() || op.is::<BitwiseXor>() {
        return all(0.0);
    }
    if op.is::<Mul>() || op.is::<Div>() || op.is::<Pow>() {
        return all(1.0);
    }
    // Neither loses a NaN.
    if op.is::<Max>() {
        return all(f64::NEG_INFINITY);
    }
    if op.is::<Min>() {
        return all(f64::INFINITY);
    }
    if op.is::<And>() {
        return all_bool(true);
    }
    (op.is::<Or>() || op.is::<Xor>()) && all_bool(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged, run_with};

    /// Each node in turn stands between `x` and the output, and must vanish.
    #[test]
    fn nodes_that_do_nothing_vanish() {
        for node in [
            "Identity(%x)",
            "Reshape(%x, %shape)",
            "Transpose(%x) {perm = [0, 1, 2]}",
            "Cast(%x) {to = f32}",
            "CastLike(%x, %ones)",
            "Slice(%x, %zeros, %shape)",
            "Pad(%x, %six)",
            "Concat(%x) {axis = 1}",
            "Expand(%x, %shape)",
            "Tile(%x, %threes)",
            "Max(%x)",
            "Mean(%x)",
            "Clip(%x)",
            "Add(%x, %minus)",
            "Add(%minus, %x)",
            "Sub(%x, %plus)",
            "Mul(%ones, %x)",
            "Div(%x, %ones)",
            "Pow(%x, %ones)",
            "Max(%low, %x)",
            "Min(%x, %high)",
            "Resize(%x, _, %ones)",
            "Resize(%x, _, _, %shape) {mode = \"linear\", coordinate_transformation_mode = \"align_corners\"}",
        ] {
            let text = |statement: &str, out: &str| {
                format!(
                    "graph {{ input %x: f32[1,2,3]
                    const %shape = i64[3] [1, 2, 3]
                    const %zeros = i64[3] [0, 0, 0]
                    const %six = i64[6] [0, 0, 0, 0, 0, 0]
                    const %threes = i64[3] [1, 1, 1]
                    const %ones = f32[3] [1, 1, 1]
                    const %plus = f32[] [0]
                    const %minus = f32[] [-0.0]
                    const %low = f32[] [-inf]
                    const %high = f32[] [inf]
                    {statement} {out} }}"
                )
            };
            let before = text(&format!("%y = {node} %z = Abs(%y)"), "output %z");
            assert_rewrites(|| Rewriter(RemoveIdentities), &before, &text("%z = Abs(%x)", "output %z"));
        }
    }

    #[test]
    fn moving_axes_of_size_1_does_nothing() {
        assert_rewrites(
            || Rewriter(RemoveIdentities),
            "graph { input %x: f32[1,1,N] %y = Transpose(%x) {perm = [1, 0, 2]} %z = Abs(%y) output %z }",
            "graph { input %x: f32[1,1,N] %z = Abs(%x) output %z }",
        );
    }

    #[test]
    fn nodes_that_do_something_stay() {
        for node in [
            "Add(%x, %plus)",
            "Sub(%x, %minus)",
            "Sub(%ones, %x)",
            "Mul(%x, %big)",
            "Transpose(%x) {perm = [2, 1, 0]}",
            "Transpose(%square) {perm = [1, 0]}",
            "Slice(%x, %ends, %starts, %zeros, %back)",
            "Pad(%x, %shift)",
            "Cast(%x) {to = f64}",
            "Clip(%x, %plus)",
            "Reshape(%x, %dynamic)",
            "Resize(%x, _, %near)",
            "Resize(%x, _, %ones) {mode = \"cubic\"}",
            "Resize(%x, _, _, %dynamic)",
        ] {
            assert_unchanged(
                || Rewriter(RemoveIdentities),
                &format!(
                    "graph {{ input %x: f32[1,2,3] input %square: f32[2,2] input %dynamic: i64[3]
                    const %zeros = i64[1] [1]
                    const %ends = i64[1] [1]
                    const %starts = i64[1] [-3]
                    const %back = i64[1] [-1]
                    const %shift = i64[6] [0, 1, 0, 0, -1, 0]
                    const %ones = f32[3] [1, 1, 1]
                    const %near = f32[3] [1, 1, 1.1]
                    const %big = f32[4,1,1] [1, 1, 1, 1]
                    const %plus = f32[] [0]
                    const %minus = f32[] [-0.0]
                    %y = {node}
                    output %y }}"
                ),
                None,
            );
        }
    }

    #[test]
    fn kept_values_stay() {
        let text = "graph { input %x: f32[2] %y = Identity(%x) %z = Abs(%y) output %z }";
        let (graph, report) = run_with(Rewriter(RemoveIdentities), text, |options| {
            options.keep.insert("y".into());
        });
        assert_eq!((graph.n_nodes(), report.notes[0].reason.as_str()), (2, "value 'y' is kept"));
    }
}
