//! Edits the graph to the chosen orders, in place: nodes keep their names and origins.

use std::collections::BTreeMap;
use std::sync::Arc;

use lehr_graph::infer::refine_readers;
use lehr_graph::{
    Dim, Graph, NodeId, Op, OpRef, Origin, Permutation, PermutedInput, Use, ValueId, ValueType, permuted_type,
};
use lehr_ops::{reshape::Reshape, transpose::Transpose, unsqueeze::Unsqueeze};
use lehr_tensor::Tensor;

use super::assignment::{Assignment, Reading, Space};
use super::choices::{Choice, with_ones};
use super::views::{View, Views};
use crate::constants::evaluate;

/// What an input becomes.
enum Source {
    Keep(Option<ValueId>),
    Constant(Tensor),
    View { view: View, ones: Vec<usize> },
}

/// Everything that is to be edited; made before the first edit, so that nothing can fail half-way.
pub(super) struct Plan {
    /// Nodes in another order.
    nodes: Vec<(NodeId, Choice)>,
    inputs: Vec<(NodeId, Vec<Source>)>,
    outputs: Vec<Source>,
    /// Roots that are written in another order than they were.
    written: BTreeMap<ValueId, Permutation>,
}

impl Plan {
    /// The edits for the choices.
    pub(super) fn new(
        space: &Space<'_>,
        chosen: &Assignment,
        readings: &BTreeMap<ValueId, Vec<Reading>>,
    ) -> Self {
        let (graph, views) = (space.graph, space.views);
        let roots = readings.keys().map(|&root| (root, space.written(chosen, root)));
        let written = roots.filter(|(_, order)| !order.is_identity()).collect();
        let mut plan = Self { nodes: Vec::new(), inputs: Vec::new(), outputs: Vec::new(), written };
        for &id in space.choices.0.keys() {
            let Some(choice) = space.choice(chosen, id) else { continue };
            let node = graph.node(id);
            let count = choice.inputs.len().max(node.inputs().len());
            let sources = (0..count)
                .map(|index| plan.source(graph, views, node.input(index), choice.inputs.get(index)));
            let sources: Vec<_> = sources.collect();
            if sources.iter().any(|source| !matches!(source, Source::Keep(_))) {
                plan.inputs.push((id, sources));
            }
            if !choice.is_original() {
                plan.nodes.push((id, choice.clone()));
            }
        }
        let outputs = graph.outputs().iter();
        plan.outputs = outputs
            .map(|&value| plan.source(graph, views, Some(value), Some(&PermutedInput::Same)))
            .collect();
        plan
    }

    fn source(
        &self,
        graph: &Graph,
        views: &Views,
        value: Option<ValueId>,
        input: Option<&PermutedInput>,
    ) -> Source {
        let Some(value) = value else {
            return match input {
                Some(PermutedInput::Constant(tensor)) => Source::Constant(tensor.clone()),
                _ => Source::Keep(None),
            };
        };
        let view = views.view(graph, value);
        match input {
            Some(PermutedInput::Constant(tensor)) => Source::Constant(tensor.clone()),
            Some(PermutedInput::Ordered { order, ones }) => match view.order.then(order) {
                Some(order) => Source::View { view: View { root: view.root, order }, ones: ones.clone() },
                None => Source::Keep(Some(value)),
            },
            _ if self.written.contains_key(&view.root) => Source::View { view, ones: Vec::new() },
            _ => Source::Keep(Some(value)),
        }
    }

    /// Makes the edits.
    pub(super) fn apply(self, graph: &mut Graph, views: &Views, pass: &str) {
        let mut changed = Vec::new();
        for (id, choice) in self.nodes {
            if let Some(op) = choice.op {
                graph.set_op(id, op);
            }
            let outputs = graph.node(id).outputs().to_vec();
            for (value, order) in outputs.into_iter().zip(&choice.outputs) {
                if let Some(ty) = permuted_type(graph.value(value).ty(), order) {
                    graph.set_type(value, ty);
                }
                changed.push(value);
            }
        }
        let mut made = Made::new(views, self.written, pass);
        for (id, sources) in self.inputs {
            let inputs = sources.into_iter().map(|source| made.value(graph, source)).collect();
            graph.set_inputs(id, inputs);
        }
        let names = (0..graph.outputs().len()).map(|index| graph.output_name(index).into()).collect();
        let old = graph.outputs().to_vec();
        let outputs = self.outputs.into_iter().zip(&old);
        let outputs: Vec<_> =
            outputs.map(|(source, &old)| made.value(graph, source).unwrap_or(old)).collect();
        if outputs != old {
            graph.set_named_outputs(outputs, names);
        }
        made.hand_names_on(graph, views);
        for &id in views.transposes().iter().rev() {
            graph.remove_node(id);
        }
        changed.extend(made.new);
        refine_readers(graph, &changed);
    }
}

/// Values in the orders in which they are needed, each made once.
struct Made<'a> {
    written: BTreeMap<ValueId, Permutation>,
    /// What there is of each root.
    views: BTreeMap<ValueId, Vec<(Permutation, ValueId)>>,
    unsqueezed: BTreeMap<(ValueId, Vec<usize>), ValueId>,
    new: Vec<ValueId>,
    pass: &'a str,
}

impl<'a> Made<'a> {
    fn new(views: &Views, written: BTreeMap<ValueId, Permutation>, pass: &'a str) -> Self {
        let mut there: BTreeMap<ValueId, Vec<(Permutation, ValueId)>> = BTreeMap::new();
        for (value, view) in views.transposed().filter(|(_, view)| !written.contains_key(&view.root)) {
            there.entry(view.root).or_default().push((view.order.clone(), value));
        }
        Self { written, views: there, unsqueezed: BTreeMap::new(), new: Vec::new(), pass }
    }

    fn value(&mut self, graph: &mut Graph, source: Source) -> Option<ValueId> {
        match source {
            Source::Keep(value) => value,
            Source::Constant(tensor) => Some(graph.add_constant(tensor, None)),
            Source::View { view, ones } => {
                let value = self.view(graph, &view);
                Some(self.with_ones(graph, value, ones))
            }
        }
    }

    fn view(&mut self, graph: &mut Graph, view: &View) -> ValueId {
        let identity = Permutation::identity(view.order.rank());
        let written = self.written.get(&view.root).unwrap_or(&identity);
        let Some(perm) = written.to(&view.order).filter(|perm| !perm.is_identity()) else { return view.root };
        let there = self.views.entry(view.root).or_default();
        if let Some((_, value)) = there.iter().find(|(order, _)| *order == view.order) {
            return *value;
        }
        let value = transposed(graph, view.root, &perm, self.pass);
        there.push((view.order.clone(), value));
        self.new.push(value);
        value
    }

    /// A value in another order is not what its name stands for, but what the name of a Transpose of it did.
    fn hand_names_on(&self, graph: &mut Graph, views: &Views) {
        for (&root, written) in &self.written {
            let is_now = |(_, view): &(ValueId, &View)| view.root == root && view.order == *written;
            let mut stood_for = views.transposed().filter(is_now).map(|(value, _)| value);
            let inherited = stood_for.find_map(|value| graph.value(value).name().map(str::to_owned));
            let name = graph.value(root).name().map(str::to_owned);
            graph.set_value_name(root, inherited.as_deref());
            let there =
                self.views.get(&root).and_then(|all| all.iter().find(|(order, _)| order.is_identity()));
            if let (Some(name), Some(&(_, value))) = (name, there) {
                graph.set_value_name(value, Some(&name));
            }
        }
    }

    fn with_ones(&mut self, graph: &mut Graph, value: ValueId, ones: Vec<usize>) -> ValueId {
        let Some(ty) = with_ones(graph.value(value).ty().clone(), &ones).filter(|_| !ones.is_empty()) else {
            return value;
        };
        if let Some(&there) = self.unsqueezed.get(&(value, ones.clone())) {
            return there;
        }
        let reshaped = graph.constant(value).and_then(|tensor| {
            let sizes = ty.shape()?.as_fixed()?;
            tensor.reshape(&sizes).ok()
        });
        let new = match reshaped {
            Some(tensor) => graph.add_constant(tensor, None),
            None => {
                let axes = ones.iter().filter_map(|&axis| i64::try_from(axis).ok()).collect();
                let axes = graph.add_constant(Tensor::vector::<i64>(axes), None);
                node(graph, Unsqueeze {}, &[value, axes], ty, self.pass)
            }
        };
        self.unsqueezed.insert((value, ones), new);
        self.new.push(new);
        new
    }
}

/// `value` with its axes in another order: a constant is permuted at once, where no element moves it is only reshaped.
fn transposed(graph: &mut Graph, value: ValueId, perm: &Permutation, pass: &str) -> ValueId {
    let op = Transpose { perm: Some(perm.to_ints()) };
    let permuted = graph.constant(value).and_then(|tensor| evaluate(&op, &[tensor]).ok());
    if let Some(tensor) = permuted {
        return graph.add_constant(tensor, None);
    }
    let ty = graph.value(value).ty();
    let after = permuted_type(ty, perm).unwrap_or_default();
    let is_long = |axis: usize| ty.shape().and_then(|shape| shape.get(axis)) != Some(&Dim::Fixed(1));
    match reshape_target(&after).filter(|_| perm.keeps_order_of(is_long)) {
        Some(target) => {
            let target = graph.add_constant(Tensor::vector(target), None);
            node(graph, Reshape { allowzero: false }, &[value, target], after, pass)
        }
        None => node(graph, op, &[value], after, pass),
    }
}

/// The contents of a Reshape's target for this type: at most one size may be open, and none zero.
fn reshape_target(ty: &ValueType) -> Option<Vec<i64>> {
    let size =
        |dim: &Dim| dim.as_fixed().map_or(Some(-1), |size| i64::try_from(size).ok().filter(|&size| size > 0));
    let target: Vec<i64> = ty.shape()?.iter().map(size).collect::<Option<_>>()?;
    (target.iter().filter(|&&size| size == -1).count() <= 1).then_some(target)
}

fn node(graph: &mut Graph, op: impl Op, inputs: &[ValueId], ty: ValueType, pass: &str) -> ValueId {
    let above = inputs.first().and_then(|&value| graph.producer(value)).or_else(|| {
        let uses = inputs.first().map_or(&[][..], |&value| graph.value(value).uses());
        uses.iter().find_map(|a_use| match a_use {
            Use::Node { node, .. } => Some(*node),
            Use::Output(_) => None,
        })
    });
    let origin = Origin::merged(above.map(|id| graph.node(id).origin()), pass);
    let op: OpRef = Arc::new(op);
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    let id = graph.add_node_with_types(op, inputs, vec![ty], "", origin);
    graph.node(id).outputs()[0]
}
