//! Division and remainder of canonical expressions.

use super::bound;
use super::expr::{Atom, Factors, Function, SymExpr, Term};
use super::normal;

/// Most steps of a polynomial division; quotients have few terms in practice.
const MAX_DIVISION_STEPS: usize = 64;

impl SymExpr {
    /// `self / other` rounded towards minus infinity. A divisor is taken to be different from zero; the
    /// constant zero gives `None`.
    pub fn floor_div(&self, other: &SymExpr) -> Option<SymExpr> {
        match other.as_constant() {
            Some(0) => None,
            Some(1) => Some(self.clone()),
            Some(divisor) if divisor > 0 => floor_div_by_number(self, divisor),
            Some(divisor) => floor_div_by_number(&self.neg()?, divisor.checked_neg()?),
            None => floor_div_by_expression(self, other),
        }
    }

    /// `self / other` rounded towards plus infinity, expressed as a floor division.
    pub fn ceil_div(&self, other: &SymExpr) -> Option<SymExpr> {
        if other.as_constant().is_some_and(|divisor| divisor <= 0) {
            return self.neg()?.floor_div(other)?.neg();
        }
        if let Some(quotient) = self.div_exact(other) {
            return Some(quotient);
        }
        if !bound::is_nonnegative(other) {
            return self.neg()?.floor_div(other)?.neg();
        }
        self.add(other)?.sub(&SymExpr::constant(1))?.floor_div(other)
    }

    /// The remainder of [`SymExpr::floor_div`]: it has the sign of the divisor.
    pub fn modulo(&self, other: &SymExpr) -> Option<SymExpr> {
        match other.as_constant() {
            Some(0) => None,
            Some(divisor) if divisor > 0 => modulo_number(self, divisor),
            Some(divisor) => modulo_number(&self.neg()?, divisor.checked_neg()?)?.neg(),
            None => modulo_expression(self, other),
        }
    }

    /// The quotient if `other` divides `self` as a polynomial with integer coefficients, else `None`.
    pub fn div_exact(&self, other: &SymExpr) -> Option<SymExpr> {
        if let (Some(a), Some(b)) = (self.as_constant(), other.as_constant()) {
            return (a.checked_rem(b)? == 0).then(|| a.checked_div(b)).flatten().map(SymExpr::constant);
        }
        if self == other {
            return Some(SymExpr::constant(1));
        }
        let divisor = other.to_terms();
        let lead = divisor.first()?;
        let mut remainder = self.clone();
        let mut quotient = Vec::new();
        for _ in 0..MAX_DIVISION_STEPS {
            let terms = remainder.to_terms();
            let Some(first) = terms.first() else {
                return SymExpr::from_terms(quotient);
            };
            if first.coefficient.checked_rem(lead.coefficient)? != 0 {
                return None;
            }
            let factors = normal::divide(&first.factors, &lead.factors)?;
            let step = Term { factors, coefficient: first.coefficient.checked_div(lead.coefficient)? };
            remainder = remainder.sub(&other.mul(&SymExpr::from_terms(vec![step.clone()])?)?)?;
            quotient.push(step);
        }
        None
    }
}

/// Terms divided by a product: what can be divided, and the rest.
struct Split {
    quotient: SymExpr,
    rest: SymExpr,
}

/// `expression = divisor * quotient + rest` with every coefficient of `rest` that could be divided in
/// `0..divisor.coefficient`; the divisor's coefficient is positive.
fn split(expression: &SymExpr, divisor: &Term) -> Option<Split> {
    let (mut quotient, mut rest) = (Vec::new(), Vec::new());
    for term in expression.to_terms() {
        let Some(factors) = normal::divide(&term.factors, &divisor.factors) else {
            rest.push(term);
            continue;
        };
        let whole = normal::floor_div_by_positive(term.coefficient, divisor.coefficient)?;
        let left = term.coefficient.checked_sub(whole.checked_mul(divisor.coefficient)?)?;
        quotient.push(Term { factors, coefficient: whole });
        rest.push(Term { factors: term.factors, coefficient: left });
    }
    Some(Split { quotient: SymExpr::from_terms(quotient)?, rest: SymExpr::from_terms(rest)? })
}

fn floor_div_by_number(numerator: &SymExpr, divisor: i64) -> Option<SymExpr> {
    if let Some(value) = numerator.as_constant() {
        return normal::floor_div_by_positive(value, divisor).map(SymExpr::constant);
    }
    let (mut rest, mut divisor) = (numerator.clone(), divisor);
    let mut quotient = SymExpr::constant(0);
    loop {
        let parts = split(&rest, &Term::constant(divisor))?;
        quotient = quotient.add(&parts.quotient)?;
        rest = parts.rest;
        if let Some(value) = bound::constant_quotient(&rest, divisor) {
            return quotient.add(&SymExpr::constant(value));
        }
        let shared = numeric_content(&rest, divisor);
        if shared > 1 {
            rest = split(&rest, &Term::constant(shared))?.quotient;
            divisor /= shared;
            if divisor == 1 {
                return quotient.add(&rest);
            }
        } else if let Some((inner, total)) = unnest(&rest, divisor) {
            rest = inner;
            divisor = total;
        } else {
            let atom = SymExpr::call(Function::FloorDiv, vec![rest, SymExpr::constant(divisor)])?;
            return quotient.add(&atom);
        }
    }
}

/// The greatest number that divides `divisor` and all coefficients except the constant term.
fn numeric_content(expression: &SymExpr, divisor: i64) -> i64 {
    let varying = expression.to_terms().into_iter().filter(|term| !term.factors.is_empty());
    let shared =
        varying.fold(divisor.unsigned_abs(), |g, term| normal::gcd(g, term.coefficient.unsigned_abs()));
    i64::try_from(shared).unwrap_or(1)
}

/// `floor((floor(x/a) + y) / b) = floor((x + a*y) / (a*b))`, applied where it is unambiguous.
fn unnest(rest: &SymExpr, divisor: i64) -> Option<(SymExpr, i64)> {
    let terms = rest.to_terms();
    let nested = |term: &Term| match term.single()? {
        Atom::Call(call) if call.function == Function::FloorDiv && term.coefficient == 1 => {
            let [inner, by] = call.arguments.as_slice() else { return None };
            by.as_constant().map(|by| (inner.clone(), by))
        }
        _ => None,
    };
    let mut found = terms.iter().enumerate().filter_map(|(at, term)| Some((at, nested(term)?)));
    let (at, (inner, by)) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let others = terms.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, term)| term.clone());
    let others = SymExpr::from_terms(others.collect())?;
    let scaled = others.mul(&SymExpr::constant(by))?;
    Some((inner.add(&scaled)?, by.checked_mul(divisor)?))
}

fn modulo_number(numerator: &SymExpr, divisor: i64) -> Option<SymExpr> {
    let mut rest = numerator.clone();
    loop {
        rest = split(&rest, &Term::constant(divisor))?.rest;
        if let Some(turns) = bound::constant_quotient(&rest, divisor) {
            return rest.sub(&SymExpr::constant(turns.checked_mul(divisor)?));
        }
        let shared = numeric_content(&rest, divisor);
        if shared > 1 {
            let parts = split(&rest, &Term::constant(shared))?;
            let inner = modulo_number(&parts.quotient, divisor / shared)?;
            return inner.mul(&SymExpr::constant(shared))?.add(&parts.rest);
        }
        match unwrap_remainders(&rest, divisor)? {
            Some(unwrapped) => rest = unwrapped,
            None => return SymExpr::call(Function::Mod, vec![rest, SymExpr::constant(divisor)]),
        }
    }
}

/// Replaces `x % c` by `x` where `divisor` divides `c`: modulo `divisor` both are the same.
fn unwrap_remainders(expression: &SymExpr, divisor: i64) -> Option<Option<SymExpr>> {
    let mut total = SymExpr::constant(0);
    let mut changed = false;
    for term in expression.to_terms() {
        let inner = match term.single() {
            Some(Atom::Call(call)) if call.function == Function::Mod => match call.arguments.as_slice() {
                [inner, by] if by.as_constant().and_then(|by| by.checked_rem(divisor)) == Some(0) => {
                    Some(inner)
                }
                _ => None,
            },
            _ => None,
        };
        let value = match inner {
            Some(inner) => inner.mul(&SymExpr::constant(term.coefficient))?,
            None => SymExpr::from_terms(vec![term.clone()])?,
        };
        changed |= inner.is_some();
        total = total.add(&value)?;
    }
    Some(changed.then_some(total))
}

/// A numerator and a divisor without a common factor, the divisor's leading coefficient positive.
struct Fraction {
    numerator: SymExpr,
    divisor: SymExpr,
    /// What both were divided by.
    shared: SymExpr,
}

fn cancel(numerator: &SymExpr, divisor: &SymExpr) -> Option<Fraction> {
    let (above, below) = (numerator.to_terms(), divisor.to_terms());
    let lead = below.first()?;
    let number =
        above.iter().chain(&below).fold(0, |g, term| normal::gcd(g, term.coefficient.unsigned_abs()));
    let mut factors: Factors = lead.factors.clone();
    for term in above.iter().chain(&below) {
        factors = normal::common(&factors, &term.factors);
    }
    let number = i64::try_from(number).ok()?;
    let coefficient = if lead.coefficient < 0 { -number } else { number };
    let shared = SymExpr::from_terms(vec![Term { factors, coefficient }])?;
    if shared.as_constant() == Some(1) {
        return Some(Fraction { numerator: numerator.clone(), divisor: divisor.clone(), shared });
    }
    Some(Fraction { numerator: numerator.div_exact(&shared)?, divisor: divisor.div_exact(&shared)?, shared })
}

fn single_term(expression: &SymExpr) -> Option<Term> {
    let mut terms = expression.to_terms();
    let last = terms.pop()?;
    terms.is_empty().then_some(last)
}

fn floor_div_by_expression(numerator: &SymExpr, divisor: &SymExpr) -> Option<SymExpr> {
    if let Some(quotient) = numerator.div_exact(divisor) {
        return Some(quotient);
    }
    let Fraction { numerator, divisor, .. } = cancel(numerator, divisor)?;
    if divisor.as_constant().is_some() {
        return numerator.floor_div(&divisor);
    }
    if let Some(product) = single_term(&divisor) {
        let parts = split(&numerator, &product)?;
        if parts.quotient.as_constant() != Some(0) {
            return parts.quotient.add(&parts.rest.floor_div(&divisor)?);
        }
    }
    if bound::is_below(&numerator, &divisor) {
        return Some(SymExpr::constant(0));
    }
    SymExpr::call(Function::FloorDiv, vec![numerator, divisor])
}

fn modulo_expression(numerator: &SymExpr, divisor: &SymExpr) -> Option<SymExpr> {
    if numerator.div_exact(divisor).is_some() {
        return Some(SymExpr::constant(0));
    }
    let Fraction { numerator, divisor, shared } = cancel(numerator, divisor)?;
    if shared.as_constant() != Some(1) {
        return numerator.modulo(&divisor)?.mul(&shared);
    }
    if let Some(product) = single_term(&divisor) {
        let parts = split(&numerator, &product)?;
        if parts.quotient.as_constant() != Some(0) {
            return parts.rest.modulo(&divisor);
        }
    }
    if bound::is_below(&numerator, &divisor) {
        return Some(numerator);
    }
    SymExpr::call(Function::Mod, vec![numerator, divisor])
}
