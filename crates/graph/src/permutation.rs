//! Orders of axes: what a Transpose does, and the arithmetic by which transposes are merged and moved.

use std::fmt;

/// The numbers from 0 to the rank, each once. Place `i` of the new order is axis `self[i]` of the old one, as in the `perm`
/// of a Transpose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permutation(Vec<usize>);

impl Permutation {
    /// The order in which every axis stays where it is.
    pub fn identity(rank: usize) -> Self {
        Self((0..rank).collect())
    }

    /// The given order, unless an axis is missing or there twice.
    pub fn new(axes: Vec<usize>) -> Option<Self> {
        let mut seen = vec![false; axes.len()];
        for &axis in &axes {
            if std::mem::replace(seen.get_mut(axis)?, true) {
                return None;
            }
        }
        Some(Self(axes))
    }

    /// How many axes there are.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The old axes in their new order.
    pub fn axes(&self) -> &[usize] {
        &self.0
    }

    /// The `perm` of a Transpose.
    pub fn to_ints(&self) -> Vec<i64> {
        self.0.iter().filter_map(|&axis| i64::try_from(axis).ok()).collect()
    }

    /// Whether every axis stays where it is.
    pub fn is_identity(&self) -> bool {
        self.0.iter().enumerate().all(|(place, &axis)| place == axis)
    }

    /// Where the old axis is in the new order.
    pub fn position(&self, axis: usize) -> Option<usize> {
        self.0.iter().position(|&other| other == axis)
    }

    /// The order that leads back.
    pub fn inverse(&self) -> Self {
        let mut inverse = vec![0; self.rank()];
        self.0.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
        Self(inverse)
    }

    /// This order, and `next` on its result; nothing when the ranks differ.
    pub fn then(&self, next: &Self) -> Option<Self> {
        (self.rank() == next.rank()).then(|| Self(next.0.iter().map(|&place| self.0[place]).collect()))
    }

    /// What brings values that are in this order into the order `other` of the same axes; nothing when the ranks differ.
    pub fn to(&self, other: &Self) -> Option<Self> {
        self.inverse().then(other)
    }

    /// The order of the axes that are left when some fall out, renumbered.
    pub fn without(&self, dropped: &[usize]) -> Self {
        let kept = self.0.iter().filter(|axis| !dropped.contains(axis));
        Self(kept.map(|axis| axis - dropped.iter().filter(|gone| *gone < axis).count()).collect())
    }

    /// `items`, one per old axis, in the new order; nothing when their number differs from the rank.
    pub fn apply<T: Clone>(&self, items: &[T]) -> Option<Vec<T>> {
        (items.len() == self.rank()).then(|| self.0.iter().map(|&axis| items[axis].clone()).collect())
    }

    /// Whether the axes that `is_long` picks keep their order: then no element moves if the others have size 1.
    pub fn keeps_order_of(&self, is_long: impl Fn(usize) -> bool) -> bool {
        self.0.iter().filter(|&&axis| is_long(axis)).is_sorted()
    }
}

impl fmt::Debug for Permutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(axes: &[usize]) -> Permutation {
        Permutation::new(axes.to_vec()).unwrap()
    }

    #[test]
    fn only_permutations_are_taken() {
        assert_eq!(Permutation::new(vec![0, 0]), None);
        assert_eq!(Permutation::new(vec![2, 0]), None);
        assert!(order(&[]).is_identity());
    }

    #[test]
    fn orders_compose_like_transposes() {
        let (to_nchw, to_nhwc) = (order(&[0, 3, 1, 2]), order(&[0, 2, 3, 1]));
        assert_eq!(to_nchw.apply(&["n", "h", "w", "c"]), Some(vec!["n", "c", "h", "w"]));
        assert_eq!(to_nchw.inverse(), to_nhwc);
        assert!(to_nchw.then(&to_nhwc).unwrap().is_identity());
        assert_eq!(to_nchw.then(&to_nchw), Some(order(&[0, 2, 3, 1])));
        assert_eq!(
            to_nchw.to(&to_nhwc).unwrap().apply(&["n", "c", "h", "w"]),
            Some(vec!["n", "w", "c", "h"])
        );
        assert_eq!(to_nchw.then(&order(&[0])), None);
    }

    #[test]
    fn axes_fall_out() {
        assert_eq!(order(&[0, 3, 1, 2]).without(&[1, 2]), order(&[0, 1]));
        assert_eq!(order(&[3, 0, 2, 1]).without(&[0]), order(&[2, 1, 0]));
    }

    #[test]
    fn axes_of_size_1_may_move() {
        assert!(order(&[0, 2, 1]).keeps_order_of(|axis| axis != 1));
        assert!(!order(&[0, 2, 1]).keeps_order_of(|_| true));
    }
}
