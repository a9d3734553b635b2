//! Attributes: the parameters of operators as data, and their typed form.

use std::fmt;
use std::sync::Arc;

use lehr_tensor::{DataType, Tensor};

use crate::error::OpError;
use crate::graph::Graph;
use crate::types::ValueType;

/// An attribute value in the forms that model files have.
///
/// Equality of real numbers is that of their bits: NaN equals the same NaN, `0.0` differs from `-0.0`.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// An integer (also booleans and element types).
    Int(i64),
    /// A real number.
    Float(f32),
    /// A text.
    String(String),
    /// Integers.
    Ints(Vec<i64>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// Texts.
    Strings(Vec<String>),
    /// A tensor.
    Tensor(Tensor),
    /// Tensors.
    Tensors(Vec<Tensor>),
    /// A subgraph.
    Graph(Arc<Graph>),
    /// A type.
    Type(ValueType),
}

impl Attribute {
    fn is_empty_list(&self) -> bool {
        match self {
            Self::Ints(v) => v.is_empty(),
            Self::Floats(v) => v.is_empty(),
            Self::Strings(v) => v.is_empty(),
            _ => false,
        }
    }

    /// The kind in one word, as ONNX names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Ints(_) => "ints",
            Self::Floats(_) => "floats",
            Self::Strings(_) => "strings",
            Self::Tensor(_) => "tensor",
            Self::Tensors(_) => "tensors",
            Self::Graph(_) => "graph",
            Self::Type(_) => "type_proto",
        }
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        use Attribute::*;
        match (self, other) {
            (Int(a), Int(b)) => a == b,
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            (String(a), String(b)) => a == b,
            (Ints(a), Ints(b)) => a == b,
            (Floats(a), Floats(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (Strings(a), Strings(b)) => a == b,
            (Tensor(a), Tensor(b)) => a == b,
            (Tensors(a), Tensors(b)) => a == b,
            (Graph(a), Graph(b)) => Arc::ptr_eq(a, b) || a == b,
            (Type(a), Type(b)) => a == b,
            _ => false,
        }
    }
}

/// Named attributes in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that have a value, in this order; the names differ.
    pub fn of_present<const N: usize>(entries: [(&'static str, Option<Attribute>); N]) -> Self {
        Self(entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    /// Sets `name`, replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: Attribute) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes and returns `name`.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Typed value of `name`, if present.
    ///
    /// # Errors
    /// [`OpError::Attribute`] when the value has another type.
    pub fn read<T: AttributeValue>(&self, name: &str) -> Result<Option<T>, OpError> {
        self.get(name)
            .map(|a| T::from_attribute(a).map_err(|problem| OpError::attribute(name, problem)))
            .transpose()
    }

    /// Typed value of a required attribute.
    ///
    /// # Errors
    /// [`OpError::Attribute`] when it is missing or has another type.
    pub fn require<T: AttributeValue>(&self, name: &str) -> Result<T, OpError> {
        self.read(name)?.ok_or_else(|| OpError::attribute(name, "is required and missing"))
    }
}

impl FromIterator<(String, Attribute)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Attribute)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// A Rust type that an attribute can be read into and written from.
pub trait AttributeValue: Sized {
    /// The typed value.
    ///
    /// # Errors
    /// A sentence that says what was expected and what was there.
    fn from_attribute(attribute: &Attribute) -> Result<Self, String>;

    /// The stored form; `None` when there is nothing to store (an absent option).
    fn to_attribute(&self) -> Option<Attribute>;
}

#[cold]
fn mismatch(expected: &str, got: &Attribute) -> String {
    format!("expected {expected}, got {}", got.kind())
}

macro_rules! direct {
    ($($ty:ty => $variant:ident, $word:literal;)*) => {$(
        impl AttributeValue for $ty {
            fn from_attribute(attribute: &Attribute) -> Result<Self, String> {
                match attribute {
                    Attribute::$variant(v) => Ok(v.clone()),
                    other => Err(mismatch($word, other)),
                }
            }

            fn to_attribute(&self) -> Option<Attribute> {
                Some(Attribute::$variant(self.clone()))
            }
        }
    )*};
}

direct! {
    i64 => Int, "an integer";
    f32 => Float, "a number";
    String => String, "a text";
    Tensor => Tensor, "a tensor";
    Vec<Tensor> => Tensors, "tensors";
    Arc<Graph> => Graph, "a graph";
    ValueType => Type, "a type";
}

macro_rules! list {
    ($($ty:ty => $variant:ident, $word:literal;)*) => {$(
        impl AttributeValue for Vec<$ty> {
            fn from_attribute(attribute: &Attribute) -> Result<Self, String> {
                match attribute {
                    Attribute::$variant(v) => Ok(v.clone()),
                    // Writers that drop the type tag leave an empty list without its element type.
                    other if other.is_empty_list() => Ok(Vec::new()),
                    other => Err(mismatch($word, other)),
                }
            }

            fn to_attribute(&self) -> Option<Attribute> {
                Some(Attribute::$variant(self.clone()))
            }
        }
    )*};
}

list! {
    i64 => Ints, "integers";
    f32 => Floats, "numbers";
    String => Strings, "texts";
}

impl AttributeValue for bool {
    fn from_attribute(attribute: &Attribute) -> Result<Self, String> {
        match attribute {
            Attribute::Int(v) => Ok(*v != 0),
            other => Err(mismatch("0 or 1", other)),
        }
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Int(i64::from(*self)))
    }
}

impl AttributeValue for DataType {
    fn from_attribute(attribute: &Attribute) -> Result<Self, String> {
        match attribute {
            Attribute::Int(v) => i32::try_from(*v)
                .ok()
                .and_then(DataType::from_onnx)
                .ok_or_else(|| format!("{v} is not an element type")),
            other => Err(mismatch("an element type", other)),
        }
    }

    fn to_attribute(&self) -> Option<Attribute> {
        Some(Attribute::Int(i64::from(self.to_onnx())))
    }
}

impl<T: AttributeValue> AttributeValue for Option<T> {
    fn from_attribute(attribute: &Attribute) -> Result<Self, String> {
        T::from_attribute(attribute).map(Some)
    }

    fn to_attribute(&self) -> Option<Attribute> {
        self.as_ref().and_then(T::to_attribute)
    }
}

/// Declares an enum that is stored as one of a few texts.
#[macro_export]
macro_rules! attribute_enum {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$vdoc])* $variant),+ }

        impl $crate::attribute::AttributeValue for $name {
            fn from_attribute(attribute: &$crate::attribute::Attribute) -> Result<Self, String> {
                match attribute {
                    $($crate::attribute::Attribute::String(s) if s == $text => Ok(Self::$variant),)+
                    $crate::attribute::Attribute::String(s) => {
                        Err(format!("expected one of {:?}, got {s:?}", [$($text),+]))
                    }
                    other => Err(format!("expected one of {:?}, got {}", [$($text),+], other.kind())),
                }
            }

            fn to_attribute(&self) -> Option<$crate::attribute::Attribute> {
                Some($crate::attribute::Attribute::String(match self { $(Self::$variant => $text),+ }.to_string()))
            }
        }
    };
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v:?}"),
            Self::String(v) => write!(f, "{v:?}"),
            Self::Ints(v) => write!(f, "{v:?}"),
            Self::Floats(v) => write!(f, "{v:?}"),
            Self::Strings(v) => write!(f, "{v:?}"),
            Self::Tensor(t) => write!(f, "{}", crate::datum::describe_tensor(t.dtype(), t.shape())),
            Self::Tensors(v) => write!(f, "{} tensors", v.len()),
            Self::Graph(_) => f.write_str("graph"),
            Self::Type(t) => write!(f, "{t}"),
        }
    }
}
