//! Atomic edits: new nodes built against a graph, checked as a whole, and put in place or not at all.
//!
//! A [`PatchBuilder`] reads a graph and collects new constants and nodes and which values they replace; the finished
//! [`Patch`] is committed to the same graph. New nodes may read the very value that they replace: they keep reading the
//! old one, everybody else reads the new one. Nodes that nobody reads any more fall out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lehr_tensor::Tensor;

use crate::dim::Dim;
use crate::error::OpError;
use crate::graph::{Def, Graph};
use crate::ids::{NodeId, ValueId};
use crate::infer::{InferCx, refine_readers};
use crate::op::{Op, OpRef};
use crate::origin::Origin;
use crate::signature::Signature;
use crate::types::{TensorType, ValueType};
use crate::verify::describe_value;

/// A value as a patch sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatchValue {
    /// A value of the graph.
    Old(ValueId),
    /// A value that the patch makes.
    New(usize),
}

impl From<ValueId> for PatchValue {
    fn from(id: ValueId) -> Self {
        Self::Old(id)
    }
}

/// Why a patch was not committed; the graph is then unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The value to be replaced, or one that is read, is not in the graph (any more).
    #[error("value {value} is not in the graph")]
    Gone {
        /// The value.
        value: String,
    },
    /// A value is replaced twice, or by one that is itself replaced.
    #[error("value {value} is replaced more than once")]
    Twice {
        /// The value.
        value: String,
    },
    /// The new value knows less of its type than the old one, or contradicts it.
    #[error("value {value}: expected a type as precise as {expected}, got {got} ({problem})")]
    Type {
        /// The value.
        value: String,
        /// Type of the old value.
        expected: String,
        /// Type of the new value.
        got: String,
        /// What differs.
        problem: String,
    },
    /// The new value would depend on itself.
    #[error("value {value} would depend on itself")]
    Cycle {
        /// The value.
        value: String,
    },
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The new nodes.
    pub nodes: Vec<NodeId>,
    /// What took the place of each replaced value.
    pub replaced: Vec<(ValueId, ValueId)>,
    /// Nodes that fell out.
    pub removed: Vec<NodeId>,
    /// Inputs of the nodes that fell out which are still there: their producers may have become simpler.
    pub released: Vec<ValueId>,
}

#[derive(Clone, Debug)]
struct NewValue {
    ty: ValueType,
    constant: Option<Tensor>,
    name: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct NewNode {
    op: OpRef,
    inputs: Vec<Option<PatchValue>>,
    /// Positions of the outputs among the new values.
    outputs: std::ops::Range<usize>,
    name: Arc<str>,
    /// That of an inlined node; others get the origins of what they replace.
    origin: Option<Origin>,
}

/// A new node of a patch.
pub struct NodeView<'a> {
    /// Its operator.
    pub op: &'a dyn Op,
    /// The types around it.
    pub io: Signature<'a>,
    /// Whether it depends on constants only, so that nothing of it is left at run time.
    pub is_constant: bool,
}

/// A patch under construction.
pub struct PatchBuilder<'g> {
    graph: &'g Graph,
    patch: Patch,
}

/// A finished patch.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    values: Vec<NewValue>,
    nodes: Vec<NewNode>,
    replaced: Vec<(ValueId, PatchValue)>,
    absorbed: Vec<NodeId>,
}

impl<'g> PatchBuilder<'g> {
    /// An empty patch for `graph`.
    pub fn new(graph: &'g Graph) -> Self {
        Self { graph, patch: Patch::default() }
    }

    /// The graph that is read.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// Type of a value.
    pub fn ty(&self, value: impl Into<PatchValue>) -> &ValueType {
        match value.into() {
            PatchValue::Old(id) => self.graph.value(id).ty(),
            PatchValue::New(index) => &self.patch.values[index].ty,
        }
    }

    /// Contents of a constant.
    pub fn constant_of(&self, value: impl Into<PatchValue>) -> Option<&Tensor> {
        match value.into() {
            PatchValue::Old(id) => self.graph.constant(id),
            PatchValue::New(index) => self.patch.values[index].constant.as_ref(),
        }
    }

    /// A new constant.
    pub fn constant(&mut self, tensor: Tensor) -> PatchValue {
        let ty = ValueType::Tensor(TensorType::of(&tensor));
        self.push(NewValue { ty, constant: Some(tensor), name: None })
    }

    /// A new node with `n_outputs` outputs.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn node(
        &mut self,
        op: OpRef,
        inputs: &[Option<PatchValue>],
        n_outputs: usize,
    ) -> Result<Vec<PatchValue>, OpError> {
        let types = inputs.iter().map(|v| v.map(|v| self.ty(v))).collect();
        let constants = inputs.iter().map(|v| v.and_then(|v| self.constant_of(v))).collect();
        let mut cx = InferCx::new(types, constants, n_outputs);
        op.infer(&mut cx)?;
        let types = cx.finish();
        Ok(self.push_node(op, inputs.to_vec(), types, "".into(), None))
    }

    /// A new node on present inputs with one output.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn call(&mut self, op: impl Op, inputs: &[PatchValue]) -> Result<PatchValue, OpError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        let outputs = self.node(Arc::new(op), &inputs, 1)?;
        Ok(outputs[0])
    }

    /// Names the node that was added last; otherwise it takes the name of the node whose output it replaces.
    pub fn name_last(&mut self, name: &str) {
        if let Some(node) = self.patch.nodes.last_mut() {
            node.name = name.into();
        }
    }

    /// Copies the nodes of `inner` for the given inputs (then captures); gives its outputs. The copies keep their
    /// names and origins.
    ///
    /// # Errors
    /// [`OpError::MissingInput`] when an inner node or output needs an input that is absent.
    pub fn inline(
        &mut self,
        inner: &Graph,
        inputs: &[Option<PatchValue>],
    ) -> Result<Vec<PatchValue>, OpError> {
        let mut map: HashMap<ValueId, PatchValue> = HashMap::new();
        let formals = inner.inputs().iter().chain(inner.captures());
        for (index, (&formal, given)) in
            formals.zip(inputs.iter().copied().chain(std::iter::repeat(None))).enumerate()
        {
            match given {
                Some(value) => drop(map.insert(formal, value)),
                None if inner.value(formal).uses().is_empty() => {}
                None => return Err(OpError::MissingInput { index }),
            }
        }
        for id in inner.topological_order() {
            let node = inner.node(id);
            let mut inputs = Vec::with_capacity(node.inputs().len());
            for value in node.inputs() {
                inputs.push(value.map(|v| self.inlined(inner, v, &mut map)).transpose()?);
            }
            let types = node.outputs().iter().map(|&v| inner.value(v).ty().clone()).collect();
            let origin = Some(node.origin().clone());
            let outputs = self.push_node(node.op_ref().clone(), inputs, types, node.name().into(), origin);
            for (&old, &new) in node.outputs().iter().zip(&outputs) {
                if let PatchValue::New(index) = new {
                    self.patch.values[index].name = inner.value(old).name().map(Arc::from);
                }
                map.insert(old, new);
            }
        }
        inner.outputs().iter().map(|&v| self.inlined(inner, v, &mut map)).collect()
    }

    fn inlined(
        &mut self,
        inner: &Graph,
        value: ValueId,
        map: &mut HashMap<ValueId, PatchValue>,
    ) -> Result<PatchValue, OpError> {
        if let Some(&known) = map.get(&value) {
            return Ok(known);
        }
        match inner.constant(value) {
            Some(tensor) => {
                let new = self.constant(tensor.clone());
                map.insert(value, new);
                Ok(new)
            }
            None => {
                Err(OpError::value(format!("inner value {} has no place here", describe_value(inner, value))))
            }
        }
    }

    /// Everybody who reads `old` shall read `new`.
    pub fn replace(&mut self, old: ValueId, new: impl Into<PatchValue>) {
        self.patch.replaced.push((old, new.into()));
    }

    /// The new nodes stand for `node` too, though it stays.
    pub fn absorb(&mut self, node: NodeId) {
        self.patch.absorbed.push(node);
    }

    /// The finished patch.
    pub fn finish(self) -> Patch {
        self.patch
    }

    fn push(&mut self, value: NewValue) -> PatchValue {
        self.patch.values.push(value);
        PatchValue::New(self.patch.values.len() - 1)
    }

    fn push_node(
        &mut self,
        op: OpRef,
        inputs: Vec<Option<PatchValue>>,
        types: Vec<ValueType>,
        name: Arc<str>,
        origin: Option<Origin>,
    ) -> Vec<PatchValue> {
        let start = self.patch.values.len();
        let outputs: Vec<_> =
            types.into_iter().map(|ty| self.push(NewValue { ty, constant: None, name: None })).collect();
        let outputs_range = start..self.patch.values.len();
        self.patch.nodes.push(NewNode { op, inputs, outputs: outputs_range, name, origin });
        outputs
    }
}

impl Patch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }

    /// The values that get a replacement.
    pub fn replaced(&self) -> impl Iterator<Item = (ValueId, PatchValue)> + '_ {
        self.replaced.iter().copied()
    }

    /// The nodes of `graph` that nobody will read after the commit, readers before producers.
    pub fn dying(&self, graph: &Graph) -> Vec<NodeId> {
        let mut left: HashMap<ValueId, usize> = HashMap::new();
        let count = |left: &mut HashMap<ValueId, usize>, id: ValueId| -> usize {
            *left.entry(id).or_insert_with(|| graph.value(id).uses().len())
        };
        for &(old, new) in &self.replaced {
            let uses = graph.value(old).uses().len();
            left.insert(old, 0);
            if let PatchValue::Old(target) = new {
                let current = count(&mut left, target);
                left.insert(target, current + uses);
            }
        }
        for target in self.nodes.iter().flat_map(|n| old_inputs(&n.inputs)) {
            let current = count(&mut left, target);
            left.insert(target, current + 1);
        }
        let mut pending: Vec<_> = self.replaced.iter().filter_map(|(old, _)| graph.producer(*old)).collect();
        let mut dying = Vec::new();
        let mut dead = HashSet::new();
        while let Some(id) = pending.pop() {
            let node = graph.node(id);
            if dead.contains(&id) || node.outputs().iter().any(|&v| count(&mut left, v) > 0) {
                continue;
            }
            dead.insert(id);
            dying.push(id);
            for &input in node.inputs().iter().flatten() {
                let current = count(&mut left, input);
                left.insert(input, current.saturating_sub(1));
                pending.extend(graph.producer(input));
            }
        }
        dying
    }

    /// Visits the new nodes in order.
    pub fn each_node<'a>(&'a self, graph: &'a Graph, visit: &mut dyn FnMut(NodeView<'a>)) {
        let mut constant: Vec<bool> = self.values.iter().map(|value| value.constant.is_some()).collect();
        for node in &self.nodes {
            let ty = |value: PatchValue| match value {
                PatchValue::Old(id) => graph.value(id).ty(),
                PatchValue::New(index) => &self.values[index].ty,
            };
            let contents = |value: PatchValue| match value {
                PatchValue::Old(id) => graph.constant(id),
                PatchValue::New(index) => self.values[index].constant.as_ref(),
            };
            let io = Signature {
                inputs: node.inputs.iter().map(|v| v.map(ty)).collect(),
                constants: node.inputs.iter().map(|v| v.and_then(contents)).collect(),
                outputs: self.values[node.outputs.clone()].iter().map(|value| &value.ty).collect(),
            };
            let is_constant = node.inputs.iter().flatten().all(|&v| match v {
                PatchValue::Old(id) => graph.constant(id).is_some(),
                PatchValue::New(index) => constant[index],
            });
            node.outputs.clone().for_each(|index| constant[index] = is_constant);
            visit(NodeView { op: &*node.op, io, is_constant });
        }
    }

    /// Puts the patch in place. `made_by` names the pass.
    ///
    /// # Errors
    /// [`PatchError`]; nothing has changed then.
    pub fn commit(self, graph: &mut Graph, made_by: &str) -> Result<Committed, PatchError> {
        self.check_values(graph)?;
        self.check_types(graph)?;
        self.check_cycles(graph)?;
        let dying = self.dying(graph);
        let origin = self.origin(graph, &dying, made_by);
        Ok(self.apply(graph, dying, &origin))
    }

    fn origin(&self, graph: &Graph, dying: &[NodeId], made_by: &str) -> Origin {
        let replaced = self.replaced.iter().filter_map(|(old, _)| graph.producer(*old));
        let sources = dying.iter().copied().chain(replaced).chain(self.absorbed.iter().copied());
        Origin::merged(sources.filter_map(|id| graph.get_node(id)).map(|node| node.origin()), made_by)
    }

    fn taps(&self) -> impl Iterator<Item = ValueId> + '_ {
        let read = self.nodes.iter().flat_map(|n| old_inputs(&n.inputs));
        read.chain(self.replaced.iter().filter_map(|(_, new)| old_id(*new)))
    }

    fn check_values(&self, graph: &Graph) -> Result<(), PatchError> {
        let mut seen = HashSet::new();
        for &(old, _) in &self.replaced {
            if !seen.insert(old) {
                return Err(PatchError::Twice { value: describe_value(graph, old) });
            }
        }
        for (_, new) in &self.replaced {
            if let Some(value) = old_id(*new).filter(|id| seen.contains(id)) {
                return Err(PatchError::Twice { value: describe_value(graph, value) });
            }
        }
        for id in self.taps().chain(seen.iter().copied()) {
            let gone = graph.get_value(id).is_none_or(|v| matches!(v.def(), Def::Removed));
            if gone {
                return Err(PatchError::Gone { value: describe_value(graph, id) });
            }
        }
        Ok(())
    }

    fn check_types(&self, graph: &Graph) -> Result<(), PatchError> {
        for &(old, new) in &self.replaced {
            let expected = graph.value(old).ty();
            let got = match new {
                PatchValue::Old(id) => graph.value(id).ty(),
                PatchValue::New(index) => &self.values[index].ty,
            };
            as_precise(got, expected).map_err(|problem| PatchError::Type {
                value: describe_value(graph, old),
                expected: expected.to_string(),
                got: got.to_string(),
                problem,
            })?;
        }
        Ok(())
    }

    /// What the patch reads must not depend on readers of what it replaces, for these will read the patch.
    fn check_cycles(&self, graph: &Graph) -> Result<(), PatchError> {
        let replaced: HashSet<ValueId> = self.replaced.iter().map(|(old, _)| *old).collect();
        let own: HashSet<NodeId> = replaced.iter().filter_map(|&v| graph.producer(v)).collect();
        let mut seen: HashSet<NodeId> = HashSet::new();
        let mut pending: Vec<NodeId> = self.taps().filter_map(|v| graph.producer(v)).collect();
        // What the producers of replaced values read is before them, unless one of them reads another.
        if own.len() <= 1 {
            let before: HashSet<_> = own.iter().flat_map(|&n| graph.node(n).inputs()).flatten().collect();
            pending = self.taps().filter(|v| !before.contains(v)).filter_map(|v| graph.producer(v)).collect();
        }
        while let Some(id) = pending.pop() {
            if !seen.insert(id) {
                continue;
            }
            for &input in graph.node(id).inputs().iter().flatten() {
                if replaced.contains(&input) {
                    return Err(PatchError::Cycle { value: describe_value(graph, input) });
                }
                pending.extend(graph.producer(input));
            }
        }
        Ok(())
    }

    fn apply(self, graph: &mut Graph, dying: Vec<NodeId>, origin: &Origin) -> Committed {
        let mut ids: Vec<Option<ValueId>> = self.values.iter().map(|_| None).collect();
        for (slot, value) in ids.iter_mut().zip(&self.values) {
            if let Some(tensor) = &value.constant {
                *slot = Some(graph.add_constant(tensor.clone(), value.name.as_deref()));
            }
        }
        let mut done = Committed::default();
        let mut own_taps = Vec::new();
        for node in self.nodes {
            let inputs: Vec<_> = node
                .inputs
                .iter()
                .map(|v| match (*v)? {
                    PatchValue::Old(id) => Some(id),
                    PatchValue::New(index) => ids[index],
                })
                .collect();
            let types = node.outputs.clone().map(|i| self.values[i].ty.clone()).collect();
            let node_origin = node.origin.unwrap_or_else(|| origin.clone());
            let id = graph.add_node_with_types(node.op, inputs.clone(), types, node.name, node_origin);
            let slots = inputs.into_iter().enumerate();
            own_taps.extend(slots.filter_map(|(slot, value)| Some((id, slot, value?))));
            for (index, output) in node.outputs.zip(graph.node(id).outputs().to_vec()) {
                graph.set_value_name(output, self.values[index].name.as_deref());
                ids[index] = Some(output);
            }
            done.nodes.push(id);
        }
        for (old, new) in self.replaced {
            let (target, is_new) = match new {
                PatchValue::Old(id) => (id, false),
                PatchValue::New(index) => (ids[index].unwrap_or(old), true),
            };
            if is_new {
                hand_over(graph, old, target);
            }
            graph.replace_uses(old, target);
            for &(node, slot, _) in own_taps.iter().filter(|(_, _, value)| *value == old) {
                graph.set_input(node, slot, Some(old));
            }
            done.replaced.push((old, target));
        }
        for id in dying {
            let inputs: Vec<_> = graph.node(id).inputs().iter().flatten().copied().collect();
            if graph.remove_node(id) {
                done.removed.push(id);
                done.released.extend(inputs);
            }
        }
        done.released.retain(|&v| !matches!(graph.value(v).def(), Def::Removed));
        let mut changed: Vec<_> = done.replaced.iter().map(|(_, new)| *new).collect();
        changed.extend(done.nodes.iter().flat_map(|&n| graph.node(n).outputs()));
        refine_readers(graph, &changed);
        done
    }
}

/// The new value takes over name, node name and what was known of the type.
fn hand_over(graph: &mut Graph, old: ValueId, new: ValueId) {
    if let Ok(merged) = graph.value(new).ty().refine(graph.value(old).ty())
        && graph.constant(new).is_none()
    {
        graph.set_type(new, merged);
    }
    if let Some(name) = graph.value(old).name().map(str::to_owned) {
        graph.set_value_name(new, Some(&name));
        graph.set_value_name(old, None);
    }
    let (Some(from), Some(to)) = (graph.producer(old), graph.producer(new)) else { return };
    if graph.node(to).name().is_empty() {
        let name: Arc<str> = graph.node(from).name().into();
        graph.set_node_name(to, name);
    }
}

fn old_id(value: PatchValue) -> Option<ValueId> {
    match value {
        PatchValue::Old(id) => Some(id),
        PatchValue::New(_) => None,
    }
}

fn old_inputs(inputs: &[Option<PatchValue>]) -> impl Iterator<Item = ValueId> + '_ {
    inputs.iter().filter_map(|v| old_id((*v)?))
}

/// Whether `new` equals or refines `old`; a sentence when not.
fn as_precise(new: &ValueType, old: &ValueType) -> Result<(), String> {
    use ValueType::*;
    match (old, new) {
        (Unknown, _) => Ok(()),
        (Tensor(old), Tensor(new)) => tensor_as_precise(new, old),
        (Sequence(old), Sequence(new)) | (Optional(old), Optional(new)) => as_precise(new, old),
        (Map { key: k, value: old }, Map { key: l, value: new }) if k == l => as_precise(new, old),
        _ => Err("another kind of value".into()),
    }
}

fn tensor_as_precise(new: &TensorType, old: &TensorType) -> Result<(), String> {
    if old.dtype.is_some() && old.dtype != new.dtype {
        return Err("another element type".into());
    }
    let Some(before) = &old.shape else { return Ok(()) };
    let Some(after) = &new.shape else { return Err("the shape is not known any more".into()) };
    if before.rank() != after.rank() {
        return Err(format!("rank {} instead of {}", after.rank(), before.rank()));
    }
    match before.iter().zip(after).position(|(old, new)| !dim_as_precise(new, old)) {
        Some(axis) => Err(format!("axis {axis} is not the same size for certain")),
        None => Ok(()),
    }
}

fn dim_as_precise(new: &Dim, old: &Dim) -> bool {
    match (old, new) {
        (Dim::Unknown, _) => true,
        (Dim::Expr(_), Dim::Fixed(_)) => old.equal(new) != Some(false),
        // A size that inference invented says no more than that there is one.
        (Dim::Expr(old), Dim::Expr(new)) if old.has_fresh() && !new.has_fresh() => true,
        _ => old.equal(new) == Some(true) || old == new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestOps, plain};
    use crate::text::{Constants, PrintOptions, parse, print_with};
    use crate::verify::{Level, verify};

    const TEXT: &str = r#"graph "g" {
        input %x: f32[N,3]
        %a = Every(%x) name "first" from [0 "A" "a"]
        %b = Every(%a) name "second" from [1 "B" "b"]
        %c = Every(%b) name "third" from [2 "C" "c"]
        output %c
    }"#;

    fn named(graph: &Graph, name: &str) -> ValueId {
        graph.value_ids().find(|&v| graph.value(v).name() == Some(name)).unwrap()
    }

    fn text(graph: &Graph) -> String {
        print_with(graph, PrintOptions { constants: Constants::Full, origins: true })
    }

    #[test]
    fn replaces_merges_and_drops() {
        let mut graph = parse(TEXT, &TestOps).unwrap();
        let mut builder = PatchBuilder::new(&graph);
        let one = builder.constant(Tensor::vector(vec![1.0f32]));
        let sum = builder.call(plain(), &[named(&graph, "x").into(), one]).unwrap();
        builder.replace(named(&graph, "b"), sum);
        let done = builder.finish().commit(&mut graph, "test_pass").unwrap();
        assert_eq!(done.removed.len(), 2);
        assert_eq!(verify(&graph, Level::Typed), Ok(()));
        let expected = r#"graph "g" {
  input %x: f32[N,3]
  const %0 = f32[1] [1.0]
  %b: f32[N,3] = Every(%x, %0) name "second" from [0 "A" "a", 1 "B" "b"] by "test_pass"
  %c: f32[N,3] = Every(%b) name "third" from [2 "C" "c"]
  output %c
}
"#;
        assert_eq!(text(&graph), expected);
    }

    #[test]
    fn may_wrap_what_it_replaces() {
        let mut graph = parse(TEXT, &TestOps).unwrap();
        let b = named(&graph, "b");
        let mut builder = PatchBuilder::new(&graph);
        let wrapped = builder.call(plain(), &[b.into()]).unwrap();
        builder.replace(b, wrapped);
        let done = builder.finish().commit(&mut graph, "wrap").unwrap();
        assert_eq!((done.nodes.len(), done.removed.len(), graph.n_nodes()), (1, 0, 4));
        assert_eq!(verify(&graph, Level::Typed), Ok(()));
    }

    #[test]
    fn refuses_and_leaves_the_graph_alone() {
        let graph = parse(TEXT, &TestOps).unwrap();
        let [x, a, b, c] = ["x", "a", "b", "c"].map(|n| named(&graph, n));
        type Build = fn(&mut PatchBuilder<'_>, [ValueId; 4]);
        let cases: [(&str, Build); 5] = [
            ("axis 0 is not the same size for certain", |p, [_, _, b, _]| {
                p.replace(b, p.graph().inputs()[1]);
            }),
            ("rank 1 instead of 2", |p, [_, _, b, _]| {
                let constant = p.constant(Tensor::vector(vec![0f32; 3]));
                p.replace(b, constant);
            }),
            ("another element type", |p, [_, _, b, _]| {
                let constant = p.constant(Tensor::from_vec(&[4, 3], vec![0i32; 12]).unwrap());
                p.replace(b, constant);
            }),
            ("value 'b' would depend on itself", |p, [_, _, b, c]| {
                let sum = p.call(plain(), &[c.into()]).unwrap();
                p.replace(b, sum);
            }),
            ("value 'a' is replaced more than once", |p, [x, a, b, _]| {
                p.replace(a, x);
                p.replace(b, a);
            }),
        ];
        for (part, build) in cases {
            let mut own =
                parse(&TEXT.replace("input %x: f32[N,3]", "input %x: f32[N,3] input %y: f32[M,3]"), &TestOps)
                    .unwrap();
            let mut builder = PatchBuilder::new(&own);
            build(&mut builder, [x, a, b, c].map(|v| named(&own, graph.value(v).name().unwrap())));
            let before = text(&own);
            let error = builder.finish().commit(&mut own, "bad").unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert_eq!(text(&own), before);
        }
    }

    #[test]
    fn inlines_subgraphs() {
        let mut graph = parse(
            r#"graph {
            input %x: f32[2]
            %y = test.domain::Nest(%x) {body = graph {
                capture %c: f32[2]
                const %k = f32[1] [2]
                %d = Every(%c, %k) name "inner"
                output %d
            }} name "nest"
            output %y
        }"#,
            &TestOps,
        )
        .unwrap();
        let node = graph.node_ids().next().unwrap();
        let mut builder = PatchBuilder::new(&graph);
        let body = graph.node(node).op().subgraphs()[0].1.clone();
        let inputs: Vec<_> = graph.node(node).inputs().iter().map(|v| v.map(Into::into)).collect();
        let outputs = builder.inline(&body, &inputs).unwrap();
        builder.replace(graph.node(node).outputs()[0], outputs[0]);
        builder.finish().commit(&mut graph, "inline").unwrap();
        assert_eq!(verify(&graph, Level::Typed), Ok(()));
        assert!(text(&graph).contains("%y: f32[2] = Every(%x, %0) name \"inner\""), "{}", text(&graph));
    }
}
