//! Symbolic contents of small integer tensors.

use std::fmt;

use smallvec::SmallVec;
use thiserror::Error;

use super::assign::Assignment;
use super::expr::SymExpr;
use super::{Dim, Shape};

/// An integer that may be symbolic, negative or unknown. Arithmetic is total: what cannot be expressed is
/// unknown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymInt {
    /// The value as an expression, which may be a plain number.
    Known(SymExpr),
    /// Nothing is known about the value.
    Unknown,
}

impl SymInt {
    /// The number `value`.
    pub const fn constant(value: i64) -> Self {
        SymInt::Known(SymExpr::constant(value))
    }

    /// The expression, if there is one.
    pub fn as_expr(&self) -> Option<&SymExpr> {
        match self {
            SymInt::Known(expression) => Some(expression),
            SymInt::Unknown => None,
        }
    }

    /// The number, if the value is one.
    pub fn as_constant(&self) -> Option<i64> {
        self.as_expr()?.as_constant()
    }

    /// The value as a size; unknown if it is a negative number.
    pub fn to_dim(&self) -> Dim {
        Dim::from_option(self.as_expr().cloned())
    }

    /// The value under `assignment`, see [`SymExpr::eval`].
    pub fn eval(&self, assignment: &Assignment) -> Option<i64> {
        self.as_expr()?.eval(assignment)
    }

    /// Whether both values are always the same: proven, disproven or undecided.
    pub fn equal(&self, other: &SymInt) -> Option<bool> {
        self.as_expr()?.equal(other.as_expr()?)
    }

    /// `self + other`.
    pub fn add(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::add)
    }

    /// `self - other`.
    pub fn sub(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::sub)
    }

    /// `self * other`.
    pub fn mul(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::mul)
    }

    /// `-self`.
    pub fn neg(&self) -> SymInt {
        self.as_expr().and_then(SymExpr::neg).into()
    }

    /// `self / other` rounded down.
    pub fn floor_div(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::floor_div)
    }

    /// `self / other` rounded up.
    pub fn ceil_div(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::ceil_div)
    }

    /// `self / other` rounded towards zero, as the integer `Div` of ONNX; unknown where the signs are not.
    pub fn truncating_div(&self, other: &SymInt) -> SymInt {
        self.apply(other, |left, right| {
            let known_sign = |value: &SymExpr| value.is_at_least(0);
            match (known_sign(left), known_sign(right)) {
                (true, true) => left.floor_div(right),
                (false, true) if known_sign(&left.neg()?) => left.neg()?.floor_div(right)?.neg(),
                (true, false) if known_sign(&right.neg()?) => left.floor_div(&right.neg()?)?.neg(),
                (false, false) if known_sign(&left.neg()?) && known_sign(&right.neg()?) => {
                    left.neg()?.floor_div(&right.neg()?)
                }
                _ => left.div_exact(right),
            }
        })
    }

    /// The rest of [`SymInt::floor_div`], with the sign of `other`.
    pub fn modulo(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::modulo)
    }

    /// The smaller of both.
    pub fn minimum(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::minimum)
    }

    /// The larger of both.
    pub fn maximum(&self, other: &SymInt) -> SymInt {
        self.apply(other, SymExpr::maximum)
    }

    fn apply(&self, other: &SymInt, operation: impl Fn(&SymExpr, &SymExpr) -> Option<SymExpr>) -> SymInt {
        match (self, other) {
            (SymInt::Known(left), SymInt::Known(right)) => operation(left, right).into(),
            _ => SymInt::Unknown,
        }
    }
}

impl From<Option<SymExpr>> for SymInt {
    fn from(value: Option<SymExpr>) -> Self {
        value.map_or(SymInt::Unknown, SymInt::Known)
    }
}

impl From<SymExpr> for SymInt {
    fn from(value: SymExpr) -> Self {
        SymInt::Known(value)
    }
}

impl From<i64> for SymInt {
    fn from(value: i64) -> Self {
        SymInt::constant(value)
    }
}

impl From<&Dim> for SymInt {
    fn from(dim: &Dim) -> Self {
        dim.to_expr().into()
    }
}

/// The expression, or `?`.
impl fmt::Display for SymInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SymInt::Known(expression) => write!(f, "{expression}"),
            SymInt::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Debug for SymInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why values do not make up a [`SymValues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SymValuesError {
    /// More elements than are followed symbolically.
    #[error("{got} elements, expected at most {limit}")]
    TooMany {
        /// Elements that the shape has (saturated).
        got: usize,
        /// [`SymValues::MAX_LEN`]
        limit: usize,
    },
    /// The number of values is not that of the shape.
    #[error("{got} values, expected {expected} for the shape")]
    Count {
        /// Elements that the shape has.
        expected: usize,
        /// Values that were given.
        got: usize,
    },
    /// Two shapes that do not broadcast.
    #[error("axis {axis}: sizes {a} and {b} cannot be broadcast together")]
    Broadcast {
        /// The axis of the result.
        axis: usize,
        /// The first size.
        a: usize,
        /// The second size.
        b: usize,
    },
}

/// What is known about the elements of a small integer tensor of known shape, in row-major order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SymValues {
    shape: SmallVec<[usize; 2]>,
    values: Vec<SymInt>,
}

impl SymValues {
    /// The most elements that are followed symbolically.
    pub const MAX_LEN: usize = 1024;

    /// Values of a tensor of that shape.
    ///
    /// # Errors
    ///
    /// Too many elements, or another number of values than the shape has elements.
    pub fn new(shape: &[usize], values: Vec<SymInt>) -> Result<Self, SymValuesError> {
        let expected = count(shape)?;
        if values.len() != expected {
            return Err(SymValuesError::Count { expected, got: values.len() });
        }
        Ok(Self { shape: SmallVec::from_slice(shape), values })
    }

    /// A tensor without dimensions.
    pub fn scalar(value: SymInt) -> Self {
        Self { shape: SmallVec::new(), values: vec![value] }
    }

    /// A tensor with one dimension.
    ///
    /// # Errors
    ///
    /// Too many elements.
    pub fn vector(values: Vec<SymInt>) -> Result<Self, SymValuesError> {
        Self::new(&[values.len()], values)
    }

    /// The contents of what the operator `Shape` gives for a tensor of that shape.
    ///
    /// # Errors
    ///
    /// Too many dimensions.
    pub fn of_shape(shape: &Shape) -> Result<Self, SymValuesError> {
        Self::vector(shape.iter().map(SymInt::from).collect())
    }

    /// A tensor of that shape filled with one value.
    ///
    /// # Errors
    ///
    /// Too many elements.
    pub fn filled(shape: &[usize], value: &SymInt) -> Result<Self, SymValuesError> {
        Ok(Self { shape: SmallVec::from_slice(shape), values: vec![value.clone(); count(shape)?] })
    }

    /// A tensor of numbers.
    ///
    /// # Errors
    ///
    /// As for [`SymValues::new`].
    pub fn from_numbers(shape: &[usize], numbers: &[i64]) -> Result<Self, SymValuesError> {
        Self::new(shape, numbers.iter().copied().map(SymInt::constant).collect())
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &[SymInt] {
        &self.values
    }

    /// The only element of a tensor with one element.
    pub fn sole(&self) -> Option<&SymInt> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The elements as numbers, if all are.
    pub fn as_constants(&self) -> Option<Vec<i64>> {
        self.values.iter().map(SymInt::as_constant).collect()
    }

    /// The elements under `assignment`, if all have a value.
    pub fn eval(&self, assignment: &Assignment) -> Option<Vec<i64>> {
        self.values.iter().map(|value| value.eval(assignment)).collect()
    }

    /// The shape whose sizes are the elements; `None` unless this is a vector.
    pub fn to_shape(&self) -> Option<Shape> {
        (self.rank() == 1).then(|| self.values.iter().map(SymInt::to_dim).collect())
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    ///
    /// The shape has another number of elements.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, SymValuesError> {
        Self::new(shape, self.values.clone())
    }

    /// Applies `operation` to every element.
    pub fn map(&self, operation: impl FnMut(&SymInt) -> SymInt) -> Self {
        Self { shape: self.shape.clone(), values: self.values.iter().map(operation).collect() }
    }

    /// Applies `operation` to every pair of elements after broadcasting.
    ///
    /// # Errors
    ///
    /// The shapes cannot be broadcast together, or the result has too many elements.
    pub fn zip_with(
        &self,
        other: &SymValues,
        mut operation: impl FnMut(&SymInt, &SymInt) -> SymInt,
    ) -> Result<Self, SymValuesError> {
        let shape = broadcast_sizes(&self.shape, &other.shape)?;
        let (left, right) = (self.broadcast_to(&shape)?, other.broadcast_to(&shape)?);
        let values = left.iter().zip(right).map(|(a, b)| operation(a, b)).collect();
        Self::new(&shape, values)
    }

    /// The elements repeated to `shape`, which this shape broadcasts to.
    fn broadcast_to(&self, shape: &[usize]) -> Result<Vec<&SymInt>, SymValuesError> {
        // Without this, sizes beside a zero could ask for any amount of memory.
        if count(shape)? == 0 {
            return Ok(Vec::new());
        }
        let mut elements: Vec<&SymInt> = self.values.iter().collect();
        let missing = shape.len().saturating_sub(self.shape.len());
        let own = std::iter::repeat_n(1, missing).chain(self.shape.iter().copied());
        let mut inner = 1_usize;
        let mut axes: Vec<(usize, usize)> = own.zip(shape.iter().copied()).collect();
        while let Some((size, target)) = axes.pop() {
            if size != target {
                elements = elements.chunks(inner.max(1)).flat_map(|chunk| repeat(chunk, target)).collect();
            }
            inner = inner.saturating_mul(target);
        }
        Ok(elements)
    }
}

fn repeat<'a>(chunk: &[&'a SymInt], times: usize) -> Vec<&'a SymInt> {
    chunk.iter().copied().cycle().take(chunk.len() * times).collect()
}

fn broadcast_sizes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, SymValuesError> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).and_then(|axis| shape.get(axis).copied()).unwrap_or(1)
    };
    let merge = |axis| match (size(a, axis), size(b, axis)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        (x, y) => Err(SymValuesError::Broadcast { axis, a: x, b: y }),
    };
    (0..rank).map(merge).collect()
}

fn count(shape: &[usize]) -> Result<usize, SymValuesError> {
    let product = shape.iter().fold(1_usize, |product, &size| product.saturating_mul(size));
    let limit = SymValues::MAX_LEN;
    if product > limit { Err(SymValuesError::TooMany { got: product, limit }) } else { Ok(product) }
}

/// The shape in brackets, then the elements in braces: `[2]{N,3}`.
impl fmt::Display for SymValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        write_list(f, &self.shape)?;
        f.write_str("]{")?;
        write_list(f, &self.values)?;
        f.write_str("}")
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        let separator = if at > 0 { "," } else { "" };
        write!(f, "{separator}{item}")?;
    }
    Ok(())
}

impl fmt::Debug for SymValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
