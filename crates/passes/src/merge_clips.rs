//! Makes one Clip of two clamps: Relu, Clip, and Max and Min with a constant. Clamping to `[a, b]` and then to `[c, d]` is
//! clamping to what the second makes of `a` and `b`, as long as both intervals hold something.

use std::sync::Arc;

use lehr_graph::{Graph, Node, NodeId, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{clip::Clip, max::Max, min::Min, relu::Relu};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node, uniform_number};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeClips;

impl Rewrite for MergeClips {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_clips",
            doc: "makes one Clip or Relu of two operators that bound values by constants",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Relu>() || op.is::<Clip>() || op.is::<Max>() || op.is::<Min>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let outer = clamp(graph, found.root()).ok_or(Reject::NoEffect)?;
        let inner = graph.producer(outer.x).and_then(|id| clamp(graph, id)).ok_or(Reject::NoEffect)?;
        let dtype = graph.value(inner.x).ty().dtype().ok_or(Reject::NoEffect)?;
        if inner.low > inner.high || outer.low > outer.high {
            return Err(Reject::because("a lower bound is above the upper one"));
        }
        let bound = |number: f64| number.max(outer.low).min(outer.high);
        let new = emit(patch, inner.x, dtype, bound(inner.low), bound(inner.high))?;
        let output = graph.node(found.root()).outputs().first().copied().ok_or(Reject::NoEffect)?;
        patch.replace(output, new);
        Ok(())
    }
}

/// `min(max(x, low), high)`
struct Clamp {
    x: ValueId,
    low: f64,
    high: f64,
}

fn clamp(graph: &Graph, id: NodeId) -> Option<Clamp> {
    let node = graph.node(id);
    let x = node.input(0)?;
    let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
    let op = node.op();
    if op.is::<Relu>() {
        return has_exact_bounds(graph, x).then_some(Clamp { x, low: 0.0, high });
    }
    if op.is::<Clip>() {
        let bound = |index: usize, absent: f64| match node.input(index) {
            Some(value) => number(graph, value),
            None => Some(absent),
        };
        return has_exact_bounds(graph, x).then_some(Clamp { x, low: bound(1, low)?, high: bound(2, high)? });
    }
    let (x, bound) = operands(graph, node)?;
    match (op.is::<Max>(), op.is::<Min>()) {
        (true, _) => Some(Clamp { x, low: bound, high }),
        (_, true) => Some(Clamp { x, low, high: bound }),
        _ => None,
    }
}

/// The variable and the constant operand of Max and Min, where the constant does not make the result larger.
fn operands(graph: &Graph, node: &Node) -> Option<(ValueId, f64)> {
    let &[Some(a), Some(b)] = node.inputs() else { return None };
    let (x, bound, is_first) = match (number(graph, a), number(graph, b)) {
        (None, Some(bound)) => (a, bound, true),
        (Some(bound), None) => (b, bound, false),
        _ => return None,
    };
    // Which zero comes out depends on the order of the operands.
    if bound == 0.0 && !is_first {
        return None;
    }
    let &[output] = node.outputs() else { return None };
    let same_shape = graph.value(x).ty().shape()?.equal(graph.value(output).ty().shape()?) == Some(true);
    (same_shape && has_exact_bounds(graph, x)).then_some((x, bound))
}

/// Whether all numbers of the type are `f64`, too.
fn has_exact_bounds(graph: &Graph, x: ValueId) -> bool {
    let dtype = graph.value(x).ty().dtype();
    dtype.is_some_and(|dtype| dtype.is_float() || (dtype != DataType::Bool && dtype.bits() <= 32))
}

fn number(graph: &Graph, value: ValueId) -> Option<f64> {
    uniform_number(graph.constant(value)?).filter(|number| !number.is_nan())
}

fn emit(
    patch: &mut PatchBuilder<'_>,
    x: ValueId,
    dtype: DataType,
    low: f64,
    high: f64,
) -> Result<PatchValue, Reject> {
    if low == 0.0 && high == f64::INFINITY && dtype.is_float() {
        return Ok(patch.call(Relu {}, &[x.into()])?);
    }
    let mut inputs = vec![Some(x.into())];
    for (bound, absent) in [(low, f64::NEG_INFINITY), (high, f64::INFINITY)] {
        inputs.push(if bound == absent { None } else { Some(constant(patch, dtype, bound)?) });
    }
    if inputs.last() == Some(&None) {
        inputs.pop();
    }
    let outputs = patch.node(Arc::new(Clip {}), &inputs, 1)?;
    outputs.first().copied().ok_or(Reject::NoEffect)
}

/// A bound that came from a constant of the same type.
fn constant(patch: &mut PatchBuilder<'_>, dtype: DataType, number: f64) -> Result<PatchValue, Reject> {
    let tensor = Tensor::narrow(DataType::F64, &[], Wide::F(vec![number]))
        .and_then(|tensor| tensor.cast(dtype, Default::default()))
        .map_err(|error| Reject::because(error.to_string()))?;
    Ok(patch.constant(tensor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    const CONSTANTS: &str =
        "const %zero = f32[] [0] const %six = f32[] [6] const %two = f32[1] [2] const %one = f32[] [1]";

    #[test]
    fn clamps_become_one() {
        for (chain, after) in [
            ("%a = Relu(%x) %y = Relu(%a)", "%y = Relu(%x)"),
            ("%a = Relu(%x) %y = Clip(%a, %zero, %six)", "%y = Clip(%x, %0, %1)"),
            ("%a = Clip(%x, _, %six) %y = Relu(%a)", "%y = Clip(%x, %0, %1)"),
            ("%a = Max(%x, %zero) %y = Min(%a, %six)", "%y = Clip(%x, %0, %1)"),
            ("%a = Clip(%x, %two) %y = Clip(%a, %one)", "const %0 = f32[] [2] %y = Clip(%x, %0)"),
            (
                "%a = Clip(%x, %one) %y = Clip(%a, _, %six)",
                "const %0 = f32[] [1] const %1 = f32[] [6] %y = Clip(%x, %0, %1)",
            ),
        ] {
            let own = if after.contains("const") || !after.contains("%0") {
                ""
            } else {
                "const %0 = f32[] [0] const %1 = f32[] [6]"
            };
            let before = format!("graph {{ input %x: f32[N,3] {CONSTANTS} {chain} output %y }}");
            let after = format!("graph {{ input %x: f32[N,3] {own} {after} output %y }}");
            assert_rewrites(|| Rewriter(MergeClips), &before, &after);
        }
    }

    #[test]
    fn other_clamps_stay() {
        for (chain, reason) in [
            ("%a = Relu(%x) %y = Clip(%a, %six, %one)", Some("above")),
            ("%a = Relu(%x) %y = Max(%a, %channels)", None),
            ("%a = Relu(%x) %y = Max(%a, %large)", None),
            ("%a = Relu(%x) %y = Max(%a, %x)", None),
            ("%a = Relu(%x) %y = Min(%a, %nan)", None),
        ] {
            let text = format!(
                "graph {{ input %x: f32[N,3] {CONSTANTS} const %channels = f32[3] [1, 2, 3] const %nan = f32[] [nan]
                const %large = f32[1,1,1] [1] {chain} output %y }}"
            );
            assert_unchanged(|| Rewriter(MergeClips), &text, reason);
        }
    }
}
