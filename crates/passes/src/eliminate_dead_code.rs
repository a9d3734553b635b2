//! Removes nodes whose results nobody reads, and captured values that no subgraph of a node reads.

use std::sync::Arc;

use lehr_graph::verify::describe_node;
use lehr_graph::{Graph, NodeId};

use crate::pass::{Changed, Exactness, OptLevel, Pass, PassCx, PassError, PassInfo};

/// The pass.
pub struct EliminateDeadCode;

impl Pass for EliminateDeadCode {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "eliminate_dead_code",
            doc: "removes nodes, and captures of subgraphs, that nobody reads",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
        let mut changed = 0;
        // Readers first, so that one sweep finds all.
        for id in graph.topological_order().into_iter().rev() {
            let outputs = graph.node(id).outputs();
            if outputs.iter().any(|&v| !graph.value(v).uses().is_empty()) {
                changed += usize::from(drop_captures(graph, id, cx));
                continue;
            }
            if let Some(&kept) = outputs.iter().find(|&&v| cx.is_kept(graph, v)) {
                let name = graph.value(kept).name().unwrap_or_default().to_owned();
                cx.note(graph, id, format!("value '{name}' is kept"));
                continue;
            }
            if !cx.permit(|| describe_node(graph, id)) {
                break;
            }
            graph.remove_node(id);
            changed += 1;
        }
        Ok(Changed(changed))
    }
}

/// Removes the captures that none of the node's subgraphs reads.
fn drop_captures(graph: &mut Graph, id: NodeId, cx: &mut PassCx<'_>) -> bool {
    let node = graph.node(id);
    let subgraphs: Vec<_> = node.op().subgraphs().into_iter().map(|(_, g)| g).collect();
    let Some(count) = subgraphs.first().map(|g| g.captures().len()) else { return false };
    let is_unused = |index: usize| {
        subgraphs.iter().all(|g| g.captures().get(index).is_some_and(|&v| g.value(v).uses().is_empty()))
    };
    let unused: Vec<usize> = (0..count).filter(|&i| is_unused(i)).collect();
    let Some(start) = node.inputs().len().checked_sub(count) else { return false };
    if unused.is_empty() || !cx.permit(|| describe_node(graph, id)) {
        return false;
    }
    let mut inner: Vec<Graph> = subgraphs.into_iter().map(|g| (**g).clone()).collect();
    let mut inputs = node.inputs().to_vec();
    for &index in unused.iter().rev() {
        for graph in &mut inner {
            graph.remove_capture(index);
        }
        inputs.remove(start + index);
    }
    let Some(op) = node.op().with_subgraphs(inner.into_iter().map(Arc::new).collect()) else { return false };
    graph.set_op(id, op);
    graph.set_inputs(id, inputs);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_rewrites, assert_unchanged, run_with};

    #[test]
    fn drops_what_nobody_reads() {
        assert_rewrites(
            || EliminateDeadCode,
            "graph { input %x: f32[2]
                %a = Relu(%x) %b = Abs(%a) %c = Relu(%b) %d = Abs(%x)
                output %d }",
            "graph { input %x: f32[2] %d = Abs(%x) output %d }",
        );
    }

    #[test]
    fn drops_unread_captures_and_what_only_they_read() {
        assert_rewrites(
            || EliminateDeadCode,
            "graph { input %c: bool[] input %x: f32[2] input %y: f32[2]
                %a = Relu(%x)
                %z = If(%c, %a, %y) {
                    then_branch = graph { capture %a: f32[2] capture %b: f32[2] output %b },
                    else_branch = graph { capture %a: f32[2] capture %b: f32[2] %u = Abs(%a) %v = Relu(%b) output %v }}
                output %z }",
            "graph { input %c: bool[] input %x: f32[2] input %y: f32[2]
                %z = If(%c, %y) {
                    then_branch = graph { capture %b: f32[2] output %b },
                    else_branch = graph { capture %b: f32[2] %v = Relu(%b) output %v }}
                output %z }",
        );
    }

    #[test]
    fn leaves_what_is_read_or_kept() {
        let text = "graph { input %x: f32[2] %a, %b = Split(%x) {num_outputs = 2} output %b }";
        assert_unchanged(|| EliminateDeadCode, text, None);
        let text = "graph { input %x: f32[2] %a = Relu(%x) output %x }";
        let (graph, report) = run_with(EliminateDeadCode, text, |options| {
            options.keep.insert("a".into());
        });
        assert_eq!((graph.n_nodes(), report.notes[0].reason.as_str()), (1, "value 'a' is kept"));
    }
}
