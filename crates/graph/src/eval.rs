//! Evaluation of one operator: the context that `Op::eval` sees.

use lehr_tensor::Tensor;

use crate::builder::Builder;
use crate::datum::Datum;
use crate::error::OpError;
use crate::graph::Graph;
use crate::op::Op;

/// What surrounds an evaluation: runs subgraphs, says when to stop, seeds random numbers.
pub trait Environment {
    /// Runs a subgraph on its inputs followed by its captures.
    ///
    /// # Errors
    /// [`OpError::Subgraph`] with the inner node that failed.
    fn run_graph(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError>;

    /// Seed for random operators without a seed of their own.
    fn seed(&self) -> u64;

    /// Checked between iterations of loops.
    ///
    /// # Errors
    /// [`OpError::Stopped`] when the run shall end.
    fn check(&self) -> Result<(), OpError>;

    /// Most bytes that one value may have; a request for more is an error instead of an exhausted machine.
    fn max_value_bytes(&self) -> usize;
}

/// Inputs of one node, and the place for its outputs.
pub struct EvalCx<'a> {
    inputs: &'a [Option<Datum>],
    outputs: Vec<Option<Datum>>,
    wanted: Vec<bool>,
    environment: &'a dyn Environment,
}

impl<'a> EvalCx<'a> {
    /// A context; `wanted[i]` says whether somebody reads output `i`.
    pub fn new(inputs: &'a [Option<Datum>], wanted: Vec<bool>, environment: &'a dyn Environment) -> Self {
        Self { inputs, outputs: vec![None; wanted.len()], wanted, environment }
    }

    /// How many inputs the node has, absent ones and captured values included.
    pub fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs the node has.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Whether somebody reads output `index`.
    pub fn wanted(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }

    /// Input `index`, if present.
    pub fn datum(&self, index: usize) -> Option<&'a Datum> {
        self.inputs.get(index)?.as_ref()
    }

    /// All inputs.
    pub fn inputs(&self) -> &'a [Option<Datum>] {
        self.inputs
    }

    /// A required input of any kind.
    ///
    /// # Errors
    /// [`OpError::MissingInput`].
    pub fn require(&self, index: usize) -> Result<&'a Datum, OpError> {
        self.datum(index).ok_or(OpError::MissingInput { index })
    }

    /// A required tensor.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::InputKind`].
    pub fn tensor(&self, index: usize) -> Result<&'a Tensor, OpError> {
        self.optional_tensor(index)?.ok_or(OpError::MissingInput { index })
    }

    /// A tensor that may be absent.
    ///
    /// # Errors
    /// [`OpError::InputKind`] when something else is there.
    pub fn optional_tensor(&self, index: usize) -> Result<Option<&'a Tensor>, OpError> {
        match self.datum(index) {
            None => Ok(None),
            Some(Datum::Tensor(tensor)) => Ok(Some(tensor)),
            Some(other) => Err(OpError::InputKind { index, expected: "a tensor", got: other.describe() }),
        }
    }

    /// A required sequence.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::InputKind`].
    pub fn sequence(&self, index: usize) -> Result<&'a [Datum], OpError> {
        match self.require(index)? {
            Datum::Sequence(items) => Ok(items),
            other => Err(OpError::InputKind { index, expected: "a sequence", got: other.describe() }),
        }
    }

    /// A required tensor of integers, as `i64`.
    ///
    /// # Errors
    /// As [`EvalCx::tensor`], and when it does not hold integers.
    pub fn ints(&self, index: usize) -> Result<Vec<i64>, OpError> {
        Ok(self.tensor(index)?.to_i64s()?)
    }

    /// A tensor of integers that may be absent.
    ///
    /// # Errors
    /// As [`EvalCx::ints`].
    pub fn optional_ints(&self, index: usize) -> Result<Option<Vec<i64>>, OpError> {
        Ok(self.optional_tensor(index)?.map(Tensor::to_i64s).transpose()?)
    }

    /// Sets output `index`; one that the node does not have is ignored.
    pub fn set(&mut self, index: usize, value: impl Into<Datum>) {
        if let Some(slot) = self.outputs.get_mut(index) {
            *slot = Some(value.into());
        }
    }

    /// Runs a subgraph on its inputs followed by its captures.
    ///
    /// # Errors
    /// Those of the inner nodes.
    pub fn run_graph(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        self.environment.run_graph(graph, inputs)
    }

    /// What surrounds this evaluation.
    pub fn environment(&self) -> &'a dyn Environment {
        self.environment
    }

    /// The outputs.
    pub fn finish(self) -> Vec<Option<Datum>> {
        self.outputs
    }

    pub(crate) fn eval_decomposition<T: Op + ?Sized>(&mut self, op: &T) -> Result<(), OpError> {
        let types: Vec<_> = self.inputs.iter().map(|d| d.as_ref().map(Datum::value_type)).collect();
        let mut builder = Builder::for_values(&types, self.inputs, self.n_outputs());
        if !op.decompose(&mut builder)? {
            return Err(OpError::Unsupported(
                "the operator has neither an evaluation nor a decomposition here".into(),
            ));
        }
        let (graph, slots) = builder.finish();
        let results = self.environment.run_graph(&graph, self.inputs.to_vec())?;
        for (slot, value) in slots.into_iter().zip(results) {
            self.set(slot, value);
        }
        Ok(())
    }
}
