//! Values that exist: what operators read and write when they are evaluated.

use lehr_tensor::{DataType, Tensor};

use crate::types::{TensorType, ValueType};

/// A run-time value.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A tensor.
    Tensor(Tensor),
    /// A list.
    Sequence(Vec<Datum>),
    /// A value or nothing.
    Optional(Option<Box<Datum>>),
    /// A dictionary in file order.
    Map(MapDatum),
}

/// A dictionary with integer or string keys and tensor values (scalars mostly).
#[derive(Clone, Debug, PartialEq)]
pub struct MapDatum {
    /// Keys: a one-dimensional integer or string tensor.
    pub keys: Tensor,
    /// One value for each key.
    pub values: Vec<Datum>,
}

impl Datum {
    /// The tensor inside, if this is one.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The exact type of this value; an empty sequence or optional has an unknown item type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Tensor(tensor) => ValueType::Tensor(TensorType::of(tensor)),
            Self::Sequence(items) => {
                let item = items.iter().map(Datum::value_type).reduce(|a, b| a.join(&b));
                ValueType::Sequence(Box::new(item.unwrap_or_default()))
            }
            Self::Optional(item) => {
                ValueType::Optional(Box::new(item.as_ref().map(|d| d.value_type()).unwrap_or_default()))
            }
            Self::Map(map) => ValueType::Map {
                key: map.keys.dtype(),
                value: Box::new(map.values.first().map(Datum::value_type).unwrap_or_default()),
            },
        }
    }

    /// One word for messages: `f32[2,3]`, `sequence of 4`, `empty optional` …
    pub fn describe(&self) -> String {
        match self {
            Self::Tensor(tensor) => describe_tensor(tensor.dtype(), tensor.shape()),
            Self::Sequence(items) => format!("sequence of {}", items.len()),
            Self::Optional(None) => "empty optional".into(),
            Self::Optional(Some(item)) => format!("optional {}", item.describe()),
            Self::Map(map) => format!("map of {}", map.values.len()),
        }
    }
}

/// `f32[2,3]`.
pub fn describe_tensor(dtype: DataType, shape: &[usize]) -> String {
    let dims: Vec<_> = shape.iter().map(usize::to_string).collect();
    format!("{}[{}]", dtype.name(), dims.join(","))
}

impl From<Tensor> for Datum {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
