//! What can be proven about the value of an expression from symbols being at least zero
//! and named ones at most [`Symbol::MAX`].

use std::cell::Cell;

use super::expr::{Atom, Call, Factor, Function, Repr, SymExpr, Term};
use super::normal;
use super::symbol::Symbol;

/// Steps that one proof may take.
const PROOF_STEPS: u32 = 32;

impl SymExpr {
    /// Whether both always have the same value: `Some(true)` and `Some(false)` are proven for all values of the
    /// symbols, `None` means that it depends on them or is not known.
    pub fn equal(&self, other: &SymExpr) -> Option<bool> {
        if self == other {
            return Some(true);
        }
        // In a fixed order, because near the end of `i64` only one of the two differences may exist.
        let (low, high) = if self < other { (self, other) } else { (other, self) };
        let difference = high.sub(low).or_else(|| low.sub(high))?;
        let difference = expand_remainders(&difference).unwrap_or(difference);
        if difference.as_constant() == Some(0) {
            return Some(true);
        }
        is_never_zero(&difference).then_some(false)
    }

    /// Whether the value is proven to be at least `minimum` for all values of the symbols.
    pub fn is_at_least(&self, minimum: i64) -> bool {
        self.sub(&SymExpr::constant(minimum)).is_some_and(|difference| is_nonnegative(&difference))
    }
}

pub(super) fn is_nonnegative(expression: &SymExpr) -> bool {
    prove_nonnegative(expression, &Cell::new(PROOF_STEPS))
}

/// Whether `0 <= numerator < divisor` is proven, given that `divisor` is not zero.
pub(super) fn is_below(numerator: &SymExpr, divisor: &SymExpr) -> bool {
    let below = || divisor.sub(numerator)?.sub(&SymExpr::constant(1));
    is_nonnegative(numerator) && below().is_some_and(|gap| is_nonnegative(&gap))
}

pub(super) fn is_never_zero(expression: &SymExpr) -> bool {
    let interval = Interval::of(expression);
    if interval.low > 0 || interval.high < 0 || is_never_zero_by_divisibility(expression) {
        return true;
    }
    let negated = || expression.neg()?.sub(&SymExpr::constant(1));
    expression.is_at_least(1) || negated().is_some_and(|gap| is_nonnegative(&gap))
}

/// The value of `floor(expression / divisor)` if the bounds leave only one; the divisor is positive.
pub(super) fn constant_quotient(expression: &SymExpr, divisor: i64) -> Option<i64> {
    let interval = Interval::of(expression);
    if interval.low == Interval::NO_LOW || interval.high == Interval::NO_HIGH {
        return None;
    }
    let low = normal::floor_div(interval.low, i128::from(divisor))?;
    let high = normal::floor_div(interval.high, i128::from(divisor))?;
    (low == high).then(|| i64::try_from(low).ok()).flatten()
}

/// `2*N + 1` is never zero, whatever the sign of `N`.
fn is_never_zero_by_divisibility(expression: &SymExpr) -> bool {
    let (mut shared, mut offset) = (0, 0);
    for term in expression.to_terms() {
        let size = term.coefficient.unsigned_abs();
        if term.factors.is_empty() {
            offset = size;
        } else {
            shared = normal::gcd(shared, size);
        }
    }
    offset.checked_rem(shared).is_some_and(|rest| rest != 0)
}

/// Writes `x % d` as `x - d * (x // d)`, so that it can cancel against quotients.
fn expand_remainders(expression: &SymExpr) -> Option<SymExpr> {
    let mut total = SymExpr::constant(0);
    for term in expression.to_terms() {
        let value = match term.single() {
            Some(Atom::Call(call)) if call.function == Function::Mod => {
                let [inner, by] = call.arguments.as_slice() else { return None };
                let remainder = inner.sub(&inner.floor_div(by)?.mul(by)?)?;
                remainder.mul(&SymExpr::constant(term.coefficient))?
            }
            _ => SymExpr::from_terms(vec![term])?,
        };
        total = total.add(&value)?;
    }
    Some(total)
}

fn prove_nonnegative(expression: &SymExpr, steps: &Cell<u32>) -> bool {
    if Interval::of(expression).low >= 0 {
        return true;
    }
    for term in expression.to_terms() {
        let Some(Atom::Call(call)) = term.single() else { continue };
        let Some(left) = steps.get().checked_sub(1) else { return false };
        steps.set(left);
        if prove_by_replacing(expression, &term, call, steps) == Some(true) {
            return true;
        }
    }
    false
}

/// Tries to prove `expression >= 0` from a weaker expression without the call in `term`.
fn prove_by_replacing(expression: &SymExpr, term: &Term, call: &Call, steps: &Cell<u32>) -> Option<bool> {
    let rest = expression.sub(&SymExpr::from_terms(vec![term.clone()])?)?;
    let coefficient = SymExpr::constant(term.coefficient);
    let rising = term.coefficient > 0;
    let with = |value: &SymExpr| rest.add(&value.mul(&coefficient)?);
    let holds = |value: &SymExpr| with(value).is_some_and(|weaker| prove_nonnegative(&weaker, steps));
    let arguments = call.arguments.as_slice();
    match (call.function, arguments) {
        (Function::Min, _) if rising => Some(arguments.iter().all(holds)),
        (Function::Max, _) if !rising => Some(arguments.iter().all(holds)),
        (Function::Min | Function::Max, _) => Some(arguments.iter().any(holds)),
        (Function::FloorDiv, [inner, by]) => {
            let number = by.as_constant().filter(|number| *number > 0)?;
            let lost = if rising { number - 1 } else { 0 };
            let least = inner.sub(&SymExpr::constant(lost))?.mul(&coefficient)?;
            Some(prove_nonnegative(&rest.mul(by)?.add(&least)?, steps))
        }
        (Function::Mod, [inner, _]) if !rising && Interval::of(inner).low >= 0 => Some(holds(inner)),
        _ => None,
    }
}

/// The least and the greatest value that an expression can have. Bounds beyond ±2^62 count as none, so that
/// products of bounds fit `i128`.
#[derive(Clone, Copy)]
struct Interval {
    low: i128,
    high: i128,
}

impl Interval {
    const NO_LOW: i128 = i128::MIN;
    const NO_HIGH: i128 = i128::MAX;
    const LIMIT: i128 = 1 << 62;
    const ANY: Self = Self { low: Self::NO_LOW, high: Self::NO_HIGH };
    const NONNEGATIVE: Self = Self { low: 0, high: Self::NO_HIGH };

    fn new(low: i128, high: i128) -> Self {
        let low = if low < -Self::LIMIT { Self::NO_LOW } else { low.min(Self::LIMIT) };
        let high = if high > Self::LIMIT { Self::NO_HIGH } else { high.max(-Self::LIMIT) };
        Self { low, high }
    }

    fn exactly(value: i64) -> Self {
        Self::new(i128::from(value), i128::from(value))
    }

    fn of(expression: &SymExpr) -> Self {
        match &expression.0 {
            Repr::Constant(value) => Self::exactly(*value),
            Repr::Atom(atom) => Self::of_atom(atom),
            Repr::Sum(sum) => {
                sum.terms.iter().map(Self::of_term).fold(Self::exactly(0), |total, term| total.plus(term))
            }
        }
    }

    fn of_term(term: &Term) -> Self {
        let power = |factor: &Factor| {
            let base = Self::of_atom(&factor.atom);
            (0..factor.power).fold(Self::exactly(1), |product, _| product.times(base))
        };
        term.factors.iter().map(power).fold(Self::exactly(term.coefficient), Self::times)
    }

    fn of_atom(atom: &Atom) -> Self {
        let call = match atom {
            Atom::Call(call) => call,
            // May count what data decide, such as the elements that are not zero.
            Atom::Symbol(symbol) if symbol.is_fresh() => return Self::NONNEGATIVE,
            Atom::Symbol(_) => return Self::new(0, i128::from(Symbol::MAX)),
        };
        match (call.function, call.arguments.as_slice()) {
            (Function::FloorDiv, [inner, by]) => Self::of(inner).divided_by(Self::of(by)),
            (Function::Mod, [inner, by]) => Self::of(inner).modulo(Self::of(by)),
            (Function::Min, arguments) => Self::combine(arguments, i128::min, i128::min),
            (Function::Max, arguments) => Self::combine(arguments, i128::max, i128::max),
            (Function::Broadcast, arguments) => Self::combine(arguments, i128::min, i128::max),
            _ => Self::ANY,
        }
    }

    fn combine(arguments: &[SymExpr], low: fn(i128, i128) -> i128, high: fn(i128, i128) -> i128) -> Self {
        let all = arguments.iter().map(Self::of);
        let merged = all.reduce(|a, b| Self::new(low(a.low, b.low), high(a.high, b.high)));
        merged.unwrap_or(Self::ANY)
    }

    fn plus(self, other: Self) -> Self {
        Self::new(self.low.saturating_add(other.low), self.high.saturating_add(other.high))
    }

    fn times(self, other: Self) -> Self {
        let product = |a: i128, b: i128| a.saturating_mul(b);
        let corners = [
            product(self.low, other.low),
            product(self.low, other.high),
            product(self.high, other.low),
            product(self.high, other.high),
        ];
        let low = corners.iter().copied().fold(i128::MAX, i128::min);
        let high = corners.iter().copied().fold(i128::MIN, i128::max);
        Self::new(low, high)
    }

    /// Quotients by a divisor that is not zero; only positive divisors give bounds.
    fn divided_by(self, divisor: Self) -> Self {
        if divisor.low < 0 {
            return Self::ANY;
        }
        let least = divisor.low.max(1);
        let quotient = |value: i128, by: i128| match value {
            Self::NO_LOW | Self::NO_HIGH => value,
            _ if by == Self::NO_HIGH => {
                if value < 0 {
                    -1
                } else {
                    0
                }
            }
            _ => normal::floor_div(value, by).unwrap_or(value),
        };
        let low = quotient(self.low, if self.low < 0 { least } else { divisor.high });
        let high = quotient(self.high, if self.high < 0 { divisor.high } else { least });
        Self::new(low, high)
    }

    fn modulo(self, divisor: Self) -> Self {
        if divisor.low < 0 {
            return Self::ANY;
        }
        let high = if divisor.high == Self::NO_HIGH { divisor.high } else { divisor.high - 1 };
        let high = if self.low >= 0 { high.min(self.high) } else { high };
        Self::new(0, high)
    }
}
