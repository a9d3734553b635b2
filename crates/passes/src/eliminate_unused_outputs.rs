//! Drops optional outputs at the end of a node that nobody reads: the mask of Dropout, the indices of MaxPool, the last
//! states of LSTM. What is not asked for is not computed.

use lehr_graph::{Flags, Op, PatchBuilder};
use lehr_ops::schema;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct EliminateUnusedOutputs;

impl Rewrite for EliminateUnusedOutputs {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "eliminate_unused_outputs",
            doc: "drops optional outputs at the end of a node that nobody reads",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| {
            // Where any number of outputs is allowed, their number means something.
            let is_optional = op.schema().outputs.1 != usize::MAX;
            let never = [Flags::OPAQUE, Flags::CONTROL_FLOW, Flags::RANDOM];
            is_optional && !never.iter().any(|&flag| op.flags().contains(flag))
        })
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let node = graph.node(found.root());
        let is_read = |index: usize| {
            node.outputs().get(index).is_some_and(|&value| !graph.value(value).uses().is_empty())
        };
        let needed = (0..node.outputs().len()).rev().find(|&index| is_read(index)).map_or(0, |last| last + 1);
        let kept = needed.max(fewest(node.op()));
        if needed == 0 || kept >= node.outputs().len() {
            return Err(Reject::NoEffect);
        }
        let inputs: Vec<_> = node.inputs().iter().map(|value| value.map(Into::into)).collect();
        let outputs = patch.node(node.op_ref().clone(), &inputs, kept)?;
        node.outputs().iter().zip(outputs).for_each(|(&old, new)| patch.replace(old, new));
        Ok(())
    }
}

/// The fewest outputs that a node of the operator may have: by its specification where there is one, which may ask for
/// more than the operator does itself.
fn fewest(op: &dyn Op) -> usize {
    let own = op.schema();
    let specified = schema::schema(own.domain, own.name, schema::NEWEST_OPSET);
    own.outputs.0.max(specified.map_or(0, |schema| schema.output_count.min))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged, run_with};

    #[test]
    fn unread_outputs_at_the_end_are_dropped() {
        assert_rewrites(
            || Rewriter(EliminateUnusedOutputs),
            "graph { input %x: f32[1,2,6,6] %y, %indices = MaxPool(%x) {kernel_shape = [2, 2]} output %y }",
            "graph { input %x: f32[1,2,6,6] %y = MaxPool(%x) {kernel_shape = [2, 2]} output %y }",
        );
    }

    #[test]
    fn those_in_front_of_a_read_one_stay() {
        let states = |outputs: &str| {
            format!(
                "graph {{ input %x: f32[2,1,3] const %w = f32[1,4,3] [{}] const %r = f32[1,4,1] [1, 2, 3, 4]
                {outputs} = LSTM(%x, %w, %r) {{hidden_size = 1}} output %h }}",
                ["0.5"; 12].join(", ")
            )
        };
        assert_rewrites(|| Rewriter(EliminateUnusedOutputs), &states("%y, %h, %c"), &states("%y, %h"));
    }

    #[test]
    fn kept_values_stay() {
        let text =
            "graph { input %x: f32[1,2,6,6] %y, %indices = MaxPool(%x) {kernel_shape = [2, 2]} output %y }";
        let (kept, report) = run_with(Rewriter(EliminateUnusedOutputs), text, |options| {
            options.keep.insert("indices".into());
        });
        assert_eq!(kept.node_ids().map(|id| kept.node(id).outputs().len()).collect::<Vec<_>>(), [2]);
        assert_eq!(report.notes.first().map(|note| note.reason.as_str()), Some("value 'indices' is kept"));
    }

    #[test]
    fn outputs_that_are_read_or_needed_stay() {
        for text in [
            "graph { input %x: f32[1,2,6,6] %y, %i = MaxPool(%x) {kernel_shape = [2, 2]} output %i }",
            "graph { input %x: f32[4] %a, %b = Split(%x) {num_outputs = 2} output %a }",
            "graph { input %x: f32[4] const %k = i64[1] [2] %a, %b = TopK(%x, %k) output %a }",
        ] {
            assert_unchanged(|| Rewriter(EliminateUnusedOutputs), text, None);
        }
    }
}
