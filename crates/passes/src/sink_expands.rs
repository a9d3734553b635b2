//! Computes before repeating: elementwise operators broadcast by themselves, so that an Expand in front of one is left out
//! where the other operands give the result its size, and otherwise comes behind it, where it repeats what is computed
//! once. A Tile of axes of size 1 is an Expand.

use std::sync::Arc;

use lehr_graph::{Dim, Flags, Graph, Node, NodeId, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::{expand::Expand, p_relu::PRelu, swiglu::SwiGLU, tile::Tile};
use lehr_tensor::Tensor;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct SinkExpands;

impl Rewrite for SinkExpands {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "sink_expands",
            doc: "computes elementwise operators before their operands are repeated",
            level: OptLevel::O2,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            // These two ask for operands of one size, or for a first one that is the largest.
            let is_bound = op.is::<SwiGLU>() || op.is::<PRelu>();
            let flags = op.flags();
            flags.contains(Flags::ELEMENTWISE) && !flags.contains(Flags::RANDOM) && !is_bound
        })
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let &[output] = node.outputs() else { return Err(Reject::NoEffect) };
        let sources: Vec<_> = node.inputs().iter().map(|v| (*v).map(|v| repeated(graph, v))).collect();
        if sources.iter().flatten().all(Option::is_none) {
            return Err(Reject::NoEffect);
        }
        let shape =
            graph.value(output).ty().shape().ok_or_else(|| Reject::because("a shape is not known"))?;
        let inputs: Vec<Option<PatchValue>> = node
            .inputs()
            .iter()
            .zip(&sources)
            .map(|(own, source)| Some(source.flatten().map_or((*own)?, |(source, _)| source).into()))
            .collect();
        let outputs = patch.node(node.op_ref().clone(), &inputs, 1)?;
        let computed = *outputs.first().ok_or(Reject::NoEffect)?;
        if patch.ty(computed).shape().is_some_and(|own| own.equal(shape) == Some(true)) {
            patch.replace(output, computed);
            return Ok(());
        }
        let mut expands = sources.into_iter().flatten().flatten().map(|(_, id)| id);
        let target = expands.find_map(|id| target(graph, graph.node(id), shape));
        let target = match (target, sizes(shape)) {
            (Some(target), _) => target.into(),
            (None, Some(sizes)) => patch.constant(Tensor::vector(sizes)),
            (None, None) => return Err(Reject::because("the size of the result is not known")),
        };
        let outputs = patch.node(Arc::new(Expand {}), &[Some(computed), Some(target)], 1)?;
        patch.replace(output, *outputs.first().ok_or(Reject::NoEffect)?);
        Ok(())
    }

    fn must_pay(&self) -> bool {
        true
    }
}

/// What a value repeats, along axes of size 1, and the node that does it.
fn repeated(graph: &Graph, value: ValueId) -> Option<(ValueId, NodeId)> {
    let id = graph.producer(value)?;
    let node = graph.node(id);
    let source = node.input(0)?;
    let (before, after) = (graph.value(source).ty().shape()?, graph.value(value).ty().shape()?);
    let keeps = |(before, after): (&Dim, &Dim)| *before == Dim::Fixed(1) || before.equal(after) == Some(true);
    let is_broadcast = before.rank() == after.rank() && before.iter().zip(after).all(keeps);
    (node.op().is::<Expand>() || (node.op().is::<Tile>() && is_broadcast)).then_some((source, id))
}

/// The target of an Expand that has the shape wanted.
fn target(graph: &Graph, node: &Node, shape: &Shape) -> Option<ValueId> {
    let own = graph.value(*node.outputs().first()?).ty().shape()?;
    (node.op().is::<Expand>() && own.equal(shape) == Some(true)).then_some(node.input(1)?)
}

fn sizes(shape: &Shape) -> Option<Vec<i64>> {
    shape.as_fixed()?.into_iter().map(|size| i64::try_from(size).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    fn text(body: &str) -> String {
        format!(
            "graph {{ input %x: f32[1,8] input %full: f32[16,8] input %n: f32[N,8] input %t: i64[2]
            const %two = f32[] [2] const %shape = i64[2] [16, 8] const %times = i64[2] [16, 1] const %wide = i64[2] [1, 2]
            {body} output %y }}"
        )
    }

    #[test]
    fn repetitions_come_last_or_not_at_all() {
        for (before, after) in [
            ("%e = Expand(%x, %shape) %y = Exp(%e)", "%0 = Exp(%x) %y = Expand(%0, %shape)"),
            ("%e = Expand(%x, %shape) %y = Mul(%two, %e)", "%0 = Mul(%two, %x) %y = Expand(%0, %shape)"),
            ("%e = Expand(%x, %shape) %y = Sub(%full, %e)", "%y = Sub(%full, %x)"),
            ("%e = Tile(%x, %times) %y = Add(%e, %full)", "%y = Add(%x, %full)"),
            (
                "%e = Tile(%x, %times) %y = Exp(%e)",
                "%0 = Exp(%x) const %1 = i64[2] [16, 8] %y = Expand(%0, %1)",
            ),
        ] {
            assert_rewrites(|| Rewriter(SinkExpands), &text(before), &text(after));
        }
    }

    #[test]
    fn other_repetitions_stay() {
        for (body, reason) in [
            ("%e = Tile(%x, %wide) %y = Exp(%e)", None),
            ("%e = Expand(%x, %shape) %y = Exp(%e) output %e", Some("ns longer")),
            ("%e = Expand(%n, %t) %y = Exp(%e)", None),
        ] {
            assert_unchanged(|| Rewriter(SinkExpands), &text(body), reason);
        }
    }
}
