//! The canonical sum of products: sorting, merging, and the ring operations on it.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::smallvec;

use super::expr::{Factor, Factors, Repr, Sum, SymExpr, Term, Weight};

/// Most terms that a sum may have.
const MAX_TERMS: usize = 64;
/// Most factors, counted with their powers, that a product may have.
const MAX_DEGREE: u32 = 16;

impl SymExpr {
    /// `self + other`.
    pub fn add(&self, other: &SymExpr) -> Option<SymExpr> {
        match (&self.0, &other.0) {
            (Repr::Constant(a), Repr::Constant(b)) => a.checked_add(*b).map(SymExpr::constant),
            (Repr::Constant(0), _) => Some(other.clone()),
            (_, Repr::Constant(0)) => Some(self.clone()),
            _ => {
                let mut terms = self.to_terms();
                terms.append(&mut other.to_terms());
                SymExpr::from_terms(terms)
            }
        }
    }

    /// `self - other`.
    pub fn sub(&self, other: &SymExpr) -> Option<SymExpr> {
        if let (Repr::Constant(a), Repr::Constant(b)) = (&self.0, &other.0) {
            return a.checked_sub(*b).map(SymExpr::constant);
        }
        if self == other {
            return Some(SymExpr::constant(0));
        }
        self.add(&other.neg()?)
    }

    /// `-self`.
    pub fn neg(&self) -> Option<SymExpr> {
        self.mul(&SymExpr::constant(-1))
    }

    /// `self * other`.
    pub fn mul(&self, other: &SymExpr) -> Option<SymExpr> {
        match (&self.0, &other.0) {
            (Repr::Constant(a), Repr::Constant(b)) => a.checked_mul(*b).map(SymExpr::constant),
            (Repr::Constant(0), _) | (_, Repr::Constant(0)) => Some(SymExpr::constant(0)),
            (Repr::Constant(1), _) => Some(other.clone()),
            (_, Repr::Constant(1)) => Some(self.clone()),
            _ => {
                let (left, right) = (self.to_terms(), other.to_terms());
                let mut terms = Vec::with_capacity(left.len() * right.len());
                for a in &left {
                    for b in &right {
                        terms.push(a.times(b)?);
                    }
                }
                SymExpr::from_terms(terms)
            }
        }
    }

    pub(super) fn to_terms(&self) -> Vec<Term> {
        match &self.0 {
            Repr::Constant(0) => Vec::new(),
            Repr::Constant(value) => vec![Term::constant(*value)],
            Repr::Atom(atom) => {
                vec![Term { factors: smallvec![Factor { atom: atom.clone(), power: 1 }], coefficient: 1 }]
            }
            Repr::Sum(sum) => sum.terms.clone(),
        }
    }

    /// The canonical expression of a sum of terms in any order.
    pub(super) fn from_terms(mut terms: Vec<Term>) -> Option<SymExpr> {
        terms.sort_by(|a, b| compare_products(&b.factors, &a.factors));
        let mut merged: Vec<Term> = Vec::with_capacity(terms.len());
        for term in terms {
            match merged.last_mut() {
                Some(last) if last.factors == term.factors => {
                    last.coefficient = last.coefficient.checked_add(term.coefficient)?;
                    if last.coefficient == 0 {
                        merged.pop();
                    }
                }
                _ if term.coefficient == 0 => {}
                _ => merged.push(term),
            }
        }
        SymExpr::from_merged(merged)
    }

    fn from_merged(mut terms: Vec<Term>) -> Option<SymExpr> {
        match terms.as_mut_slice() {
            [] => return Some(SymExpr::constant(0)),
            [term] if term.factors.is_empty() => return Some(SymExpr::constant(term.coefficient)),
            [Term { factors, coefficient: 1 }] => {
                if let [Factor { atom, power: 1 }] = factors.as_slice() {
                    return Some(SymExpr(Repr::Atom(atom.clone())));
                }
            }
            _ => {}
        }
        if terms.len() > MAX_TERMS {
            return None;
        }
        let weight = weigh(&terms).allowed()?;
        Some(SymExpr(Repr::Sum(Arc::new(Sum { terms, weight }))))
    }
}

impl Term {
    fn times(&self, other: &Term) -> Option<Term> {
        let factors = multiply(&self.factors, &other.factors);
        if degree(&factors) > MAX_DEGREE {
            return None;
        }
        Some(Term { factors, coefficient: self.coefficient.checked_mul(other.coefficient)? })
    }
}

fn weigh(terms: &[Term]) -> Weight {
    let mut weight = Weight { size: 0, depth: 0 };
    for term in terms {
        weight.size = weight.size.saturating_add(1);
        for factor in &term.factors {
            let inner = factor.atom.weight();
            weight.size = weight.size.saturating_add(inner.size.saturating_mul(factor.power));
            weight.depth = weight.depth.max(inner.depth);
        }
    }
    weight
}

fn degree(factors: &[Factor]) -> u32 {
    factors.iter().fold(0, |sum, factor| sum.saturating_add(factor.power))
}

/// Graded lexicographic order; `Greater` leads. Being admissible, it makes polynomial division end.
pub(super) fn compare_products(a: &[Factor], b: &[Factor]) -> Ordering {
    degree(a).cmp(&degree(b)).then_with(|| {
        for (x, y) in a.iter().zip(b) {
            let order = y.atom.cmp(&x.atom).then(x.power.cmp(&y.power));
            if order.is_ne() {
                return order;
            }
        }
        a.len().cmp(&b.len())
    })
}

fn multiply(a: &[Factor], b: &[Factor]) -> Factors {
    let mut product = Factors::with_capacity(a.len() + b.len());
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(x), Some(y)) => x.atom.cmp(&y.atom),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return product,
        };
        let x = if order.is_le() { left.next() } else { None };
        let y = if order.is_ge() { right.next() } else { None };
        let power = x.map_or(0, |f| f.power).saturating_add(y.map_or(0, |f| f.power));
        if let Some(factor) = x.or(y) {
            product.push(Factor { atom: factor.atom.clone(), power });
        }
    }
}

/// `a / b` if every factor of `b` is in `a`.
pub(super) fn divide(a: &[Factor], b: &[Factor]) -> Option<Factors> {
    let mut quotient = Factors::new();
    let mut divisors = b.iter().peekable();
    for factor in a {
        let power = match divisors.next_if(|divisor| divisor.atom == factor.atom) {
            Some(divisor) => factor.power.checked_sub(divisor.power)?,
            None => factor.power,
        };
        if power > 0 {
            quotient.push(Factor { atom: factor.atom.clone(), power });
        }
    }
    divisors.peek().is_none().then_some(quotient)
}

/// The largest product that divides both.
pub(super) fn common(a: &[Factor], b: &[Factor]) -> Factors {
    let shared = |x: &Factor| {
        let y = b.iter().find(|y| y.atom == x.atom)?;
        Some(Factor { atom: x.atom.clone(), power: x.power.min(y.power) })
    };
    a.iter().filter_map(shared).collect()
}

/// Greatest common divisor; `gcd(0, x) = x`.
pub(super) fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The quotient rounded towards minus infinity; `None` for a divisor of zero.
pub(super) fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let inexact = a.checked_rem(b)? != 0;
    Some(if inexact && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// The remainder of [`floor_div`], which has the sign of the divisor.
pub(super) fn floor_mod(a: i128, b: i128) -> Option<i128> {
    let remainder = a.checked_rem(b)?;
    Some(if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
}

/// [`floor_div`] where the quotient is known to fit, the divisor being positive.
pub(super) fn floor_div_by_positive(a: i64, b: i64) -> Option<i64> {
    i64::try_from(floor_div(i128::from(a), i128::from(b))?).ok()
}
