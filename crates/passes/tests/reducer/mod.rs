//! Makes a failing graph small.

use std::fmt::Write;

use lehr_graph::text::print_full;
use lehr_graph::{Datum, Graph, ValueId, ValueType};
use lehr_passes::eliminate_dead_code::EliminateDeadCode;
use lehr_passes::{Options, PassManager};

use crate::subject::{Bench, Failure, Subject};

/// The smallest graph found that fails in the same plan, with its inputs, as text.
pub fn reduced(subject: &Subject, failure: &Failure, bench: &Bench) -> String {
    let mut best = subject.clone();
    while let Some(smaller) = candidates(&best)
        .into_iter()
        .filter_map(|(graph, inputs)| best.with(graph, inputs))
        .find(|subject| bench.problem(subject, &failure.plan).is_some())
    {
        best = smaller;
    }
    let mut text = bench.problem(&best, &failure.plan).unwrap_or_default();
    let _ = write!(text, "\n{}", print_full(&best.graph));
    for (id, input) in best.graph.inputs().iter().zip(&best.inputs) {
        let name = best.graph.value(*id).name().unwrap_or_default();
        let _ = writeln!(text, "%{name} is {input:?}");
    }
    text
}

/// Smaller graphs: with one output only, and with a computed value given as an input.
fn candidates(subject: &Subject) -> Vec<(Graph, Vec<Option<Datum>>)> {
    let n_nodes = subject.graph.n_nodes();
    let values = subject.values();
    let mut all: Vec<_> =
        values.iter().map(|(id, _)| (with_output(&subject.graph, *id), subject.inputs.clone())).collect();
    for (id, datum) in values.iter().rev() {
        let mut inputs = subject.inputs.clone();
        inputs.push(Some(datum.clone()));
        all.push((with_input(&subject.graph, *id, datum), inputs));
    }
    all.retain(|(graph, _)| {
        graph.n_nodes() < n_nodes || graph.outputs().len() < subject.graph.outputs().len()
    });
    all
}

fn with_output(graph: &Graph, id: ValueId) -> Graph {
    let mut graph = graph.clone();
    graph.set_outputs(vec![id]);
    without_dead_code(graph)
}

fn with_input(graph: &Graph, id: ValueId, datum: &Datum) -> Graph {
    let mut graph = graph.clone();
    let Some(tensor) = datum.as_tensor() else { return graph };
    let ty = match graph.value(id).ty().shape() {
        Some(shape) => ValueType::tensor(tensor.dtype(), shape.clone()),
        None => graph.value(id).ty().clone(),
    };
    let input = graph.add_input(format!("given{}", id.index()), ty);
    graph.replace_uses(id, input);
    without_dead_code(graph)
}

fn without_dead_code(mut graph: Graph) -> Graph {
    let _ = PassManager::single(EliminateDeadCode).run(&mut graph, &Options::default());
    graph.compacted()
}
