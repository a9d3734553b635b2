//! Values of symbols, and finding them from the sizes that a model is run with.

use std::collections::BTreeMap;

use thiserror::Error;

use super::Dim;
use super::expr::{Atom, SymExpr};
use super::shape::Shape;
use super::symbol::Symbol;

/// Values of symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment(BTreeMap<Symbol, u64>);

impl Assignment {
    /// No symbol has a value.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the symbol named `name`.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Gives `symbol` a value and returns the value that it had.
    pub fn insert(&mut self, symbol: Symbol, value: u64) -> Option<u64> {
        self.0.insert(symbol, value)
    }

    /// Symbols and their values in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Symbol, u64)> {
        self.0.iter().map(|(symbol, value)| (symbol, *value))
    }

    /// How many symbols have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no symbol has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<Symbol>> FromIterator<(S, u64)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (S, u64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(symbol, value)| (symbol.into(), value)).collect())
    }
}

/// An actual size contradicts the size that a model declares.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("size is {actual}, expected {pattern}{}", known(*.expected, *.actual))]
pub struct Mismatch {
    /// The declared size.
    pub pattern: Dim,
    /// The value of the declared size, if it is one number.
    pub expected: Option<i64>,
    /// The size that was given.
    pub actual: u64,
}

fn known(expected: Option<i64>, actual: u64) -> String {
    match expected {
        Some(value) => format!(" (= {value})"),
        None if actual > Symbol::MAX => format!(" with symbols of at most {}", Symbol::MAX),
        None => String::new(),
    }
}

/// An actual shape contradicts the shape that a model declares.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShapeMismatch {
    /// The number of dimensions differs.
    #[error("rank is {actual}, expected {expected}")]
    Rank {
        /// Declared rank.
        expected: usize,
        /// Rank that was given.
        actual: usize,
    },
    /// One dimension differs.
    #[error("axis {axis}: {mismatch}")]
    Axis {
        /// The dimension.
        axis: usize,
        /// What differs.
        mismatch: Mismatch,
    },
}

impl SymExpr {
    /// Replaces the symbols that have a value by it. `None` if the result is not representable.
    pub fn resolve(&self, assignment: &Assignment) -> Option<SymExpr> {
        if let Some(value) = self.eval(assignment) {
            return Some(SymExpr::constant(value));
        }
        self.substitute(&mut |symbol| {
            let value = assignment.get(symbol.name())?;
            i64::try_from(value).ok().map(SymExpr::constant)
        })
    }
}

impl Dim {
    /// The size under `assignment`; `None` if it is unknown, a symbol has no value, or the size is negative or
    /// does not exist.
    pub fn eval(&self, assignment: &Assignment) -> Option<u64> {
        match self {
            Dim::Fixed(size) => Some(*size),
            Dim::Expr(expression) => u64::try_from(expression.eval(assignment)?).ok(),
            Dim::Unknown => None,
        }
    }

    /// Replaces the symbols that have a value by it.
    pub fn resolve(&self, assignment: &Assignment) -> Dim {
        match self {
            Dim::Expr(expression) => Dim::from_option(expression.resolve(assignment)),
            Dim::Fixed(_) | Dim::Unknown => self.clone(),
        }
    }

    /// Matches this declared size with the `actual` one. A symbol without a value gets one where the size is
    /// linear in it and no other symbol is open (`2*N+1` with 7 gives `N` = 3). A size that stays open is
    /// accepted: call again when more symbols have values, or use [`unify_shapes`].
    ///
    /// # Errors
    ///
    /// The sizes differ, or no value of the open symbol, which is at most [`Symbol::MAX`], makes them equal.
    pub fn unify(&self, actual: u64, assignment: &mut Assignment) -> Result<(), Mismatch> {
        let mismatch = |expected| Mismatch { pattern: self.clone(), expected, actual };
        let expression = match self {
            Dim::Unknown => return Ok(()),
            Dim::Fixed(size) if *size == actual => return Ok(()),
            Dim::Fixed(_) => return Err(mismatch(None)),
            Dim::Expr(expression) => expression,
        };
        let actual_number = i64::try_from(actual).map_err(|_| mismatch(None))?;
        let mut open = expression.symbols();
        open.retain(|symbol| assignment.get(symbol.name()).is_none());
        if open.is_empty() {
            let value = expression.eval(assignment);
            return if value == Some(actual_number) { Ok(()) } else { Err(mismatch(value)) };
        }
        let Some(rest) = expression.resolve(assignment) else { return Ok(()) };
        if let Some(value) = rest.as_constant() {
            return if value == actual_number { Ok(()) } else { Err(mismatch(Some(value))) };
        }
        if let Some(linear) = Linear::of(&rest) {
            let value = linear.solve(actual_number).ok_or_else(|| mismatch(None))?;
            assignment.insert(linear.symbol, value);
        }
        Ok(())
    }
}

impl Shape {
    /// Matches this declared shape with the `actual` one, see [`Dim::unify`].
    ///
    /// # Errors
    ///
    /// The ranks differ, or a dimension contradicts.
    pub fn unify(&self, actual: &[usize], assignment: &mut Assignment) -> Result<(), ShapeMismatch> {
        if self.rank() != actual.len() {
            return Err(ShapeMismatch::Rank { expected: self.rank(), actual: actual.len() });
        }
        for (axis, (pattern, &size)) in self.iter().zip(actual).enumerate() {
            let size = u64::try_from(size).unwrap_or(u64::MAX);
            pattern.unify(size, assignment).map_err(|mismatch| ShapeMismatch::Axis { axis, mismatch })?;
        }
        Ok(())
    }
}

/// Matches all declared shapes with the actual ones, whatever order their symbols need to be found in.
///
/// # Errors
///
/// The index of the pair that contradicts, and how.
pub fn unify_shapes(
    pairs: &[(&Shape, &[usize])],
    assignment: &mut Assignment,
) -> Result<(), (usize, ShapeMismatch)> {
    loop {
        let known = assignment.len();
        for (index, (pattern, actual)) in pairs.iter().enumerate() {
            pattern.unify(actual, assignment).map_err(|mismatch| (index, mismatch))?;
        }
        if assignment.len() == known {
            return Ok(());
        }
    }
}

/// `factor * symbol + offset`
struct Linear {
    factor: i64,
    symbol: Symbol,
    offset: i64,
}

impl Linear {
    fn of(expression: &SymExpr) -> Option<Self> {
        let terms = expression.to_terms();
        let (first, offset) = match terms.as_slice() {
            [first] => (first, 0),
            [first, last] if last.factors.is_empty() => (first, last.coefficient),
            _ => return None,
        };
        match first.single()? {
            Atom::Symbol(symbol) => Some(Self { factor: first.coefficient, symbol: symbol.clone(), offset }),
            Atom::Call(_) => None,
        }
    }

    fn solve(&self, target: i64) -> Option<u64> {
        let product = target.checked_sub(self.offset)?;
        if product.checked_rem(self.factor)? != 0 {
            return None;
        }
        u64::try_from(product.checked_div(self.factor)?).ok().filter(|value| *value <= Symbol::MAX)
    }
}
