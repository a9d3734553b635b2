//! The reference interpreter: evaluates a graph node by node with `Op::eval`. Slow and obvious; the oracle for passes,
//! kernels and the runtime.

use lehr_graph::{Datum, Def, Environment, EvalCx, Graph, NodeId, OpError, ValueId};

/// Evaluates graphs with reference semantics.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Seed for random operators without one of their own.
    pub seed: u64,
    /// Most bytes of a single value.
    pub max_value_bytes: usize,
}

impl Default for Reference {
    fn default() -> Self {
        Self { seed: 0, max_value_bytes: 1 << 34 }
    }
}

impl Reference {
    /// Outputs of `graph` for its inputs (then captures).
    ///
    /// # Errors
    /// [`OpError::Subgraph`] naming the first node that fails.
    pub fn run(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        self.run_observed(graph, inputs, &mut |_, _| {})
    }

    /// The same; `observe` sees every computed value.
    ///
    /// # Errors
    /// As [`Reference::run`].
    pub fn run_observed(
        &self,
        graph: &Graph,
        inputs: Vec<Option<Datum>>,
        observe: &mut dyn FnMut(ValueId, &Datum),
    ) -> Result<Vec<Datum>, OpError> {
        let mut values = Values::new(graph, inputs);
        for id in graph.topological_order() {
            let node = graph.node(id);
            let ins: Vec<_> = node.inputs().iter().map(|v| v.and_then(|v| values.get(v))).collect();
            let wanted = node.outputs().iter().map(|&v| !graph.value(v).uses().is_empty()).collect();
            let mut cx = EvalCx::new(&ins, wanted, self);
            node.op().eval(&mut cx).map_err(|source| at_node(graph, id, source))?;
            for (&out, value) in node.outputs().iter().zip(cx.finish()) {
                if let Some(value) = value {
                    observe(out, &value);
                    values.set(out, value);
                }
            }
            values.release(id);
        }
        graph.outputs().iter().map(|&id| values.get(id).ok_or_else(|| missing_output(graph, id))).collect()
    }
}

impl Environment for Reference {
    fn run_graph(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        self.run(graph, inputs)
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }

    fn max_value_bytes(&self) -> usize {
        self.max_value_bytes
    }
}

/// Live values of one run; each is dropped after its last reader.
struct Values<'g> {
    graph: &'g Graph,
    live: Vec<Option<Datum>>,
    readers: Vec<usize>,
}

impl<'g> Values<'g> {
    fn new(graph: &'g Graph, inputs: Vec<Option<Datum>>) -> Self {
        let n = graph.value_ids().len();
        let readers = graph.value_ids().map(|id| graph.value(id).uses().len()).collect();
        let mut live = vec![None; n];
        for (&id, value) in graph.inputs().iter().chain(graph.captures()).zip(inputs) {
            live[id.index()] = value;
        }
        Self { graph, live, readers }
    }

    fn get(&self, id: ValueId) -> Option<Datum> {
        match self.graph.value(id).def() {
            Def::Constant(tensor) => Some(Datum::Tensor(tensor.clone())),
            _ => self.live[id.index()].clone(),
        }
    }

    fn set(&mut self, id: ValueId, value: Datum) {
        self.live[id.index()] = Some(value);
    }

    fn release(&mut self, node: NodeId) {
        for &id in self.graph.node(node).inputs().iter().flatten() {
            self.readers[id.index()] -= 1;
            if self.readers[id.index()] == 0 {
                self.live[id.index()] = None;
            }
        }
    }
}

/// Adds the node to an error.
pub fn at_node(graph: &Graph, id: NodeId, source: OpError) -> OpError {
    if matches!(source, OpError::Stopped(_)) {
        return source;
    }
    let node = graph.node(id);
    let named = node.origin().sources().first().map(|s| s.name.to_string()).filter(|s| !s.is_empty());
    let name = if node.name().is_empty() {
        named.unwrap_or_else(|| format!("{id:?}"))
    } else {
        node.name().to_owned()
    };
    OpError::Subgraph { node: name, op: node.op().full_name(), source: Box::new(source) }
}

/// The error for an output that has no value.
pub fn missing_output(graph: &Graph, id: ValueId) -> OpError {
    OpError::value(format!("output '{}' was not computed", graph.value(id).name().unwrap_or("?")))
}
