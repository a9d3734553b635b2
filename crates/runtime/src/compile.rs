//! From a graph to something that runs.

use std::collections::HashMap;
use std::sync::Arc;

use lehr_graph::{Graph, ValueType};
use lehr_kernels::isa::{Isa, Tier};
use lehr_kernels::team::Team;

use crate::error::CompileError;
use crate::program::{Program, Step};
use crate::threads;

/// Deepest nesting of subgraphs.
const MAX_DEPTH: usize = 64;

/// Which inner values a run gives out besides the outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// None.
    #[default]
    Nothing,
    /// Those of these names, in this order.
    Named(Vec<String>),
    /// All that nodes of the main graph produce.
    All,
}

/// How a graph is compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// How many of the last outputs are kept values: see [`keep_values`].
    pub kept: usize,
    /// Instruction set; `None` takes the best of the machine, or what `LEHR_ISA` says.
    pub isa: Option<Tier>,
    /// Threads; `None` takes one for each physical core. Results do not depend on it.
    pub threads: Option<usize>,
    /// Off: every node is evaluated by its reference definition.
    pub kernels: bool,
    /// Seed for random operators without one of their own.
    pub seed: u64,
    /// Most bytes of a single value.
    pub max_value_bytes: usize,
    /// Most bytes of free buffers that a session keeps.
    pub pool_bytes: usize,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            kept: 0,
            isa: None,
            threads: None,
            kernels: true,
            seed: 0,
            max_value_bytes: 1 << 34,
            pool_bytes: 1 << 30,
        }
    }
}

/// A formal input or an output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its type as far as known.
    pub ty: ValueType,
}

/// A graph with its kernels bound and its weights packed. Never changes; share it in an `Arc`.
pub struct CompiledModel {
    pub(crate) program: Program,
    /// Programs of subgraphs by the address of their graph, which the operators in the steps keep alive.
    pub(crate) subprograms: HashMap<usize, Program>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) regular_outputs: usize,
    pub(crate) isa: Isa,
    pub(crate) team: Arc<Team>,
    pub(crate) options: CompileOptions,
}

impl CompiledModel {
    /// Schedules the graph, chooses and binds kernels, packs constant weights.
    ///
    /// # Errors
    /// [`CompileError`]: nodes in a circle, weights that do not fit, no such instruction set.
    pub fn new(graph: Graph, options: CompileOptions) -> Result<Self, CompileError> {
        let isa = match options.isa {
            None => Isa::from_env()?,
            Some(tier) => Isa::of(tier).ok_or(CompileError::IsaMissing { tier: tier.name() })?,
        };
        let regular_outputs = graph.outputs().len().saturating_sub(options.kept);
        let program = Program::new(&graph, isa, options.kernels)?;
        let mut subprograms = HashMap::new();
        for step in &program.steps {
            compile_subgraphs(step, isa, options.kernels, 1, &mut subprograms)?;
        }
        let port = |name: &str, ty: &ValueType| Port { name: name.to_owned(), ty: ty.clone() };
        let inputs = graph.inputs().iter().map(|&id| graph.value(id));
        let inputs = inputs.map(|value| port(value.name().unwrap_or_default(), value.ty())).collect();
        let outputs = graph.outputs().iter().enumerate();
        let outputs = outputs.map(|(i, &id)| port(graph.output_name(i), graph.value(id).ty())).collect();
        let team = threads::team(options.threads.unwrap_or_else(threads::physical_cores).max(1));
        Ok(Self { program, subprograms, inputs, outputs, regular_outputs, isa, team, options })
    }

    /// Inputs in the order of the graph.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Outputs in the order of the graph, without kept values.
    pub fn outputs(&self) -> &[Port] {
        self.outputs.get(..self.regular_outputs).unwrap_or_default()
    }

    /// Kept values in the order in which a run gives them behind the outputs.
    pub fn kept(&self) -> &[Port] {
        self.outputs.get(self.regular_outputs..).unwrap_or_default()
    }

    /// Threads of a run.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// Instruction set of the kernels.
    pub fn tier(&self) -> Tier {
        self.isa.tier()
    }

    /// Bytes of constants held as they are, and bytes of weights that kernels hold in packed form.
    pub fn constant_bytes(&self) -> (usize, usize) {
        let programs = std::iter::once(&self.program).chain(self.subprograms.values());
        programs.fold((0, 0), |(plain, packed), p| (plain + p.constant_bytes(), packed + p.packed_bytes))
    }
}

impl std::fmt::Debug for CompiledModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledModel")
            .field("name", &self.program.name)
            .field("steps", &self.program.steps.len())
            .field("tier", &self.tier())
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

/// Makes kept values the last outputs, so that nothing treats them specially afterwards, and gives how many there are.
///
/// # Errors
/// [`CompileError::UnknownValue`].
pub fn keep_values(graph: &mut Graph, keep: &Keep) -> Result<usize, CompileError> {
    let before = graph.outputs().len();
    let mut outputs = graph.outputs().to_vec();
    let mut names: Vec<Arc<str>> = (0..outputs.len()).map(|i| Arc::from(graph.output_name(i))).collect();
    match keep {
        Keep::Nothing => return Ok(0),
        Keep::Named(wanted) => {
            for name in wanted {
                let found = graph.value_ids().find(|&id| graph.value(id).name() == Some(name));
                outputs.push(found.ok_or_else(|| CompileError::UnknownValue { name: name.clone() })?);
                names.push(Arc::from(name.as_str()));
            }
        }
        Keep::All => {
            for node in graph.topological_order() {
                for (slot, &id) in graph.node(node).outputs().iter().enumerate() {
                    let value = graph.value(id);
                    if value.uses().is_empty() {
                        continue;
                    }
                    let own = value.name().filter(|name| !name.is_empty());
                    names.push(own.map_or_else(|| format!("{node:?}:{slot}").into(), Arc::from));
                    outputs.push(id);
                }
            }
        }
    }
    let kept = outputs.len() - before;
    graph.set_named_outputs(outputs, names);
    Ok(kept)
}

fn compile_subgraphs(
    step: &Step,
    isa: Isa,
    kernels: bool,
    depth: usize,
    programs: &mut HashMap<usize, Program>,
) -> Result<(), CompileError> {
    if depth > MAX_DEPTH {
        return Err(CompileError::TooDeep { limit: MAX_DEPTH });
    }
    for (_, graph) in step.op.subgraphs() {
        let address = address_of(graph);
        if programs.contains_key(&address) {
            continue;
        }
        let program = Program::new(graph, isa, kernels)?;
        for inner in &program.steps {
            compile_subgraphs(inner, isa, kernels, depth + 1, programs)?;
        }
        programs.insert(address, program);
    }
    Ok(())
}

/// The identity of a graph for as long as it lives.
pub(crate) fn address_of(graph: &Graph) -> usize {
    std::ptr::from_ref(graph).addr()
}
