//! The `f64` product: plain blocked loops, compiled per tier.

use crate::isa::{Isa, SimdOp};
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Rows of C per task; they share the reads of B.
const ROWS: usize = 4;

/// `C += A·B` in `f64`, all matrices row-major and dense: A `m x k`, B `k x n`, C `m x n`. The caller initialises C.
/// The sum of an element runs over K in order and rounds after each multiplication and addition on every tier.
///
/// # Panics
/// If a slice is shorter than its sizes say.
#[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
pub fn gemm_f64(team: &Team, isa: Isa, m: usize, n: usize, k: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let covers =
        |len: usize, rows: usize, cols: usize| rows.checked_mul(cols).is_some_and(|need| need <= len);
    assert!(
        covers(a.len(), m, k) && covers(b.len(), k, n) && covers(c.len(), m, n),
        "a matrix exceeds its slice"
    );
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let c = Parts::new(c);
    let rows = if m.saturating_mul(n).saturating_mul(k) < 100_000 { m } else { ROWS };
    team.parallel_for(m.div_ceil(rows), |task| {
        let first = task * rows;
        let count = rows.min(m - first);
        // SAFETY: tasks own disjoint rows.
        let c = unsafe { c.get(first * n, count * n) };
        for (a, c) in a[first * k..(first + count) * k].chunks(ROWS * k).zip(c.chunks_mut(ROWS * n)) {
            isa.dispatch(Rows { n, k, a, b, c });
        }
    });
}

struct Rows<'a> {
    n: usize,
    k: usize,
    a: &'a [f64],
    b: &'a [f64],
    c: &'a mut [f64],
}

impl SimdOp for Rows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, _: S) {
        for k in 0..self.k {
            let b = &self.b[k * self.n..(k + 1) * self.n];
            for (a, c) in self.a.chunks_exact(self.k).zip(self.c.chunks_exact_mut(self.n)) {
                let a = a[k];
                for (c, b) in c.iter_mut().zip(b) {
                    *c += a * *b;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    #[test]
    fn equals_the_naive_sum() {
        let mut rng = Rng::new(1);
        let team = Team::new(2);
        for (m, n, k) in [(0, 3, 2), (1, 1, 1), (5, 7, 3), (13, 17, 0), (61, 53, 67)] {
            let a: Vec<f64> = (0..m * k).map(|_| f64::from(rng.value())).collect();
            let b: Vec<f64> = (0..k * n).map(|_| f64::from(rng.value())).collect();
            let mut expected = vec![0.5; m * n];
            for i in 0..m * n {
                for l in 0..k {
                    expected[i] += a[i / n * k + l] * b[l * n + i % n];
                }
            }
            for isa in Isa::supported() {
                let mut c = vec![0.5; m * n];
                gemm_f64(&team, isa, m, n, k, &a, &b, &mut c);
                assert_eq!(c, expected, "{m} {n} {k}");
            }
        }
    }
}
