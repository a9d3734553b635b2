//! Computes beforehand what arithmetic with constants makes of the two numbers that a mask can hold:
//! `(1 - Cast(m)) · -1e9`, of truth values `m`, is `Where(m, -0.0, -1e9)`, and a comparison of them is `m`, `not m`, or the
//! same everywhere. Each number is what the operators themselves give, down to the sign of zero.

use std::sync::Arc;

use lehr_graph::{Graph, Node, Op, PatchBuilder, PatchValue, ValueId};
use lehr_ops::greater_or_equal::GreaterOrEqual;
use lehr_ops::less_or_equal::LessOrEqual;
use lehr_ops::{
    add::Add, cast::Cast, div::Div, equal::Equal, greater::Greater, less::Less, max::Max, min::Min, mul::Mul,
    neg::Neg, not::Not, sub::Sub, r#where::Where,
};
use lehr_tensor::{DataType, Tensor};

use crate::constants::evaluate;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SimplifyMasks;

impl Rewrite for SimplifyMasks {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "simplify_masks",
            doc: "makes one choice between two numbers of arithmetic with a mask and constants",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(is_arithmetic)
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let &[output] = node.outputs() else { return Err(Reject::NoEffect) };
        let (mask, at) = operand_mask(graph, node).ok_or(Reject::NoEffect)?;
        let operand = node.input(at).ok_or(Reject::NoEffect)?;
        if graph.value(operand).uses().len() > 1 {
            return Err(Reject::because("the mask is also read elsewhere"));
        }
        let shape = |value: ValueId| graph.value(value).ty().shape().ok_or(Reject::NoEffect);
        if shape(mask.condition)?.equal(shape(output)?) != Some(true) {
            return Err(Reject::because("the constants make the mask larger"));
        }
        let (yes, no) = (outcome(graph, node, at, &mask.yes)?, outcome(graph, node, at, &mask.no)?);
        let new = choice(patch, mask.condition, yes, no)?;
        patch.replace(output, new);
        Ok(())
    }
}

/// Operators whose result is determined to the bit.
fn is_arithmetic(op: &dyn Op) -> bool {
    let computes = op.is::<Add>() || op.is::<Sub>() || op.is::<Mul>() || op.is::<Div>() || op.is::<Neg>();
    let compares = op.is::<Equal>()
        || op.is::<Less>()
        || op.is::<LessOrEqual>()
        || op.is::<Greater>()
        || op.is::<GreaterOrEqual>();
    computes || compares || op.is::<Max>() || op.is::<Min>() || op.is::<Cast>()
}

/// `yes` where the condition holds, else `no`; both scalars.
struct Mask {
    condition: ValueId,
    yes: Tensor,
    no: Tensor,
}

/// The one operand that is a mask, where it stands, and nothing where another one is not a constant.
fn operand_mask(graph: &Graph, node: &Node) -> Option<(Mask, usize)> {
    let is_variable = |value: &Option<ValueId>| value.is_none_or(|value| graph.constant(value).is_none());
    let mut variables = node.inputs().iter().enumerate().filter(|(_, value)| is_variable(value));
    let (at, value) = variables.next()?;
    if variables.next().is_some() {
        return None;
    }
    Some((mask(graph, (*value)?)?, at))
}

/// `value` as a mask: a Cast of truth values, or a choice between two scalars.
fn mask(graph: &Graph, value: ValueId) -> Option<Mask> {
    let node = graph.node(graph.producer(value)?);
    match *node.inputs() {
        [Some(condition)] if node.op().is::<Cast>() => {
            let dtype = graph.value(condition).ty().dtype()?;
            let number = |flag: bool| evaluate(node.op(), &[&Tensor::scalar(flag)]).ok();
            let numbers = (dtype == DataType::Bool).then_some((number(true)?, number(false)?))?;
            Some(Mask { condition, yes: numbers.0, no: numbers.1 })
        }
        [Some(condition), Some(yes), Some(no)] if node.op().is::<Where>() => {
            let number = |value: ValueId| scalar(graph.constant(value)?);
            let shape = |value: ValueId| graph.value(value).ty().shape();
            let same = shape(condition)?.equal(shape(value)?) == Some(true);
            same.then_some(Mask { condition, yes: number(yes)?, no: number(no)? })
        }
        _ => None,
    }
}

/// A single element without its axes.
fn scalar(tensor: &Tensor) -> Option<Tensor> {
    (tensor.len() == 1).then(|| tensor.reshape(&[]).ok()).flatten()
}

/// What the node gives where operand `at` is `number`.
fn outcome(graph: &Graph, node: &Node, at: usize, number: &Tensor) -> Result<Tensor, Reject> {
    let operand = |(index, value): (usize, &Option<ValueId>)| {
        if index == at {
            return Some(number.clone());
        }
        scalar(graph.constant((*value)?)?)
    };
    let operands: Option<Vec<_>> = node.inputs().iter().enumerate().map(operand).collect();
    let operands = operands.ok_or_else(|| Reject::because("a constant has more than one element"))?;
    evaluate(node.op(), &operands.iter().collect::<Vec<_>>())
}

/// The choice between two scalars, which of truth values is the condition itself or its contrary.
fn choice(
    patch: &mut PatchBuilder<'_>,
    condition: ValueId,
    yes: Tensor,
    no: Tensor,
) -> Result<PatchValue, Reject> {
    use DataType::{Bool, F16, F32, F64, I32, I64};
    let dtype = yes.dtype();
    if dtype == Bool {
        let flag = |tensor: &Tensor| tensor.as_slice::<bool>().ok().and_then(|flags| flags.first().copied());
        match (flag(&yes), flag(&no)) {
            (Some(true), Some(false)) => return Ok(condition.into()),
            (Some(false), Some(true)) => return Ok(patch.call(Not {}, &[condition.into()])?),
            _ => {}
        }
    } else if ![F16, F32, F64, I32, I64].contains(&dtype) {
        return Err(Reject::because(format!("few runtimes choose between numbers of type {dtype}")));
    }
    let (yes, no) = (patch.constant(yes), patch.constant(no));
    let outputs = patch.node(Arc::new(Where {}), &[Some(condition.into()), Some(yes), Some(no)], 1)?;
    outputs.first().copied().ok_or(Reject::NoEffect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(body: &str) -> String {
        format!("graph {{ input %m: bool[N,3] input %x: f32[N,3] {body} output %y }}")
    }

    const CONSTANTS: &str = "const %one = f32[] [1] const %big = f32[1,1] [-1e9] const %zero = f32[] [0]
        const %half = f32[] [0.5] const %inf = f32[] [-inf] const %two = i64[] [2]";

    #[track_caller]
    fn becomes(before: &str, after: &str) {
        let before = text(&format!("{CONSTANTS} {before}"));
        assert_rewrites(|| Rewriter(SimplifyMasks), &before, &text(after));
    }

    #[test]
    fn masks_become_a_choice_of_the_same_bits() {
        becomes(
            "%a = Cast(%m) {to = f32} %b = Sub(%one, %a) %y = Mul(%b, %big)",
            "const %0 = f32[] [-0.0] const %1 = f32[] [-1e9] %y = Where(%m, %0, %1)",
        );
        becomes(
            "%a = Cast(%m) {to = f32} %b = Sub(%a, %half) %y = Div(%b, %inf)",
            "const %0 = f32[] [-0.0] const %1 = f32[] [0] %y = Where(%m, %0, %1)",
        );
        becomes(
            "%a = Cast(%m) {to = i64} %b = Mul(%a, %two) %y = Cast(%b) {to = f32}",
            "const %0 = f32[] [2] const %1 = f32[] [0] %y = Where(%m, %0, %1)",
        );
        becomes(
            "%a = Where(%m, %half, %big) %y = Max(%a, %zero)",
            "const %0 = f32[] [0.5] const %1 = f32[] [0] %y = Where(%m, %0, %1)",
        );
    }

    #[test]
    fn comparisons_become_the_mask() {
        becomes(
            "%a = Cast(%m) {to = f32} %b = Greater(%a, %half) %y = Where(%b, %x, %one)",
            "const %one = f32[] [1] %y = Where(%m, %x, %one)",
        );
        becomes("%a = Cast(%m) {to = f32} %y = Equal(%a, %zero)", "%y = Not(%m)");
        becomes(
            "%a = Where(%m, %half, %one) %y = Greater(%a, %zero)",
            "const %0 = bool[] [true] const %1 = bool[] [true] %y = Where(%m, %0, %1)",
        );
    }

    #[test]
    fn other_masks_stay() {
        for (body, reason) in [
            (
                "%a = Cast(%m) {to = f32} %b = Sub(%one, %a) %c = Add(%a, %x) %y = Mul(%b, %c)",
                Some("read elsewhere"),
            ),
            (
                "const %k = f32[3] [1, 2, 3] %a = Cast(%m) {to = f32} %y = Mul(%a, %k)",
                Some("more than one element"),
            ),
            ("const %k = f32[1,1,1] [1] %a = Cast(%m) {to = f32} %y = Mul(%a, %k)", Some("larger")),
            ("const %k = f32[0,1,1] [] %a = Cast(%m) {to = f32} %y = Mul(%a, %k)", Some("larger")),
            ("%a = Cast(%m) {to = i64} const %k = i64[] [0] %y = Div(%two, %a)", Some("zero")),
            ("%a = Cast(%m) {to = f32} %y = Cast(%a) {to = u8}", Some("few runtimes")),
            ("%a = Cast(%m) {to = f32} %y = Mul(%a, %x)", None),
            ("%a = Cast(%x) {to = f64} %y = Neg(%a)", None),
            ("%a = Where(%m, %x, %one) %y = Neg(%a)", None),
        ] {
            let body = text(&format!("{CONSTANTS} {body}"));
            assert_unchanged(|| Rewriter(SimplifyMasks), &body, reason);
        }
    }
}
