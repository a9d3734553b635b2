//! Type inference: the context that operators see, and inference of whole graphs.

use std::collections::{BTreeSet, HashMap};

use lehr_tensor::{DataType, Tensor};

use crate::dim::{Shape, SymValues};
use crate::error::OpError;
use crate::graph::{Def, Graph, Use};
use crate::ids::{NodeId, ValueId};
use crate::signature::Signature;
use crate::types::{TensorType, ValueType};

/// Types of the inputs of one node, and the place for the types of its outputs.
pub struct InferCx<'a> {
    io: Signature<'a>,
    outputs: Vec<ValueType>,
}

impl<'a> InferCx<'a> {
    /// A context for a node with the given inputs; outputs start as unknown.
    pub fn new(
        inputs: Vec<Option<&'a ValueType>>,
        constants: Vec<Option<&'a Tensor>>,
        n_outputs: usize,
    ) -> Self {
        Self {
            io: Signature { inputs, constants, outputs: Vec::new() },
            outputs: vec![ValueType::Unknown; n_outputs],
        }
    }

    /// How many inputs the node has, absent ones and captured values included.
    pub fn n_inputs(&self) -> usize {
        self.io.inputs.len()
    }

    /// How many outputs the node has.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Whether input `index` is there.
    pub fn has_input(&self, index: usize) -> bool {
        self.io.inputs.get(index).is_some_and(Option::is_some)
    }

    /// Type of input `index`; `None` when absent.
    pub fn ty(&self, index: usize) -> Option<&'a ValueType> {
        self.io.inputs.get(index).copied().flatten()
    }

    /// Type of a required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn require(&self, index: usize) -> Result<&'a ValueType, OpError> {
        self.ty(index).ok_or(OpError::MissingInput { index })
    }

    /// Element type of input `index`, if it is known.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], or [`OpError::InputKind`] when the input is no tensor.
    pub fn dtype(&self, index: usize) -> Result<Option<DataType>, OpError> {
        match self.require(index)? {
            ValueType::Tensor(t) => Ok(t.dtype),
            ValueType::Unknown => Ok(None),
            other => Err(OpError::InputKind { index, expected: "a tensor", got: other.to_string() }),
        }
    }

    /// Shape of input `index`, if it is there and known.
    pub fn shape(&self, index: usize) -> Option<&'a Shape> {
        self.io.input_shape(index)
    }

    /// Rank of input `index`, if known.
    pub fn rank(&self, index: usize) -> Option<usize> {
        self.shape(index).map(Shape::rank)
    }

    /// Contents of input `index`, if it is a constant tensor.
    pub fn constant(&self, index: usize) -> Option<&'a Tensor> {
        self.io.constants.get(index).copied().flatten()
    }

    /// Contents of input `index` as integers, if it is a constant.
    ///
    /// # Errors
    /// [`OpError::Tensor`] when the constant does not hold integers.
    pub fn constant_ints(&self, index: usize) -> Result<Option<Vec<i64>>, OpError> {
        Ok(self.constant(index).map(Tensor::to_i64s).transpose()?)
    }

    /// Symbolic contents of input `index`, if it is a small integer tensor with known contents.
    pub fn known(&self, index: usize) -> Option<SymValues> {
        match self.constant(index) {
            Some(tensor) => crate::types::known_values(tensor),
            None => self.ty(index)?.as_tensor()?.known.clone(),
        }
    }

    /// Sets the type of output `index`; an output that the node does not have is ignored.
    pub fn set(&mut self, index: usize, ty: ValueType) {
        if let Some(slot) = self.outputs.get_mut(index) {
            *slot = ty;
        }
    }

    /// Sets output `index` to a tensor with what is known of it.
    pub fn set_tensor(&mut self, index: usize, dtype: Option<DataType>, shape: Option<Shape>) {
        self.set(index, ValueType::Tensor(TensorType { dtype, shape, known: None }));
    }

    /// Adds symbolic contents to output `index`, which must have been set to a tensor.
    pub fn set_known(&mut self, index: usize, values: Option<SymValues>) {
        if let Some(ValueType::Tensor(tensor)) = self.outputs.get_mut(index) {
            tensor.known = values;
        }
    }

    /// Output types as set so far.
    pub fn outputs(&self) -> &[ValueType] {
        &self.outputs
    }

    /// The output types.
    pub fn finish(self) -> Vec<ValueType> {
        self.outputs
    }
}

/// Types of all values of `graph` if its inputs (then captures) had the given types; nothing is changed.
/// Used for subgraphs, whose input types the enclosing node knows better.
///
/// # Errors
/// The first inner error, with the node's name.
pub fn infer_outputs(graph: &Graph, inputs: &[Option<ValueType>]) -> Result<Vec<ValueType>, OpError> {
    let mut types: Vec<ValueType> = graph.value_ids().map(|id| graph.value(id).ty().clone()).collect();
    let formal = graph.inputs().iter().chain(graph.captures());
    for (&id, ty) in formal.zip(inputs) {
        let Some(ty) = ty else { continue };
        let declared = &types[id.index()];
        types[id.index()] = declared.refine(ty).unwrap_or_else(|_| ty.clone());
    }
    for node_id in graph.topological_order() {
        let node = graph.node(node_id);
        let ins = node.inputs().iter().map(|v| v.map(|v| &types[v.index()])).collect();
        let constants = node.inputs().iter().map(|v| v.and_then(|v| graph.constant(v))).collect();
        let mut cx = InferCx::new(ins, constants, node.outputs().len());
        node.op().infer(&mut cx).map_err(|source| OpError::Subgraph {
            node: node.name().to_owned(),
            op: node.op().full_name(),
            source: Box::new(source),
        })?;
        let inferred = cx.finish();
        for (&out, ty) in node.outputs().iter().zip(inferred) {
            if ty != ValueType::Unknown {
                types[out.index()] = ty;
            }
        }
    }
    Ok(graph.outputs().iter().map(|&id| types[id.index()].clone()).collect())
}

/// Infers the readers of the given values again, and on as far as types become more precise. What contradicts a
/// stored type, or can not be inferred, stays as it is: the verifier reports it.
pub fn refine_readers(graph: &mut Graph, seeds: &[ValueId]) {
    /// A node is inferred at most this often, should types alternate between two forms of the same size.
    const MOST_VISITS: u8 = 8;
    let mut visits: HashMap<NodeId, u8> = HashMap::new();
    let mut pending: BTreeSet<NodeId> = seeds.iter().flat_map(|&v| readers(graph, v)).collect();
    while let Some(id) = pending.pop_first() {
        let count = visits.entry(id).or_default();
        *count += 1;
        let Some(node) = graph.get_node(id).filter(|_| *count <= MOST_VISITS) else { continue };
        let outputs = node.outputs().to_vec();
        let Ok(types) = infer_node(graph, node.op(), node.inputs(), outputs.len()) else { continue };
        for (output, inferred) in outputs.into_iter().zip(types) {
            let stored = graph.value(output).ty();
            let Ok(merged) = inferred.refine(stored) else { continue };
            if merged != *stored {
                graph.set_type(output, merged);
                pending.extend(readers(graph, output));
            }
        }
    }
}

fn readers(graph: &Graph, value: ValueId) -> Vec<NodeId> {
    let uses = graph.get_value(value).map_or(&[][..], |v| v.uses());
    uses.iter()
        .filter_map(|u| match u {
            Use::Node { node, .. } => Some(*node),
            Use::Output(_) => None,
        })
        .collect()
}

/// The shape that numpy-style broadcasting of the given inputs gives; `None` while a shape is unknown.
///
/// # Errors
/// [`OpError::Shape`] when two sizes can never broadcast.
pub fn broadcast_inputs(cx: &InferCx<'_>, inputs: &[usize]) -> Result<Option<Shape>, OpError> {
    let Some(shapes) = inputs.iter().map(|&i| cx.shape(i)).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    Shape::broadcast(&shapes).map(Some).map_err(|e| OpError::shape(e.to_string()))
}

pub(crate) fn infer_node(
    graph: &Graph,
    op: &dyn crate::op::Op,
    inputs: &[Option<ValueId>],
    n_outputs: usize,
) -> Result<Vec<ValueType>, OpError> {
    let types = inputs.iter().map(|v| v.map(|v| graph.value(v).ty())).collect();
    let constants = inputs
        .iter()
        .map(|v| match v.map(|v| graph.value(v).def()) {
            Some(Def::Constant(tensor)) => Some(tensor),
            _ => None,
        })
        .collect();
    let mut cx = InferCx::new(types, constants, n_outputs);
    op.infer(&mut cx)?;
    Ok(cx.finish())
}
