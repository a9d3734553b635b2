//! Puts the iterations of a short Loop one behind the other: at most [`MAX_TRIPS`] of them, of a body that gives at most
//! [`MAX_NODES`] nodes and [`MAX_BYTES`] of constants altogether. What only depends on the number of the iteration is
//! constant then.

use std::sync::Arc;

use lehr_graph::{Flags, Graph, Node, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{concat::Concat, identity::Identity, r#loop::Loop, unsqueeze::Unsqueeze};
use lehr_tensor::Tensor;

use crate::cost_model::Totals;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct UnrollLoops;

/// Most iterations.
pub const MAX_TRIPS: usize = 8;
/// Most nodes of all iterations together.
pub const MAX_NODES: usize = 64;
/// Most bytes of constants of all iterations together.
pub const MAX_BYTES: u64 = 64 << 10;

impl Rewrite for UnrollLoops {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "unroll_loops",
            doc: "puts the iterations of short loops one behind the other",
            level: OptLevel::O2,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<Loop>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let body = &node.op().downcast_ref::<Loop>().ok_or(Reject::NoEffect)?.body;
        let trips = trips(graph, node, body)?;
        check_size(body, trips)?;
        let n_carried = body.inputs().len().checked_sub(2).ok_or(Reject::NoEffect)?;
        let operand = |index: usize| node.input(index).map(PatchValue::from);
        let n_formal = 2 + n_carried;
        let captures: Vec<_> = (n_formal..node.inputs().len()).map(operand).collect();
        let mut carried: Vec<_> = (2..n_formal).map(operand).collect();
        let n_collected = body.outputs().len().checked_sub(1 + n_carried).ok_or(Reject::NoEffect)?;
        let mut collected = vec![Vec::new(); n_collected];
        for number in 0..trips {
            let number = i64::try_from(number).map_err(|_| Reject::NoEffect)?;
            let round = [Tensor::scalar(number), Tensor::scalar(true)].map(|t| Some(patch.constant(t)));
            let given: Vec<_> = round.into_iter().chain(carried).chain(captures.iter().copied()).collect();
            let mut results = patch.inline(body, &given)?.into_iter().skip(1);
            carried = results.by_ref().take(n_carried).map(Some).collect();
            collected.iter_mut().zip(results).for_each(|(all, value)| all.push(value));
        }
        for (index, &output) in node.outputs().iter().enumerate() {
            if graph.value(output).uses().is_empty() {
                continue;
            }
            let new = match index.checked_sub(n_carried) {
                None => carried.get(index).copied().flatten().ok_or(Reject::NoEffect)?,
                Some(own) => stacked(patch, collected.get(own).map_or(&[], Vec::as_slice))?,
            };
            patch.replace(output, new);
        }
        Ok(())
    }
}

/// How often the body runs.
fn trips(graph: &Graph, node: &Node, body: &Graph) -> Result<usize, Reject> {
    let Some(count) = node.input(0) else { return Err(Reject::because("the number of iterations is open")) };
    let Some(count) = graph.constant(count) else { return Err(Reject::NoEffect) };
    let count = count
        .to_i64s()
        .ok()
        .filter(|numbers| numbers.len() == 1)
        .and_then(|numbers| numbers.first().copied());
    let is_true = |tensor: Option<&Tensor>| tensor.and_then(|t| t.item::<bool>().ok()) == Some(true);
    let starts = node.input(1).is_none_or(|condition| is_true(graph.constant(condition)));
    let goes_on = body.outputs().first().map(|&value| through_identities(body, value));
    let goes_on =
        goes_on.is_some_and(|value| body.inputs().get(1) == Some(&value) || is_true(body.constant(value)));
    if !starts || !goes_on {
        return Err(Reject::because("a condition may end it"));
    }
    let count = count.and_then(|count| usize::try_from(count).ok()).ok_or(Reject::NoEffect)?;
    if count == 0 || count > MAX_TRIPS {
        return Err(Reject::because(format!("{count} iterations, expected 1 to {MAX_TRIPS}")));
    }
    Ok(count)
}

fn through_identities(graph: &Graph, mut value: ValueId) -> ValueId {
    while let Some(node) = graph.producer(value).map(|id| graph.node(id))
        && node.op().is::<Identity>()
        && let Some(input) = node.input(0)
    {
        value = input;
    }
    value
}

fn check_size(body: &Graph, trips: usize) -> Result<(), Reject> {
    let size = Totals::of(body);
    let nodes = size.nodes.saturating_mul(trips);
    if nodes > MAX_NODES {
        return Err(Reject::because(format!("it would become {nodes} nodes, expected at most {MAX_NODES}")));
    }
    let bytes = size.parameter_bytes.saturating_mul(trips as u64);
    if bytes > MAX_BYTES {
        return Err(Reject::because(format!(
            "it would hold {bytes} bytes of constants, expected at most {MAX_BYTES}"
        )));
    }
    // Each iteration draws anew; copies with the same seed would not.
    if draws(body) {
        return Err(Reject::because("it draws random numbers"));
    }
    Ok(())
}

fn draws(body: &Graph) -> bool {
    body.node_ids()
        .map(|id| body.node(id).op())
        .any(|op| op.flags().contains(Flags::RANDOM) || op.subgraphs().iter().any(|(_, inner)| draws(inner)))
}

/// The results of all iterations along a new first axis.
fn stacked(patch: &mut PatchBuilder<'_>, values: &[PatchValue]) -> Result<PatchValue, Reject> {
    let axis = patch.constant(Tensor::vector(vec![0i64]));
    let mut parts = Vec::with_capacity(values.len());
    for &value in values {
        parts.push(patch.call(Unsqueeze {}, &[value, axis])?);
    }
    match parts.as_slice() {
        [] => Err(Reject::NoEffect),
        &[part] => Ok(part),
        _ => {
            let parts: Vec<_> = parts.into_iter().map(Some).collect();
            let all = patch.node(Arc::new(Concat { axis: 0 }), &parts, 1)?;
            all.first().copied().ok_or(Reject::NoEffect)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    fn text(trips: &str, go: &str, step: &str) -> String {
        format!(
            "graph {{ input %x: f32[2] input %k: f32[2] const %n = i64[] [{trips}] input %c: bool[]
            %y, %all = Loop(%n, _, %x, %k) {{body = graph \"body\" {{
                input %i: i64[] input %go: bool[] input %a: f32[2] capture %s: f32[2] {step}
                output {go} output %b output %b }}}} output %y output %all }}"
        )
    }

    #[test]
    fn iterations_follow_each_other() {
        let after = "graph { input %x: f32[2] input %k: f32[2] input %c: bool[] %b = Mul(%x, %k) %y = Mul(%b, %k)
            const %axes = i64[1] [0] %p = Unsqueeze(%b, %axes) %q = Unsqueeze(%y, %axes) %all = Concat(%p, %q) {axis = 0}
            output %y output %all }";
        for (go, step) in [("%go", "%b = Mul(%a, %s)"), ("%t", "const %t = bool[] [true] %b = Mul(%a, %s)")] {
            assert_rewrites_within(|| Rewriter(UnrollLoops), &text("2", go, step), after);
        }
    }

    #[test]
    fn one_iteration_reads_its_number() {
        assert_rewrites_within(
            || Rewriter(UnrollLoops),
            &text("1", "%go", "%f = Cast(%i) {to = 1} %b = Add(%a, %f)"),
            "graph { input %x: f32[2] input %k: f32[2] input %c: bool[] const %i = i64[] [0] %f = Cast(%i) {to = 1}
            %y = Add(%x, %f) const %axes = i64[1] [0] %all = Unsqueeze(%y, %axes) output %y output %all }",
        );
    }

    #[test]
    fn long_large_and_open_loops_stay() {
        let long = "%b = Mul(%a, %s)";
        let large = "const %w = f32[2,8192] fill 1.0 %m = MatMul(%a, %w) const %v = f32[8192,2] fill 1.0 %b = MatMul(%m, %v)";
        let random = "%b = RandomNormalLike(%a)";
        let many = (0..10)
            .fold(String::from("%b0 = Neg(%a)"), |text, at| format!("{text} %b{} = Mul(%b{at}, %s)", at + 1))
            + " %b = Abs(%b10)";
        let open = "%m = ReduceMax(%a) {keepdims = false} %t = Less(%m, %m) %b = Neg(%a)";
        for (trips, go, step, reason) in [
            ("9", "%go", long, "9 iterations, expected 1 to 8"),
            ("0", "%go", long, "0 iterations"),
            ("2", "%go", large, "bytes of constants"),
            ("2", "%go", random, "random"),
            ("6", "%go", many.as_str(), "72 nodes, expected at most 64"),
            ("2", "%t", open, "a condition may end it"),
        ] {
            assert_unchanged(|| Rewriter(UnrollLoops), &text(trips, go, step), Some(reason));
        }
    }
}
