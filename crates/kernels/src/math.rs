//! Elementary functions on vectors. Coefficients are Chebyshev fits of the named functions, in `f32`.
//!
//! Errors against `f64`, held by the tests of `elementwise`: `exp`, `sigmoid`, `tanh` at most 4 units in the last place
//! (`sigmoid` below -88 at most 4.2e-39 absolute), `erf` at most 2e-7 absolute, `gelu` at most 1e-6, absolute
//! below one and relative above. NaN gives NaN.

use crate::simd::F32Simd;

/// Horner's rule, highest coefficient last.
#[inline(always)]
fn polynomial<S: F32Simd, const N: usize>(s: S, x: S::V, coefficients: [f32; N]) -> S::V {
    let mut sum = s.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.fma(sum, x, s.splat(coefficients[i]));
    }
    sum
}

/// `e^x`: `2^n * e^r` with `|r| <= ln 2 / 2`; the power is applied in two halves so that subnormal results come out.
#[inline(always)]
pub(crate) fn exp<S: F32Simd>(s: S, x: S::V) -> S::V {
    // Outside of these bounds the result is 0 or infinity. The bounds stand first, so NaN passes.
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    let magic = s.splat(12_582_912.0);
    let n = s.sub(s.fma(x, s.splat(std::f32::consts::LOG2_E), magic), magic);
    // ln 2 in two parts; the first has ten bits, so its product with n is exact without fused operations too.
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let p = polynomial(s, r, [0.5, 0.166_665_73, 0.041_666_456, 0.008_363_77, 0.001_393_453_5]);
    let e = s.add(s.fma(s.mul(r, r), p, r), s.splat(1.0));
    let half = s.sub(s.fma(n, s.splat(0.5), magic), magic);
    s.mul(s.mul(e, s.exp2_int(half)), s.exp2_int(s.sub(n, half)))
}

/// `e^x` where one power of two does: `-88 <= x <= 88.5`, or NaN; infinite where the power is 128, zero where it is -127.
#[inline(always)]
fn exp_bounded<S: F32Simd>(s: S, x: S::V) -> S::V {
    let magic = s.splat(12_582_912.0);
    let shifted = s.fma(x, s.splat(std::f32::consts::LOG2_E), magic);
    let n = s.sub(shifted, magic);
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let p = polynomial(s, r, [0.5, 0.166_665_73, 0.041_666_456, 0.008_363_77, 0.001_393_453_5]);
    let e = s.add(s.fma(s.mul(r, r), p, r), s.splat(1.0));
    s.mul(e, s.exp2_shifted(shifted))
}

/// `e^x` of `x <= 0`; subnormal results are zero.
#[inline(always)]
pub(crate) fn exp_of_negative<S: F32Simd>(s: S, x: S::V) -> S::V {
    // The bound stands first, so NaN passes.
    exp_bounded(s, s.max(s.splat(-88.0), x))
}

/// `1 / (1 + e^-x)`; zero where that is below 4.2e-39.
#[inline(always)]
pub(crate) fn sigmoid<S: F32Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    // Bounds stand first, so NaN passes.
    let x = s.min(s.splat(87.0), s.max(s.splat(-88.5), x));
    s.div(one, s.add(one, exp_bounded(s, s.neg(x))))
}

/// Hyperbolic tangent: a polynomial near zero, `1 - 2 / (e^2|x| + 1)` elsewhere.
#[inline(always)]
pub(crate) fn tanh<S: F32Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let t = s.abs(x);
    let square = s.mul(x, x);
    let p = polynomial(s, square, [-0.333_333_28, 0.133_327_35, -0.053_846_14, 0.020_975_38, -0.006_065_452]);
    let near = s.fma(s.mul(square, t), p, t);
    // From 10 on, tanh is 1 in f32. The bound stands first, so NaN passes.
    let bounded = s.min(s.splat(10.0), t);
    let e = exp_bounded(s, s.add(bounded, bounded));
    let far = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    s.copysign(s.select_lt(t, s.splat(0.625), near, far), x)
}

/// Error function: odd polynomial near zero, `1 - e^(-t q(t))` elsewhere.
#[inline(always)]
pub(crate) fn erf<S: F32Simd>(s: S, x: S::V) -> S::V {
    let t = s.abs(x);
    let square = s.mul(x, x);
    let p = polynomial(
        s,
        square,
        [
            0.128_379_17,
            -0.376_126_35,
            0.112_836_93,
            -0.026_859_21,
            0.005_200_501_5,
            -0.000_813_607_5,
            8.339_972e-5,
        ],
    );
    let near = s.fma(t, p, t);
    // From 4 on, erf is 1 in f32; the fit ends there. The bound stands first, so NaN passes.
    let u = s.min(s.splat(4.0), t);
    let q = polynomial(
        s,
        u,
        [1.128_532_8, 0.635_652_07, 0.105_354_66, -0.022_953_317, 0.003_235_994_8, -0.000_216_702_68],
    );
    let far = s.sub(s.splat(1.0), exp_bounded(s, s.neg(s.mul(u, q))));
    s.copysign(s.select_lt(t, s.splat(0.92), near, far), x)
}

/// `x / 2 * (1 + erf(x / √2))`: `x * (1 / 2 + x p(x²) / q(x²))`, which needs neither a power nor cases near zero.
#[inline(always)]
pub(crate) fn gelu<S: F32Simd>(s: S, x: S::V) -> S::V {
    // Where the fit ends, the result is x or 0 in f32. The bounds stand first, so NaN passes.
    let end = 5.543_717_4;
    let t = s.min(s.splat(end), s.max(s.splat(-end), x));
    let square = s.mul(t, t);
    let p = polynomial(
        s,
        square,
        [
            0.398_942_14,
            0.036_432_62,
            0.004_542_676_7,
            1.755_356_6e-4,
            3.291_466_6e-6,
            -2.203_087_8e-8,
            1.100_382_8e-10,
        ],
    );
    let q = polynomial(s, square, [1.0, 0.257_987_44, 0.029_389_028, 0.001_860_923, 6.399_112e-5]);
    let gate = s.fma(t, s.div(p, q), s.splat(0.5));
    // Beyond the fit the gate is only nearly zero, which a large x would show.
    s.mul(x, s.select_lt(x, s.splat(-end), s.splat(0.0), gate))
}
