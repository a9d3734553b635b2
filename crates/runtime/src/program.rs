//! The schedule of one graph: steps in order, each with its kernel and the places of its operands.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lehr_graph::{Def, Graph, NodeId, OpError, OpRef, ValueId};
use lehr_kernels::isa::Isa;
use lehr_ops::cpu::{Kernel, Recipe};
use lehr_ops::evaluate::at_node;
use lehr_ops::registry::cpu_op;
use lehr_tensor::{Element, Tensor};

use crate::error::CompileError;

/// Where an operand is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Absent.
    Absent,
    /// Inside the kernel, in packed form.
    Packed,
    /// A constant of the program.
    Const(usize),
    /// A value of the run.
    Slot(usize),
}

/// How a step computes.
pub(crate) enum Runner {
    Kernel(Box<dyn Kernel>, Recipe),
    Reference,
}

/// One node, ready to run.
pub(crate) struct Step {
    pub(crate) op: OpRef,
    pub(crate) runner: Runner,
    pub(crate) inputs: Vec<Source>,
    /// Which inputs are read here for the last time.
    pub(crate) dying: Vec<bool>,
    /// Slot of each output; `None` when nobody reads it.
    pub(crate) outputs: Vec<Option<usize>>,
    /// Name of the node for people: its own, that of its source, or its number.
    pub(crate) label: String,
}

impl Step {
    /// Name of the kernel, or `reference`.
    pub(crate) fn kernel(&self) -> &str {
        match &self.runner {
            Runner::Kernel(_, recipe) => &recipe.algorithm,
            Runner::Reference => "reference",
        }
    }

    /// Adds the node to an error.
    pub(crate) fn failed(&self, source: OpError) -> OpError {
        if matches!(source, OpError::Stopped(_)) {
            return source;
        }
        OpError::Subgraph { node: self.label.clone(), op: self.op.full_name(), source: Box::new(source) }
    }
}

/// The schedule of one graph.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// Slots of the formal inputs and then the captures; `None` when nobody reads one.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) outputs: Vec<Source>,
    pub(crate) output_names: Vec<Arc<str>>,
    pub(crate) constants: Vec<Tensor>,
    /// Name of the value in each slot.
    pub(crate) slots: Vec<String>,
    /// Bytes that kernels hold in packed form.
    pub(crate) packed_bytes: usize,
}

impl Program {
    /// Schedules `graph` without its subgraphs. `kernels` off means reference evaluation throughout.
    pub(crate) fn new(graph: &Graph, isa: Isa, kernels: bool) -> Result<Self, CompileError> {
        let order = graph.topological_order();
        if order.len() != graph.n_nodes() {
            return Err(CompileError::Cycle { nodes: graph.n_nodes() - order.len() });
        }
        let mut builder = ProgramBuilder { graph, isa, kernels, places: Places::default(), packed_bytes: 0 };
        let formal = graph.inputs().iter().chain(graph.captures());
        let inputs = formal
            .map(|&id| (!graph.value(id).uses().is_empty()).then(|| builder.places.slot(graph, id)))
            .collect();
        let mut steps = order.into_iter().map(|id| builder.step(id)).collect::<Result<Vec<_>, _>>()?;
        let outputs: Vec<_> = graph.outputs().iter().map(|&id| builder.places.source(graph, id)).collect();
        mark_last_reads(&mut steps, &outputs);
        let output_names = (0..outputs.len()).map(|index| Arc::from(graph.output_name(index))).collect();
        Ok(Self {
            name: graph.name().to_owned(),
            steps,
            inputs,
            outputs,
            output_names,
            constants: builder.places.constants,
            slots: builder.places.names,
            packed_bytes: builder.packed_bytes,
        })
    }

    /// Bytes of the constants that are held beside the packed ones.
    pub(crate) fn constant_bytes(&self) -> usize {
        self.constants.iter().map(Tensor::byte_len).sum()
    }
}

/// Slots and constants by value.
#[derive(Default)]
struct Places {
    by_value: HashMap<ValueId, Source>,
    constants: Vec<Tensor>,
    names: Vec<String>,
}

impl Places {
    fn slot(&mut self, graph: &Graph, id: ValueId) -> usize {
        if let Some(&Source::Slot(slot)) = self.by_value.get(&id) {
            return slot;
        }
        self.names.push(graph.value(id).name().map_or_else(|| format!("{id:?}"), str::to_owned));
        let slot = self.names.len() - 1;
        self.by_value.insert(id, Source::Slot(slot));
        slot
    }

    fn source(&mut self, graph: &Graph, id: ValueId) -> Source {
        let Def::Constant(tensor) = graph.value(id).def() else {
            return Source::Slot(self.slot(graph, id));
        };
        *self.by_value.entry(id).or_insert_with(|| {
            self.constants.push(aligned::<f32>(tensor).unwrap_or_else(|| tensor.clone()));
            Source::Const(self.constants.len() - 1)
        })
    }
}

/// A copy of a tensor of T whose bytes lie at no multiple of its size, as in files they may: reading it would copy it in
/// every run.
fn aligned<T: Element>(tensor: &Tensor) -> Option<Tensor> {
    match tensor.as_slice::<T>().ok()? {
        Cow::Borrowed(_) => None,
        Cow::Owned(data) => Tensor::from_vec(tensor.shape(), data).ok(),
    }
}

struct ProgramBuilder<'g> {
    graph: &'g Graph,
    isa: Isa,
    kernels: bool,
    places: Places,
    packed_bytes: usize,
}

impl ProgramBuilder<'_> {
    fn step(&mut self, id: NodeId) -> Result<Step, CompileError> {
        let graph = self.graph;
        let node = graph.node(id);
        let (runner, packed) =
            self.runner(id).map_err(|error| CompileError::Node(at_node(graph, id, error)))?;
        let inputs = node.inputs().iter().enumerate().map(|(index, value)| match value {
            None => Source::Absent,
            Some(id) if packed.contains(&index) && graph.constant(*id).is_some() => Source::Packed,
            Some(id) => self.places.source(graph, *id),
        });
        let inputs: Vec<_> = inputs.collect();
        let outputs = node
            .outputs()
            .iter()
            .map(|&v| (!graph.value(v).uses().is_empty()).then(|| self.places.slot(graph, v)))
            .collect();
        let label = match at_node(graph, id, OpError::MissingInput { index: 0 }) {
            OpError::Subgraph { node, .. } => node,
            _ => node.name().to_owned(),
        };
        let dying = vec![false; inputs.len()];
        Ok(Step { op: Arc::clone(node.op_ref()), runner, inputs, dying, outputs, label })
    }

    fn runner(&mut self, id: NodeId) -> Result<(Runner, Vec<usize>), OpError> {
        let node = self.graph.node(id);
        let Some(op) = cpu_op(node.op()).filter(|_| self.kernels) else {
            return Ok((Runner::Reference, Vec::new()));
        };
        let signature = self.graph.signature(id);
        let Some(recipe) = op.choose(&signature, self.isa) else {
            return Ok((Runner::Reference, Vec::new()));
        };
        let packed = op.pack(&recipe, &signature.constants)?;
        self.packed_bytes += packed.blocks.iter().map(|block| size_of_val(block.as_slice())).sum::<usize>();
        let kernel = op.bind(&recipe, Arc::new(packed))?;
        let replaced = op.packed_inputs(&recipe);
        Ok((Runner::Kernel(kernel, recipe), replaced))
    }
}

fn mark_last_reads(steps: &mut [Step], outputs: &[Source]) {
    let mut read_later: HashSet<usize> = outputs.iter().filter_map(|source| slot_of(*source)).collect();
    for step in steps.iter_mut().rev() {
        for (source, dying) in step.inputs.iter().zip(&mut step.dying).rev() {
            if let Some(slot) = slot_of(*source) {
                *dying = read_later.insert(slot);
            }
        }
    }
}

fn slot_of(source: Source) -> Option<usize> {
    match source {
        Source::Slot(slot) => Some(slot),
        Source::Absent | Source::Packed | Source::Const(_) => None,
    }
}
