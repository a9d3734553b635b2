//! Takes the Transpose of an operand into the Gemm that reads it, as `transA` or `transB`; a MatMul of two matrices becomes
//! such a Gemm. The same products are summed in the same order.

use std::sync::Arc;

use lehr_graph::{Graph, NodeId, PatchBuilder, Use, ValueId};
use lehr_ops::{gemm::Gemm, matmul::MatMul, transpose::Transpose};
use lehr_tensor::DataType;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeGemmTransposes;

impl Rewrite for MergeGemmTransposes {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_gemm_transposes",
            doc: "makes the transposes of the operands of a matrix product attributes of it",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Gemm>() || op.is::<MatMul>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let (Some(a), Some(b), &[y]) = (node.input(0), node.input(1), node.outputs()) else {
            return Err(Reject::NoEffect);
        };
        let mut gemm = product_of_matrices(graph, found.root()).ok_or(Reject::NoEffect)?;
        let (before_a, before_b) = (behind_transpose(graph, a)?, behind_transpose(graph, b)?);
        if before_a.is_none() && before_b.is_none() {
            return Err(Reject::NoEffect);
        }
        if !graph.value(a).ty().dtype().is_some_and(is_taken_by_gemm) {
            return Err(Reject::because("Gemm does not take the type of its operands"));
        }
        gemm.transA ^= before_a.is_some();
        gemm.transB ^= before_b.is_some();
        let operands = [Some(before_a.unwrap_or(a)), Some(before_b.unwrap_or(b)), node.input(2)];
        let inputs: Vec<_> = operands.into_iter().map(|value| value.map(Into::into)).collect();
        let given = if node.input(2).is_some() { 3 } else { 2 };
        let new = patch.node(Arc::new(gemm), inputs.get(..given).unwrap_or_default(), 1)?;
        patch.replace(y, *new.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }
}

/// The product as a Gemm, if its operands are matrices.
fn product_of_matrices(graph: &Graph, id: NodeId) -> Option<Gemm> {
    let node = graph.node(id);
    let is_matrix = |index: usize| {
        let shape = node.input(index).and_then(|value| graph.value(value).ty().shape());
        shape.is_some_and(|shape| shape.rank() == 2)
    };
    if !is_matrix(0) || !is_matrix(1) {
        return None;
    }
    let plain = Gemm { alpha: 1.0, beta: 1.0, transA: false, transB: false };
    node.op().downcast_ref::<Gemm>().cloned().or(node.op().is::<MatMul>().then_some(plain))
}

/// What is transposed to give the matrix, where only products of matrices read the result, so that it falls out.
fn behind_transpose(graph: &Graph, matrix: ValueId) -> Result<Option<ValueId>, Reject> {
    let Some(node) = graph.producer(matrix).map(|id| graph.node(id)) else { return Ok(None) };
    let Some(op) = node.op().downcast_ref::<Transpose>() else { return Ok(None) };
    if op.resolved(2)? != [1, 0] {
        return Ok(None);
    }
    let is_product = |a_use: &Use| match *a_use {
        Use::Node { node, slot: 0 | 1 } => product_of_matrices(graph, node).is_some(),
        _ => false,
    };
    if !graph.value(matrix).uses().iter().all(is_product) {
        return Err(Reject::because("the transposed matrix is also read elsewhere"));
    }
    Ok(node.input(0))
}

fn is_taken_by_gemm(dtype: DataType) -> bool {
    use DataType::{BF16, F16, F32, F64, I32, I64, U32, U64};
    matches!(dtype, F16 | BF16 | F32 | F64 | I32 | I64 | U32 | U64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn transposes_become_attributes() {
        assert_rewrites(
            || Rewriter(MergeGemmTransposes),
            "graph { input %x: f32[3,N] input %w: f32[4,3] input %c: f32[4]
            %a = Transpose(%x) %b = Transpose(%w) {perm = [1, 0]} %y = Gemm(%a, %b, %c) {alpha = 2.0, beta = 3.0}
            output %y }",
            "graph { input %x: f32[3,N] input %w: f32[4,3] input %c: f32[4]
            %y = Gemm(%x, %w, %c) {alpha = 2.0, beta = 3.0, transA = true, transB = true}
            output %y }",
        );
        assert_rewrites(
            || Rewriter(MergeGemmTransposes),
            "graph { input %x: f32[N,3] input %w: f32[3,N]
            %a = Transpose(%x) %b = Transpose(%w) %y = Gemm(%a, %b) {transA = true, transB = true} output %y }",
            "graph { input %x: f32[N,3] input %w: f32[3,N] %y = Gemm(%x, %w) output %y }",
        );
    }

    #[test]
    fn products_of_matrices_become_gemms() {
        assert_rewrites(
            || Rewriter(MergeGemmTransposes),
            "graph { input %x: i64[2,N] input %w: i64[2,4] %a = Transpose(%x) %y = MatMul(%a, %w) %z = MatMul(%a, %w)
            output %y output %z }",
            "graph { input %x: i64[2,N] input %w: i64[2,4] %y = Gemm(%x, %w) {transA = true}
            %z = Gemm(%x, %w) {transA = true} output %y output %z }",
        );
        assert_rewrites(
            || Rewriter(MergeGemmTransposes),
            "graph { input %x: f32[2,3] %a = Transpose(%x) %y = MatMul(%a, %x) %b = Transpose(%y) %z = MatMul(%b, %b)
            output %z }",
            "graph { input %x: f32[2,3] %y = Gemm(%x, %x) {transA = true} %z = Gemm(%y, %y) {transA = true, transB = true}
            output %z }",
        );
    }

    #[test]
    fn other_products_and_readers_stay() {
        for (body, reason) in [
            ("%a = Transpose(%x) %y = MatMul(%a, %w) output %a", Some("also read elsewhere")),
            ("%a = Transpose(%x) {perm = [0, 1]} %y = MatMul(%x, %x)", None),
            ("%a = Transpose(%b) {perm = [0, 2, 1]} %y = MatMul(%a, %b)", None),
            ("%a = Transpose(%x) %y = MatMul(%b, %a)", None),
            ("%a = Transpose(%i) %y = MatMul(%a, %i)", Some("does not take the type")),
        ] {
            let text = format!(
                "graph {{ input %x: f32[2,2] input %w: f32[2,4] input %b: f32[3,2,2] input %i: i8[2,2] {body}
                output %y }}"
            );
            assert_unchanged(|| Rewriter(MergeGemmTransposes), &text, reason);
        }
    }
}
