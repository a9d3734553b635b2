//! What a graph, a node or a patch costs: the measure by which moves are justified.

use std::collections::BTreeSet;
use std::fmt::Debug;

use lehr_graph::cost::Cost;
use lehr_graph::dim::{Assignment, Symbol};
use lehr_graph::patch::NodeView;
use lehr_graph::verify::MAX_NESTING;
use lehr_graph::{Def, Dim, Flags, Graph, Op, Patch, Shape, Signature, ValueType};

use crate::energy::{CACHE_PJ_PER_BYTE, DRAM_PJ_PER_BYTE, pj_per_mac};
use crate::rewrite::Reject;

/// Predicts time; fed with measured kernel costs where there are such.
pub trait CostModel: Debug + Send + Sync {
    /// Nanoseconds of one node with this operator, traffic and work included.
    fn nanoseconds(&self, op: &dyn Op, io: &Signature<'_>, work: Work) -> f64;
}

/// Sizes of one node for one choice of symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

/// Time is work over throughput or traffic over bandwidth, whichever is more, and a fixed price for every node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// Multiply-accumulates per nanosecond.
    pub macs_per_ns: f64,
    /// Bytes per nanosecond.
    pub bytes_per_ns: f64,
    /// Nanoseconds of one node beside its work.
    pub node_ns: f64,
}

impl Default for Roofline {
    /// One core of a current PC with caches of a few megabytes.
    fn default() -> Self {
        Self { macs_per_ns: 40.0, bytes_per_ns: 16.0, node_ns: 300.0 }
    }
}

impl CostModel for Roofline {
    fn nanoseconds(&self, op: &dyn Op, _io: &Signature<'_>, work: Work) -> f64 {
        // Renaming elements and asking for sizes touches nothing.
        if op.flags().contains(Flags::SAME_ORDER) || op.flags().contains(Flags::SHAPE_ONLY) {
            return 0.0;
        }
        (work.macs as f64 / self.macs_per_ns).max(work.bytes as f64 / self.bytes_per_ns) + self.node_ns
    }
}

/// Sizes that stand for symbols while two forms are compared: a move must pay for small and for large ones.
const HINTS: [u64; 3] = [1, 16, 256];

/// What a patch saves: nanoseconds of the nodes that fall out less those of the new ones, for the size of symbols at which
/// it saves least.
///
/// # Errors
/// [`Reject::Because`] when sizes are not known.
pub fn gain(model: &dyn CostModel, graph: &Graph, patch: &Patch) -> Result<f64, Reject> {
    let dying = patch.dying(graph);
    let mut symbols = BTreeSet::new();
    for &id in &dying {
        collect(&graph.signature(id), &mut symbols);
    }
    patch.each_node(graph, &mut |view| collect(&view.io, &mut symbols));
    let mut least = f64::INFINITY;
    for hint in if symbols.is_empty() { &HINTS[..1] } else { &HINTS[..] } {
        let sizes: Assignment = symbols.iter().map(|s| (s.clone(), *hint)).collect();
        let mut total = 0.0;
        let mut known = true;
        let mut add = |op: &dyn Op, io: &Signature<'_>, sign: f64| match work(op, io, &sizes) {
            Some(work) => total += sign * model.nanoseconds(op, io, work),
            None => known = false,
        };
        for &id in &dying {
            add(graph.node(id).op(), &graph.signature(id), 1.0);
        }
        patch.each_node(graph, &mut |view: NodeView<'_>| {
            if !view.is_constant {
                add(view.op, &view.io, -1.0);
            }
        });
        if !known {
            return Err(Reject::because("its cost is not known"));
        }
        least = least.min(total);
    }
    Ok(least)
}

fn collect(io: &Signature<'_>, into: &mut BTreeSet<Symbol>) {
    let shapes = io.inputs.iter().flatten().copied().chain(io.outputs.iter().copied());
    shapes.filter_map(ValueType::shape).for_each(|shape: &Shape| into.extend(shape.symbols()));
}

/// Work of a node when symbols have the given sizes; nothing when that leaves sizes open.
pub fn work(op: &dyn Op, io: &Signature<'_>, sizes: &Assignment) -> Option<Work> {
    let Cost { macs, bytes_read, bytes_written } = op.cost(io);
    let number = |dim: &Dim| dim.eval(sizes);
    Some(Work { macs: number(&macs)?, bytes: number(&bytes_read)?.saturating_add(number(&bytes_written)?) })
}

/// Size of a graph, its subgraphs included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nodes.
    pub nodes: usize,
    /// Bytes of all constants that are read, each once.
    pub parameter_bytes: u64,
    /// Multiply-accumulates, with every symbol at [`Totals::HINT`]; nodes of unknown size are left out.
    pub macs: u64,
    /// Bytes read and written by all nodes, likewise.
    pub bytes: u64,
    /// Estimated femtojoules of all multiply-accumulates.
    compute_fj: u64,
}

impl Totals {
    /// Size that stands for every symbol.
    pub const HINT: u64 = 1;

    /// Estimated picojoules of one run, see [`crate::energy`].
    pub fn energy_pj(&self) -> f64 {
        let activations = self.bytes.saturating_sub(self.parameter_bytes) as f64;
        let parameters = self.parameter_bytes as f64;
        self.compute_fj as f64 / 1e3 + parameters * DRAM_PJ_PER_BYTE + activations * CACHE_PJ_PER_BYTE
    }

    /// The totals of `graph`.
    pub fn of(graph: &Graph) -> Self {
        let mut totals = Self::default();
        totals.add(graph, 0);
        totals
    }

    fn add(&mut self, graph: &Graph, depth: usize) {
        if depth > MAX_NESTING {
            return;
        }
        for value in graph.value_ids().map(|id| graph.value(id)) {
            if let (Def::Constant(tensor), false) = (value.def(), value.uses().is_empty()) {
                self.parameter_bytes += tensor.byte_len() as u64;
            }
        }
        for id in graph.node_ids() {
            self.nodes += 1;
            let (op, io) = (graph.node(id).op(), graph.signature(id));
            if let Some(work) = work_at_hint(op, &io) {
                self.macs = self.macs.saturating_add(work.macs);
                self.bytes = self.bytes.saturating_add(work.bytes);
                // All entries of the table are whole femtojoules.
                let fj = (pj_per_mac(io.input_dtype(0)) * 1e3).round() as u64;
                self.compute_fj = self.compute_fj.saturating_add(work.macs.saturating_mul(fj));
            }
            op.subgraphs().iter().for_each(|(_, inner)| self.add(inner, depth + 1));
        }
    }
}

fn work_at_hint(op: &dyn Op, io: &Signature<'_>) -> Option<Work> {
    let mut symbols = BTreeSet::new();
    collect(io, &mut symbols);
    let sizes: Assignment = symbols.into_iter().map(|symbol| (symbol, Totals::HINT)).collect();
    work(op, io, &sizes)
}
