//! Leaves out arithmetic that makes no difference, bit for bit: `-(-x) = x`, `x + (-y) = x - y`, `f(f(x)) = f(x)` and
//! `f(-x) = f(x)` where the operator promises so, `not not x = x`, `not (a < b) = a ≥ b` of integers, and choices between
//! equal values or by a condition that is the same everywhere.

use std::sync::Arc;

use lehr_graph::{Flags, Graph, Node, Op, OpRef, PatchBuilder, PatchValue, ValueId};
use lehr_ops::greater_or_equal::GreaterOrEqual;
use lehr_ops::less_or_equal::LessOrEqual;
use lehr_ops::{
    add::Add, and::And, bitwise_and::BitwiseAnd, bitwise_or::BitwiseOr, expand::Expand, greater::Greater,
    identity::Identity, less::Less, max::Max, min::Min, neg::Neg, not::Not, or::Or, sub::Sub, sum::Sum,
    r#where::Where,
};
use lehr_tensor::{DataType, Tensor};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::reshape_target::expand_target;
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SimplifyArithmetic;

impl Rewrite for SimplifyArithmetic {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "simplify_arithmetic",
            doc: "leaves out negations, repetitions and choices that make no difference",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.flags().contains(Flags::ELEMENTWISE) && !op.flags().contains(Flags::RANDOM))
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let &[output] = node.outputs() else { return Err(Reject::NoEffect) };
        if let Some(value) = given(graph, node) {
            let value = sized(patch, value, output)?;
            patch.replace(output, value);
            return Ok(());
        }
        let (op, inputs) = simpler(graph, node).ok_or(Reject::NoEffect)?;
        let inputs: Vec<_> = inputs.into_iter().map(|value| Some(value.into())).collect();
        let outputs = patch.node(op, &inputs, 1)?;
        patch.replace(output, *outputs.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The value that the node gives back, but for repetition along axes.
fn given(graph: &Graph, node: &Node) -> Option<ValueId> {
    twice(graph, node)
        .or_else(|| repeated(graph, node))
        .or_else(|| equal_operands(node))
        .or_else(|| absorbing(graph, node))
        .or_else(|| chosen(graph, node))
}

/// `value` in the size of `output`.
fn sized(patch: &mut PatchBuilder<'_>, value: ValueId, output: ValueId) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let shape = |value: ValueId| {
        graph.value(value).ty().shape().ok_or_else(|| Reject::because("the shapes are not known"))
    };
    let (from, to) = (shape(value)?, shape(output)?);
    if from.equal(to) == Some(true) {
        return Ok(value.into());
    }
    let target = expand_target(from, to)
        .ok_or_else(|| Reject::because(format!("{to} does not follow from {from} by fixed sizes")))?;
    let target = patch.constant(Tensor::vector(target));
    Ok(patch.call(Expand {}, &[value.into(), target])?)
}

fn producer(graph: &Graph, value: ValueId) -> Option<&Node> {
    graph.producer(value).map(|id| graph.node(id))
}

/// `x` of `T x`, if `value` is that.
fn operand_of<T: Op>(graph: &Graph, value: ValueId) -> Option<ValueId> {
    producer(graph, value).filter(|node| node.op().is::<T>())?.input(0)
}

/// `x` of `-(-x)` and of `not not x`: both only turn one bit around, and the most negative integer is its own negative.
fn twice(graph: &Graph, node: &Node) -> Option<ValueId> {
    let inner = node.input(0)?;
    match node.op() {
        op if op.is::<Neg>() => operand_of::<Neg>(graph, inner),
        op if op.is::<Not>() => operand_of::<Not>(graph, inner),
        _ => None,
    }
}

/// `f(x)` of `f(f(x))`, with the same further inputs; an Identity falls out even where it stands alone, by another pass.
fn repeated(graph: &Graph, node: &Node) -> Option<ValueId> {
    let value = node.input(0).filter(|_| !node.op().is::<Identity>())?;
    let inner = producer(graph, value)?;
    let same = node.op().flags().contains(Flags::IDEMPOTENT)
        && node.op().same(inner.op())
        && node.inputs().get(1..) == inner.inputs().get(1..);
    same.then_some(value)
}

/// `x` of `min(x, x)` and the like, which give back one of two operands, or bits that both have or one of them.
fn equal_operands(node: &Node) -> Option<ValueId> {
    let &[Some(a), Some(b)] = node.inputs() else { return None };
    let op = node.op();
    let gives_back = op.is::<Max>()
        || op.is::<Min>()
        || op.is::<And>()
        || op.is::<Or>()
        || op.is::<BitwiseAnd>()
        || op.is::<BitwiseOr>();
    (a == b && gives_back).then_some(a)
}

/// `false` of `x and false`, and `true` of `x or true`.
fn absorbing(graph: &Graph, node: &Node) -> Option<ValueId> {
    let wanted = match node.op() {
        op if op.is::<And>() => false,
        op if op.is::<Or>() => true,
        _ => return None,
    };
    node.inputs().iter().flatten().copied().find(|&value| uniform_flag(graph, value) == Some(wanted))
}

/// The one truth value that a constant consists of.
fn uniform_flag(graph: &Graph, value: ValueId) -> Option<bool> {
    let flags = graph.constant(value).filter(|tensor| tensor.dtype() == DataType::Bool)?;
    let flags = flags.as_slice::<bool>().ok()?;
    let first = *flags.first()?;
    flags.iter().all(|&flag| flag == first).then_some(first)
}

/// What Where takes whatever its condition is, or by a condition that is the same everywhere.
fn chosen(graph: &Graph, node: &Node) -> Option<ValueId> {
    let &[Some(condition), Some(yes), Some(no)] = node.inputs() else { return None };
    if !node.op().is::<Where>() {
        return None;
    }
    match uniform_flag(graph, condition) {
        _ if yes == no => Some(yes),
        Some(true) => Some(yes),
        Some(false) => Some(no),
        None => None,
    }
}

/// An operator that gives the same with one node less before it, or that does less itself.
fn simpler(graph: &Graph, node: &Node) -> Option<(OpRef, Vec<ValueId>)> {
    match *node.inputs() {
        [Some(x)] => even(graph, node, x).or_else(|| opposite(graph, node, x)),
        [Some(a), Some(b)] => sum_of_two(node, a, b).or_else(|| difference(graph, node, a, b)),
        [Some(condition), Some(yes), Some(no)] if node.op().is::<Where>() => {
            let condition = operand_of::<Not>(graph, condition)?;
            Some((node.op_ref().clone(), vec![condition, no, yes]))
        }
        _ => None,
    }
}

/// `f(x)` of `f(-x)` for an even `f`.
fn even(graph: &Graph, node: &Node, x: ValueId) -> Option<(OpRef, Vec<ValueId>)> {
    let is_even = node.op().flags().contains(Flags::EVEN);
    let x = operand_of::<Neg>(graph, x).filter(|_| is_even)?;
    Some((node.op_ref().clone(), vec![x]))
}

/// `a ≥ b` of `not (a < b)`, and so on: integers have a total order, whereas of a NaN neither holds.
fn opposite(graph: &Graph, node: &Node, flags: ValueId) -> Option<(OpRef, Vec<ValueId>)> {
    let inner = producer(graph, flags).filter(|_| node.op().is::<Not>())?;
    let &[Some(a), Some(b)] = inner.inputs() else { return None };
    let dtype = graph.value(a).ty().dtype()?;
    if !dtype.is_signed_int() && !dtype.is_unsigned_int() {
        return None;
    }
    let op: OpRef = match inner.op() {
        op if op.is::<Less>() => Arc::new(GreaterOrEqual {}),
        op if op.is::<GreaterOrEqual>() => Arc::new(Less {}),
        op if op.is::<Greater>() => Arc::new(LessOrEqual {}),
        op if op.is::<LessOrEqual>() => Arc::new(Greater {}),
        _ => return None,
    };
    Some((op, vec![a, b]))
}

/// A sum of two is rounded once, like any Add, which other rewrites look for.
fn sum_of_two(node: &Node, a: ValueId, b: ValueId) -> Option<(OpRef, Vec<ValueId>)> {
    node.op().is::<Sum>().then(|| (Arc::new(Add {}) as OpRef, vec![a, b]))
}

/// `x - y` of `x + (-y)` and `(-y) + x`, and `x + y` of `x - (-y)`: a difference is defined as the sum with the negative,
/// zeros included, and integers wrap.
fn difference(graph: &Graph, node: &Node, a: ValueId, b: ValueId) -> Option<(OpRef, Vec<ValueId>)> {
    let op = node.op();
    if op.is::<Sub>() {
        return Some((Arc::new(Add {}), vec![a, operand_of::<Neg>(graph, b)?]));
    }
    if !op.is::<Add>() {
        return None;
    }
    match (operand_of::<Neg>(graph, b), operand_of::<Neg>(graph, a)) {
        (Some(y), _) => Some((Arc::new(Sub {}), vec![a, y])),
        (None, Some(y)) => Some((Arc::new(Sub {}), vec![b, y])),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(body: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,3] input %z: f32[N,3] input %i: i32[N,3] input %j: i32[3] input %c: bool[N,3]
            input %d: bool[3]
            {body} }}"
        )
    }

    #[test]
    fn what_makes_no_difference_falls_out() {
        for (before, after) in [
            ("%a = Neg(%x) %b = Neg(%a) %y = Mul(%b, %z) output %y", "%y = Mul(%x, %z) output %y"),
            ("%a = Not(%c) %b = Not(%a) %y = And(%b, %d) output %y", "%y = And(%c, %d) output %y"),
            (
                "%a = Relu(%x) %b = Relu(%a) %y = Mul(%b, %z) output %y",
                "%a = Relu(%x) %y = Mul(%a, %z) output %y",
            ),
            ("%a = Max(%x, %x) %y = Mul(%a, %z) output %y", "%y = Mul(%x, %z) output %y"),
            ("%a = Neg(%x) %y = Abs(%a) output %y", "%y = Abs(%x) output %y"),
            ("%a = Neg(%i) %y = Abs(%a) output %y", "%y = Abs(%i) output %y"),
            ("%a = Neg(%x) %y = Add(%z, %a) output %y", "%y = Sub(%z, %x) output %y"),
            ("%a = Neg(%x) %y = Add(%a, %z) output %y", "%y = Sub(%z, %x) output %y"),
            ("%a = Neg(%x) %y = Sub(%z, %a) output %y", "%y = Add(%z, %x) output %y"),
            ("%a = Neg(%j) %y = Sub(%i, %a) output %y", "%y = Add(%i, %j) output %y"),
            ("%y = Sum(%x, %z) output %y", "%y = Add(%x, %z) output %y"),
            ("%a = Less(%i, %j) %y = Not(%a) output %y", "%y = GreaterOrEqual(%i, %j) output %y"),
            ("%a = LessOrEqual(%i, %j) %y = Not(%a) output %y", "%y = Greater(%i, %j) output %y"),
        ] {
            assert_rewrites(|| Rewriter(SimplifyArithmetic), &text(before), &text(after));
        }
    }

    #[test]
    fn choices_without_a_choice_fall_out() {
        for (before, after) in [
            ("%a = Where(%c, %x, %x) %y = Abs(%a) output %y", "%y = Abs(%x) output %y"),
            (
                "const %k = bool[3] [true, true, true] %a = Where(%k, %x, %z) %y = Abs(%a) output %y",
                "%y = Abs(%x) output %y",
            ),
            (
                "const %k = bool[] [false] %a = Where(%k, %z, %x) %y = Abs(%a) output %y",
                "%y = Abs(%x) output %y",
            ),
            (
                "const %k = bool[2,1,1] [true, true] %a = Where(%k, %x, %z) %y = Abs(%a) output %y",
                "const %0 = i64[3] [2, 1, 1] %a = Expand(%x, %0) %y = Abs(%a) output %y",
            ),
            ("%n = Not(%c) %y = Where(%n, %x, %z) output %y", "%y = Where(%c, %z, %x) output %y"),
            (
                "const %k = bool[1] [true] %a = Or(%d, %k) %y = And(%a, %c) output %y",
                "const %k = bool[1] [true] const %0 = i64[1] [3] %a = Expand(%k, %0) %y = And(%a, %c) output %y",
            ),
        ] {
            assert_rewrites(|| Rewriter(SimplifyArithmetic), &text(before), &text(after));
        }
    }

    #[test]
    fn what_makes_a_difference_stays() {
        for (body, reason) in [
            ("%a = Abs(%x) %y = Neg(%a)", None),
            ("%a = Neg(%x) %y = Relu(%a)", None),
            ("%a = Neg(%x) %y = Sub(%a, %z)", None),
            ("%a = Clip(%x, %one) %y = Clip(%a, %two)", None),
            ("%a = Less(%x, %z) %y = Not(%a)", None),
            ("%y = Sum(%x, %z, %x)", None),
            ("%y = Sub(%x, %x)", None),
            ("const %k = bool[3] [true, false, true] %y = Where(%k, %x, %z)", None),
            ("const %k = bool[3] [true, true, true] %y = Where(%k, %one, %x)", Some("does not follow")),
            ("const %k = bool[] [false] %y = And(%c, %k)", Some("does not follow")),
        ] {
            let body = format!("const %one = f32[] [1] const %two = f32[] [2] {body} output %y");
            assert_unchanged(|| Rewriter(SimplifyArithmetic), &text(&body), reason);
        }
    }
}
