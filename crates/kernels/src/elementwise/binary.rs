//! `f32` functions of two values, of which one may be repeated in rows.

use super::for_chunks;
use crate::isa::{Isa, SimdOp};
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// A function of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryOp {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The greater one; NaN where one is.
    Max,
    /// The smaller one; NaN where one is.
    Min,
    /// `a < 0 ? b * a : a`.
    PRelu,
}

/// One side of a binary function.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// A value for each result.
    Each(&'a [f32]),
    /// What the target holds.
    Target,
    /// The same value for all.
    One(f32),
    /// Rows of `run` values, each of them `times` times before the next one; behind the last row comes the first one again.
    Rows {
        /// The rows.
        values: &'a [f32],
        /// Values of a row; 1 is a value per channel.
        run: usize,
        /// How often a row is repeated.
        times: usize,
    },
}

impl Operand<'_> {
    fn assert_covers(&self, len: usize) {
        match *self {
            Operand::Each(values) => {
                assert_eq!(values.len(), len, "values of an operand");
            }
            Operand::Rows { values, run, times } => {
                let whole = run > 0 && !values.is_empty() && values.len().is_multiple_of(run);
                assert!(whole && times > 0, "{} values in rows of {run}, {times} times", values.len());
                assert!(run.checked_mul(times).is_some(), "rows of {run}, {times} times");
            }
            Operand::Target | Operand::One(_) => {}
        }
    }
}

/// `y = op(a, b)`.
///
/// # Panics
/// If an operand has another length than `y`, or its values are not made of whole rows.
pub fn binary(team: &Team, isa: Isa, op: BinaryOp, a: Operand<'_>, b: Operand<'_>, y: &mut [f32]) {
    let len = y.len();
    if len == 0 {
        return;
    }
    [a, b].iter().for_each(|side| side.assert_covers(len));
    let y = Parts::new(y);
    for_chunks(team, len, |from, len| {
        // SAFETY: chunks are disjoint.
        let y = unsafe { y.get(from, len) };
        isa.dispatch(Zip { op, a, b, from, y });
    });
}

/// `op` for the results from position `from` on.
struct Zip<'a> {
    op: BinaryOp,
    a: Operand<'a>,
    b: Operand<'a>,
    from: usize,
    y: &'a mut [f32],
}

/// An operand over some results.
#[derive(Clone, Copy)]
enum Side<V> {
    /// One value per result.
    Each(*const f32),
    /// The same vector for all.
    All(V),
}

impl SimdOp for Zip<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        // The operation is chosen outside of the loops.
        match self.op {
            BinaryOp::Add => self.pieces(s, |a, b| s.add(a, b)),
            BinaryOp::Sub => self.pieces(s, |a, b| s.sub(a, b)),
            BinaryOp::Mul => self.pieces(s, |a, b| s.mul(a, b)),
            BinaryOp::Div => self.pieces(s, |a, b| s.div(a, b)),
            BinaryOp::Max => self.pieces(s, |a, b| s.maximum(a, b)),
            BinaryOp::Min => self.pieces(s, |a, b| s.minimum(a, b)),
            BinaryOp::PRelu => self.pieces(s, |a, b| s.select_lt(a, s.splat(0.0), s.mul(b, a), a)),
        }
    }
}

impl Zip<'_> {
    /// Walks over stretches in which no operand comes to another row.
    #[inline(always)]
    fn pieces<S: F32Simd>(self, s: S, f: impl Fn(S::V, S::V) -> S::V) {
        let len = self.y.len();
        let y = self.y.as_mut_ptr();
        let mut at = 0;
        while at < len {
            // SAFETY: at < len.
            let to = unsafe { y.add(at) };
            let (a, a_left) = side(s, self.a, self.from + at, to);
            let (b, b_left) = side(s, self.b, self.from + at, to);
            let piece = (len - at).min(a_left).min(b_left);
            // SAFETY: both sides have a value for each of the piece's results, which lie inside of `y`.
            unsafe {
                match (a, b) {
                    (Side::Each(a), Side::Each(b)) => {
                        each(s, piece, to, &f, |i, n| (load(s, a, i, n), load(s, b, i, n)))
                    }
                    (Side::Each(a), Side::All(b)) => each(s, piece, to, &f, |i, n| (load(s, a, i, n), b)),
                    (Side::All(a), Side::Each(b)) => each(s, piece, to, &f, |i, n| (a, load(s, b, i, n))),
                    (Side::All(a), Side::All(b)) => each(s, piece, to, &f, |_, _| (a, b)),
                }
            }
            at += piece;
        }
    }
}

/// The operand from the result at `place` on, which `target` is for, and for how many results that holds.
#[inline(always)]
fn side<S: F32Simd>(s: S, operand: Operand<'_>, place: usize, target: *const f32) -> (Side<S::V>, usize) {
    match operand {
        Operand::Each(values) => (Side::Each(values[place..].as_ptr()), usize::MAX),
        Operand::Target => (Side::Each(target), usize::MAX),
        Operand::One(value) => (Side::All(s.splat(value)), usize::MAX),
        Operand::Rows { values, run, times } => {
            let (block, within) = (place / (run * times), place % (run * times));
            let row = &values[block % (values.len() / run) * run..][..run];
            let left = run * times - within;
            match (run, within % run) {
                (1, _) => (Side::All(s.splat(row[0])), left),
                // SAFETY: the row holds a vector.
                (LANES, 0) => (Side::All(unsafe { s.load(row.as_ptr()) }), left),
                (_, column) => (Side::Each(row[column..].as_ptr()), run - column),
            }
        }
    }
}

/// # Safety
/// `n <= LANES` values are readable from `p + i`.
#[inline(always)]
unsafe fn load<S: F32Simd>(s: S, p: *const f32, i: usize, n: usize) -> S::V {
    // SAFETY: granted by the caller.
    unsafe { if n == LANES { s.load(p.add(i)) } else { s.load_partial(p.add(i), n) } }
}

/// Writes `len` results; `sides(i, n)` are the operands of `n` of them from `i` on.
///
/// # Safety
/// `y` is writable for `len` values.
#[inline(always)]
unsafe fn each<S: F32Simd>(
    s: S,
    len: usize,
    y: *mut f32,
    f: impl Fn(S::V, S::V) -> S::V,
    sides: impl Fn(usize, usize) -> (S::V, S::V),
) {
    let mut i = 0;
    while i + LANES <= len {
        let (a, b) = sides(i, LANES);
        // SAFETY: i + LANES <= len.
        unsafe { s.store(y.add(i), f(a, b)) };
        i += LANES;
    }
    if i < len {
        let (a, b) = sides(i, len - i);
        // SAFETY: the last len - i values.
        unsafe { s.store_partial(y.add(i), len - i, f(a, b)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng};

    fn reference(op: BinaryOp, a: f32, b: f32) -> f32 {
        match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Max if a.is_nan() || a >= b => a,
            BinaryOp::Min if a.is_nan() || a <= b => a,
            BinaryOp::Max | BinaryOp::Min => b,
            BinaryOp::PRelu => {
                if a < 0.0 {
                    b * a
                } else {
                    a
                }
            }
        }
    }

    #[test]
    fn all_functions_in_all_forms() {
        let teams = [Team::new(1), Team::new(2)];
        let ops = [
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Max,
            BinaryOp::Min,
            BinaryOp::PRelu,
        ];
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let (outer, channels) = (1 + rng.below(4), 1 + rng.below(20));
            let times = if seed == 7 { 1500 } else { 1 + rng.below(20) * rng.below(2) };
            let run = [1, 8, 8, 3, 17][rng.below(5)];
            let len = outer * channels * times * run;
            let (mut a, b) = (Guarded::random(&mut rng, len), Guarded::random(&mut rng, len));
            a.get_mut()[len / 2] = f32::NAN;
            let row = Guarded::random(&mut rng, channels * run);
            let (x, z, c) = (a.get(), b.get(), row.get());
            let rows = Operand::Rows { values: c, run, times };
            let in_row = |i: usize| c[i / (run * times) % channels * run + i % run];
            for isa in Isa::supported() {
                for (op, team) in ops.iter().flat_map(|op| teams.iter().map(move |team| (*op, team))) {
                    let check = |left: Operand<'_>, right: Operand<'_>, want: &dyn Fn(usize) -> f32| {
                        let mut y = a.clone();
                        binary(team, isa, op, left, right, y.get_mut());
                        y.assert_guards();
                        let same = |got: f32, want: f32| got == want || (got.is_nan() && want.is_nan());
                        let wrong = y.get().iter().enumerate().find(|(i, y)| !same(**y, want(*i)));
                        assert_eq!(wrong, None, "seed {seed}: {op:?} of {left:?} and {right:?}");
                    };
                    let f = |a: f32, b: f32| reference(op, a, b);
                    check(Operand::Each(x), Operand::Each(z), &|i| f(x[i], z[i]));
                    check(Operand::Target, Operand::Each(z), &|i| f(x[i], z[i]));
                    check(Operand::Each(z), Operand::Target, &|i| f(z[i], x[i]));
                    check(Operand::Each(x), Operand::One(c[0]), &|i| f(x[i], c[0]));
                    check(Operand::One(c[0]), Operand::Target, &|i| f(c[0], x[i]));
                    check(Operand::Each(x), rows, &|i| f(x[i], in_row(i)));
                    check(rows, Operand::Target, &|i| f(in_row(i), x[i]));
                    check(rows, Operand::One(c[0]), &|i| f(in_row(i), c[0]));
                }
            }
        }
    }
}
