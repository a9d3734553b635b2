//! Where the time of runs goes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::compile::CompiledModel;
use crate::program::Program;

/// Measurements of one node, summed over all its executions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeProfile {
    /// Name of the graph it is in; empty for the main graph.
    pub graph: String,
    /// Name of the node.
    pub node: String,
    /// Operator.
    pub op: String,
    /// Algorithm of the kernel, or `reference`.
    pub kernel: String,
    /// Executions.
    pub calls: u64,
    /// Milliseconds, those of its subgraphs included.
    pub ms: f64,
    /// Bytes of its outputs.
    pub bytes_written: u64,
    /// The most bytes of computed values alive while it ran, its inputs and outputs included; views count once.
    pub live_bytes: u64,
}

/// Measurements of one or more runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    /// Runs that were measured.
    pub runs: u64,
    /// Milliseconds of all runs together.
    pub ms: f64,
    /// Nodes in the order of their execution, those of subgraphs at the end.
    pub nodes: Vec<NodeProfile>,
}

impl Profile {
    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Profile {
    /// A table, slowest nodes first, per run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs.max(1) as f64;
        writeln!(f, "{:.3} ms per run over {} runs", self.ms / runs, self.runs)?;
        writeln!(
            f,
            "{:>10} {:>6} {:>8} {:>10}  {:<22} {:<20} node",
            "ms", "%", "calls", "kB out", "operator", "kernel"
        )?;
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        for node in nodes {
            let share = if self.ms > 0.0 { 100.0 * node.ms / self.ms } else { 0.0 };
            let place = if node.graph.is_empty() { "" } else { "/" };
            writeln!(
                f,
                "{:>10.3} {share:>6.1} {:>8} {:>10.1}  {:<22} {:<20} {}{place}{}",
                node.ms / runs,
                node.calls,
                node.bytes_written as f64 / 1000.0 / runs,
                node.op,
                node.kernel,
                node.graph,
                node.node,
            )?;
        }
        Ok(())
    }
}

/// Collects measurements while runs go on. Keys are the addresses of programs, which outlive it; those of
/// decompositions are not measured on their own, their node is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiler {
    runs: u64,
    total: Duration,
    steps: BTreeMap<(usize, usize), Measured>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    calls: u64,
    time: Duration,
    bytes: u64,
    live: u64,
}

impl Profiler {
    pub(crate) fn record(
        &mut self,
        program: &Program,
        step: usize,
        time: Duration,
        bytes: usize,
        live: usize,
    ) {
        let entry = self.steps.entry((std::ptr::from_ref(program).addr(), step)).or_default();
        entry.calls += 1;
        entry.time += time;
        entry.bytes = entry.bytes.saturating_add(bytes as u64);
        entry.live = entry.live.max(live as u64);
    }

    pub(crate) fn finish_run(&mut self, time: Duration) {
        self.runs += 1;
        self.total += time;
    }

    pub(crate) fn profile(&self, model: &CompiledModel) -> Profile {
        let mut nodes = Vec::new();
        let mut add = |name: &str, program: &Program| {
            for (index, step) in program.steps.iter().enumerate() {
                let key = (std::ptr::from_ref(program).addr(), index);
                let Some(measured) = self.steps.get(&key) else { continue };
                nodes.push(NodeProfile {
                    graph: name.to_owned(),
                    node: step.label.clone(),
                    op: step.op.full_name(),
                    kernel: step.kernel().to_owned(),
                    calls: measured.calls,
                    ms: milliseconds(measured.time),
                    bytes_written: measured.bytes,
                    live_bytes: measured.live,
                });
            }
        };
        add("", &model.program);
        model.subprograms.values().for_each(|program| add(&program.name, program));
        Profile { runs: self.runs, ms: milliseconds(self.total), nodes }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
