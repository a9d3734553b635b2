//! Recognises scaled dot-product attention, `softmax(s·Q·Kᵀ + mask)·V` on tensors of (batch, heads, positions, features),
//! the factor before or behind the product. Where the mask leaves a query no key, the operator gives zeros instead of NaN.
//!
//! It stands in no level's pipeline but in the lowering: files keep the products and the softmax, which every runtime has.

use lehr_graph::{Dim, Graph, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::{
    attention::Attention, is_nan::IsNaN, matmul::MatMul, softmax::Softmax, transpose::Transpose,
    r#where::Where,
};
use lehr_tensor::DataType;

use crate::formula::{attribute, number, result};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, either, op, op_if, scalar, uniform};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseAttention;

/// Batch, heads, positions, features.
const RANK: usize = 4;
/// The order of axes that makes columns of rows.
const SWAP: [i64; RANK] = [0, 1, 3, 2];
/// Names that a factor, and the inverse of one, may be bound to.
const FACTORS: [(&str, &str); 3] =
    [("query_factor", "query_divisor"), ("key_factor", "key_divisor"), ("factor", "divisor")];

impl Rewrite for FuseAttention {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_attention",
            doc: "replaces spelled-out scaled dot-product attention by Attention",
            level: OptLevel::O3,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let [query, key, all] = FACTORS;
        let scores = scaled(op::<MatMul>([scaled(any("query"), query), scaled(any("columns"), key)]), all);
        let masked = either([scores.clone() + any("mask"), scores]);
        let softmax = op_if::<Softmax>(|op| op.axis == -1 || op.axis == 3, [masked]);
        // Some spell out that a query without keys gives zeros.
        let safe = op::<Where>([op::<IsNaN>([softmax.clone()]), scalar(0.0), softmax.clone()]);
        op::<MatMul>([either([safe, softmax]), any("value")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let [query, columns, value] = ["query", "columns", "value"].map(|name| found.value(name));
        check_shapes(found, graph, [query, columns, value])?;
        let scale = scale(found, graph)?;
        let key = key(patch, columns)?;
        let mut inputs: Vec<PatchValue> = vec![query.into(), key, value.into()];
        inputs.extend(found.get("mask").map(PatchValue::from));
        let attention = Attention {
            right_window_size: -1,
            left_window_size: -1,
            qk_matmul_output_mode: 0,
            softcap: 0.0,
            softmax_precision: None,
            kv_num_heads: None,
            q_num_heads: None,
            scale: Some(scale),
            is_causal: false,
        };
        let new = patch.call(attention, &inputs)?;
        patch.replace(y, new);
        Ok(())
    }
}

/// `p`, or `p` times or over a number.
fn scaled(p: Pattern, (factor, divisor): (&'static str, &'static str)) -> Pattern {
    either([p.clone() * uniform(factor), p.clone() / uniform(divisor), p])
}

/// The product of all factors.
fn scale(found: &Match, graph: &Graph) -> Result<f32, Reject> {
    let mut scale = 1.0;
    for (factor, divisor) in FACTORS {
        for name in [factor, divisor] {
            let tensor = found.get(name).and_then(|value| graph.constant(value));
            if tensor.is_some_and(|tensor| tensor.len() != 1 || tensor.rank() > RANK) {
                return Err(Reject::because("a factor is not a single number"));
            }
        }
        scale *= number(found, graph, factor).unwrap_or(1.0);
        scale /= number(found, graph, divisor).unwrap_or(1.0);
    }
    let scale = attribute(scale)?;
    if scale <= 0.0 {
        return Err(Reject::because(format!(
            "the scores are multiplied by {scale}, expected a positive number"
        )));
    }
    Ok(scale)
}

/// The operator broadcasts neither batch nor heads, and takes a mask that is too short for a padded one.
fn check_shapes(found: &Match, graph: &Graph, operands: [ValueId; 3]) -> Result<(), Reject> {
    let dtype = graph.value(operands[0]).ty().dtype();
    if !matches!(dtype, Some(DataType::F32 | DataType::F16 | DataType::BF16)) {
        return Err(Reject::because("queries are not known to hold floats of at most 32 bits"));
    }
    let [query, columns, value] = operands.map(|id| dims(graph, id));
    let (query, columns, value) = (query?, columns?, value?);
    let same = |axis: usize| equal(&query[axis], &columns[axis]) && equal(&query[axis], &value[axis]);
    if !same(0) || !same(1) {
        return Err(Reject::because("batch and heads of queries, keys and values may differ"));
    }
    let Some(mask) = found.get("mask") else { return Ok(()) };
    let ty = graph.value(mask).ty();
    let scores = [&query[0], &query[1], &query[2], &columns[3]];
    let fits = ty.shape().is_some_and(|shape| is_mask(shape, scores));
    if ty.dtype() != dtype || !fits {
        return Err(Reject::because("the mask is not known to have the type and size of the scores"));
    }
    Ok(())
}

fn dims(graph: &Graph, value: ValueId) -> Result<&[Dim; RANK], Reject> {
    let shape = graph.value(value).ty().shape();
    let dims = shape.and_then(|shape| shape.dims().try_into().ok());
    dims.ok_or_else(|| {
        Reject::because("an operand is not known to have batch, heads, positions and features")
    })
}

fn equal(a: &Dim, b: &Dim) -> bool {
    a.equal(b) == Some(true)
}

/// Whether it broadcasts to the scores, with one number for each key.
fn is_mask(shape: &Shape, scores: [&Dim; RANK]) -> bool {
    let mut pairs = shape.iter().rev().zip(scores.into_iter().rev());
    (2..=RANK).contains(&shape.rank())
        && pairs.next().is_some_and(|(own, keys)| equal(own, keys))
        && pairs.all(|(own, dim)| own.as_fixed() == Some(1) || equal(own, dim))
}

/// Keys as rows, from keys as columns.
fn key(patch: &mut PatchBuilder<'_>, columns: ValueId) -> Result<PatchValue, Reject> {
    let graph = patch.graph();
    let swapped = graph.producer(columns).map(|id| graph.node(id)).and_then(|node| {
        let perm = node.op().downcast_ref::<Transpose>()?.perm.as_deref()?;
        if perm == SWAP { node.input(0) } else { None }
    });
    match swapped {
        Some(rows) => Ok(rows.into()),
        None => Ok(patch.call(Transpose { perm: Some(SWAP.to_vec()) }, &[columns.into()])?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const INPUTS: &str =
        "input %q: f32[B,2,S,4] input %k: f32[B,2,T,4] input %v: f32[B,2,T,3] input %m: f32[B,1,1,T]";
    const CONSTANTS: &str = "const %half = f32[] [0.5] const %two = f32[] [2] const %quarter = f32[1] [0.25]";

    #[test]
    fn factors_and_masks_are_taken_over() {
        for (scores, mask) in [
            ("%a = MatMul(%q, %t) %b = Div(%a, %two)", ""),
            ("%c = Mul(%q, %half) %b = MatMul(%c, %t)", ""),
            ("%c = Mul(%q, %quarter) %d = Mul(%two, %t) %a = MatMul(%c, %d) %b = Add(%m, %a)", ", %m"),
            ("%a = MatMul(%q, %t) %c = Mul(%half, %a) %b = Add(%c, %m)", ", %m"),
        ] {
            assert_rewrites_within(
                || Rewriter(FuseAttention),
                &format!(
                    "graph {{ {INPUTS} {CONSTANTS} %t = Transpose(%k) {{perm = [0, 1, 3, 2]}} {scores}
                    %p = Softmax(%b) {{axis = 3}} %y = MatMul(%p, %v) output %y }}"
                ),
                &format!("graph {{ {INPUTS} %y = Attention(%q, %k, %v{mask}) {{scale = 0.5}} output %y }}"),
            );
        }
    }

    #[test]
    fn zeros_for_queries_without_keys_are_what_it_gives_anyway() {
        assert_rewrites_within(
            || Rewriter(FuseAttention),
            &format!(
                "graph {{ {INPUTS} {CONSTANTS} const %zero = f32[] [0] %t = Transpose(%k) {{perm = [0, 1, 3, 2]}}
                %a = MatMul(%q, %t) %b = Mul(%a, %half) %c = Add(%b, %m) %p = Softmax(%c) {{axis = -1}} %n = IsNaN(%p)
                %s = Where(%n, %zero, %p) %y = MatMul(%s, %v) output %y }}"
            ),
            &format!("graph {{ {INPUTS} %y = Attention(%q, %k, %v, %m) {{scale = 0.5}} output %y }}"),
        );
    }

    #[test]
    fn keys_as_columns_are_turned() {
        assert_rewrites_within(
            || Rewriter(FuseAttention),
            "graph { input %q: f32[1,2,3,4] input %k: f32[1,2,4,3] input %v: f32[1,2,3,4]
            %a = MatMul(%q, %k) %p = Softmax(%a) %y = MatMul(%p, %v) output %y }",
            "graph { input %q: f32[1,2,3,4] input %k: f32[1,2,4,3] input %v: f32[1,2,3,4]
            %0 = Transpose(%k) {perm = [0, 1, 3, 2]} %y = Attention(%q, %0, %v) {scale = 1.0} output %y }",
        );
    }

    #[test]
    fn other_shapes_and_factors_stay() {
        let graph = |k: &str, m: &str, factor: &str| {
            format!(
                "graph {{ input %q: f32[1,2,3,4] input %k: {k} input %v: f32[1,2,3,4] input %m: {m}
                const %f = f32[] [{factor}] %a = MatMul(%q, %k) %b = Mul(%a, %f) %c = Add(%b, %m) %p = Softmax(%c)
                %y = MatMul(%p, %v) output %y }}"
            )
        };
        for (text, reason) in [
            (
                graph("f32[1,1,4,3]", "f32[3,3]", "1"),
                "batch and heads of queries, keys and values may differ",
            ),
            (graph("f32[4,3]", "f32[3,3]", "1"), "an operand is not known to have batch"),
            (graph("f32[1,2,4,3]", "f32[3,1]", "1"), "the mask is not known"),
            (graph("f32[1,2,4,3]", "f32[3,3]", "-1"), "multiplied by -1"),
        ] {
            assert_unchanged(|| Rewriter(FuseAttention), &text, Some(reason));
        }
    }
}
