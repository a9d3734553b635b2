//! Minimum, maximum and broadcast: operations that pick one of their operands.

use super::bound;
use super::expr::{Function, SymExpr};

impl SymExpr {
    /// The smaller of both.
    ///
    /// Not called `min` because `Ord::min`, which compares structure, would win over it.
    pub fn minimum(&self, other: &SymExpr) -> Option<SymExpr> {
        if let (Some(a), Some(b)) = (self.as_constant(), other.as_constant()) {
            return Some(SymExpr::constant(a.min(b)));
        }
        extreme(Function::Min, self, other)
    }

    /// The larger of both.
    ///
    /// Not called `max` because `Ord::max`, which compares structure, would win over it.
    pub fn maximum(&self, other: &SymExpr) -> Option<SymExpr> {
        if let (Some(a), Some(b)) = (self.as_constant(), other.as_constant()) {
            return Some(SymExpr::constant(a.max(b)));
        }
        extreme(Function::Max, self, other)
    }

    /// The size that both operands have after multidirectional broadcasting: 1 goes with everything, all other
    /// sizes only with themselves. Unlike the maximum, `broadcast(N, 0)` is 0.
    ///
    /// Operands that cannot be broadcast have no value: the result is `None` where that is certain, else it is
    /// right for all values of the symbols that fit.
    ///
    /// See the [ONNX broadcasting rules](https://onnx.ai/onnx/repo-docs/Broadcasting.html).
    pub fn broadcast(&self, other: &SymExpr) -> Option<SymExpr> {
        if self == other || other.as_constant() == Some(1) {
            return Some(self.clone());
        }
        if self.as_constant() == Some(1) {
            return Some(other.clone());
        }
        if self.cannot_broadcast(other) {
            return None;
        }
        let mut sizes = operands(Function::Broadcast, self, other);
        sizes.retain(|size| size.as_constant() != Some(1));
        if let Some(decided) = sizes.iter().find(|size| is_never_one(size)) {
            return Some(decided.clone());
        }
        let mut kept: Vec<SymExpr> = Vec::with_capacity(sizes.len());
        for size in sizes {
            if !kept.iter().any(|other| other.equal(&size) == Some(true) || goes_up_to(&size, other)) {
                kept.retain(|other| !goes_up_to(other, &size));
                kept.push(size);
            }
        }
        reduce(Function::Broadcast, kept)
    }

    /// Whether no values of the symbols let both operands be broadcast together.
    pub fn cannot_broadcast(&self, other: &SymExpr) -> bool {
        is_never_one(self) && is_never_one(other) && self.equal(other) == Some(false)
    }
}

fn is_never_one(size: &SymExpr) -> bool {
    size.sub(&SymExpr::constant(1)).is_some_and(|difference| bound::is_never_zero(&difference))
}

/// Whether `bcast(small, large)` is `large` wherever both fit: `small` is `large`, or it is 1, or `large` is 1 and
/// `small`, being neither larger nor 0, is so, too. `min(512, N)` is 0 for no other reason than `N` being 0.
fn goes_up_to(small: &SymExpr, large: &SymExpr) -> bool {
    let positive = |size: &SymExpr| size.is_at_least(1);
    if let Some(candidates) = small.as_call(Function::Min) {
        let large = large.as_call(Function::Min).unwrap_or(std::slice::from_ref(large));
        if large.iter().all(|size| candidates.contains(size)) {
            return candidates.iter().all(|size| large.contains(size) || positive(size));
        }
    }
    positive(small) && is_at_most(small, large)
}

/// The operands of both sides, nested calls of the same function flattened, in order and each once.
fn operands(function: Function, left: &SymExpr, right: &SymExpr) -> Vec<SymExpr> {
    let flat = |side: &SymExpr| match side.as_call(function) {
        Some(arguments) => arguments.to_vec(),
        None => vec![side.clone()],
    };
    let mut all = flat(left);
    all.append(&mut flat(right));
    all.sort();
    all.dedup();
    all
}

fn extreme(function: Function, left: &SymExpr, right: &SymExpr) -> Option<SymExpr> {
    let decides = |winner: &SymExpr, loser: &SymExpr| match function {
        Function::Max => is_at_most(loser, winner),
        _ => is_at_most(winner, loser),
    };
    let mut kept: Vec<SymExpr> = Vec::new();
    for candidate in operands(function, left, right) {
        if kept.iter().any(|winner| decides(winner, &candidate)) {
            continue;
        }
        kept.retain(|loser| !decides(&candidate, loser));
        kept.push(candidate);
    }
    reduce(function, kept)
}

fn is_at_most(small: &SymExpr, large: &SymExpr) -> bool {
    if let (Some(small), Some(large)) = (small.as_constant(), large.as_constant()) {
        return small <= large;
    }
    // No value is beyond these; exporters write them for "to the end".
    if small.as_constant() == Some(i64::MIN) || large.as_constant() == Some(i64::MAX) {
        return true;
    }
    large.sub(small).is_some_and(|gap| bound::is_nonnegative(&gap))
}

fn reduce(function: Function, mut operands: Vec<SymExpr>) -> Option<SymExpr> {
    match operands.len() {
        1 => operands.pop(),
        _ => SymExpr::call(function, operands),
    }
}
