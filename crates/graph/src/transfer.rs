//! How operators cross the border to model files: reading (with upgrades) and writing (with downgrades).

use std::sync::Arc;

use lehr_tensor::Tensor;

use crate::attribute::{Attribute, AttributeValue, Attributes};
use crate::error::OpError;
use crate::graph::Graph;
use crate::ids::ValueId;
use crate::op::{Op, OpRef};
use crate::origin::Origin;
use crate::signature::Signature;
use crate::types::ValueType;

/// A node of a model file.
#[derive(Clone, Debug, Default)]
pub struct SourceNode {
    /// Name; may be empty.
    pub name: String,
    /// Operator.
    pub op_type: String,
    /// Domain; empty for the default one.
    pub domain: String,
    /// Version of the domain that the model asks for.
    pub opset: i64,
    /// Attributes; subgraphs have become graphs with captures.
    pub attributes: Attributes,
    /// How many outputs the node names (an unnamed one in the middle counts).
    pub n_outputs: usize,
    /// Position in the file.
    pub index: usize,
}

/// Values that stand for the outputs of a file node, by position.
pub type ReadValues = Vec<ValueId>;

/// Builds graph nodes for one file node.
pub struct ReadCx<'a> {
    graph: &'a mut Graph,
    node: &'a SourceNode,
    inputs: Vec<Option<ValueId>>,
    origin: Origin,
}

impl<'a> ReadCx<'a> {
    /// A context for `node` with its inputs (captured values last) already in `graph`.
    pub fn new(
        graph: &'a mut Graph,
        node: &'a SourceNode,
        inputs: Vec<Option<ValueId>>,
        origin: Origin,
    ) -> Self {
        Self { graph, node, inputs, origin }
    }

    /// The file node.
    pub fn node(&self) -> &'a SourceNode {
        self.node
    }

    /// Version of the node's domain.
    pub fn opset(&self) -> i64 {
        self.node.opset
    }

    /// The file's attributes.
    pub fn attributes(&self) -> &'a Attributes {
        &self.node.attributes
    }

    /// Typed attribute, if present.
    ///
    /// # Errors
    /// [`OpError::Attribute`] when it has another type.
    pub fn attribute<T: AttributeValue>(&self, name: &str) -> Result<Option<T>, OpError> {
        self.node.attributes.read(name)
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Option<ValueId>] {
        &self.inputs
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

    /// How many outputs the file node names.
    pub fn n_outputs(&self) -> usize {
        self.node.n_outputs
    }

    /// Type of a value.
    pub fn ty(&self, value: ValueId) -> &ValueType {
        self.graph.value(value).ty()
    }

    /// The value of that name read so far (for operators that refer to values by name).
    pub fn value_named(&self, name: &str) -> Option<ValueId> {
        self.graph.value_ids().find(|&id| self.graph.value(id).name() == Some(name))
    }

    /// The graph as read so far.
    pub fn graph(&self) -> &Graph {
        self.graph
    }

    /// Contents of a constant.
    pub fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.graph.constant(value)
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant(tensor, None)
    }

    /// Adds a one-dimensional `i64` constant.
    pub fn ints(&mut self, values: &[i64]) -> ValueId {
        self.constant(Tensor::vector(values.to_vec()))
    }

    /// The operator on the file node's own inputs, with as many outputs as the file node names.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn emit_same(&mut self, op: impl Op) -> Result<ReadValues, OpError> {
        let inputs = self.inputs.clone();
        let n = self.node.n_outputs;
        self.emit(op, inputs, n)
    }

    /// An operator on the given inputs.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn emit(
        &mut self,
        op: impl Op,
        inputs: Vec<Option<ValueId>>,
        n: usize,
    ) -> Result<ReadValues, OpError> {
        self.emit_shared(Arc::new(op), inputs, n)
    }

    /// An operator that another node holds too, on the given inputs.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn emit_shared(
        &mut self,
        op: OpRef,
        inputs: Vec<Option<ValueId>>,
        n: usize,
    ) -> Result<ReadValues, OpError> {
        let ((least, most), got) = (op.schema().inputs, inputs.len());
        if got < least {
            return Err(OpError::MissingInput { index: got });
        }
        if got > most {
            return Err(OpError::shape(format!("expected at most {most} inputs, got {got}")));
        }
        let (least, most) = op.schema().outputs;
        if n < least {
            return Err(OpError::shape(format!("expected at least {least} outputs, got {n}")));
        }
        if n > most {
            return Err(OpError::shape(format!("expected at most {most} outputs, got {n}")));
        }
        let node = self.graph.add_node(op, inputs, n, self.node.name.as_str(), self.origin.clone())?;
        Ok(self.graph.node(node).outputs().to_vec())
    }

    /// An operator on present inputs with one output.
    ///
    /// # Errors
    /// Those of the operator's inference.
    pub fn emit_one(&mut self, op: impl Op, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        let values = self.emit(op, inputs.iter().copied().map(Some).collect(), 1)?;
        Ok(values[0])
    }

    /// The inputs, with input `index` taken from the integer attribute `name` of older opsets where the file has it.
    ///
    /// # Errors
    /// [`OpError::Attribute`] when the attribute has another type.
    pub fn inputs_with_ints(&mut self, index: usize, name: &str) -> Result<Vec<Option<ValueId>>, OpError> {
        let mut inputs = self.inputs.clone();
        if let Some(values) = self.attribute::<Vec<i64>>(name)? {
            let constant = self.ints(&values);
            inputs.resize(inputs.len().max(index + 1), None);
            inputs[index] = Some(constant);
        }
        Ok(inputs)
    }
}

/// A node on its way into a file: starts as the operator is now, and may be rewritten into an older form.
pub struct WriteCx<'a> {
    opset: i64,
    domain: String,
    op_type: String,
    attributes: Attributes,
    inputs: Vec<WriteInput>,
    io: Signature<'a>,
}

/// One input of a node to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteInput {
    /// Absent (an empty name).
    Absent,
    /// Input of that position of the graph node.
    Node(usize),
    /// A new constant.
    Constant(Tensor),
}

impl<'a> WriteCx<'a> {
    /// A context for a node with the given types, to be written for `opset` of its domain.
    pub fn new(op: &dyn Op, io: Signature<'a>, opset: i64) -> Self {
        let schema = op.schema();
        let mut inputs: Vec<_> = io
            .inputs
            .iter()
            .enumerate()
            .map(|(i, ty)| if ty.is_some() { WriteInput::Node(i) } else { WriteInput::Absent })
            .collect();
        while inputs.last() == Some(&WriteInput::Absent) {
            inputs.pop();
        }
        Self {
            opset,
            domain: schema.domain.to_owned(),
            op_type: schema.name.to_owned(),
            attributes: op.attributes(),
            inputs,
            io,
        }
    }

    /// Version of the operator's domain that is asked for.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// Types around the node.
    pub fn io(&self) -> &Signature<'a> {
        &self.io
    }

    /// Attributes to be written.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    /// Inputs to be written.
    pub fn inputs_mut(&mut self) -> &mut Vec<WriteInput> {
        &mut self.inputs
    }

    /// Writes the node as another operator.
    pub fn rename(&mut self, domain: &str, op_type: &str) {
        self.domain = domain.to_owned();
        self.op_type = op_type.to_owned();
    }

    /// Turns the constant integer input `index` (the last one) into the attribute `name`.
    ///
    /// # Errors
    /// [`OpError::Unsupported`] when the input is not a constant.
    pub fn ints_to_attribute(&mut self, index: usize, name: &str) -> Result<(), OpError> {
        let Some(WriteInput::Node(position)) = self.inputs.get(index) else { return Ok(()) };
        let Some(tensor) = self.io.constants.get(*position).copied().flatten() else {
            return Err(OpError::Unsupported(format!(
                "opset {} takes '{name}' as an attribute, but input {index} is computed",
                self.opset
            )));
        };
        self.attributes.set(name, Attribute::Ints(tensor.to_i64s()?));
        self.inputs.truncate(index);
        Ok(())
    }

    /// Domain, operator, attributes and inputs as they stand.
    pub fn finish(self) -> (String, String, Attributes, Vec<WriteInput>) {
        (self.domain, self.op_type, self.attributes, self.inputs)
    }
}
