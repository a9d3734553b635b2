//! What a model consists of and what it costs.

use std::collections::{BTreeMap, HashSet};

use lehr_graph::dim::Assignment;
use lehr_graph::opaque::Opaque;
use lehr_graph::{Def, Dim, Graph, NodeId};
use lehr_ops::registry::cpu_op;
use lehr_passes::energy::pj_per_mac;

pub use lehr_passes::energy::{CACHE_PJ_PER_BYTE, DRAM_PJ_PER_BYTE};

/// How often an operator occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCount {
    /// Name with domain.
    pub name: String,
    /// Nodes, those of subgraphs included.
    pub nodes: usize,
    /// Whether this build knows the operator.
    pub supported: bool,
    /// Whether it has kernels; without, it is evaluated by its reference definition.
    pub has_kernel: bool,
}

/// Size and work of a model; every subgraph counts as if it ran once.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Operators by name.
    pub operators: Vec<OperatorCount>,
    /// Nodes, those of subgraphs included.
    pub nodes: usize,
    /// Elements of all constants, shared ones once.
    pub parameters: u64,
    /// Bytes of all constants, shared ones once.
    pub parameter_bytes: u64,
    /// Multiply-accumulates.
    pub macs: Dim,
    /// Bytes that nodes read.
    pub bytes_read: Dim,
    /// Bytes that nodes write.
    pub bytes_written: Dim,
    /// Estimated energy of one inference; `None` while a size is open.
    pub energy: Option<Energy>,
}

/// An estimate in microjoules from published numbers for a 45 nm chip, not a measurement: comparisons between two
/// versions of a model mean more than the values.
///
/// A multiply-accumulate takes 4.6 pJ in f32, 1.5 pJ in f16, 0.23 pJ in 8-bit and 3.2 pJ in wider integers; constants
/// are read once from memory outside the chip ([`DRAM_PJ_PER_BYTE`]), everything else goes through memory on the chip
/// ([`CACHE_PJ_PER_BYTE`]).
/// M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, doi:10.1109/ISSCC.2014.6757323.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Energy {
    /// Multiply-accumulates.
    pub compute_uj: f64,
    /// Reading the constants.
    pub parameters_uj: f64,
    /// Reading and writing everything else.
    pub activations_uj: f64,
}

impl Energy {
    /// The sum.
    pub fn total_uj(&self) -> f64 {
        self.compute_uj + self.parameters_uj + self.activations_uj
    }
}

impl Summary {
    /// Looks at a graph; `sizes` gives symbols their values.
    pub fn of(graph: &Graph, sizes: &Assignment) -> Self {
        let mut counter = Counter::new(sizes);
        counter.graph(graph);
        let energy = counter.energy();
        Self {
            nodes: counter.operators.values().map(|operator| operator.nodes).sum(),
            operators: counter.operators.into_values().collect(),
            parameters: counter.parameters,
            parameter_bytes: counter.parameter_bytes,
            macs: counter.macs,
            bytes_read: counter.bytes_read,
            bytes_written: counter.bytes_written,
            energy,
        }
    }
}

struct Counter<'a> {
    sizes: &'a Assignment,
    operators: BTreeMap<String, OperatorCount>,
    seen: HashSet<(usize, usize)>,
    parameters: u64,
    parameter_bytes: u64,
    macs: Dim,
    bytes_read: Dim,
    bytes_written: Dim,
    /// `None` once the work of a node is not a number.
    compute_pj: Option<f64>,
}

impl<'a> Counter<'a> {
    fn new(sizes: &'a Assignment) -> Self {
        let zero = Dim::Fixed(0);
        Self {
            sizes,
            operators: BTreeMap::new(),
            seen: HashSet::new(),
            parameters: 0,
            parameter_bytes: 0,
            macs: zero.clone(),
            bytes_read: zero.clone(),
            bytes_written: zero,
            compute_pj: Some(0.0),
        }
    }

    fn graph(&mut self, graph: &Graph) {
        for id in graph.value_ids() {
            let value = graph.value(id);
            if let (Def::Constant(tensor), false) = (value.def(), value.uses().is_empty()) {
                let bytes = tensor.bytes();
                if bytes.is_empty() || self.seen.insert((bytes.as_ptr().addr(), bytes.len())) {
                    self.parameters += tensor.len() as u64;
                    self.parameter_bytes += tensor.byte_len() as u64;
                }
            }
        }
        for id in graph.node_ids() {
            self.node(graph, id);
            graph.node(id).op().subgraphs().into_iter().for_each(|(_, inner)| self.graph(inner));
        }
    }

    fn node(&mut self, graph: &Graph, id: NodeId) {
        let op = graph.node(id).op();
        let opaque = op.downcast_ref::<Opaque>();
        let name = opaque.map_or_else(|| op.full_name(), Opaque::stands_for);
        let entry = self.operators.entry(name.clone()).or_insert_with(|| OperatorCount {
            name,
            nodes: 0,
            supported: opaque.is_none(),
            has_kernel: cpu_op(op).is_some(),
        });
        entry.nodes += 1;
        let signature = graph.signature(id);
        let cost = op.cost(&signature);
        let macs = cost.macs.resolve(self.sizes);
        let dtype = signature.input_dtype(0);
        self.compute_pj = match (self.compute_pj, macs.as_fixed()) {
            (Some(sum), Some(macs)) => Some(sum + macs as f64 * pj_per_mac(dtype)),
            _ => None,
        };
        self.macs = self.macs.add(&macs);
        self.bytes_read = self.bytes_read.add(&cost.bytes_read.resolve(self.sizes));
        self.bytes_written = self.bytes_written.add(&cost.bytes_written.resolve(self.sizes));
    }

    fn energy(&self) -> Option<Energy> {
        let traffic = self.bytes_read.as_fixed()? as f64 + self.bytes_written.as_fixed()? as f64;
        let parameters = self.parameter_bytes as f64;
        Some(Energy {
            compute_uj: self.compute_pj? / 1e6,
            parameters_uj: parameters * DRAM_PJ_PER_BYTE / 1e6,
            activations_uj: (traffic - parameters).max(0.0) * CACHE_PJ_PER_BYTE / 1e6,
        })
    }
}
