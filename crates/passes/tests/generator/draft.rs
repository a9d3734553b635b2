//! A graph under construction, and the constants and operators that motifs consist of.

use std::sync::Arc;

use lehr_graph::op::Registry;
use lehr_graph::{Attribute, Attributes, Dim, Graph, OpError, Origin, Shape, ValueId, ValueType};
use lehr_ops::registry::Operators;
use lehr_tensor::{DataType, Tensor, Wide};

use super::Random;

/// Most elements of a value: graphs shall run in microseconds.
const MAX_ELEMENTS: usize = 2048;

pub struct Draft {
    pub graph: Graph,
    pub random: Random,
    /// Element type of what is computed.
    pub dtype: DataType,
    is_wild: bool,
    values: Vec<ValueId>,
    weights: Vec<ValueId>,
}

pub fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub fn text(value: &str) -> Attribute {
    Attribute::String(value.into())
}

/// The motif does not suit the value.
pub fn unsuited<T>() -> Result<T, OpError> {
    Err(OpError::Unsupported("not for this value".into()))
}

impl Draft {
    pub fn new(name: &str, random: Random, dtype: DataType, is_wild: bool) -> Self {
        Self { graph: Graph::new(name), random, dtype, is_wild, values: Vec::new(), weights: Vec::new() }
    }

    /// A draft of a subgraph of this one.
    pub fn inner(&mut self, name: &str) -> Draft {
        let random = Random::new(self.random.below(1 << 30) as u64);
        Draft::new(name, random, self.dtype, false)
    }

    /// What motifs may build on, in order.
    pub fn values(&self) -> &[ValueId] {
        &self.values
    }

    pub fn push(&mut self, value: ValueId) {
        self.values.push(value);
    }

    /// Mostly the last value.
    pub fn pick_value(&mut self) -> ValueId {
        match self.random.below(4) {
            0 => self.random.pick(&self.values),
            _ => self.values[self.values.len() - 1],
        }
    }

    pub fn is_float(&self) -> bool {
        self.dtype.is_float()
    }

    pub fn shape(&self, value: ValueId) -> Shape {
        self.graph.value(value).ty().shape().cloned().unwrap_or_default()
    }

    pub fn rank(&self, value: ValueId) -> usize {
        self.shape(value).rank()
    }

    /// Sizes where the symbol counts as unknown.
    pub fn size(&self, value: ValueId, axis: usize) -> Result<usize, OpError> {
        match self.shape(value).get(axis).and_then(Dim::as_fixed) {
            Some(size) => Ok(size),
            None => unsuited(),
        }
    }

    pub fn require_rank(
        &self,
        value: ValueId,
        ranks: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, OpError> {
        let rank = self.rank(value);
        if ranks.contains(&rank) { Ok(rank) } else { unsuited() }
    }

    pub fn require_float(&self) -> Result<(), OpError> {
        if self.is_float() { Ok(()) } else { unsuited() }
    }

    /// A node of one output.
    pub fn op(
        &mut self,
        name: &str,
        inputs: &[ValueId],
        attributes: &[(&str, Attribute)],
    ) -> Result<ValueId, OpError> {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        Ok(self.op_n(name, &inputs, attributes, 1)?[0])
    }

    pub fn unary(&mut self, name: &str, x: ValueId) -> Result<ValueId, OpError> {
        self.op(name, &[x], &[])
    }

    pub fn op_n(
        &mut self,
        name: &str,
        inputs: &[Option<ValueId>],
        attributes: &[(&str, Attribute)],
        n: usize,
    ) -> Result<Vec<ValueId>, OpError> {
        let schema = Operators.schema("", name).unwrap_or_else(|| panic!("operator {name} is not known"));
        let attributes: Attributes = attributes.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect();
        let op = (schema.from_attributes)(&attributes)?;
        let own = op.attributes();
        let unknown = attributes.iter().find(|(attribute, _)| own.get(attribute).is_none());
        assert!(unknown.is_none(), "{name} has no such attribute: {unknown:?}");
        let node = self.graph.add_node(op, inputs.to_vec(), n, "", Origin::default())?;
        let outputs = self.graph.node(node).outputs().to_vec();
        for &output in &outputs {
            self.graph.set_value_name(output, Some(&format!("v{}", output.index())));
            let elements: Option<usize> =
                self.shape(output).iter().map(|dim| dim.as_fixed().or(Some(3))).product();
            if elements.is_none_or(|n| n > MAX_ELEMENTS) {
                return Err(OpError::Unsupported("too large".into()));
            }
        }
        Ok(outputs)
    }

    /// A node with subgraphs, whose captures stand behind the inputs.
    pub fn add(&mut self, op: lehr_graph::OpRef, inputs: Vec<Option<ValueId>>) -> Result<ValueId, OpError> {
        let node = self.graph.add_node(op, inputs, 1, "", Origin::default())?;
        let output = self.graph.node(node).outputs()[0];
        self.graph.set_value_name(output, Some(&format!("v{}", output.index())));
        Ok(output)
    }

    pub fn tensor(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant(tensor, None)
    }

    /// A constant of the draft's type, or a weight of that shape which exists already.
    pub fn weight(&mut self, sizes: &[usize]) -> ValueId {
        let same = self
            .weights
            .iter()
            .copied()
            .find(|&id| self.graph.constant(id).is_some_and(|tensor| tensor.shape() == sizes));
        if let (Some(id), true) = (same, self.random.one_in(4)) {
            return id;
        }
        let tensor = self.contents(self.dtype, sizes);
        let mut id = self.tensor(tensor);
        self.weights.push(id);
        if self.random.one_in(12) {
            id = self.stored_otherwise(id, sizes).unwrap_or(id);
        }
        id
    }

    /// A weight that is not a plain constant: computed, transposed, or dequantized.
    fn stored_otherwise(&mut self, id: ValueId, sizes: &[usize]) -> Result<ValueId, OpError> {
        match self.random.below(3) {
            0 => self.unary("Identity", id),
            1 => {
                let reversed: Vec<_> = sizes.iter().rev().copied().collect();
                let tensor = self.contents(self.dtype, &reversed);
                let id = self.tensor(tensor);
                self.unary("Transpose", id)
            }
            _ if self.dtype == DataType::F32 && !sizes.contains(&0) => {
                let n = sizes.iter().product();
                let codes = (0..n).map(|_| self.random.below(200) as i64 - 100).collect();
                let codes = Tensor::narrow(DataType::I8, sizes, Wide::I(codes)).expect("codes fit");
                let codes = self.tensor(codes);
                let scale = self.number(0.01);
                self.op("DequantizeLinear", &[codes, scale], &[])
            }
            _ => unsuited(),
        }
    }

    /// A constant that is positive and not small.
    pub fn positive(&mut self, sizes: &[usize]) -> ValueId {
        let n: usize = sizes.iter().product();
        let values: Vec<_> = (0..n).map(|_| 0.5 + self.random.float().abs()).collect();
        let tensor = self.narrow(self.dtype, sizes, values);
        self.tensor(tensor)
    }

    /// A scalar of the draft's type; of shape `[1]` sometimes.
    pub fn number(&mut self, value: f64) -> ValueId {
        let sizes: &[usize] = if self.random.one_in(5) { &[1] } else { &[] };
        let tensor = self.narrow(self.dtype, sizes, vec![value]);
        self.tensor(tensor)
    }

    pub fn scalar(&mut self, value: f64) -> ValueId {
        let tensor = self.narrow(self.dtype, &[], vec![value]);
        self.tensor(tensor)
    }

    /// A vector of i64.
    pub fn indices(&mut self, values: &[i64]) -> ValueId {
        self.tensor(Tensor::vector(values.to_vec()))
    }

    pub fn index(&mut self, value: i64) -> ValueId {
        self.tensor(Tensor::scalar(value))
    }

    /// Random contents of a few kinds.
    pub fn contents(&mut self, dtype: DataType, sizes: &[usize]) -> Tensor {
        let n: usize = sizes.iter().product();
        let kind = self.random.below(12);
        let is_wild = self.is_wild && self.random.one_in(2);
        let values = (0..n).map(|_| self.element(dtype, kind, is_wild)).collect();
        self.narrow(dtype, sizes, values)
    }

    fn element(&mut self, dtype: DataType, kind: usize, is_wild: bool) -> f64 {
        if !dtype.is_float() {
            return self.random.below(7) as f64 - 3.0;
        }
        if is_wild && self.random.one_in(6) {
            return self.random.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e30]);
        }
        match kind {
            0 => 1.0,
            1 => 0.0,
            2 => 0.5,
            3 => self.random.pick(&[0.0, -0.0, 1.0, -1.0]),
            4..=6 => self.random.coarse(),
            _ => self.random.float(),
        }
    }

    fn narrow(&mut self, dtype: DataType, sizes: &[usize], values: Vec<f64>) -> Tensor {
        let wide = if dtype.is_float() {
            Wide::F(values)
        } else {
            Wide::I(values.into_iter().map(|x| x as i64).collect())
        };
        Tensor::narrow(dtype, sizes, wide).expect("small numbers fit every type")
    }

    /// A type of the draft with the shape of `value`.
    pub fn type_of(&self, value: ValueId) -> ValueType {
        self.graph.value(value).ty().clone()
    }
}

/// Finishes the draft of a subgraph.
pub fn finished(mut draft: Draft, outputs: Vec<ValueId>) -> Arc<Graph> {
    draft.graph.set_outputs(outputs);
    Arc::new(draft.graph)
}
