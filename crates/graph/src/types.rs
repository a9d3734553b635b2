//! Types of values: tensors, sequences, optionals and maps.

use std::fmt;

use lehr_tensor::{DataType, Tensor};

use crate::dim::{Dim, Shape, SymValues};

/// What is known about a value before it exists.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum ValueType {
    /// Nothing is known (the result of an operator that could not be inferred).
    #[default]
    Unknown,
    /// A tensor.
    Tensor(TensorType),
    /// A list of values of one type.
    Sequence(Box<ValueType>),
    /// A value or nothing.
    Optional(Box<ValueType>),
    /// A dictionary (`ai.onnx.ml`): integer or string keys.
    Map {
        /// Type of the keys: an integer type or string.
        key: DataType,
        /// Type of the values.
        value: Box<ValueType>,
    },
}

/// Element type, shape and, for small integer tensors, symbolic contents: each as far as known.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TensorType {
    /// Element type.
    pub dtype: Option<DataType>,
    /// Shape; `None` when not even the rank is known.
    pub shape: Option<Shape>,
    /// Contents of a small integer tensor as symbolic expressions.
    pub known: Option<SymValues>,
}

impl TensorType {
    /// A type with known element type and shape.
    pub fn new(dtype: DataType, shape: Shape) -> Self {
        Self { dtype: Some(dtype), shape: Some(shape), known: None }
    }

    /// The exact type of `tensor`, with its contents when they are few integers.
    pub fn of(tensor: &Tensor) -> Self {
        let shape = tensor.shape().iter().map(|&size| Dim::Fixed(size as u64)).collect();
        Self { dtype: Some(tensor.dtype()), shape: Some(shape), known: known_values(tensor) }
    }
}

/// Contents of a small tensor of 32- or 64-bit integers, as they occur in shape arithmetic.
pub(crate) fn known_values(tensor: &Tensor) -> Option<SymValues> {
    if !matches!(tensor.dtype(), DataType::I64 | DataType::I32) || tensor.len() > SymValues::MAX_LEN {
        return None;
    }
    SymValues::from_numbers(tensor.shape(), &tensor.to_i64s().ok()?).ok()
}

impl ValueType {
    /// A tensor type with known element type and shape.
    pub fn tensor(dtype: DataType, shape: Shape) -> Self {
        Self::Tensor(TensorType::new(dtype, shape))
    }

    /// The tensor type inside, if this is a tensor.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Element type of a tensor, if known.
    pub fn dtype(&self) -> Option<DataType> {
        self.as_tensor()?.dtype
    }

    /// Shape of a tensor, if known.
    pub fn shape(&self) -> Option<&Shape> {
        self.as_tensor()?.shape.as_ref()
    }

    /// The ONNX type string, as `tensor(float)` or `seq(tensor(int64))`; `None` while the element type is unknown.
    pub fn onnx_type_string(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Tensor(t) => Some(format!("tensor({})", t.dtype?.onnx_name())),
            Self::Sequence(item) => Some(format!("seq({})", item.onnx_type_string()?)),
            Self::Optional(item) => Some(format!("optional({})", item.onnx_type_string()?)),
            Self::Map { key, value } => {
                Some(format!("map({},{})", key.onnx_name(), value.onnx_type_string()?))
            }
        }
    }

    /// Combines two descriptions of the same value: whatever either knows, is known.
    ///
    /// # Errors
    /// A sentence naming what contradicts, when the two cannot describe the same value.
    pub fn refine(&self, other: &ValueType) -> Result<ValueType, String> {
        use ValueType::*;
        match (self, other) {
            (Unknown, t) | (t, Unknown) => Ok(t.clone()),
            (Tensor(a), Tensor(b)) => a.refine(b).map(Tensor),
            (Sequence(a), Sequence(b)) => Ok(Sequence(Box::new(a.refine(b)?))),
            (Optional(a), Optional(b)) => Ok(Optional(Box::new(a.refine(b)?))),
            (Map { key: k, value: a }, Map { key: l, value: b }) if k == l => {
                Ok(Map { key: *k, value: Box::new(a.refine(b)?) })
            }
            (a, b) => Err(format!("{a} contradicts {b}")),
        }
    }

    /// The most precise type that covers both (the type after a conditional with these two branches).
    pub fn join(&self, other: &ValueType) -> ValueType {
        use ValueType::*;
        match (self, other) {
            (Tensor(a), Tensor(b)) => Tensor(a.join(b)),
            (Sequence(a), Sequence(b)) => Sequence(Box::new(a.join(b))),
            (Optional(a), Optional(b)) => Optional(Box::new(a.join(b))),
            (a, b) if a == b => a.clone(),
            _ => Unknown,
        }
    }
}

impl TensorType {
    fn refine(&self, other: &TensorType) -> Result<TensorType, String> {
        let dtype = match (self.dtype, other.dtype) {
            (Some(a), Some(b)) if a != b => {
                return Err(format!("element type {} contradicts {}", a.name(), b.name()));
            }
            (a, b) => a.or(b),
        };
        let shape = match (&self.shape, &other.shape) {
            (Some(a), Some(b)) => Some(a.merge_refine(b).map_err(|e| e.to_string())?),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        Ok(TensorType { dtype, shape, known: self.known.clone().or_else(|| other.known.clone()) })
    }

    fn join(&self, other: &TensorType) -> TensorType {
        let dtype = if self.dtype == other.dtype { self.dtype } else { None };
        let shape = match (&self.shape, &other.shape) {
            (Some(a), Some(b)) if a.rank() == b.rank() => Some(
                a.dims()
                    .iter()
                    .zip(b.dims())
                    .map(|(x, y)| if x == y { x.clone() } else { Dim::Unknown })
                    .collect(),
            ),
            _ => None,
        };
        let known = if self.known == other.known { self.known.clone() } else { None };
        TensorType { dtype, shape, known }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Tensor(t) => write!(f, "{t}"),
            Self::Sequence(item) => write!(f, "seq<{item}>"),
            Self::Optional(item) => write!(f, "optional<{item}>"),
            Self::Map { key, value } => write!(f, "map<{}, {value}>", key.name()),
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.dtype.map_or("any", DataType::name))?;
        match &self.shape {
            Some(shape) => write!(f, "{shape}"),
            None => f.write_str("[..]"),
        }
    }
}

impl fmt::Debug for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
