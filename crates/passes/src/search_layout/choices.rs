//! The orders in which each node can work: identity, and whatever comes to it from the graph's Transposes through
//! operators that let an order pass.

use std::collections::{BTreeMap, BTreeSet};

use lehr_graph::dim::Assignment;
use lehr_graph::{
    Dim, Graph, InferCx, Node, NodeId, OpRef, Permutation, Permuted, PermutedInput, Shape, Signature,
    TensorType, ValueId, ValueType, permuted_type,
};

use super::views::{Views, rank};
use crate::cost_model::{CostModel, work};
use crate::pass::PassCx;

/// Most orders of one value; graphs have two or three, unless they were made to have more.
const MAX_ORDERS: usize = 8;

/// Sizes that stand for symbols: the search must pay for small and for large ones.
pub(super) const HINTS: [u64; 3] = [1, 16, 256];

/// Nanoseconds for each of [`HINTS`].
pub(super) type Times = [f64; HINTS.len()];

/// One way in which a node can work.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The operator, if it is another one.
    pub op: Option<OpRef>,
    /// What each input must be, in terms of the values the node reads now.
    pub inputs: Vec<PermutedInput>,
    /// The order in which each output comes.
    pub outputs: Vec<Permutation>,
    /// What the node takes.
    pub times: Times,
}

impl Choice {
    /// Whether the node stays as it is.
    pub(super) fn is_original(&self) -> bool {
        self.outputs.iter().all(Permutation::is_identity)
            && self.op.is_none()
            && self.inputs.iter().all(|input| matches!(input, PermutedInput::Same | PermutedInput::Absent))
    }

    /// The order in which the node reads an input of that rank.
    pub(super) fn order_of_input(&self, index: usize, rank: usize) -> Permutation {
        match self.inputs.get(index) {
            Some(PermutedInput::Ordered { order, .. }) => order.clone(),
            _ => Permutation::identity(rank),
        }
    }

    /// Whether the node reads the value of an input.
    pub(super) fn reads(&self, index: usize) -> bool {
        matches!(self.inputs.get(index), Some(PermutedInput::Ordered { .. } | PermutedInput::Same))
    }
}

/// The choices of all nodes but Transposes; the first one of each is the node as it is.
pub(super) struct Choices(pub BTreeMap<NodeId, Vec<Choice>>);

impl Choices {
    /// The choices of `graph`'s nodes.
    pub(super) fn of(graph: &Graph, views: &Views, cx: &PassCx<'_>) -> Self {
        let order = graph.topological_order();
        let nodes = order.into_iter().filter(|&id| !views.is_transpose(graph.node(id)));
        let choices = nodes.map(|id| (id, vec![original(graph, id, cx.cost_model())])).collect();
        let mut spread =
            Spread { graph, views, cx, choices, tried: BTreeSet::new(), orders: BTreeMap::new() };
        spread.run();
        Self(spread.choices)
    }
}

/// Carries orders along the graph until no node gets a new one.
struct Spread<'a> {
    graph: &'a Graph,
    views: &'a Views,
    cx: &'a PassCx<'a>,
    choices: BTreeMap<NodeId, Vec<Choice>>,
    tried: BTreeSet<(NodeId, Permutation)>,
    /// Orders of each root.
    orders: BTreeMap<ValueId, BTreeSet<Permutation>>,
}

impl Spread<'_> {
    fn run(&mut self) {
        let mut pending = Vec::new();
        for (_, view) in self.views.transposed() {
            self.learn(view.root, view.order.clone(), &mut pending);
            self.learn(view.root, Permutation::identity(view.order.rank()), &mut pending);
        }
        // Every value gets a limited number of orders, which bounds the rounds.
        while let Some(root) = pending.pop() {
            let orders = self.orders.get(&root).cloned().unwrap_or_default();
            for (node, value) in self.neighbours(root) {
                let view = self.views.view(self.graph, value);
                for order in &orders {
                    if let Some(own) = view.order.to(order) {
                        self.try_order(node, own, &mut pending);
                    }
                }
            }
        }
    }

    fn learn(&mut self, root: ValueId, order: Permutation, pending: &mut Vec<ValueId>) {
        let orders = self.orders.entry(root).or_default();
        if orders.len() < MAX_ORDERS && orders.insert(order) {
            pending.push(root);
        }
    }

    /// Nodes that write a value or read one of its views, with the value they know it by.
    fn neighbours(&self, root: ValueId) -> Vec<(NodeId, ValueId)> {
        let views = self.views.transposed().filter(|(_, view)| view.root == root).map(|(value, _)| value);
        let mut found: Vec<_> = self.graph.producer(root).map(|node| (node, root)).into_iter().collect();
        for value in views.chain([root]) {
            found.extend(super::readers(self.graph, value).map(|(node, _)| (node, value)));
        }
        found.retain(|(node, _)| self.choices.contains_key(node));
        found.sort();
        found.dedup();
        found
    }

    fn try_order(&mut self, id: NodeId, order: Permutation, pending: &mut Vec<ValueId>) {
        let node = self.graph.node(id);
        if order.is_identity() || order.rank() != widest(self.graph, node) {
            return;
        }
        if !self.tried.insert((id, order.clone()))
            || node.outputs().iter().any(|&y| self.cx.is_kept(self.graph, y))
        {
            return;
        }
        let Some(choice) = permuted(self.graph, id, &order, self.cx.cost_model()) else { return };
        let Some(choices) = self.choices.get_mut(&id).filter(|choices| choices.len() < MAX_ORDERS) else {
            return;
        };
        let (inputs, outputs) = (choice.inputs.clone(), choice.outputs.clone());
        choices.push(choice);
        for (&value, order) in node.outputs().iter().zip(outputs) {
            self.learn(value, order, pending);
        }
        for (value, input) in node.inputs().iter().zip(inputs) {
            let (Some(value), PermutedInput::Ordered { order, .. }) = (value, input) else { continue };
            let view = self.views.view(self.graph, *value);
            if let Some(order) = view.order.then(&order) {
                self.learn(view.root, order, pending);
            }
        }
    }
}

/// The rank that the orders of a node have.
fn widest(graph: &Graph, node: &Node) -> usize {
    let of = |value: Option<ValueId>| value.map_or(0, |value| rank(graph, value));
    of(node.input(0)).max(of(node.outputs().first().copied()))
}

fn original(graph: &Graph, id: NodeId, model: &dyn CostModel) -> Choice {
    let (node, io) = (graph.node(id), graph.signature(id));
    let inputs = (0..node.inputs().len()).map(|index| PermutedInput::same(&io, index)).collect();
    let outputs = node.outputs().iter().map(|&y| Permutation::identity(rank(graph, y))).collect();
    Choice { op: None, inputs, outputs, times: times(model, node.op(), &io) }
}

/// The node in another order, if it has that and its types say that it is right.
fn permuted(graph: &Graph, id: NodeId, order: &Permutation, model: &dyn CostModel) -> Option<Choice> {
    let (node, io) = (graph.node(id), graph.signature(id));
    let Permuted { op, inputs, outputs } = node.op().permuted(&io, order)?;
    let types: Vec<_> =
        inputs.iter().enumerate().map(|(i, input)| input_type(&io, i, input)).collect::<Option<_>>()?;
    let constants = inputs.iter().enumerate().map(|(index, input)| match input {
        PermutedInput::Same => io.constants.get(index).copied().flatten(),
        PermutedInput::Constant(tensor) => Some(tensor),
        PermutedInput::Absent | PermutedInput::Ordered { .. } => None,
    });
    let constants: Vec<_> = constants.collect();
    let types: Vec<_> = types.iter().map(Option::as_ref).collect();
    let new = op.as_deref().unwrap_or_else(|| node.op());
    let mut cx = InferCx::new(types.clone(), constants.clone(), node.outputs().len());
    new.infer(&mut cx).ok()?;
    let inferred = cx.finish();
    for ((ty, order), got) in io.outputs.iter().zip(&outputs).zip(&inferred) {
        permuted_type(ty, order)?.refine(got).ok()?;
    }
    let outputs_now = inferred.iter().collect();
    let times = times(model, new, &Signature { inputs: types, constants, outputs: outputs_now });
    (outputs.len() == node.outputs().len()).then_some(Choice { op, inputs, outputs, times })
}

/// Type of what a permuted node reads; nothing within the option for an absent input.
fn input_type(io: &Signature<'_>, index: usize, input: &PermutedInput) -> Option<Option<ValueType>> {
    let ty = io.inputs.get(index).copied().flatten();
    match input {
        PermutedInput::Absent => Some(None),
        PermutedInput::Same => Some(Some(ty?.clone())),
        PermutedInput::Constant(tensor) => Some(Some(ValueType::Tensor(TensorType::of(tensor)))),
        PermutedInput::Ordered { order, ones } => with_ones(permuted_type(ty?, order)?, ones).map(Some),
    }
}

/// The type with axes of size 1 inserted at these positions of the result.
pub(super) fn with_ones(ty: ValueType, ones: &[usize]) -> Option<ValueType> {
    if ones.is_empty() {
        return Some(ty);
    }
    let mut dims = ty.shape()?.dims().to_vec();
    for &place in ones {
        if place > dims.len() {
            return None;
        }
        dims.insert(place, Dim::Fixed(1));
    }
    let shape = Some(dims.into_iter().collect());
    Some(ValueType::Tensor(TensorType { dtype: ty.dtype(), shape, known: None }))
}

/// What a node takes for each hint; what is not known of it counts nothing.
pub(super) fn times(model: &dyn CostModel, op: &dyn lehr_graph::Op, io: &Signature<'_>) -> Times {
    HINTS.map(|hint| {
        let inputs: Vec<_> = io.inputs.iter().map(|ty| ty.map(|ty| sized(ty, hint))).collect();
        let outputs: Vec<_> = io.outputs.iter().map(|ty| sized(ty, hint)).collect();
        let sized = Signature {
            inputs: inputs.iter().map(Option::as_ref).collect(),
            constants: io.constants.clone(),
            outputs: outputs.iter().collect(),
        };
        work(op, &sized, &Assignment::default()).map_or(0.0, |work| model.nanoseconds(op, &sized, work))
    })
}

/// The type with every size that is open set to `hint`.
fn sized(ty: &ValueType, hint: u64) -> ValueType {
    let ValueType::Tensor(TensorType { dtype, shape: Some(shape), .. }) = ty else { return ty.clone() };
    let size = |dim: &Dim| {
        let sizes: Assignment = dim.symbols().into_iter().map(|symbol| (symbol, hint)).collect();
        Dim::Fixed(dim.eval(&sizes).unwrap_or(hint))
    };
    let shape: Shape = shape.iter().map(size).collect();
    ValueType::Tensor(TensorType { dtype: *dtype, shape: Some(shape), known: None })
}
