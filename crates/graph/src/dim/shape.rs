use std::collections::BTreeSet;
use std::fmt;

use smallvec::SmallVec;
use thiserror::Error;

use super::Dim;
use super::assign::Assignment;
use super::symbol::Symbol;

/// The sizes of a tensor's dimensions, outermost first. No dimensions: a scalar.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(SmallVec<[Dim; 4]>);

/// Two sizes of one axis that cannot be broadcast together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("axis {axis}: sizes {a} and {b} cannot be broadcast together, expected equal sizes or 1")]
pub struct BroadcastError {
    /// The axis of the result.
    pub axis: usize,
    /// The size so far.
    pub a: Dim,
    /// The size that does not fit it.
    pub b: Dim,
}

/// Two descriptions of one shape that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefineError {
    /// The ranks differ.
    #[error("rank {a} contradicts rank {b}")]
    Rank {
        /// The first shape's.
        a: usize,
        /// The second shape's.
        b: usize,
    },
    /// The sizes of one axis differ.
    #[error("axis {axis}: size {a} contradicts size {b}")]
    Axis {
        /// Where.
        axis: usize,
        /// The first shape's.
        a: Dim,
        /// The second shape's.
        b: Dim,
    },
}

impl Shape {
    /// The shape of a scalar, to be pushed to.
    pub fn new() -> Self {
        Self::default()
    }

    /// A shape of that rank of which nothing else is known.
    pub fn unknown(rank: usize) -> Self {
        std::iter::repeat_n(Dim::Unknown, rank).collect()
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The sizes, outermost first.
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// The sizes for changing in place.
    pub fn dims_mut(&mut self) -> &mut [Dim] {
        &mut self.0
    }

    /// The size of dimension `axis`.
    pub fn get(&self, axis: usize) -> Option<&Dim> {
        self.0.get(axis)
    }

    /// The sizes, outermost first.
    pub fn iter(&self) -> std::slice::Iter<'_, Dim> {
        self.0.iter()
    }

    /// Appends an innermost dimension.
    pub fn push(&mut self, dim: Dim) {
        self.0.push(dim);
    }

    /// The sizes as numbers, if all are.
    pub fn as_fixed(&self) -> Option<Vec<usize>> {
        self.iter().map(Dim::as_fixed).collect()
    }

    /// The number of elements: the product of all sizes, 1 for a scalar.
    pub fn numel(&self) -> Dim {
        product(self.dims())
    }

    /// The sizes under `assignment`; `None` if one of them has no value or leaves the address space.
    pub fn eval(&self, assignment: &Assignment) -> Option<Vec<usize>> {
        self.iter().map(|dim| usize::try_from(dim.eval(assignment)?).ok()).collect()
    }

    /// Replaces the symbols that have a value by it.
    pub fn resolve(&self, assignment: &Assignment) -> Shape {
        self.iter().map(|dim| dim.resolve(assignment)).collect()
    }

    /// The symbols of all sizes, in order of their names.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let mut symbols = BTreeSet::new();
        for dim in self {
            if let Dim::Expr(expression) = dim {
                expression.collect_symbols(&mut symbols);
            }
        }
        symbols
    }

    /// Whether both shapes are always the same: proven, disproven or undecided.
    pub fn equal(&self, other: &Shape) -> Option<bool> {
        if self.rank() != other.rank() {
            return Some(false);
        }
        let mut all = Some(true);
        for (a, b) in self.iter().zip(other) {
            match a.equal(b) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all = None,
            }
        }
        all
    }

    /// The shape after [multidirectional broadcasting](https://onnx.ai/onnx/repo-docs/Broadcasting.html);
    /// that of a scalar for no shapes.
    ///
    /// # Errors
    ///
    /// Two sizes of an axis are proven not to fit.
    pub fn broadcast(shapes: &[&Shape]) -> Result<Shape, BroadcastError> {
        let rank = shapes.iter().map(|shape| shape.rank()).max().unwrap_or(0);
        let mut result: Shape = std::iter::repeat_n(Dim::Fixed(1), rank).collect();
        for shape in shapes {
            let offset = rank - shape.rank();
            for (axis, (size, dim)) in result.0.iter_mut().skip(offset).zip(shape.iter()).enumerate() {
                *size = size.broadcast(dim).ok_or_else(|| BroadcastError {
                    axis: offset + axis,
                    a: size.clone(),
                    b: dim.clone(),
                })?;
            }
        }
        Ok(result)
    }

    /// Combines two descriptions of one shape. Numbers are preferred to expressions and those to unknown sizes;
    /// of two expressions that may differ, `self`'s is kept unless only `other`'s is free of invented symbols.
    ///
    /// # Errors
    ///
    /// The shapes are proven to differ.
    pub fn merge_refine(&self, other: &Shape) -> Result<Shape, RefineError> {
        if self.rank() != other.rank() {
            return Err(RefineError::Rank { a: self.rank(), b: other.rank() });
        }
        let mut merged = Shape::new();
        for (axis, (a, b)) in self.iter().zip(other).enumerate() {
            if a.equal(b) == Some(false) {
                return Err(RefineError::Axis { axis, a: a.clone(), b: b.clone() });
            }
            merged.push(more_precise(a, b).clone());
        }
        Ok(merged)
    }
}

/// The product of sizes, 1 for none.
fn product(dims: &[Dim]) -> Dim {
    dims.iter().fold(Dim::Fixed(1), |product, dim| product.mul(dim))
}

fn more_precise<'a>(a: &'a Dim, b: &'a Dim) -> &'a Dim {
    match (a, b) {
        (Dim::Expr(left), Dim::Expr(right)) if left.has_fresh() && !right.has_fresh() => b,
        (Dim::Fixed(_), _) | (_, Dim::Unknown) | (Dim::Expr(_), Dim::Expr(_)) => a,
        _ => b,
    }
}

impl FromIterator<Dim> for Shape {
    fn from_iter<I: IntoIterator<Item = Dim>>(dims: I) -> Self {
        Self(dims.into_iter().collect())
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        sizes.iter().map(|&size| Dim::from(size)).collect()
    }
}

impl<const N: usize> From<[Dim; N]> for Shape {
    fn from(dims: [Dim; N]) -> Self {
        dims.into_iter().collect()
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Self {
        Self(SmallVec::from_vec(dims))
    }
}

impl Extend<Dim> for Shape {
    fn extend<I: IntoIterator<Item = Dim>>(&mut self, dims: I) {
        self.0.extend(dims);
    }
}

impl<'a> IntoIterator for &'a Shape {
    type Item = &'a Dim;
    type IntoIter = std::slice::Iter<'a, Dim>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Shape {
    type Item = Dim;
    type IntoIter = smallvec::IntoIter<[Dim; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Sizes in brackets without spaces, such as `[N,3,48,192]`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, dim) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
