//! The choices made: what they cost, and the search for the cheapest.

use std::collections::{BTreeMap, BTreeSet};

use lehr_graph::{Def, Dim, Graph, NodeId, Permutation, Signature, Use, ValueId, permuted_type};
use lehr_ops::transpose::Transpose;

use super::choices::{Choice, Choices, HINTS, Times, times};
use super::pbqp::Problem;
use super::views::{Views, rank};
use crate::cost_model::CostModel;

/// Constants up to this size may be stored in two orders.
const SMALL_CONSTANT: usize = 4 << 10;

/// What moving no element costs: one node fewer is better all the same.
const FREE: f64 = 1.0;

/// By how much a conversion between nodes is dearer to the search than one at an input or output of the graph.
const INSIDE: f64 = 0.01;

/// Everything the search reads.
pub(super) struct Space<'a> {
    pub graph: &'a Graph,
    pub views: &'a Views,
    pub choices: &'a Choices,
    pub model: &'a dyn CostModel,
}

/// The number of the choice of each node.
pub(super) type Assignment = BTreeMap<NodeId, usize>;

/// What all choices together cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Total {
    /// What everything takes.
    pub times: Times,
    /// How many conversions stand neither at an input nor at an output of the graph, where they keep neighbours apart.
    pub inside: usize,
}

impl Total {
    /// Whether this is better than `other`: no slower for any size, and faster for some or with less between the nodes.
    pub(super) fn is_better(&self, other: &Total) -> bool {
        // The sums over a graph are rounded; conversions cost at least a nanosecond.
        let close = |now: f64| 0.1_f64.min(now);
        let pairs = || self.times.iter().zip(other.times);
        let is_faster = pairs().any(|(next, now)| *next < now - close(now));
        pairs().all(|(next, now)| *next <= now + close(now)) && (is_faster || self.inside < other.inside)
    }
}

/// One place where a root is read, in some view of it.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub reader: Use,
    /// Order of the root's axes that the reader's own value has.
    pub view: Permutation,
}

impl Space<'_> {
    /// Every node as it is.
    pub(super) fn original(&self) -> Assignment {
        self.choices.0.keys().map(|&id| (id, 0)).collect()
    }

    /// The choice of a node.
    pub(super) fn choice(&self, chosen: &Assignment, id: NodeId) -> Option<&Choice> {
        self.choices.0.get(&id)?.get(*chosen.get(&id)?)
    }

    /// The order in which a root is written.
    pub(super) fn written(&self, chosen: &Assignment, root: ValueId) -> Permutation {
        let identity = || Permutation::identity(rank(self.graph, root));
        let Def::Node { node, slot } = self.graph.value(root).def() else { return identity() };
        let order = self.choice(chosen, *node).and_then(|choice| choice.outputs.get(*slot));
        order.cloned().unwrap_or_else(identity)
    }

    fn is_input(&self, root: ValueId) -> bool {
        matches!(self.graph.value(root).def(), Def::Input)
    }

    /// The places where each root is read, Transposes aside.
    pub(super) fn readings(&self) -> BTreeMap<ValueId, Vec<Reading>> {
        let mut readings: BTreeMap<ValueId, Vec<Reading>> = BTreeMap::new();
        for value in self.graph.value_ids() {
            for &reader in self.graph.value(value).uses() {
                if matches!(reader, Use::Node { node, .. } if !self.choices.0.contains_key(&node)) {
                    continue;
                }
                let view = self.views.view(self.graph, value);
                readings.entry(view.root).or_default().push(Reading { reader, view: view.order });
            }
        }
        readings
    }

    /// The order of the root's axes that a reader needs; nothing when it does not read its value after all.
    pub(super) fn needed(&self, choice: Option<&Choice>, reading: &Reading) -> Option<Permutation> {
        match (reading.reader, choice) {
            (Use::Output(_), _) | (_, None) => Some(reading.view.clone()),
            (Use::Node { slot, .. }, Some(choice)) if choice.reads(slot) => {
                reading.view.then(&choice.order_of_input(slot, reading.view.rank()))
            }
            (Use::Node { .. }, Some(_)) => None,
        }
    }

    /// What everything takes together; a value that is needed in some order by several readers is transposed once.
    pub(super) fn total(&self, chosen: &Assignment, readings: &BTreeMap<ValueId, Vec<Reading>>) -> Total {
        let mut total = Total { times: [0.0; HINTS.len()], inside: 0 };
        let mut add = |more: Times| total.times.iter_mut().zip(more).for_each(|(total, more)| *total += more);
        for &id in self.choices.0.keys() {
            self.choice(chosen, id).into_iter().for_each(|choice| add(choice.times));
        }
        for (&root, readings) in readings {
            let written = self.written(chosen, root);
            let mut outside = self.is_input(root);
            let needed = readings.iter().filter_map(|reading| {
                let choice = match reading.reader {
                    Use::Node { node, .. } => self.choice(chosen, node),
                    Use::Output(_) => None,
                };
                self.needed(choice, reading)
            });
            let needed: BTreeSet<_> = needed.collect();
            outside |= readings.iter().all(|reading| matches!(reading.reader, Use::Output(_)));
            let moved = needed.iter().filter(|&order| *order != written).count();
            total.inside += if outside || self.graph.constant(root).is_some() { 0 } else { moved };
            match self.graph.constant(root) {
                // A constant is transposed beforehand; a second copy of a large one takes memory.
                Some(tensor) if needed.len() <= 1 || tensor.byte_len() <= SMALL_CONSTANT => {}
                Some(_) => {
                    needed.iter().skip(1).for_each(|order| add(self.conversion(root, &written, order)))
                }
                None => needed.iter().for_each(|order| add(self.conversion(root, &written, order))),
            }
        }
        total
    }

    /// What bringing a root from one order into another takes.
    fn conversion(&self, root: ValueId, from: &Permutation, to: &Permutation) -> Times {
        let nothing = [0.0; HINTS.len()];
        let ty = self.graph.value(root).ty();
        let Some(perm) = from.to(to).filter(|perm| !perm.is_identity()) else { return nothing };
        let Some((before, after)) = permuted_type(ty, from).zip(permuted_type(ty, to)) else {
            return nothing;
        };
        let is_long = |axis: usize| before.shape().and_then(|s| s.get(axis)) != Some(&Dim::Fixed(1));
        if perm.keeps_order_of(is_long) {
            return [FREE; HINTS.len()];
        }
        let op = Transpose { perm: Some(perm.to_ints()) };
        let io = Signature { inputs: vec![Some(&before)], constants: vec![None], outputs: vec![&after] };
        times(self.model, &op, &io)
    }

    /// The cheapest choices that the search finds, and the parts of the graph in which they can be made independently.
    pub(super) fn search(
        &self,
        readings: &BTreeMap<ValueId, Vec<Reading>>,
    ) -> (Assignment, Vec<Vec<NodeId>>) {
        let mut problem = Problem::default();
        let mut parts = Parts::default();
        let mut vertices: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (&id, choices) in &self.choices.0 {
            let vertex = problem.vertex(choices.iter().map(|choice| sum(choice.times)).collect());
            parts.add();
            vertices.insert(id, vertex);
        }
        for (&root, readings) in readings {
            if self.graph.constant(root).is_none() {
                self.add_root(&mut problem, &mut parts, &vertices, root, readings);
            }
        }
        let solved = problem.solve();
        let chosen = vertices.iter().map(|(&id, &vertex)| (id, solved.get(vertex).copied().unwrap_or(0)));
        let chosen: Assignment = chosen.collect();
        let mut by_part: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
        for (&id, &vertex) in &vertices {
            if self.choices.0.get(&id).is_some_and(|choices| choices.len() > 1) {
                by_part.entry(parts.root(vertex)).or_default().push(id);
            }
        }
        (chosen, by_part.into_values().collect())
    }

    /// Adds a root: a vertex for the order in which it is handed on, with edges to its producer and its readers.
    fn add_root(
        &self,
        problem: &mut Problem,
        parts: &mut Parts,
        vertices: &BTreeMap<NodeId, usize>,
        root: ValueId,
        readings: &[Reading],
    ) {
        let identity = Permutation::identity(rank(self.graph, root));
        let producer = match self.graph.value(root).def() {
            Def::Node { node, slot } => self.choices.0.get(node).map(|choices| (*node, *slot, choices)),
            _ => None,
        };
        let written: Vec<_> = match producer {
            Some((_, slot, choices)) => choices
                .iter()
                .map(|c| c.outputs.get(slot).cloned().unwrap_or_else(|| identity.clone()))
                .collect(),
            None => vec![identity.clone()],
        };
        let needs: Vec<(Option<usize>, Vec<Option<Permutation>>)> = readings
            .iter()
            .map(|reading| {
                let node = match reading.reader {
                    Use::Node { node, .. } => Some(node),
                    Use::Output(_) => None,
                };
                let vertex = node.and_then(|node| vertices.get(&node).copied());
                match node.and_then(|node| self.choices.0.get(&node)) {
                    Some(choices) => {
                        (vertex, choices.iter().map(|c| self.needed(Some(c), reading)).collect())
                    }
                    None => (None, vec![self.needed(None, reading)]),
                }
            })
            .collect();
        let all = written.iter().chain(needs.iter().flat_map(|(_, orders)| orders.iter().flatten()));
        let orders: Vec<Permutation> = all.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let Some(first) = orders.first() else { return };
        if orders.len() == 1 && *first == identity {
            return;
        }
        let handed = problem.vertex(vec![0.0; orders.len()]);
        parts.add();
        let source = producer.and_then(|(node, _, _)| vertices.get(&node).copied());
        let source = source.unwrap_or_else(|| {
            parts.add();
            problem.vertex(vec![0.0])
        });
        let between = |from: &Permutation, to: &Permutation, is_outside: bool| {
            let cost = sum(self.conversion(root, from, to));
            if is_outside || cost == 0.0 { cost } else { cost + INSIDE }
        };
        let is_input = self.is_input(root);
        problem.edge(source, handed, |i, j| {
            written.get(i).map_or(0.0, |from| between(from, &orders[j], is_input))
        });
        if written.len() > 1 {
            parts.join(source, handed);
        }
        for (vertex, needed) in needs {
            let cost = |j: usize, i: usize| match needed.get(i) {
                Some(Some(to)) => between(&orders[j], to, is_input || vertex.is_none()),
                _ => 0.0,
            };
            let reader = vertex.unwrap_or_else(|| {
                parts.add();
                problem.vertex(vec![0.0])
            });
            problem.edge(handed, reader, cost);
            if needed.len() > 1 {
                parts.join(handed, reader);
            }
        }
    }
}

fn sum(times: Times) -> f64 {
    times.iter().sum()
}

/// Vertices that hang together.
#[derive(Default)]
struct Parts(Vec<usize>);

impl Parts {
    fn add(&mut self) {
        self.0.push(self.0.len());
    }

    fn root(&self, mut vertex: usize) -> usize {
        while self.0[vertex] != vertex {
            vertex = self.0[vertex];
        }
        vertex
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
