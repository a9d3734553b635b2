//! What Loop and Scan share: types of values that are carried from one iteration to the next, and the results that
//! are collected from all iterations.

use lehr_graph::infer::infer_outputs;
use lehr_graph::{Datum, Dim, Environment, Graph, OpError, Shape, TensorType, ValueType};
use lehr_tensor::{DataType, Tensor};

use crate::concat::concat;
use crate::concat_from_sequence::with_axis;

/// The type without its contents, which may change between iterations.
pub(crate) fn without_contents(ty: &ValueType) -> ValueType {
    let mut ty = ty.clone();
    if let ValueType::Tensor(tensor) = &mut ty {
        tensor.known = None;
    }
    ty
}

/// Types of a body: those that its carried values have in every iteration, and all outputs for them.
pub(crate) struct BodyTypes {
    /// Carried values, initial ones included.
    pub carried: Vec<ValueType>,
    /// All outputs of the body.
    pub outputs: Vec<ValueType>,
}

/// Finds types of the carried values which hold before and after every iteration: `inputs` gives the body's inputs for
/// carried types, and outputs from `first` on are the new carried values.
///
/// # Errors
/// Those of the body's nodes.
pub(crate) fn infer_body(
    body: &Graph,
    initial: Vec<ValueType>,
    first: usize,
    inputs: impl Fn(&[ValueType]) -> Vec<Option<ValueType>>,
) -> Result<BodyTypes, OpError> {
    let mut carried: Vec<ValueType> = initial.iter().map(without_contents).collect();
    for round in 0..3 {
        let outputs = infer_outputs(body, &inputs(&carried))?;
        let new = outputs.get(first..first + carried.len()).ok_or_else(|| {
            OpError::shape(format!(
                "the body has {} outputs for {} carried values",
                outputs.len(),
                carried.len()
            ))
        })?;
        let joined: Vec<_> =
            carried.iter().zip(new).map(|(a, b)| without_contents(&a.join(&without_contents(b)))).collect();
        if joined == carried {
            return Ok(BodyTypes { carried, outputs });
        }
        carried = if round == 0 {
            joined
        } else {
            carried.iter().zip(&joined).map(|(a, b)| weaker(a, b)).collect()
        };
    }
    // Shapes are gone by now; what still changes is of no known type.
    let carried = vec![ValueType::Unknown; carried.len()];
    let outputs = infer_outputs(body, &inputs(&carried))?;
    Ok(BodyTypes { carried, outputs })
}

/// A type that has gone on changing loses its sizes, then its rank, then everything.
fn weaker(before: &ValueType, after: &ValueType) -> ValueType {
    match (before, after) {
        (a, b) if a == b => a.clone(),
        (ValueType::Tensor(a), ValueType::Tensor(b)) if a.dtype == b.dtype => {
            ValueType::Tensor(TensorType { dtype: a.dtype, shape: None, known: None })
        }
        _ => ValueType::Unknown,
    }
}

/// The type of results collected along a new axis of the given size.
pub(crate) fn stacked_type(item: &ValueType, axis: i64, size: &Dim) -> ValueType {
    let shape = item.shape().and_then(|shape| {
        let axis = crate::axis::resolve_axis(axis, shape.rank() + 1).ok()?;
        let mut dims = shape.dims().to_vec();
        dims.insert(axis, size.clone());
        Some(Shape::from(dims))
    });
    ValueType::Tensor(TensorType { dtype: item.dtype(), shape, known: None })
}

/// The types that the body's outputs would have for the given inputs: what is collected from no iteration at all.
pub(crate) fn types_of_no_iteration(
    body: &Graph,
    inputs: impl Iterator<Item = Option<ValueType>>,
) -> Result<Vec<ValueType>, OpError> {
    infer_outputs(body, &inputs.collect::<Vec<_>>())
}

/// Results of one output from all iterations.
#[derive(Default)]
pub(crate) struct Collected {
    items: Vec<Tensor>,
    bytes: usize,
}

impl Collected {
    /// Adds the result of an iteration.
    ///
    /// # Errors
    /// When it is no tensor, or all results together exceed the limit of a value.
    pub(crate) fn push(&mut self, value: Datum, environment: &dyn Environment) -> Result<(), OpError> {
        let Datum::Tensor(tensor) = value else {
            return Err(OpError::value(format!(
                "only tensors are collected over iterations, got {}",
                value.describe()
            )));
        };
        self.bytes = self.bytes.saturating_add(tensor.byte_len()).saturating_add(size_of::<Tensor>());
        if self.bytes > environment.max_value_bytes() {
            return Err(OpError::value(format!(
                "the results of {} iterations exceed the limit of {} bytes",
                self.items.len() + 1,
                environment.max_value_bytes()
            )));
        }
        self.items.push(tensor);
        Ok(())
    }

    /// All results along a new axis; without any, an empty tensor of the type `item` in which unknown sizes are 0.
    ///
    /// # Errors
    /// When the results differ in type or shape.
    pub(crate) fn stack(mut self, axis: i64, reverse: bool, item: &ValueType) -> Result<Tensor, OpError> {
        if self.items.is_empty() {
            let mut shape: Vec<usize> = item
                .shape()
                .map(|shape| shape.iter().map(|dim| dim.as_fixed().unwrap_or(0)).collect())
                .unwrap_or_default();
            shape.insert(crate::axis::resolve_axis(axis, shape.len() + 1).unwrap_or(0), 0);
            return Ok(Tensor::zeros(item.dtype().unwrap_or(DataType::F32), &shape)?);
        }
        if reverse {
            self.items.reverse();
        }
        let items = self.items.iter().map(|t| with_axis(t, axis)).collect::<Result<Vec<_>, _>>()?;
        concat(&items.iter().collect::<Vec<_>>(), axis)
    }
}
