//! The types around one node.

use lehr_tensor::{DataType, Tensor};

use crate::dim::Shape;
use crate::types::ValueType;

/// Types of a node's inputs and outputs, and the contents of constant inputs.
#[derive(Clone, Debug, Default)]
pub struct Signature<'a> {
    /// Type of each input; `None` for an absent optional one.
    pub inputs: Vec<Option<&'a ValueType>>,
    /// Contents of constant inputs.
    pub constants: Vec<Option<&'a Tensor>>,
    /// Type of each output.
    pub outputs: Vec<&'a ValueType>,
}

impl<'a> Signature<'a> {
    /// Shape of input `index`, if known.
    pub fn input_shape(&self, index: usize) -> Option<&'a Shape> {
        (*self.inputs.get(index)?)?.shape()
    }

    /// Element type of input `index`, if known.
    pub fn input_dtype(&self, index: usize) -> Option<DataType> {
        (*self.inputs.get(index)?)?.dtype()
    }

    /// Shape of output `index`, if known.
    pub fn output_shape(&self, index: usize) -> Option<&'a Shape> {
        self.outputs.get(index)?.shape()
    }

    /// Fixed sizes of input `index`, if all are.
    pub fn input_sizes(&self, index: usize) -> Option<Vec<usize>> {
        self.input_shape(index)?.as_fixed()
    }

    /// Fixed sizes of output `index`, if all are.
    pub fn output_sizes(&self, index: usize) -> Option<Vec<usize>> {
        self.output_shape(index)?.as_fixed()
    }
}
