//! Evaluates what depends on constants only, and puts the chosen branch in the place of an `If` whose condition is
//! constant.
//!
//! Compressed weights stay compressed: what expands stored weights (a promise of the operator, a cast of narrow numbers,
//! a look-up in a codebook) is not folded, and neither is what becomes much larger than what it is computed from.

use lehr_graph::cost::bytes_of;
use lehr_graph::{Datum, Dim, EvalCx, Flags, Graph, NodeId, Op, PatchBuilder, Signature};
use lehr_ops::evaluate::Reference;
use lehr_ops::gather::Gather;
use lehr_ops::r#if::If;
use lehr_tensor::{DataType, Tensor};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FoldConstants;

/// A result of at most this many bytes is folded whatever it is: no weights are so small.
const TINY: usize = 256;
/// The slow reference evaluation does at most this many multiply-accumulates for one node.
const MAX_MACS: u64 = 1 << 28;

impl Rewrite for FoldConstants {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fold_constants",
            doc: "evaluates what depends on constants only, and inlines branches with a constant condition",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            let flags = op.flags();
            let never = [Flags::RANDOM, Flags::OPAQUE].iter().any(|&f| flags.contains(f));
            !never && (op.is::<If>() || !flags.contains(Flags::CONTROL_FLOW))
        })
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, cx: &PassCx<'_>) -> Result<(), Reject> {
        let id = found.root();
        let graph = patch.graph();
        if let Some(op) = graph.node(id).op().downcast_ref::<If>() {
            return inline_branch(op, id, patch);
        }
        let node = graph.node(id);
        let is_constant = |v: &lehr_graph::ValueId| graph.constant(*v).is_some();
        if !node.inputs().iter().flatten().all(is_constant) || is_unread(graph, id) {
            return Err(Reject::NoEffect);
        }
        let io = graph.signature(id);
        check_growth(node.op(), &io, cx.fold_limit())?;
        check_work(node.op(), &io)?;
        let results = evaluate(graph, id, &io, cx.fold_limit())?;
        for (&output, result) in node.outputs().iter().zip(results) {
            if let Some(Datum::Tensor(tensor)) = result {
                let constant = patch.constant(tensor);
                patch.replace(output, constant);
            }
        }
        Ok(())
    }
}

fn is_unread(graph: &Graph, id: NodeId) -> bool {
    graph.node(id).outputs().iter().all(|&v| graph.value(v).uses().is_empty())
}

fn inline_branch(op: &If, id: NodeId, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let node = patch.graph().node(id);
    let Some(condition) = node.input(0).and_then(|v| patch.constant_of(v)) else {
        return Err(Reject::NoEffect);
    };
    let Ok(condition) = condition.item::<bool>() else {
        return Err(Reject::because("the condition is not one truth value"));
    };
    let branch = if condition { &op.then_branch } else { &op.else_branch };
    let captured: Vec<_> = node.inputs().iter().skip(1).map(|v| v.map(Into::into)).collect();
    let outputs = patch.inline(branch, &captured)?;
    for (&old, new) in node.outputs().iter().zip(outputs) {
        if !patch.graph().value(old).uses().is_empty() {
            patch.replace(old, new);
        }
    }
    Ok(())
}

fn total_inputs(io: &Signature<'_>) -> usize {
    io.constants.iter().flatten().map(|t| t.byte_len()).sum()
}

/// Bytes of all outputs; `None` while a size is not known before evaluation.
fn total_outputs(io: &Signature<'_>) -> Option<usize> {
    io.outputs.iter().map(|ty| bytes_of(ty).as_fixed()).try_fold(0usize, |sum, bytes| sum.checked_add(bytes?))
}

fn check_growth(op: &dyn Op, io: &Signature<'_>, limit: usize) -> Result<(), Reject> {
    if op.flags().contains(Flags::EXPANDS_WEIGHTS) {
        return Err(Reject::because("it expands compressed weights"));
    }
    let before = total_inputs(io);
    let Some(after) = total_outputs(io) else { return Ok(()) };
    if after <= TINY {
        return Ok(());
    }
    if let Some(narrow) = io.constants.iter().flatten().find(|t| is_narrow(t) && t.byte_len() < after) {
        return Err(Reject::because(format!(
            "it expands {} bytes of {} to {after}",
            narrow.byte_len(),
            narrow.dtype()
        )));
    }
    if op.is::<Gather>() && is_codebook(io) {
        return Err(Reject::because("it looks weights up in a codebook"));
    }
    if after > before.max(limit) {
        return Err(Reject::because(format!("its result has {after} bytes, expected at most {limit}")));
    }
    Ok(())
}

/// Whether these are stored numbers of at most 8 bits that are likely to be weights.
fn is_narrow(tensor: &Tensor) -> bool {
    matches!(tensor.dtype().bits(), 1..=8) && tensor.dtype() != DataType::Bool && tensor.len() > 16
}

/// Whether rows are read more often than there are rows.
fn is_codebook(io: &Signature<'_>) -> bool {
    let [Some(table), Some(codes)] = io.constants.as_slice() else { return false };
    codes.len() > table.shape().iter().copied().max().unwrap_or(1)
}

fn check_work(op: &dyn Op, io: &Signature<'_>) -> Result<(), Reject> {
    match op.cost(io).macs {
        Dim::Fixed(macs) if macs > MAX_MACS => {
            Err(Reject::because(format!("it takes {macs} multiply-accumulates, expected at most {MAX_MACS}")))
        }
        _ => Ok(()),
    }
}

fn evaluate(
    graph: &Graph,
    id: NodeId,
    io: &Signature<'_>,
    limit: usize,
) -> Result<Vec<Option<Datum>>, Reject> {
    let node = graph.node(id);
    let inputs: Vec<_> = io.constants.iter().map(|t| t.map(|t| Datum::Tensor(t.clone()))).collect();
    let wanted: Vec<_> = node.outputs().iter().map(|&v| !graph.value(v).uses().is_empty()).collect();
    // Intermediate values of a decomposition may be wider than the result.
    let most = total_inputs(io).max(limit).max(total_outputs(io).unwrap_or(0)).saturating_mul(8);
    let environment = Reference { max_value_bytes: most, ..Reference::default() };
    let mut cx = EvalCx::new(&inputs, wanted.clone(), &environment);
    node.op().eval(&mut cx)?;
    let mut results = cx.finish();
    for (result, wanted) in results.iter_mut().zip(wanted) {
        if !wanted {
            *result = None;
        }
        if matches!(result, Some(Datum::Sequence(_) | Datum::Optional(_) | Datum::Map(_))) {
            return Err(Reject::because("its result is not a tensor"));
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged, run_with};

    #[test]
    fn constant_subgraphs_become_constants() {
        assert_rewrites(
            || Rewriter(FoldConstants),
            "graph { input %x: f32[2]
                const %a = f32[2] [1, 2]
                const %b = f32[] [3]
                %c = Mul(%a, %b) %d = Neg(%c) %y = Add(%x, %d)
                output %y output %c }",
            "graph { input %x: f32[2]
                const %d = f32[2] [-3, -6]
                %y = Add(%x, %d)
                const %c = f32[2] [3, 6]
                output %y output %c }",
        );
    }

    #[test]
    fn chosen_branches_are_inlined() {
        assert_rewrites(
            || Rewriter(FoldConstants),
            "graph { input %x: f32[2] input %z: f32[2]
                const %yes = bool[1] [true]
                %y = If(%yes, %x, %z) {
                    then_branch = graph { capture %a: f32[2] capture %b: f32[2]
                        const %k = f32[] [2] %s = Mul(%a, %k) output %s },
                    else_branch = graph { capture %a: f32[2] capture %b: f32[2] output %b }}
                output %y }",
            "graph { input %x: f32[2] input %z: f32[2]
                const %0 = f32[] [2]
                %y = Mul(%x, %0)
                output %y }",
        );
    }

    #[test]
    fn folds_inside_subgraphs() {
        assert_rewrites(
            || Rewriter(FoldConstants),
            "graph { input %c: bool[] input %x: f32[1]
                %y = If(%c, %x) {
                    then_branch = graph { capture %a: f32[1] const %k = f32[1] [2] %n = Neg(%k) output %n },
                    else_branch = graph { capture %a: f32[1] output %a }}
                output %y }",
            "graph { input %c: bool[] input %x: f32[1]
                %y = If(%c, %x) {
                    then_branch = graph { capture %a: f32[1] const %n = f32[1] [-2] output %n },
                    else_branch = graph { capture %a: f32[1] output %a }}
                output %y }",
        );
    }

    #[test]
    fn compressed_weights_stay_compressed() {
        let int8 = "graph { input %x: f32[1,32]
            const %w = i8[32,8] fill 3
            const %s = f32[] [0.5]
            %f = Cast(%w) {to = f32} %d = Mul(%f, %s) %y = MatMul(%x, %d)
            output %y }";
        assert_unchanged(|| Rewriter(FoldConstants), int8, Some("it expands 256 bytes of i8 to 1024"));
        let qdq = "graph { input %x: f32[1,32]
            const %w = i8[32,8] fill 3
            const %s = f32[] [0.5]
            %d = DequantizeLinear(%w, %s) %y = MatMul(%x, %d)
            output %y }";
        assert_unchanged(|| Rewriter(FoldConstants), qdq, Some("it expands compressed weights"));
        let codebook = "graph { input %x: f32[1,32]
            const %book = f32[4] [1, 2, 3, 4]
            const %codes = i64[32,8] fill 3
            %d = Gather(%book, %codes) %y = MatMul(%x, %d)
            output %y }";
        assert_unchanged(|| Rewriter(FoldConstants), codebook, Some("it looks weights up in a codebook"));
    }

    #[test]
    fn size_is_limited() {
        let text =
            "graph { const %x = f32[] [1] const %s = i64[2] [1000, 1000] %y = Expand(%x, %s) output %y }";
        let reason = Some("its result has 4000000 bytes, expected at most 65536");
        assert_unchanged(|| Rewriter(FoldConstants), text, reason);
        let (graph, _) = run_with(Rewriter(FoldConstants), text, |options| options.fold_limit = 4_000_000);
        assert_eq!(graph.n_nodes(), 0);
    }

    #[test]
    fn errors_are_reasons() {
        let text =
            "graph { const %x = f32[2] [1, 2] const %i = i64[] [7] %y: f32[] = Gather(%x, %i) output %y }";
        let (graph, report) = run_with(Rewriter(FoldConstants), text, |options| options.verify = false);
        assert_eq!(graph.n_nodes(), 1);
        assert!(report.notes[0].reason.contains('7'), "{:?}", report.notes);
    }
}
