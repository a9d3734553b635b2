//! Builds the small graphs that decompositions and passes consist of.

use std::sync::Arc;

use lehr_tensor::{DataType, Element, Tensor};

use crate::datum::Datum;
use crate::dim::Shape;
use crate::error::OpError;
use crate::graph::Graph;
use crate::ids::ValueId;
use crate::op::Op;
use crate::origin::Origin;
use crate::types::ValueType;

/// A graph under construction whose inputs are the inputs of the node that is being expressed.
pub struct Builder {
    graph: Graph,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
}

impl Builder {
    /// For a node with inputs of the given types (`None` = absent), constants known where given.
    pub fn for_types(types: &[Option<ValueType>], constants: &[Option<Tensor>], n_outputs: usize) -> Self {
        let mut graph = Graph::new("decomposition");
        let inputs = types
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                // An absent input keeps its place in the signature so that positions agree with the node's.
                let id = graph.add_input(format!("x{i}"), ty.clone().unwrap_or_default());
                ty.as_ref()?;
                match constants.get(i).and_then(Option::as_ref) {
                    Some(tensor) => Some(graph.add_constant(tensor.clone(), None)),
                    None => Some(id),
                }
            })
            .collect();
        Self { graph, inputs, outputs: vec![None; n_outputs] }
    }

    /// For given input values: small integer tensors count as constants, so that shapes come out exactly.
    pub fn for_values(types: &[Option<ValueType>], values: &[Option<Datum>], n_outputs: usize) -> Self {
        const SMALL: usize = 64;
        let constants: Vec<_> = values
            .iter()
            .map(|d| d.as_ref().and_then(Datum::as_tensor).filter(|t| t.len() <= SMALL).cloned())
            .collect();
        Self::for_types(types, &constants, n_outputs)
    }

    /// How many inputs the node has, absent ones included.
    pub fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs the node has.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Input `index`, if present.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// A required input.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn require(&self, index: usize) -> Result<ValueId, OpError> {
        self.input(index).ok_or(OpError::MissingInput { index })
    }

    /// Type of a value.
    pub fn ty(&self, value: ValueId) -> &ValueType {
        self.graph.value(value).ty()
    }

    /// Element type of a value.
    ///
    /// # Errors
    /// [`OpError::Unsupported`] while it is unknown.
    pub fn dtype(&self, value: ValueId) -> Result<DataType, OpError> {
        self.ty(value)
            .dtype()
            .ok_or_else(|| OpError::Unsupported("the element type is not known here".into()))
    }

    /// Shape of a value, if known.
    pub fn shape(&self, value: ValueId) -> Option<&Shape> {
        self.ty(value).shape()
    }

    /// Rank of a value.
    ///
    /// # Errors
    /// [`OpError::Unsupported`] while it is unknown.
    pub fn rank(&self, value: ValueId) -> Result<usize, OpError> {
        self.shape(value)
            .map(Shape::rank)
            .ok_or_else(|| OpError::Unsupported("the rank is not known here".into()))
    }

    /// Contents of a constant value.
    pub fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.graph.constant(value)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant(tensor, None)
    }

    /// A scalar constant of `dtype`.
    ///
    /// # Errors
    /// [`OpError::Tensor`] when `dtype` can not hold it.
    pub fn scalar(&mut self, dtype: DataType, value: f64) -> Result<ValueId, OpError> {
        let tensor = Tensor::scalar(value).cast(dtype, Default::default())?;
        Ok(self.constant(tensor))
    }

    /// A one-dimensional constant.
    pub fn vector<T: Element>(&mut self, values: &[T]) -> ValueId {
        let tensor = Tensor::vector(values.to_vec());
        self.constant(tensor)
    }

    /// The single output of `op`.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn call(&mut self, op: impl Op, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        let outputs = self.call_n(op, &inputs, 1)?;
        Ok(outputs[0])
    }

    /// All outputs of `op`.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn call_n(
        &mut self,
        op: impl Op,
        inputs: &[Option<ValueId>],
        n: usize,
    ) -> Result<Vec<ValueId>, OpError> {
        let node = self.graph.add_node(Arc::new(op), inputs.to_vec(), n, "", Origin::default())?;
        Ok(self.graph.node(node).outputs().to_vec())
    }

    /// Declares `value` to be output `index`.
    pub fn output(&mut self, index: usize, value: ValueId) {
        if let Some(slot) = self.outputs.get_mut(index) {
            *slot = Some(value);
        }
    }

    /// The graph, and which output of the node each of its outputs is.
    pub fn finish(mut self) -> (Graph, Vec<usize>) {
        let set: Vec<_> = self.outputs.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?))).collect();
        self.graph.set_outputs(set.iter().map(|(_, v)| *v).collect());
        (self.graph, set.into_iter().map(|(i, _)| i).collect())
    }
}
