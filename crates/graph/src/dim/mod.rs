//! Symbolic sizes: what is known about the dimensions of a tensor before a model runs.
//!
//! [`Dim`] is one dimension and [`Shape`] a list of them. [`SymExpr`] is the integer arithmetic behind both,
//! with canonical forms, so that sizes which are computed in different ways compare equal. [`SymValues`] holds
//! the symbolic *contents* of small integer tensors, through which `Shape → Gather → Concat → Reshape` chains
//! keep their sizes. [`Assignment`] gives the symbols values.

mod assign;
mod bound;
mod divide;
mod expr;
mod normal;
mod parse;
mod print;
mod select;
mod shape;
mod symbol;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

pub use assign::{Assignment, Mismatch, ShapeMismatch, unify_shapes};
pub use expr::SymExpr;
pub use parse::{ParseDimError, ParseDimProblem};
pub use shape::{BroadcastError, RefineError, Shape};
pub use symbol::{FreshSymbols, Symbol};
pub use values::{SymInt, SymValues, SymValuesError};

/// The size of one dimension.
///
/// Arithmetic is total: what cannot be expressed is [`Dim::Unknown`], which absorbs. A result that is a
/// negative number is unknown too, because no size is negative; use [`SymInt`] where intermediate values may be
/// negative. `==` and `Ord` are structural, see [`Dim::equal`] for what is proven.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dim {
    /// A number.
    Fixed(u64),
    /// An expression over symbols. It is never a constant: build it with [`Dim::try_from`] or from a symbol.
    Expr(SymExpr),
    /// Nothing is known about the size.
    Unknown,
}

/// An expression that should be a size is the negative number `.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("size is the negative number {0}, expected at least 0")]
pub struct NegativeSize(pub i64);

type Operation = fn(&SymExpr, &SymExpr) -> Option<SymExpr>;

impl Dim {
    /// The size `size`; for literals, whose type `from` cannot infer.
    pub const fn fixed(size: u64) -> Self {
        Dim::Fixed(size)
    }

    /// The size named `name`.
    pub fn symbol(name: &str) -> Self {
        Dim::from(&Symbol::from(name))
    }

    /// The number, if the size is one and fits the address space.
    pub fn as_fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => usize::try_from(*size).ok(),
            Dim::Expr(_) | Dim::Unknown => None,
        }
    }

    /// The size as an expression; `None` if it is unknown or beyond `i64`.
    pub fn to_expr(&self) -> Option<SymExpr> {
        match self {
            Dim::Fixed(size) => i64::try_from(*size).ok().map(SymExpr::constant),
            Dim::Expr(expression) => Some(expression.clone()),
            Dim::Unknown => None,
        }
    }

    /// Whether nothing is known about the size.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Dim::Unknown)
    }

    /// Whether both sizes are always the same: `Some(true)` and `Some(false)` are proven, `None` is undecided.
    pub fn equal(&self, other: &Dim) -> Option<bool> {
        match (self, other) {
            (Dim::Fixed(a), Dim::Fixed(b)) => Some(a == b),
            _ => self.to_expr()?.equal(&other.to_expr()?),
        }
    }

    /// Whether the size is proven to be at least `minimum`.
    pub fn is_at_least(&self, minimum: u64) -> bool {
        match self {
            Dim::Fixed(size) => *size >= minimum,
            Dim::Expr(expression) => i64::try_from(minimum).is_ok_and(|least| expression.is_at_least(least)),
            Dim::Unknown => minimum == 0,
        }
    }

    /// Whether `divisor` divides the size without a rest: proven, disproven or undecided.
    pub fn is_multiple_of(&self, divisor: &Dim) -> Option<bool> {
        let rest = self.to_expr()?.modulo(&divisor.to_expr()?)?;
        rest.equal(&SymExpr::constant(0))
    }

    /// `self + other`.
    pub fn add(&self, other: &Dim) -> Dim {
        self.apply(other, u64::checked_add, SymExpr::add)
    }

    /// `self - other`.
    pub fn sub(&self, other: &Dim) -> Dim {
        self.apply(other, u64::checked_sub, SymExpr::sub)
    }

    /// `self * other`. Zero times unknown is zero.
    pub fn mul(&self, other: &Dim) -> Dim {
        match (self, other) {
            (Dim::Fixed(0), _) | (_, Dim::Fixed(0)) => Dim::Fixed(0),
            (Dim::Fixed(1), size) | (size, Dim::Fixed(1)) => size.clone(),
            _ => self.apply(other, u64::checked_mul, SymExpr::mul),
        }
    }

    /// `self / other` rounded down; unknown if `other` is the number zero.
    pub fn floor_div(&self, other: &Dim) -> Dim {
        self.apply(other, u64::checked_div, SymExpr::floor_div)
    }

    /// `self / other` rounded up; unknown if `other` is the number zero.
    pub fn ceil_div(&self, other: &Dim) -> Dim {
        let numbers = |a: u64, b: u64| (b != 0).then(|| a.div_ceil(b));
        self.apply(other, numbers, SymExpr::ceil_div)
    }

    /// `self / other` where the caller knows that there is no rest, as for the `-1` of a Reshape. Falls back to
    /// [`Dim::floor_div`]; numbers that do leave a rest are unknown.
    pub fn div_exact(&self, other: &Dim) -> Dim {
        let numbers = |a: u64, b: u64| (a.checked_rem(b)? == 0).then(|| a.checked_div(b)).flatten();
        self.apply(other, numbers, SymExpr::floor_div)
    }

    /// The rest of [`Dim::floor_div`].
    pub fn modulo(&self, other: &Dim) -> Dim {
        self.apply(other, u64::checked_rem, SymExpr::modulo)
    }

    /// The smaller of both. Not `min`, which is `Ord`'s and compares structure.
    pub fn minimum(&self, other: &Dim) -> Dim {
        self.apply(other, |a, b| Some(a.min(b)), SymExpr::minimum)
    }

    /// The larger of both. Not `max`, which is `Ord`'s and compares structure.
    pub fn maximum(&self, other: &Dim) -> Dim {
        self.apply(other, |a, b| Some(a.max(b)), SymExpr::maximum)
    }

    /// The size after broadcasting, `None` if the sizes are proven not to fit. A number other than 1 wins over
    /// symbols and unknown sizes, which must be equal to it or 1.
    pub fn broadcast(&self, other: &Dim) -> Option<Dim> {
        match (self, other) {
            (Dim::Fixed(1), size) | (size, Dim::Fixed(1)) => Some(size.clone()),
            (Dim::Fixed(a), Dim::Fixed(b)) => (a == b).then(|| self.clone()),
            (Dim::Unknown, Dim::Fixed(size)) | (Dim::Fixed(size), Dim::Unknown) => Some(Dim::Fixed(*size)),
            (Dim::Unknown, _) | (_, Dim::Unknown) => Some(Dim::Unknown),
            _ => {
                let (Some(left), Some(right)) = (self.to_expr(), other.to_expr()) else {
                    return Some(Dim::Unknown);
                };
                if left.cannot_broadcast(&right) {
                    return None;
                }
                Some(Dim::from_option(left.broadcast(&right)))
            }
        }
    }

    /// Replaces `symbol` by `size`.
    pub fn substitute(&self, symbol: &Symbol, size: &Dim) -> Dim {
        self.substitute_with(&mut |candidate| (candidate == symbol).then(|| size.clone()))
    }

    /// Replaces every symbol for which `replace` gives a size, all at once. The result is unknown if a
    /// replacement is.
    pub fn substitute_with(&self, replace: &mut dyn FnMut(&Symbol) -> Option<Dim>) -> Dim {
        let Dim::Expr(expression) = self else { return self.clone() };
        let mut lost = false;
        let result = expression.substitute(&mut |symbol| {
            let size = replace(symbol)?;
            let value = size.to_expr();
            lost |= value.is_none();
            value
        });
        if lost { Dim::Unknown } else { Dim::from_option(result) }
    }

    /// The symbols of the size, in order of their names.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        match self {
            Dim::Expr(expression) => expression.symbols(),
            Dim::Fixed(_) | Dim::Unknown => BTreeSet::new(),
        }
    }

    /// The size that `expression` is, unknown if it is missing or a negative number.
    fn from_option(expression: Option<SymExpr>) -> Dim {
        expression.and_then(|expression| Dim::try_from(expression).ok()).unwrap_or(Dim::Unknown)
    }

    fn apply(&self, other: &Dim, numbers: impl Fn(u64, u64) -> Option<u64>, symbolic: Operation) -> Dim {
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (self, other) {
            return numbers(*a, *b).map_or(Dim::Unknown, Dim::Fixed);
        }
        let result = || symbolic(&self.to_expr()?, &other.to_expr()?);
        Dim::from_option(result())
    }
}

impl From<u64> for Dim {
    fn from(size: u64) -> Self {
        Dim::Fixed(size)
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        u64::try_from(size).map_or(Dim::Unknown, Dim::Fixed)
    }
}

impl From<&Symbol> for Dim {
    fn from(symbol: &Symbol) -> Self {
        Dim::Expr(SymExpr::symbol(symbol))
    }
}

impl TryFrom<SymExpr> for Dim {
    type Error = NegativeSize;

    fn try_from(expression: SymExpr) -> Result<Self, Self::Error> {
        match expression.as_constant() {
            Some(value) => u64::try_from(value).map(Dim::Fixed).map_err(|_| NegativeSize(value)),
            None => Ok(Dim::Expr(expression)),
        }
    }
}

/// The number, the expression, or `?`.
impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => write!(f, "{size}"),
            Dim::Expr(expression) => write!(f, "{expression}"),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
