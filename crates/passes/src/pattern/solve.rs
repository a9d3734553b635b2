//! Matching by depth-first search over goals, so that a wrong choice deep inside is taken back.

use lehr_graph::verify::describe_value;
use lehr_graph::{Flags, Graph, Node, NodeId, Use, ValueId};
use lehr_tensor::{DataType, Tensor};

use super::{Inputs, Kind, Match, OpTest, Pattern};
use crate::rewrite::Reject;

/// Most steps of one search; patterns that are worth writing need a few dozen.
const MAX_STEPS: usize = 20_000;
/// Larger constants are weights; that all their elements are the same is not looked for.
const MAX_UNIFORM: usize = 1 << 16;

impl Pattern {
    /// Matches the outputs of `root`.
    ///
    /// # Errors
    /// [`Reject::NoEffect`] when it does not match, [`Reject::Because`] when it does and a value inside is read from
    /// outside.
    pub fn match_node(&self, graph: &Graph, root: NodeId) -> Result<Match, Reject> {
        let mut search = Search { graph, bound: Vec::new(), nodes: Vec::new(), steps: 0 };
        let goal = Goal::AtNode { pattern: self, node: root, shared: true };
        if !search.solve(&mut vec![goal]) {
            return Err(Reject::NoEffect);
        }
        let found = Match { root, bound: search.bound, nodes: search.nodes };
        found.check_inside(graph)?;
        Ok(found)
    }
}

impl Match {
    /// Nothing but the root may be read from outside, unless the pattern says so.
    fn check_inside(&self, graph: &Graph) -> Result<(), Reject> {
        let is_inside = |id: NodeId| self.nodes.iter().any(|(own, _)| *own == id);
        let inside = self.nodes.iter().filter(|(id, shared)| !shared && *id != self.root);
        for &value in inside.flat_map(|(id, _)| graph.node(*id).outputs()) {
            let outside = graph.value(value).uses().iter().find(|a_use| match a_use {
                Use::Node { node, .. } => !is_inside(*node),
                Use::Output(_) => true,
            });
            if outside.is_some() {
                let value = describe_value(graph, value);
                return Err(Reject::because(format!("value {value} inside is also read elsewhere")));
            }
        }
        Ok(())
    }
}

#[derive(Clone)]
enum Goal<'p> {
    Value {
        pattern: &'p Pattern,
        value: ValueId,
    },
    AtNode {
        pattern: &'p Pattern,
        node: NodeId,
        shared: bool,
    },
    /// The chain's terms with a set bit, from this value.
    Terms {
        test: &'p OpTest,
        terms: &'p [Pattern],
        set: u32,
        value: ValueId,
        shared: bool,
    },
}

struct Search<'g> {
    graph: &'g Graph,
    bound: Vec<(&'static str, ValueId)>,
    nodes: Vec<(NodeId, bool)>,
    steps: usize,
}

impl<'g> Search<'g> {
    /// Solves all goals, the last first; leaves the state as it was when that is impossible.
    fn solve<'p>(&mut self, goals: &mut Vec<Goal<'p>>) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return false;
        }
        let Some(goal) = goals.pop() else { return true };
        let (bound, nodes) = (self.bound.len(), self.nodes.len());
        let solved = match &goal {
            Goal::Value { pattern, value } => self.solve_value(pattern, *value, goals),
            Goal::AtNode { pattern, node, shared } => self.solve_node(pattern, *node, *shared, goals),
            Goal::Terms { test, terms, set, value, shared } => {
                self.solve_terms(test, terms, *set, *value, *shared, goals)
            }
        };
        if !solved {
            self.bound.truncate(bound);
            self.nodes.truncate(nodes);
            goals.push(goal);
        }
        solved
    }

    /// Adds goals for one way to go on; takes them back when it fails.
    fn attempt<'p>(&mut self, goals: &mut Vec<Goal<'p>>, more: impl IntoIterator<Item = Goal<'p>>) -> bool {
        let (n_goals, bound, nodes) = (goals.len(), self.bound.len(), self.nodes.len());
        goals.extend(more);
        let solved = self.solve(goals);
        if !solved {
            goals.truncate(n_goals);
            self.bound.truncate(bound);
            self.nodes.truncate(nodes);
        }
        solved
    }

    fn bind(&mut self, name: Option<&'static str>, value: ValueId) -> bool {
        let Some(name) = name else { return true };
        match self.bound.iter().find(|(own, _)| *own == name) {
            Some((_, known)) => *known == value || same_constant(self.graph, *known, value),
            None => {
                self.bound.push((name, value));
                true
            }
        }
    }

    fn solve_value<'p>(&mut self, pattern: &'p Pattern, value: ValueId, goals: &mut Vec<Goal<'p>>) -> bool {
        if let Kind::Either(choices) = &pattern.kind {
            return self.bind(pattern.name, value)
                && choices
                    .iter()
                    .any(|choice| self.attempt(goals, [Goal::Value { pattern: choice, value }]));
        }
        match &pattern.kind {
            Kind::Any => self.bind(pattern.name, value) && self.solve(goals),
            Kind::Constant => {
                self.graph.constant(value).is_some() && self.bind(pattern.name, value) && self.solve(goals)
            }
            Kind::Uniform(number) => {
                is_uniform(self.graph, value, *number) && self.bind(pattern.name, value) && self.solve(goals)
            }
            Kind::Node { slot, .. } => {
                let Some(node) = self.graph.producer(value) else { return false };
                if self.graph.node(node).outputs().get(*slot) != Some(&value) {
                    return false;
                }
                self.attempt(goals, [Goal::AtNode { pattern, node, shared: pattern.shared }])
            }
            Kind::Chain { .. } => {
                let Some(node) = self.graph.producer(value) else { return false };
                self.attempt(goals, [Goal::AtNode { pattern, node, shared: pattern.shared }])
            }
            Kind::Either(_) => false,
        }
    }

    fn solve_node<'p>(
        &mut self,
        pattern: &'p Pattern,
        id: NodeId,
        shared: bool,
        goals: &mut Vec<Goal<'p>>,
    ) -> bool {
        let graph = self.graph;
        let node = graph.node(id);
        match &pattern.kind {
            Kind::Either(choices) => choices
                .iter()
                .any(|choice| self.attempt(goals, [Goal::AtNode { pattern: choice, node: id, shared }])),
            Kind::Node { test, inputs, slot } => {
                let Some(&value) = node.outputs().get(*slot) else { return false };
                if !test(node.op()) || !self.bind(pattern.name, value) {
                    return false;
                }
                self.nodes.push((id, shared));
                self.solve_inputs(inputs, node, goals)
            }
            Kind::Chain { test, terms } => {
                let (true, Some(&value)) = (test(node.op()), node.outputs().first()) else { return false };
                let all = (1u32 << terms.len()) - 1;
                self.bind(pattern.name, value)
                    && self.attempt(goals, [Goal::Terms { test, terms, set: all, value, shared }])
            }
            Kind::Any | Kind::Constant | Kind::Uniform(_) => false,
        }
    }

    fn solve_inputs<'p>(&mut self, inputs: &'p Inputs, node: &Node, goals: &mut Vec<Goal<'p>>) -> bool {
        let (patterns, more) = match inputs {
            Inputs::Unseen => return self.solve(goals),
            Inputs::Leading(patterns) => (patterns, true),
            Inputs::Exactly(patterns) => (patterns, false),
        };
        let given: Vec<_> = node.inputs().iter().take(patterns.len()).copied().collect();
        let rest = node.inputs().iter().skip(patterns.len());
        if given.len() < patterns.len() || (!more && rest.flatten().next().is_some()) {
            return false;
        }
        let in_order = |order: &[usize]| -> Option<Vec<Goal<'p>>> {
            let pairs = patterns.iter().zip(order).rev();
            pairs.map(|(pattern, &index)| Some(Goal::Value { pattern, value: given[index]? })).collect()
        };
        let straight: Vec<usize> = (0..patterns.len()).collect();
        if in_order(&straight).is_some_and(|more| self.attempt(goals, more)) {
            return true;
        }
        let swaps = patterns.len() == 2 && node.op().flags().contains(Flags::COMMUTATIVE);
        swaps && in_order(&[1, 0]).is_some_and(|more| self.attempt(goals, more))
    }

    /// Gives the terms of `set` in all ways to the two operands of the node behind `value`.
    fn solve_terms<'p>(
        &mut self,
        test: &'p OpTest,
        terms: &'p [Pattern],
        set: u32,
        value: ValueId,
        shared: bool,
        goals: &mut Vec<Goal<'p>>,
    ) -> bool {
        if set.is_power_of_two() {
            let pattern = &terms[set.trailing_zeros() as usize];
            return self.attempt(goals, [Goal::Value { pattern, value }]);
        }
        let graph = self.graph;
        let Some(id) = graph.producer(value) else { return false };
        let node = graph.node(id);
        let &[Some(left), Some(right)] = node.inputs() else { return false };
        if !test(node.op()) {
            return false;
        }
        self.nodes.push((id, shared));
        let mut subset = (set - 1) & set;
        while subset != 0 {
            let half = |set, value| Goal::Terms { test, terms, set, value, shared: false };
            if self.attempt(goals, [half(set & !subset, right), half(subset, left)]) {
                return true;
            }
            subset = (subset - 1) & set;
        }
        false
    }
}

/// Small constants may be stored more than once.
fn same_constant(graph: &Graph, a: ValueId, b: ValueId) -> bool {
    match (graph.constant(a), graph.constant(b)) {
        (Some(a), Some(b)) => a.len() <= MAX_UNIFORM && a == b,
        _ => false,
    }
}

fn is_uniform(graph: &Graph, value: ValueId, number: Option<f64>) -> bool {
    let Some(found) = graph.constant(value).and_then(uniform_number) else { return false };
    let Some(number) = number else { return true };
    let dtype = graph.value(value).ty().dtype().unwrap_or(DataType::F32);
    (found - number).abs() <= tolerance(dtype) * number.abs()
}

/// Numbers in formulas are printed and parsed on their way through frameworks.
fn tolerance(dtype: DataType) -> f64 {
    match dtype {
        DataType::F16 => 1e-3,
        DataType::BF16 => 8e-3,
        dtype if dtype.is_float() => 1e-5,
        _ => 0.0,
    }
}

/// The number that all elements of a constant are; none for empty and for large ones.
pub fn uniform_number(tensor: &Tensor) -> Option<f64> {
    if tensor.is_empty() || tensor.len() > MAX_UNIFORM {
        return None;
    }
    let numbers = tensor.to_f64s().ok()?;
    let first = *numbers.first()?;
    numbers.iter().all(|&number| number == first).then_some(first)
}
