//! The numbers by which Reshape and Expand make a shape that is only partly known beforehand.

use lehr_graph::{Dim, Shape};

/// What Reshape (without `allowzero`) must be given to turn shape `from` into `to`: fixed sizes, 0 where a size stays in
/// its place, and one -1. The -1 stands at `wildcard` where that is given; elsewhere it is only used when no other size
/// can be 0, for a Reshape can not divide by such. Nothing when that does not suffice.
pub fn reshape_target(from: &Shape, to: &Shape, wildcard: Option<usize>) -> Option<Vec<i64>> {
    let mut target = Vec::with_capacity(to.rank());
    let mut open = Vec::new();
    for (at, dim) in to.iter().enumerate() {
        target.push(match dim {
            _ if wildcard == Some(at) => -1,
            Dim::Fixed(size) if *size > 0 => i64::try_from(*size).ok()?,
            _ if from.get(at).is_some_and(|own| own.equal(dim) == Some(true)) => 0,
            Dim::Fixed(_) => return None,
            _ => {
                open.push(at);
                -1
            }
        });
    }
    let others_hold_something =
        |open: usize| to.iter().enumerate().all(|(at, dim)| at == open || dim.is_at_least(1));
    match open.as_slice() {
        [] => Some(target),
        &[open] if wildcard.is_none() && others_hold_something(open) => Some(target),
        _ => None,
    }
}

/// What Expand must be given to turn shape `from` into `to`: 1 where a size stays, fixed sizes elsewhere.
pub fn expand_target(from: &Shape, to: &Shape) -> Option<Vec<i64>> {
    let added = to.rank().checked_sub(from.rank())?;
    let entry = |(at, dim): (usize, &Dim)| {
        let own = at.checked_sub(added).and_then(|at| from.get(at));
        if own.is_some_and(|own| own.equal(dim) == Some(true)) {
            return Some(1);
        }
        i64::try_from(dim.as_fixed()?).ok()
    };
    to.iter().enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[&str]) -> Shape {
        sizes.iter().map(|s| s.parse().map_or_else(|_| Dim::symbol(s), Dim::fixed)).collect()
    }

    #[test]
    fn sizes_stay_or_are_divided() {
        let (n, m) = (shape(&["N", "3", "4"]), shape(&["N", "M", "4"]));
        assert_eq!(reshape_target(&n, &shape(&["N", "12"]), None), Some(vec![0, 12]));
        assert_eq!(reshape_target(&n, &shape(&["3", "N", "4"]), None), Some(vec![3, -1, 4]));
        assert_eq!(reshape_target(&m, &shape(&["N", "4", "M"]), Some(2)), Some(vec![0, 4, -1]));
        assert_eq!(reshape_target(&m, &shape(&["4", "N", "M"]), None), None);
        assert_eq!(reshape_target(&n, &shape(&["0"]), None), None);
        let empty = reshape_target(&shape(&["N", "M", "4"]), &shape(&["N", "4", "M"]), None);
        assert_eq!(empty, None, "a -1 beside an N of 0 is not defined");
    }

    #[test]
    fn sizes_stay_or_are_expanded() {
        assert_eq!(expand_target(&shape(&["N", "1"]), &shape(&["2", "N", "5"])), Some(vec![2, 1, 5]));
        assert_eq!(expand_target(&shape(&["1", "1"]), &shape(&["N", "5"])), None);
    }
}
