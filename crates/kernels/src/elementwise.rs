//! Elementwise `f32` functions.

mod binary;

pub use binary::{BinaryOp, Operand, binary};

use crate::isa::{Isa, SimdOp};
use crate::math;
use crate::simd::{F32Simd, LANES};
use crate::team::{Parts, Team};

/// Values per task: large enough to amortise a claim, small enough for the first-level cache.
const CHUNK: usize = 4096;
/// Values below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 4 * CHUNK;

/// A function of one value. NaN gives NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum UnaryOp {
    /// `|x|`.
    Abs,
    /// `-x`.
    Neg,
    /// `√x`.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// `max(x, 0)`.
    Relu,
    /// `x < 0 ? slope * x : x`.
    LeakyRelu {
        /// Factor of negative values.
        slope: f32,
    },
    /// `min(high, max(low, x))`.
    Clip {
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// `e^x`.
    Exp,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `min(1, max(0, alpha * x + beta))`.
    HardSigmoid {
        /// Factor.
        alpha: f32,
        /// Offset.
        beta: f32,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// Error function.
    Erf,
    /// `x / 2 * (1 + erf(x / √2))`.
    Gelu,
    /// The approximation `x / 2 * (1 + tanh(√(2/π) * (x + 0.044715 x³)))`.
    GeluTanh,
    /// `x * sigmoid(alpha * x)`; SiLU for `alpha = 1`.
    Swish {
        /// Factor inside.
        alpha: f32,
    },
    /// `x * min(1, max(0, x / 6 + 1 / 2))`.
    HardSwish,
    /// `x < 0 ? alpha * (e^x - 1) : x`.
    Elu {
        /// Factor of negative values.
        alpha: f32,
    },
}

/// A function on vectors.
///
/// `apply` must be `#[inline(always)]`, see [`SimdOp`].
trait Map: Copy + Sync {
    fn apply<S: F32Simd>(self, s: S, x: S::V) -> S::V;
}

/// Defines types that implement [`Map`], their fields being parameters.
macro_rules! maps {
    ($($name:ident($($field:ident),*) = |$s:ident, $x:ident| $body:expr;)+) => {$(
        #[derive(Clone, Copy)]
        struct $name { $($field: f32),* }
        impl Map for $name {
            #[inline(always)]
            fn apply<S: F32Simd>(self, $s: S, $x: S::V) -> S::V {
                let $name { $($field),* } = self;
                $(let $field = $s.splat($field);)*
                $body
            }
        }
    )+};
}

maps! {
    Abs() = |s, x| s.abs(x);
    Neg() = |s, x| s.neg(x);
    Sqrt() = |s, x| s.sqrt(x);
    Reciprocal() = |s, x| s.div(s.splat(1.0), x);
    LeakyRelu(slope) = |s, x| s.select_lt(x, s.splat(0.0), s.mul(slope, x), x);
    Clip(low, high) = |s, x| s.min(high, s.max(low, x));
    Exp() = |s, x| math::exp(s, x);
    Sigmoid() = |s, x| math::sigmoid(s, x);
    HardSigmoid(alpha, beta) = |s, x| s.min(s.splat(1.0), s.max(s.splat(0.0), s.fma(alpha, x, beta)));
    Tanh() = |s, x| math::tanh(s, x);
    Erf() = |s, x| math::erf(s, x);
    Gelu() = |s, x| math::gelu(s, x);
    GeluTanh() = |s, x| {
        // x/2 (1 + tanh y) = x sigmoid(2 y), which keeps the precision of the negative tail.
        let cubic = s.fma(s.mul(s.mul(x, x), x), s.splat(0.044_715), x);
        s.mul(x, math::sigmoid(s, s.mul(cubic, s.splat(1.595_769))))
    };
    Swish(alpha) = |s, x| s.mul(x, math::sigmoid(s, s.mul(alpha, x)));
    HardSwish() = |s, x| {
        let gate = s.fma(x, s.splat(1.0 / 6.0), s.splat(0.5));
        s.mul(x, s.min(s.splat(1.0), s.max(s.splat(0.0), gate)))
    };
    Elu(alpha) = |s, x| {
        let negative = s.mul(alpha, s.sub(math::exp(s, x), s.splat(1.0)));
        s.select_lt(x, s.splat(0.0), negative, x)
    };
}

/// `map` over `len` values from `x` to `y`, which are equal or do not overlap.
struct MapLoop<M> {
    map: M,
    x: *const f32,
    y: *mut f32,
    len: usize,
}

impl<M: Map> SimdOp for MapLoop<M> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let MapLoop { map, x, y, len } = self;
        let mut i = 0;
        while i + LANES <= len {
            // SAFETY: i + LANES <= len values are readable and writable (`apply_unary`).
            unsafe { s.store(y.add(i), map.apply(s, s.load(x.add(i)))) };
            i += LANES;
        }
        if i < len {
            // SAFETY: as above, the last len - i values.
            unsafe { s.store_partial(y.add(i), len - i, map.apply(s, s.load_partial(x.add(i), len - i))) };
        }
    }
}

/// Evaluates `$body` with `$map` standing for the vector form of the function `$op`.
macro_rules! with_map {
    ($op:expr, |$map:ident| $body:expr) => {{
        macro_rules! run {
            ($form:expr) => {{
                let $map = $form;
                $body
            }};
        }
        match $op {
            UnaryOp::Abs => run!(Abs {}),
            UnaryOp::Neg => run!(Neg {}),
            UnaryOp::Sqrt => run!(Sqrt {}),
            UnaryOp::Reciprocal => run!(Reciprocal {}),
            UnaryOp::Relu => run!(Clip { low: 0.0, high: f32::INFINITY }),
            UnaryOp::LeakyRelu { slope } => run!(LeakyRelu { slope }),
            UnaryOp::Clip { low, high } => run!(Clip { low, high }),
            UnaryOp::Exp => run!(Exp {}),
            UnaryOp::Sigmoid => run!(Sigmoid {}),
            UnaryOp::HardSigmoid { alpha, beta } => run!(HardSigmoid { alpha, beta }),
            UnaryOp::Tanh => run!(Tanh {}),
            UnaryOp::Erf => run!(Erf {}),
            UnaryOp::Gelu => run!(Gelu {}),
            UnaryOp::GeluTanh => run!(GeluTanh {}),
            UnaryOp::Swish { alpha } => run!(Swish { alpha }),
            UnaryOp::HardSwish => run!(HardSwish {}),
            UnaryOp::Elu { alpha } => run!(Elu { alpha }),
        }
    }};
}

/// # Safety
/// `x` is readable and `y` writable for `len` values; they are equal or do not overlap; nobody else accesses `y`.
unsafe fn apply_unary(isa: Isa, op: UnaryOp, x: *const f32, y: *mut f32, len: usize) {
    with_map!(op, |map| isa.dispatch(MapLoop { map, x, y, len }));
}

/// Calls `body(from, len)` for chunks of `0..len`, on the team if there is enough to do.
fn for_chunks(team: &Team, len: usize, body: impl Fn(usize, usize) + Sync) {
    if len < ALONE_BELOW {
        return body(0, len);
    }
    team.parallel_for(len.div_ceil(CHUNK), |task| {
        let from = task * CHUNK;
        body(from, CHUNK.min(len - from));
    });
}

/// `y = op(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn unary(team: &Team, isa: Isa, op: UnaryOp, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    let y = Parts::new(y);
    for_chunks(team, x.len(), |from, len| {
        let x = &x[from..from + len];
        // SAFETY: chunks are disjoint.
        let y = unsafe { y.get(from, len) };
        // SAFETY: two slices of this length, one of them exclusive.
        unsafe { apply_unary(isa, op, x.as_ptr(), y.as_mut_ptr(), len) };
    });
}

/// `y = op(y)`.
pub fn unary_in_place(team: &Team, isa: Isa, op: UnaryOp, y: &mut [f32]) {
    let len = y.len();
    let y = Parts::new(y);
    for_chunks(team, len, |from, len| {
        // SAFETY: chunks are disjoint.
        unary_in_place_alone(isa, op, unsafe { y.get(from, len) });
    });
}

/// `map` over `rows` rows of `cols` values in place, `stride` apart.
struct MapRows<M> {
    map: M,
    start: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<M: Map> SimdOp for MapRows<M> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        for row in 0..self.rows {
            let y = self.start.wrapping_add(row * self.stride);
            MapLoop { map: self.map, x: y, y, len: self.cols }.run(s);
        }
    }
}

/// `y = op(y)` on the calling thread, for `rows` rows of `cols` values from `start` on, `stride` apart.
///
/// # Safety
/// The rows are writable, and nobody else accesses them.
pub(crate) unsafe fn unary_rows_alone(
    isa: Isa,
    op: UnaryOp,
    start: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
) {
    with_map!(op, |map| isa.dispatch(MapRows { map, start, rows, cols, stride }));
}

/// `y = op(y)` on the calling thread.
pub(crate) fn unary_in_place_alone(isa: Isa, op: UnaryOp, y: &mut [f32]) {
    let start = y.as_mut_ptr();
    // SAFETY: an exclusive slice; source and target are equal.
    unsafe { apply_unary(isa, op, start, start, y.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    /// Reference by series and continued fraction (Abramowitz & Stegun 7.1.5, 7.1.14).
    fn erf64(x: f64) -> f64 {
        let t = x.abs();
        let value = if t < 3.0 {
            let (mut term, mut sum, mut n) = (t, t, 0.0);
            while term.abs() > 1e-18 * sum && n < 200.0 {
                n += 1.0;
                term *= -t * t / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * std::f64::consts::FRAC_2_SQRT_PI
        } else {
            let fraction = (1..60).rev().fold(t, |f, n| t + f64::from(n) / 2.0 / f);
            1.0 - (-t * t).exp() / fraction / std::f64::consts::PI.sqrt()
        };
        if x.is_nan() { x } else { value.copysign(x) }
    }

    fn reference(op: UnaryOp, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let keep_nan = |x: f64, y: f64| if x.is_nan() { x } else { y };
        match op {
            UnaryOp::Abs => x.abs(),
            UnaryOp::Neg => -x,
            UnaryOp::Sqrt => x.sqrt(),
            UnaryOp::Reciprocal => 1.0 / x,
            UnaryOp::Relu => keep_nan(x, x.max(0.0)),
            UnaryOp::LeakyRelu { slope } => {
                if x < 0.0 {
                    f64::from(slope) * x
                } else {
                    x
                }
            }
            UnaryOp::Clip { low, high } => keep_nan(x, x.max(f64::from(low)).min(f64::from(high))),
            UnaryOp::Exp => x.exp(),
            UnaryOp::Sigmoid => sigmoid(x),
            UnaryOp::HardSigmoid { alpha, beta } => {
                keep_nan(x, (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0))
            }
            UnaryOp::Tanh => x.tanh(),
            UnaryOp::Erf => erf64(x),
            UnaryOp::Gelu => 0.5 * x * (1.0 + erf64(x / 2.0_f64.sqrt())),
            UnaryOp::GeluTanh => {
                let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + y.tanh())
            }
            UnaryOp::Swish { alpha } => x * sigmoid(f64::from(alpha) * x),
            UnaryOp::HardSwish => keep_nan(x, x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            UnaryOp::Elu { alpha } => {
                if x < 0.0 {
                    f64::from(alpha) * x.exp_m1()
                } else {
                    x
                }
            }
        }
    }

    /// Distance in units in the last place of the reference (of the smallest subnormal below the normal range).
    fn ulps(got: f32, want: f64) -> f64 {
        let rounded = want as f32;
        if got.to_bits() == rounded.to_bits() || (got.is_nan() && want.is_nan()) || got == rounded {
            return 0.0;
        }
        let exponent = want.abs().log2().floor().max(-126.0);
        (f64::from(got) - want).abs() / (exponent - 23.0).exp2()
    }

    #[test]
    fn accuracy_of_the_elementary_functions() {
        let mut x =
            vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, -1e-38, 88.72, -103.5, 89.5];
        x.extend((0..200_000).map(|i| (i as f32 - 100_000.0) / 900.0));
        x.extend((0..100_000).map(|i| (i as f32 - 50_000.0) / 9_000.0));
        let team = Team::new(2);
        for isa in Isa::supported() {
            for op in [UnaryOp::Exp, UnaryOp::Sigmoid, UnaryOp::Tanh, UnaryOp::Erf] {
                let mut y = vec![0.0; x.len()];
                unary(&team, isa, op, &x, &mut y);
                let mut worst = (0.0, 0.0);
                for (x, y) in x.iter().zip(&y) {
                    let want = reference(op, f64::from(*x));
                    let error = if op == UnaryOp::Erf && !x.is_nan() {
                        (f64::from(*y) - want).abs() / 5e-8
                    } else if op == UnaryOp::Sigmoid && *x < -88.0 {
                        (f64::from(*y) - want).abs() / 1.05e-39
                    } else {
                        ulps(*y, want)
                    };
                    if error.is_nan() || error > worst.0 {
                        worst = (error, *x);
                    }
                }
                println!("{} {op:?}: {:.2} at {}", isa.tier(), worst.0, worst.1);
                assert!(worst.0 <= 4.0, "{} {op:?}: {} at {}", isa.tier(), worst.0, worst.1);
            }
        }
    }

    #[test]
    fn gelu_is_accurate_and_ends_in_zero() {
        let x: Vec<f32> = (0..200_000).map(|i| (i as f32 - 100_000.0) / 9_000.0).chain([-1e4, 1e4]).collect();
        for isa in Isa::supported() {
            let mut y = vec![0.0; x.len()];
            unary(&Team::new(1), isa, UnaryOp::Gelu, &x, &mut y);
            for (x, y) in x.iter().zip(&y) {
                let want = reference(UnaryOp::Gelu, f64::from(*x)) as f32;
                assert!(close(*y, want, 1e-6), "{} of {x}: {y} != {want}", isa.tier());
                assert!(*x > -6.0 || *y == 0.0, "{} of {x}: {y} != 0", isa.tier());
            }
        }
    }

    #[test]
    fn every_unary_function_at_every_length() {
        let teams = [Team::new(1), Team::new(3)];
        let ops = [
            UnaryOp::Abs,
            UnaryOp::Neg,
            UnaryOp::Sqrt,
            UnaryOp::Reciprocal,
            UnaryOp::Relu,
            UnaryOp::LeakyRelu { slope: 0.1 },
            UnaryOp::Clip { low: -0.5, high: 2.0 },
            UnaryOp::Exp,
            UnaryOp::Sigmoid,
            UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 },
            UnaryOp::Tanh,
            UnaryOp::Erf,
            UnaryOp::Gelu,
            UnaryOp::GeluTanh,
            UnaryOp::Swish { alpha: 1.0 },
            UnaryOp::HardSwish,
            UnaryOp::Elu { alpha: 1.5 },
        ];
        for (seed, op) in ops.into_iter().enumerate() {
            for len in (0..40).chain([ALONE_BELOW + 3, 3 * ALONE_BELOW + 1]) {
                let mut rng = Rng::new(seed as u64);
                let mut x = Guarded::random(&mut rng, len);
                x.get_mut().iter_mut().for_each(|x| *x *= 6.0);
                if let Some(first) = x.get_mut().first_mut() {
                    *first = f32::NAN;
                }
                for isa in Isa::supported() {
                    let mut runs = teams.iter().map(|team| {
                        let mut y = Guarded::zeros(len);
                        unary(team, isa, op, x.get(), y.get_mut());
                        y.assert_guards();
                        let mut in_place = x.clone();
                        unary_in_place(team, isa, op, in_place.get_mut());
                        in_place.assert_guards();
                        let bits = |y: &Guarded| y.get().iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                        assert_eq!(bits(&y), bits(&in_place), "{op:?} {len}: in place");
                        y
                    });
                    let first = runs.next().unwrap();
                    for other in runs {
                        let equal =
                            first.get().iter().zip(other.get()).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(equal, "{op:?} {len}: bits depend on the threads");
                    }
                    for (x, y) in x.get().iter().zip(first.get()) {
                        let want = reference(op, f64::from(*x)) as f32;
                        assert!(close(*y, want, 1e-6), "{op:?} of {x}: {y} != {want}");
                    }
                }
            }
        }
    }
}
