//! A run of a graph that ends soon, whatever the graph is: small inputs, small values, little work.

use std::cell::Cell;
use std::time::{Duration, Instant};

use lehr_graph::dim::Assignment;
use lehr_graph::{
    Datum, Def, Dim, Environment, EvalCx, Graph, InferCx, OpError, Shape, Signature, ValueType,
};
use lehr_tensor::{CastOptions, DataType, Tensor};

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of one value.
    pub value_bytes: usize,
    /// Most multiply-accumulates of one node.
    pub node_macs: u64,
    /// Most nodes, those of subgraph runs included.
    pub nodes: usize,
    /// Longest run.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { value_bytes: 1 << 20, node_macs: 2_000_000, nodes: 2_000, time: Duration::from_millis(300) }
    }
}

/// Evaluates `graph` with reference semantics on seeded inputs within `limits`.
///
/// # Errors
/// That of the first node that fails or would exceed a limit: both are ordinary ends of such a run.
pub fn run_bounded(graph: &Graph, seed: u64, limits: Limits) -> Result<Vec<Datum>, OpError> {
    let inputs = seeded_inputs(graph, seed, limits.value_bytes)?;
    let bounded =
        Bounded { limits, end: Instant::now() + limits.time, nodes: Cell::new(0), depth: Cell::new(0) };
    bounded.run(graph, inputs)
}

/// Small inputs for every formal input: symbols are 1 to 3, values small numbers.
///
/// # Errors
/// When the signature asks for something that can not be made, or for more than `value_bytes`.
pub fn seeded_inputs(graph: &Graph, seed: u64, value_bytes: usize) -> Result<Vec<Option<Datum>>, OpError> {
    let mut random = seed | 1;
    let mut sizes = Assignment::new();
    graph
        .inputs()
        .iter()
        .map(|&id| seeded_value(graph.value(id).ty(), &mut random, &mut sizes, value_bytes).map(Some))
        .collect()
}

fn seeded_value(
    ty: &ValueType,
    random: &mut u64,
    sizes: &mut Assignment,
    value_bytes: usize,
) -> Result<Datum, OpError> {
    match ty {
        ValueType::Tensor(t) => {
            let dtype = t.dtype.unwrap_or(DataType::F32);
            let unknown = Shape::unknown(1);
            let shape = t.shape.as_ref().unwrap_or(&unknown);
            let sizes: Vec<usize> = shape.dims().iter().map(|d| size_of(d, random, sizes)).collect();
            seeded_tensor(dtype, &sizes, random, value_bytes).map(Datum::Tensor)
        }
        ValueType::Sequence(item) => {
            Ok(Datum::Sequence(vec![seeded_value(item, random, sizes, value_bytes)?]))
        }
        ValueType::Optional(item) => {
            Ok(Datum::Optional(Some(Box::new(seeded_value(item, random, sizes, value_bytes)?))))
        }
        ValueType::Map { .. } | ValueType::Unknown => {
            Err(OpError::Unsupported(format!("an input of type {ty}")))
        }
    }
}

fn size_of(dim: &Dim, random: &mut u64, sizes: &mut Assignment) -> usize {
    for symbol in dim.symbols() {
        if sizes.get(symbol.name()).is_none() {
            sizes.insert(symbol, 1 + next(random) % 3);
        }
    }
    let size = dim.eval(sizes).unwrap_or_else(|| 1 + next(random) % 3);
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn seeded_tensor(dtype: DataType, shape: &[usize], random: &mut u64, most: usize) -> Result<Tensor, OpError> {
    let len = lehr_tensor::checked_len(shape)?;
    if len > most / 8 {
        return Err(OpError::Stopped(format!("an input of {len} elements")));
    }
    if dtype == DataType::String {
        return Ok(Tensor::from_strings(shape, (0..len).map(|i| format!("s{i}")).collect())?);
    }
    let values: Vec<f64> = (0..len).map(|_| (next(random) % 9) as f64 - 3.0).collect();
    Ok(Tensor::from_vec(shape, values)?.cast(dtype, CastOptions::default())?)
}

/// xorshift64: repeatable everywhere.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

struct Bounded {
    limits: Limits,
    end: Instant,
    nodes: Cell<usize>,
    depth: Cell<usize>,
}

impl Bounded {
    fn run(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        let mut live: Vec<Option<Datum>> = vec![None; graph.value_ids().len()];
        for (&id, value) in graph.inputs().iter().chain(graph.captures()).zip(inputs) {
            live[id.index()] = value;
        }
        for id in graph.value_ids() {
            if let Def::Constant(tensor) = graph.value(id).def() {
                live[id.index()] = Some(Datum::Tensor(tensor.clone()));
            }
        }
        for id in graph.topological_order() {
            self.count_node()?;
            let node = graph.node(id);
            let ins: Vec<_> = node.inputs().iter().map(|v| v.and_then(|v| live[v.index()].clone())).collect();
            self.check_work(node.op(), &ins, node.outputs().len())?;
            let mut cx = EvalCx::new(&ins, vec![true; node.outputs().len()], self);
            node.op().eval(&mut cx)?;
            for (&out, value) in node.outputs().iter().zip(cx.finish()) {
                live[out.index()] = value;
            }
        }
        let missing = || OpError::value("an output was not computed");
        graph.outputs().iter().map(|&id| live[id.index()].clone().ok_or_else(missing)).collect()
    }

    fn count_node(&self) -> Result<(), OpError> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > self.limits.nodes {
            return Err(OpError::Stopped("too many nodes".into()));
        }
        self.check()
    }

    /// Refuses a node whose exact cost is above the limit or whose inputs are large.
    fn check_work(
        &self,
        op: &dyn lehr_graph::Op,
        inputs: &[Option<Datum>],
        n_outputs: usize,
    ) -> Result<(), OpError> {
        let bytes: usize = inputs.iter().flatten().filter_map(Datum::as_tensor).map(Tensor::byte_len).sum();
        if bytes > 4 * self.limits.value_bytes {
            return Err(OpError::Stopped("large inputs".into()));
        }
        let types: Vec<_> = inputs.iter().map(|d| d.as_ref().map(Datum::value_type)).collect();
        let constants: Vec<_> = inputs.iter().map(|d| d.as_ref().and_then(Datum::as_tensor)).collect();
        let mut cx = InferCx::new(types.iter().map(Option::as_ref).collect(), constants.clone(), n_outputs);
        op.infer(&mut cx)?;
        let outputs = cx.finish();
        let too_large = |ty: &ValueType| matches!(lehr_graph::cost::bytes_of(ty), Dim::Fixed(b) if b > self.limits.value_bytes as u64);
        if outputs.iter().any(too_large) {
            return Err(OpError::Stopped("a large output".into()));
        }
        let io = Signature {
            inputs: types.iter().map(Option::as_ref).collect(),
            constants,
            outputs: outputs.iter().collect(),
        };
        match op.cost(&io).macs {
            Dim::Fixed(macs) if macs > self.limits.node_macs => Err(OpError::Stopped("too much work".into())),
            _ => Ok(()),
        }
    }
}

impl Environment for Bounded {
    fn run_graph(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        const DEEPEST: usize = 24;
        if self.depth.get() >= DEEPEST {
            return Err(OpError::Stopped("subgraphs nested too deeply".into()));
        }
        self.depth.set(self.depth.get() + 1);
        let outputs = self.run(graph, inputs);
        self.depth.set(self.depth.get() - 1);
        outputs
    }

    fn seed(&self) -> u64 {
        1
    }

    fn check(&self) -> Result<(), OpError> {
        if Instant::now() > self.end { Err(OpError::Stopped("out of time".into())) } else { Ok(()) }
    }

    fn max_value_bytes(&self) -> usize {
        self.limits.value_bytes
    }
}
