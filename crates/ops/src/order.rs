//! The order of elements of every type, as sorting operators see it: NaN is larger than every number.

use std::cmp::Ordering;

use lehr_tensor::Wide;

/// How element `a` compares to element `b`; both must exist.
pub(crate) fn compare_elements(values: &Wide, a: usize, b: usize) -> Ordering {
    match values {
        Wide::F(v) => compare_floats(v[a], v[b]),
        Wide::I(v) => v[a].cmp(&v[b]),
        Wide::U(v) => v[a].cmp(&v[b]),
        Wide::B(v) => v[a].cmp(&v[b]),
        Wide::S(v) => v[a].cmp(&v[b]),
        Wide::C(v) => compare_floats(v[a][0], v[b][0]).then(compare_floats(v[a][1], v[b][1])),
    }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
