//! 8-bit products with 32-bit sums: exact integers on every tier.

use crate::isa::{Isa, SimdOp};
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// An 8-bit element, signed or not.
pub trait Byte: Copy + Send + Sync + private::Sealed {
    /// Its value.
    fn widen(self) -> i32;
}

impl Byte for u8 {
    #[inline(always)]
    fn widen(self) -> i32 {
        i32::from(self)
    }
}

impl Byte for i8 {
    #[inline(always)]
    fn widen(self) -> i32 {
        i32::from(self)
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for i8 {}
}

/// Rows of C that share the reads of B.
const ROWS: usize = 4;
/// Columns of C that stay in the first-level cache while K is walked.
const COLS: usize = 512;

/// `C = (A - a_zero)·(B - b_zero)` with 32-bit wrapping sums, all matrices row-major and dense: A `m x k`, B `k x n`,
/// C `m x n`. `a_zero` holds one value or one per row, `b_zero` one value or one per column.
///
/// # Panics
/// If a slice is shorter than its sizes say, or a list of zero points has neither one value nor one per row (column).
#[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
pub fn gemm_i32<L: Byte, R: Byte>(
    team: &Team,
    isa: Isa,
    m: usize,
    n: usize,
    k: usize,
    a: &[L],
    a_zero: &[L],
    b: &[R],
    b_zero: &[R],
    c: &mut [i32],
) {
    let covers =
        |len: usize, rows: usize, cols: usize| rows.checked_mul(cols).is_some_and(|need| need <= len);
    assert!(
        covers(a.len(), m, k) && covers(b.len(), k, n) && covers(c.len(), m, n),
        "a matrix exceeds its slice"
    );
    assert!(a_zero.len() == 1 || a_zero.len() == m, "{} zero points for {m} rows", a_zero.len());
    assert!(b_zero.len() == 1 || b_zero.len() == n, "{} zero points for {n} columns", b_zero.len());
    let bands = m.div_ceil(ROWS);
    let strips = n.div_ceil(COLS);
    let c = Parts::new(c);
    let task = |task: usize| {
        let rows = task / strips * ROWS..m.min((task / strips + 1) * ROWS);
        let cols = task % strips * COLS..n.min((task % strips + 1) * COLS);
        for row in rows.clone() {
            // SAFETY: tasks own disjoint blocks of C, rows of a block are disjoint.
            unsafe { c.get(row * n + cols.start, cols.len()) }.fill(0);
        }
        isa.dispatch(Strip { n, k, rows, cols, a, a_zero, b, b_zero, c });
    };
    if m.saturating_mul(n).saturating_mul(k) < 100_000 {
        (0..bands * strips).for_each(task);
    } else {
        team.parallel_for(bands * strips, task);
    }
}

struct Strip<'a, L, R> {
    n: usize,
    k: usize,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    a: &'a [L],
    a_zero: &'a [L],
    b: &'a [R],
    b_zero: &'a [R],
    c: Parts<'a, i32>,
}

impl<L: Byte, R: Byte> SimdOp for Strip<'_, L, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, _: S) {
        for k in 0..self.k {
            let b = &self.b[k * self.n..][self.cols.clone()];
            for row in self.rows.clone() {
                let a_zero = if self.a_zero.len() == 1 { self.a_zero[0] } else { self.a_zero[row] };
                let a = self.a[row * self.k + k].widen() - a_zero.widen();
                // SAFETY: this task's block of C, one row at a time.
                let c = unsafe { self.c.get(row * self.n + self.cols.start, self.cols.len()) };
                match self.b_zero {
                    [zero] => {
                        let zero = zero.widen();
                        for (c, b) in c.iter_mut().zip(b) {
                            *c = c.wrapping_add(a * (b.widen() - zero));
                        }
                    }
                    zeros => {
                        for ((c, b), zero) in c.iter_mut().zip(b).zip(&zeros[self.cols.clone()]) {
                            *c = c.wrapping_add(a * (b.widen() - zero.widen()));
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn check<L: Byte, R: Byte>(left: impl Fn(u64) -> L, right: impl Fn(u64) -> R) {
        let team = Team::new(2);
        for seed in 0..30 {
            let mut rng = Rng::new(seed);
            let (m, n, k) = match seed {
                0 => (9, 1200, 33),
                _ => (rng.below(20), rng.below(40), rng.below(40)),
            };
            let a: Vec<L> = (0..m * k).map(|_| left(rng.bits())).collect();
            let b: Vec<R> = (0..k * n).map(|_| right(rng.bits())).collect();
            let a_zero: Vec<L> = (0..[1, m][rng.below(2)]).map(|_| left(rng.bits())).collect();
            let b_zero: Vec<R> = (0..[1, n][rng.below(2)]).map(|_| right(rng.bits())).collect();
            let mut expected = vec![0_i32; m * n];
            for i in 0..m * n {
                let az = a_zero[if a_zero.len() == 1 { 0 } else { i / n }].widen();
                let bz = b_zero[if b_zero.len() == 1 { 0 } else { i % n }].widen();
                expected[i] =
                    (0..k).map(|l| (a[i / n * k + l].widen() - az) * (b[l * n + i % n].widen() - bz)).sum();
            }
            for isa in Isa::supported() {
                let mut c = vec![7; m * n];
                gemm_i32(&team, isa, m, n, k, &a, &a_zero, &b, &b_zero, &mut c);
                assert_eq!(c, expected, "seed {seed}: {m} {n} {k}");
            }
        }
    }

    #[test]
    fn equals_the_naive_sum_for_all_signs() {
        check(|x| x as u8, |x| x as i8);
        check(|x| x as u8, |x| x as u8);
        check(|x| x as i8, |x| x as i8);
        check(|x| x as i8, |x| x as u8);
    }
}
