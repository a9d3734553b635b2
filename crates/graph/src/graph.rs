//! The graph: arenas of nodes and values whose uses are kept up to date by every edit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use lehr_tensor::Tensor;
use smallvec::SmallVec;

use crate::error::OpError;
use crate::ids::{NodeId, ValueId};
use crate::infer::infer_node;
use crate::op::{Op, OpRef};
use crate::origin::Origin;
use crate::signature::Signature;
use crate::types::{TensorType, ValueType};

/// How a value comes to be.
#[derive(Clone, Debug)]
pub enum Def {
    /// A formal input of the graph.
    Input,
    /// A value of the enclosing graph; passed behind the formal inputs.
    Capture,
    /// A constant, usually a slice of a mapped file.
    Constant(Tensor),
    /// Output `slot` of a node.
    Node {
        /// The producer.
        node: NodeId,
        /// Which of its outputs.
        slot: usize,
    },
    /// The producer was removed.
    Removed,
}

/// One place where a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Input `slot` of a node.
    Node {
        /// The reader.
        node: NodeId,
        /// Which of its inputs.
        slot: usize,
    },
    /// Output `index` of the graph.
    Output(usize),
}

/// A value of a graph.
#[derive(Clone, Debug)]
pub struct Value {
    def: Def,
    ty: ValueType,
    uses: SmallVec<[Use; 2]>,
    name: Option<Arc<str>>,
}

impl Value {
    /// How it comes to be.
    pub fn def(&self) -> &Def {
        &self.def
    }

    /// Its type as far as known.
    pub fn ty(&self) -> &ValueType {
        &self.ty
    }

    /// Where it is read.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A node of a graph.
#[derive(Clone, Debug)]
pub struct Node {
    op: OpRef,
    inputs: SmallVec<[Option<ValueId>; 4]>,
    outputs: SmallVec<[ValueId; 1]>,
    name: Arc<str>,
    origin: Origin,
}

impl Node {
    /// Its operator.
    pub fn op(&self) -> &dyn Op {
        &*self.op
    }

    /// Its operator, shared.
    pub fn op_ref(&self) -> &OpRef {
        &self.op
    }

    /// Its inputs; captured values of its subgraphs come last.
    pub fn inputs(&self) -> &[Option<ValueId>] {
        &self.inputs
    }

    /// Input `index`, if present.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// Its outputs; one that nobody reads is there all the same.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// Its name; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// A directed acyclic graph of operators.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    name: String,
    nodes: Vec<Option<Node>>,
    values: Vec<Value>,
    inputs: Vec<ValueId>,
    captures: Vec<ValueId>,
    outputs: Vec<ValueId>,
    output_names: Vec<Arc<str>>,
    meta: BTreeMap<String, String>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Free-form metadata of the model.
    pub fn meta(&self) -> &BTreeMap<String, String> {
        &self.meta
    }

    /// Free-form metadata of the model, for change.
    pub fn meta_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.meta
    }

    /// Formal inputs.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// Values of the enclosing graph, passed behind the formal inputs.
    pub fn captures(&self) -> &[ValueId] {
        &self.captures
    }

    /// Outputs; a value may occur more than once.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// A value of this graph.
    ///
    /// # Panics
    /// When `id` belongs to another graph.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// A value, unless `id` belongs to another graph.
    pub fn get_value(&self, id: ValueId) -> Option<&Value> {
        self.values.get(id.index())
    }

    /// A node of this graph.
    ///
    /// # Panics
    /// When `id` belongs to another graph or the node was removed.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.index()].as_ref().expect("the node was removed")
    }

    /// A node of this graph, unless it was removed.
    pub fn get_node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// All live nodes in the order of their creation.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().enumerate().filter(|(_, n)| n.is_some()).map(|(i, _)| NodeId::new(i))
    }

    /// How many nodes there are.
    pub fn n_nodes(&self) -> usize {
        self.nodes.iter().filter(|n| n.is_some()).count()
    }

    /// All values, removed ones included.
    pub fn value_ids(&self) -> impl ExactSizeIterator<Item = ValueId> + use<> {
        (0..self.values.len()).map(ValueId::new)
    }

    /// Contents of a constant value.
    pub fn constant(&self, id: ValueId) -> Option<&Tensor> {
        match &self.value(id).def {
            Def::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The node that produces a value.
    pub fn producer(&self, id: ValueId) -> Option<NodeId> {
        match self.value(id).def {
            Def::Node { node, .. } => Some(node),
            _ => None,
        }
    }

    /// Types around a node, for `cost`, `axes` and messages.
    pub fn signature(&self, id: NodeId) -> Signature<'_> {
        let node = self.node(id);
        Signature {
            inputs: node.inputs.iter().map(|v| v.map(|v| self.value(v).ty())).collect(),
            constants: node.inputs.iter().map(|v| v.and_then(|v| self.constant(v))).collect(),
            outputs: node.outputs.iter().map(|&v| self.value(v).ty()).collect(),
        }
    }

    /// Adds a formal input.
    pub fn add_input(&mut self, name: impl Into<Arc<str>>, ty: ValueType) -> ValueId {
        let id = self.push_value(Def::Input, ty, Some(name.into()));
        self.inputs.push(id);
        id
    }

    /// Adds a captured value.
    pub fn add_capture(&mut self, name: impl Into<Arc<str>>, ty: ValueType) -> ValueId {
        let id = self.push_value(Def::Capture, ty, Some(name.into()));
        self.captures.push(id);
        id
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, tensor: Tensor, name: Option<&str>) -> ValueId {
        let ty = ValueType::Tensor(TensorType::of(&tensor));
        self.push_value(Def::Constant(tensor), ty, name.map(Arc::from))
    }

    /// Adds a node and infers the types of its outputs.
    ///
    /// # Errors
    /// The operator's inference error; the graph is then unchanged.
    pub fn add_node(
        &mut self,
        op: OpRef,
        inputs: Vec<Option<ValueId>>,
        n_outputs: usize,
        name: impl Into<Arc<str>>,
        origin: Origin,
    ) -> Result<NodeId, OpError> {
        let types = infer_node(self, &*op, &inputs, n_outputs)?;
        Ok(self.add_node_with_types(op, inputs, types, name, origin))
    }

    /// Adds a node whose output types are already known (or unknowable).
    pub fn add_node_with_types(
        &mut self,
        op: OpRef,
        inputs: Vec<Option<ValueId>>,
        types: Vec<ValueType>,
        name: impl Into<Arc<str>>,
        origin: Origin,
    ) -> NodeId {
        let node = NodeId::new(self.nodes.len());
        for (slot, value) in inputs.iter().enumerate() {
            if let Some(value) = value {
                self.values[value.index()].uses.push(Use::Node { node, slot });
            }
        }
        let outputs = types
            .into_iter()
            .enumerate()
            .map(|(slot, ty)| self.push_value(Def::Node { node, slot }, ty, None))
            .collect();
        self.nodes.push(Some(Node { op, inputs: inputs.into(), outputs, name: name.into(), origin }));
        node
    }

    /// Name of output `index`: part of the model's interface, whatever value takes the place.
    pub fn output_name(&self, index: usize) -> &str {
        self.output_names.get(index).map_or("", |name| name)
    }

    /// Replaces the list of outputs, each named as its value is.
    pub fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        let names = outputs.iter().map(|&v| self.value(v).name.clone().unwrap_or_default()).collect();
        self.set_named_outputs(outputs, names);
    }

    /// Replaces the list of outputs; a missing name stays empty.
    pub fn set_named_outputs(&mut self, outputs: Vec<ValueId>, mut names: Vec<Arc<str>>) {
        names.resize(outputs.len(), Arc::default());
        self.output_names = names;
        for &old in &self.outputs {
            self.values[old.index()].uses.retain(|u| !matches!(u, Use::Output(_)));
        }
        for (index, value) in outputs.iter().enumerate() {
            self.values[value.index()].uses.push(Use::Output(index));
        }
        self.outputs = outputs;
    }

    /// Names a value.
    pub fn set_value_name(&mut self, id: ValueId, name: Option<&str>) {
        self.values[id.index()].name = name.map(Arc::from);
    }

    /// Replaces the type of a value.
    pub fn set_type(&mut self, id: ValueId, ty: ValueType) {
        self.values[id.index()].ty = ty;
    }

    /// Makes every reader of `old` read `new` instead; the names of outputs stay.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        if old == new {
            return;
        }
        let uses = std::mem::take(&mut self.values[old.index()].uses);
        for &a_use in &uses {
            match a_use {
                Use::Node { node, slot } => {
                    if let Some(node) = &mut self.nodes[node.index()] {
                        node.inputs[slot] = Some(new);
                    }
                }
                Use::Output(index) => self.outputs[index] = new,
            }
        }
        self.values[new.index()].uses.extend(uses);
    }

    /// Replaces one input of a node.
    pub fn set_input(&mut self, node: NodeId, slot: usize, value: Option<ValueId>) {
        let Some(entry) = self.nodes[node.index()].as_mut().and_then(|n| n.inputs.get_mut(slot)) else {
            return;
        };
        let old = std::mem::replace(entry, value);
        if let Some(old) = old {
            self.values[old.index()].uses.retain(|u| *u != Use::Node { node, slot });
        }
        if let Some(new) = value {
            self.values[new.index()].uses.push(Use::Node { node, slot });
        }
    }

    /// Replaces the operator of a node; its inputs and outputs stay.
    pub fn set_op(&mut self, node: NodeId, op: OpRef) {
        if let Some(node) = &mut self.nodes[node.index()] {
            node.op = op;
        }
    }

    /// Renames a node.
    pub fn set_node_name(&mut self, node: NodeId, name: Arc<str>) {
        if let Some(node) = &mut self.nodes[node.index()] {
            node.name = name;
        }
    }

    /// Replaces the origin of a node.
    pub fn set_origin(&mut self, node: NodeId, origin: Origin) {
        if let Some(node) = &mut self.nodes[node.index()] {
            node.origin = origin;
        }
    }

    /// Removes a node whose outputs nobody reads; returns whether it was removed.
    pub fn remove_node(&mut self, id: NodeId) -> bool {
        let Some(node) = self.get_node(id) else { return false };
        if node.outputs.iter().any(|&v| !self.value(v).uses.is_empty()) {
            return false;
        }
        let Some(node) = self.nodes[id.index()].take() else { return false };
        for (slot, value) in node.inputs.iter().enumerate() {
            if let Some(value) = value {
                self.values[value.index()].uses.retain(|u| *u != Use::Node { node: id, slot });
            }
        }
        for value in &node.outputs {
            self.values[value.index()].def = Def::Removed;
        }
        true
    }

    /// Removes an unused capture at `index` of the capture list; returns whether it was removed.
    /// The caller removes the matching input of the enclosing node.
    pub fn remove_capture(&mut self, index: usize) -> bool {
        let Some(&id) = self.captures.get(index) else { return false };
        if !self.value(id).uses.is_empty() {
            return false;
        }
        self.captures.remove(index);
        self.values[id.index()].def = Def::Removed;
        true
    }

    /// Replaces all inputs of a node at once (their number may change).
    pub fn set_inputs(&mut self, node: NodeId, inputs: Vec<Option<ValueId>>) {
        let Some(entry) = self.nodes[node.index()].as_mut() else { return };
        let old = std::mem::replace(&mut entry.inputs, inputs.iter().copied().collect());
        for value in old.into_iter().flatten() {
            self.values[value.index()].uses.retain(|u| !matches!(u, Use::Node { node: n, .. } if *n == node));
        }
        for (slot, value) in inputs.into_iter().enumerate() {
            if let Some(value) = value {
                self.values[value.index()].uses.push(Use::Node { node, slot });
            }
        }
    }

    /// Nodes in an order in which producers come before readers; among free choices the older node comes first.
    /// Nodes on a cycle are left out (the verifier reports them).
    pub fn topological_order(&self) -> Vec<NodeId> {
        let mut missing = vec![0usize; self.nodes.len()];
        let mut ready = BinaryHeap::new();
        for id in self.node_ids() {
            let producers =
                self.node(id).inputs.iter().flatten().filter(|&&v| self.producer(v).is_some()).count();
            missing[id.index()] = producers;
            if producers == 0 {
                ready.push(Reverse(id));
            }
        }
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse(id)) = ready.pop() {
            order.push(id);
            for &output in &self.node(id).outputs {
                for a_use in &self.value(output).uses {
                    if let Use::Node { node, .. } = *a_use {
                        missing[node.index()] -= 1;
                        if missing[node.index()] == 0 {
                            ready.push(Reverse(node));
                        }
                    }
                }
            }
        }
        order
    }

    /// Infers all types again, in order; what can not be inferred keeps its type.
    ///
    /// # Errors
    /// The first node whose inputs can not be valid.
    pub fn infer_types(&mut self) -> Result<(), (NodeId, OpError)> {
        for id in self.topological_order() {
            let node = self.node(id);
            let types =
                infer_node(self, node.op(), &node.inputs, node.outputs.len()).map_err(|error| (id, error))?;
            for (slot, ty) in types.into_iter().enumerate() {
                let value = self.node(id).outputs[slot];
                let merged = self.value(value).ty.refine(&ty).unwrap_or(ty);
                self.values[value.index()].ty = merged;
            }
        }
        Ok(())
    }

    /// The same graph without the gaps that removals left, nodes in topological order.
    pub fn compacted(&self) -> Graph {
        let mut out = Graph { name: self.name.clone(), meta: self.meta.clone(), ..Graph::default() };
        let mut map: Vec<Option<ValueId>> = vec![None; self.values.len()];
        for &id in &self.inputs {
            let v = self.value(id);
            let new = out.add_input(Arc::default(), v.ty.clone());
            out.values[new.index()].name = v.name.clone();
            map[id.index()] = Some(new);
        }
        for &id in &self.captures {
            let v = self.value(id);
            let new = out.add_capture(Arc::default(), v.ty.clone());
            out.values[new.index()].name = v.name.clone();
            map[id.index()] = Some(new);
        }
        for id in self.value_ids() {
            let v = self.value(id);
            if let (Def::Constant(tensor), false) = (&v.def, v.uses.is_empty()) {
                map[id.index()] =
                    Some(out.push_value(Def::Constant(tensor.clone()), v.ty.clone(), v.name.clone()));
            }
        }
        for node_id in self.topological_order() {
            let node = self.node(node_id);
            let inputs = node.inputs.iter().map(|v| v.and_then(|v| map[v.index()])).collect();
            let types = node.outputs.iter().map(|&v| self.value(v).ty.clone()).collect();
            let new = out.add_node_with_types(
                node.op.clone(),
                inputs,
                types,
                node.name.clone(),
                node.origin.clone(),
            );
            let outputs = out.node(new).outputs.clone();
            for (&old, new) in node.outputs.iter().zip(outputs) {
                map[old.index()] = Some(new);
                out.values[new.index()].name = self.value(old).name.clone();
            }
        }
        let named = self.outputs.iter().zip(&self.output_names);
        let (outputs, names) = named.filter_map(|(v, n)| Some((map[v.index()]?, n.clone()))).unzip();
        out.set_named_outputs(outputs, names);
        out
    }

    fn push_value(&mut self, def: Def, ty: ValueType, name: Option<Arc<str>>) -> ValueId {
        let id = ValueId::new(self.values.len());
        self.values.push(Value { def, ty, uses: SmallVec::new(), name });
        id
    }
}

impl PartialEq for Graph {
    /// Same interface, same nodes in the same topological order, wired the same; ids and gaps do not matter.
    fn eq(&self, other: &Self) -> bool {
        crate::equality::same_graph(self, other)
    }
}
