use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::assign::Assignment;
use super::normal;
use super::symbol::Symbol;

/// An integer expression over [`Symbol`]s in canonical form: a sum of products with integer coefficients.
///
/// The factors of the products are symbols, floor divisions, remainders, minima, maxima and broadcasts.
/// Equal expressions usually have equal canonical forms, so `==`, `Ord` and `Hash` are structural; use
/// [`SymExpr::equal`] where "not known to be equal" and "known to be different" must be told apart.
///
/// Operations return `None` when a coefficient leaves `i64`, when the result would be larger than the
/// complexity cap, or when no value exists (division by zero, a broadcast of 2 with 3). The canonical form has
/// the value of the plain operations wherever those are defined: `N//N` is 1 although it has no value for
/// `N = 0`.
///
/// Constants and single symbols do not allocate; all other expressions share their storage when cloned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymExpr(pub(super) Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Repr {
    Constant(i64),
    Atom(Atom),
    /// Neither a constant nor a single atom.
    Sum(Arc<Sum>),
}

/// Terms in descending order of their monomials, without zero coefficients.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sum {
    pub(super) terms: Vec<Term>,
    pub(super) weight: Weight,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Term {
    pub(super) factors: Factors,
    pub(super) coefficient: i64,
}

/// Factors of a product in ascending order of their atoms, each atom once.
pub(super) type Factors = SmallVec<[Factor; 1]>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Factor {
    pub(super) atom: Atom,
    pub(super) power: u32,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Atom {
    Symbol(Symbol),
    Call(Arc<Call>),
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<SymExpr>,
    pub(super) weight: Weight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Function {
    FloorDiv,
    Mod,
    Min,
    Max,
    Broadcast,
}

/// How much an expression costs to walk: nodes of the tree (shared parts count each time) and nested calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Weight {
    pub(super) size: u32,
    pub(super) depth: u32,
}

/// Most nodes that an expression may have.
pub(super) const MAX_SIZE: u32 = 256;
/// Most calls that may be nested in one another.
pub(super) const MAX_DEPTH: u32 = 16;
/// Most arguments of a minimum, maximum or broadcast.
const MAX_ARGUMENTS: usize = 16;

impl Weight {
    const LEAF: Self = Self { size: 1, depth: 0 };

    pub(super) fn allowed(self) -> Option<Self> {
        (self.size <= MAX_SIZE && self.depth <= MAX_DEPTH).then_some(self)
    }
}

impl SymExpr {
    /// The number `value`.
    pub const fn constant(value: i64) -> Self {
        Self(Repr::Constant(value))
    }

    /// The value of `symbol`.
    pub fn symbol(symbol: &Symbol) -> Self {
        Self(Repr::Atom(Atom::Symbol(symbol.clone())))
    }

    /// The number, if the expression is one.
    pub fn as_constant(&self) -> Option<i64> {
        match self.0 {
            Repr::Constant(value) => Some(value),
            Repr::Atom(_) | Repr::Sum(_) => None,
        }
    }

    /// The symbol, if the expression is a symbol and nothing else.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match &self.0 {
            Repr::Atom(Atom::Symbol(symbol)) => Some(symbol),
            _ => None,
        }
    }

    /// The value under `assignment`; `None` if a symbol has no value there, a divisor is zero, a broadcast does
    /// not fit, or the value leaves `i64`.
    pub fn eval(&self, assignment: &Assignment) -> Option<i64> {
        i64::try_from(self.eval_wide(assignment)?).ok()
    }

    /// Replaces every symbol for which `replace` gives an expression, all at once. `None` if the result is not
    /// representable.
    ///
    /// Replacements must not be negative, as the symbols that they stand for are not.
    pub fn substitute(&self, replace: &mut dyn FnMut(&Symbol) -> Option<SymExpr>) -> Option<SymExpr> {
        match &self.0 {
            Repr::Constant(_) => Some(self.clone()),
            Repr::Atom(atom) => atom.substitute(replace),
            Repr::Sum(sum) => {
                let mut total = SymExpr::constant(0);
                for term in &sum.terms {
                    let mut product = SymExpr::constant(term.coefficient);
                    for factor in &term.factors {
                        let value = factor.atom.substitute(replace)?;
                        for _ in 0..factor.power {
                            product = product.mul(&value)?;
                        }
                    }
                    total = total.add(&product)?;
                }
                Some(total)
            }
        }
    }

    /// Adds the symbols of the expression to `into`.
    pub fn collect_symbols(&self, into: &mut BTreeSet<Symbol>) {
        self.visit_symbols(&mut |symbol| {
            if !into.contains(symbol) {
                into.insert(symbol.clone());
            }
        });
    }

    /// The symbols of the expression, in order of their names.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let mut symbols = BTreeSet::new();
        self.collect_symbols(&mut symbols);
        symbols
    }

    /// Whether the expression mentions a symbol that inference invented.
    pub fn has_fresh(&self) -> bool {
        let mut found = false;
        self.visit_symbols(&mut |symbol| found |= symbol.is_fresh());
        found
    }

    pub(super) fn visit_symbols(&self, visit: &mut dyn FnMut(&Symbol)) {
        match &self.0 {
            Repr::Constant(_) => {}
            Repr::Atom(atom) => atom.visit_symbols(visit),
            Repr::Sum(sum) => {
                let factors = sum.terms.iter().flat_map(|term| &term.factors);
                factors.for_each(|factor| factor.atom.visit_symbols(visit));
            }
        }
    }

    pub(super) fn weight(&self) -> Weight {
        match &self.0 {
            Repr::Constant(_) => Weight::LEAF,
            Repr::Atom(atom) => atom.weight(),
            Repr::Sum(sum) => sum.weight,
        }
    }

    pub(super) fn as_call(&self, function: Function) -> Option<&[SymExpr]> {
        match &self.0 {
            Repr::Atom(Atom::Call(call)) if call.function == function => Some(&call.arguments),
            _ => None,
        }
    }

    /// A call that no rule simplifies further.
    pub(super) fn call(function: Function, arguments: Vec<SymExpr>) -> Option<SymExpr> {
        if arguments.len() > MAX_ARGUMENTS {
            return None;
        }
        let mut weight = Weight::LEAF;
        for argument in &arguments {
            let inner = argument.weight();
            weight.size = weight.size.saturating_add(inner.size);
            weight.depth = weight.depth.max(inner.depth + 1);
        }
        let call = Call { function, arguments, weight: weight.allowed()? };
        Some(SymExpr(Repr::Atom(Atom::Call(Arc::new(call)))))
    }

    fn eval_wide(&self, assignment: &Assignment) -> Option<i128> {
        match &self.0 {
            Repr::Constant(value) => Some(i128::from(*value)),
            Repr::Atom(atom) => atom.eval_wide(assignment),
            Repr::Sum(sum) => {
                let mut total = 0_i128;
                for term in &sum.terms {
                    total = total.checked_add(term.eval_wide(assignment)?)?;
                }
                Some(total)
            }
        }
    }
}

impl Term {
    pub(super) fn constant(coefficient: i64) -> Self {
        Self { factors: Factors::new(), coefficient }
    }

    /// The atom of a term that is a multiple of one atom.
    pub(super) fn single(&self) -> Option<&Atom> {
        match self.factors.as_slice() {
            [Factor { atom, power: 1 }] => Some(atom),
            _ => None,
        }
    }

    fn eval_wide(&self, assignment: &Assignment) -> Option<i128> {
        let mut product = i128::from(self.coefficient);
        for factor in &self.factors {
            let value = factor.atom.eval_wide(assignment)?;
            for _ in 0..factor.power {
                product = product.checked_mul(value)?;
            }
        }
        Some(product)
    }
}

impl Atom {
    pub(super) fn weight(&self) -> Weight {
        match self {
            Atom::Symbol(_) => Weight::LEAF,
            Atom::Call(call) => call.weight,
        }
    }

    fn visit_symbols(&self, visit: &mut dyn FnMut(&Symbol)) {
        match self {
            Atom::Symbol(symbol) => visit(symbol),
            Atom::Call(call) => call.arguments.iter().for_each(|argument| argument.visit_symbols(visit)),
        }
    }

    fn substitute(&self, replace: &mut dyn FnMut(&Symbol) -> Option<SymExpr>) -> Option<SymExpr> {
        match self {
            Atom::Symbol(symbol) => Some(replace(symbol).unwrap_or_else(|| SymExpr::symbol(symbol))),
            Atom::Call(call) => {
                let mut arguments = call.arguments.iter().map(|argument| argument.substitute(replace));
                let first = arguments.next()??;
                arguments.try_fold(first, |left, right| call.function.apply(&left, &right?))
            }
        }
    }

    fn eval_wide(&self, assignment: &Assignment) -> Option<i128> {
        match self {
            Atom::Symbol(symbol) => assignment.get(symbol.name()).map(i128::from),
            Atom::Call(call) => {
                let mut values = call.arguments.iter().map(|argument| argument.eval_wide(assignment));
                let first = values.next()??;
                values.try_fold(first, |left, right| call.function.apply_numbers(left, right?))
            }
        }
    }
}

impl Function {
    pub(super) fn apply(self, left: &SymExpr, right: &SymExpr) -> Option<SymExpr> {
        match self {
            Function::FloorDiv => left.floor_div(right),
            Function::Mod => left.modulo(right),
            Function::Min => left.minimum(right),
            Function::Max => left.maximum(right),
            Function::Broadcast => left.broadcast(right),
        }
    }

    pub(super) fn apply_numbers(self, left: i128, right: i128) -> Option<i128> {
        match self {
            Function::FloorDiv => normal::floor_div(left, right),
            Function::Mod => normal::floor_mod(left, right),
            Function::Min => Some(left.min(right)),
            Function::Max => Some(left.max(right)),
            Function::Broadcast if left == right || right == 1 => Some(left),
            Function::Broadcast => (left == 1).then_some(right),
        }
    }
}

impl From<i64> for SymExpr {
    fn from(value: i64) -> Self {
        Self::constant(value)
    }
}

impl From<&Symbol> for SymExpr {
    fn from(symbol: &Symbol) -> Self {
        Self::symbol(symbol)
    }
}

impl fmt::Debug for SymExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
