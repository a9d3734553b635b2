//! Vectors of eight `f32`, one trait over all tiers.
//!
//! `max` and `min` follow x86: `max(a, b)` is `if a > b { a } else { b }`, so a NaN in `b` passes through.

use std::ops::Range;

use crate::isa::Scalar;

/// Operations of a tier on vectors of [`LANES`] values. Implementors are tokens that prove support.
pub(crate) trait F32Simd: Copy {
    /// A vector.
    type V: Copy;
    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// `p` is readable for [`LANES`] values; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `p` is writable for [`LANES`] values; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Reads `n <= LANES` values, zeros behind them.
    /// # Safety
    /// `p` is readable for `n` values.
    unsafe fn load_partial(self, p: *const f32, n: usize) -> Self::V;
    /// Writes the first `n <= LANES` values.
    /// # Safety
    /// `p` is writable for `n` values.
    unsafe fn store_partial(self, p: *mut f32, n: usize, v: Self::V);
    /// Reads lanes `lanes` from `p + lane`, zeros elsewhere.
    /// # Safety
    /// `p + lane` is readable for the lanes given, which end at or below LANES.
    unsafe fn load_lanes(self, p: *const f32, lanes: &Range<usize>) -> Self::V;
    /// Reads lanes `lanes` from `p + 2 * lane`, zeros elsewhere.
    /// # Safety
    /// `p + 2 * lane` is readable for the lanes given, which end at or below LANES.
    unsafe fn load_even_lanes(self, p: *const f32, lanes: &Range<usize>) -> Self::V;
    /// Reads every second value, LANES in all.
    /// # Safety
    /// `p` is readable for `2 * LANES - 1` values.
    unsafe fn load_even(self, p: *const f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the tier has it.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The greater value, `a` of equal ones; NaN where one is.
    fn maximum(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller value, `a` of equal ones; NaN where one is.
    fn minimum(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    fn neg(self, a: Self::V) -> Self::V;
    /// Magnitude of `a`, sign of `b`.
    fn copysign(self, a: Self::V, b: Self::V) -> Self::V;
    /// Per lane `a < b ? yes : no`.
    fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// Asks for the cache line at `p`, which may be any address, to be brought near.
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        let _ = p;
    }
    /// `2^n` for integral `n` in `-126..=127`; other lanes are unspecified.
    fn exp2_int(self, n: Self::V) -> Self::V;
    /// `2^n` for `n + 1.5 * 2^23` with integral `n` in `-126..=127`, zero for -127; other lanes are unspecified.
    fn exp2_shifted(self, n: Self::V) -> Self::V;

    /// Lanes of `a` and `b` in turn: `a0 b0 a1 b1 …`.
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Lane `i` of row `j` becomes lane `j` of row `i`.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];

    /// Lanes as an array.
    #[inline(always)]
    fn to_array(self, v: Self::V) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        // SAFETY: `out` holds LANES values.
        unsafe { self.store(out.as_mut_ptr(), v) };
        out
    }

    /// Sum of the lanes, in a fixed tree order.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        let l = self.to_array(v);
        ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
    }
}

/// Values per vector.
pub(crate) const LANES: usize = 8;

/// Implements [`F32Simd`] over arrays; the compiler maps them to whatever vectors the target's baseline has.
macro_rules! portable {
    ($token:ty, |$a:ident, $b:ident, $c:ident| $fma:expr) => {
        impl F32Simd for $token {
            type V = [f32; LANES];
            #[inline(always)]
            fn splat(self, x: f32) -> Self::V {
                [x; LANES]
            }
            #[inline(always)]
            unsafe fn load(self, p: *const f32) -> Self::V {
                // SAFETY: the caller grants LANES readable values; arrays of f32 have no stricter alignment.
                unsafe { p.cast::<Self::V>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut f32, v: Self::V) {
                // SAFETY: the caller grants LANES writable values.
                unsafe { p.cast::<Self::V>().write_unaligned(v) }
            }
            #[inline(always)]
            unsafe fn load_partial(self, p: *const f32, n: usize) -> Self::V {
                let mut v = [0.0; LANES];
                for (i, lane) in v.iter_mut().enumerate().take(n) {
                    // SAFETY: the caller grants n readable values and i < n.
                    *lane = unsafe { p.add(i).read() };
                }
                v
            }
            #[inline(always)]
            unsafe fn store_partial(self, p: *mut f32, n: usize, v: Self::V) {
                for (i, lane) in v.iter().enumerate().take(n) {
                    // SAFETY: the caller grants n writable values and i < n.
                    unsafe { p.add(i).write(*lane) };
                }
            }
            #[inline(always)]
            unsafe fn load_lanes(self, p: *const f32, lanes: &Range<usize>) -> Self::V {
                let mut v = [0.0; LANES];
                for i in lanes.clone() {
                    // SAFETY: the caller grants this lane.
                    v[i] = unsafe { p.wrapping_add(i).read() };
                }
                v
            }
            #[inline(always)]
            unsafe fn load_even_lanes(self, p: *const f32, lanes: &Range<usize>) -> Self::V {
                let mut v = [0.0; LANES];
                for i in lanes.clone() {
                    // SAFETY: the caller grants this lane.
                    v[i] = unsafe { p.wrapping_add(2 * i).read() };
                }
                v
            }
            #[inline(always)]
            unsafe fn load_even(self, p: *const f32) -> Self::V {
                let mut v = [0.0; LANES];
                for (i, lane) in v.iter_mut().enumerate() {
                    // SAFETY: the caller grants 2 * LANES - 1 readable values.
                    *lane = unsafe { p.add(2 * i).read() };
                }
                v
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| a + b)
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| a - b)
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| a * b)
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| a / b)
            }
            #[inline(always)]
            fn fma(self, mut a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                for i in 0..LANES {
                    let ($a, $b, $c) = (a[i], b[i], c[i]);
                    a[i] = $fma;
                }
                a
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| if a > b { a } else { b })
            }
            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| if a < b { a } else { b })
            }
            #[inline(always)]
            fn maximum(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| if a >= b || a.is_nan() { a } else { b })
            }
            #[inline(always)]
            fn minimum(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, |a, b| if a <= b || a.is_nan() { a } else { b })
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                a.map(f32::sqrt)
            }
            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                a.map(f32::abs)
            }
            #[inline(always)]
            fn neg(self, a: Self::V) -> Self::V {
                a.map(|x| -x)
            }
            #[inline(always)]
            fn copysign(self, a: Self::V, b: Self::V) -> Self::V {
                zip(a, b, f32::copysign)
            }
            #[inline(always)]
            fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                let mut out = no;
                for i in 0..LANES {
                    out[i] = if a[i] < b[i] { yes[i] } else { no[i] };
                }
                out
            }
            #[inline(always)]
            fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
                std::array::from_fn(|i| rows.map(|row| row[i]))
            }
            #[inline(always)]
            fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
                [0, LANES / 2].map(|from| {
                    std::array::from_fn(|i| if i % 2 == 0 { a[from + i / 2] } else { b[from + i / 2] })
                })
            }
            #[inline(always)]
            fn exp2_int(self, n: Self::V) -> Self::V {
                n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
            }
            #[inline(always)]
            fn exp2_shifted(self, n: Self::V) -> Self::V {
                n.map(|n| f32::from_bits((n.to_bits() << 23).wrapping_add(127 << 23)))
            }
        }
    };
}

#[inline(always)]
fn zip(mut a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    for i in 0..LANES {
        a[i] = f(a[i], b[i]);
    }
    a
}

// Without an FMA instruction `mul_add` is a slow library call, so the portable tier rounds twice.
portable!(Scalar, |a, b, c| a * b + c);
#[cfg(target_arch = "aarch64")]
portable!(crate::isa::Neon, |a, b, c| a.mul_add(b, c));

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::{F32Simd, LANES};
    use crate::isa::Avx2;

    /// From `8 - n`: n lanes of zeros, then ones. From `16 - n`: n lanes of ones, then zeros.
    static MASKS: [i32; 3 * LANES] =
        [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    fn mask(n: usize) -> __m256i {
        debug_assert!(n <= LANES);
        // SAFETY: n <= LANES, so the eight values read from 2 * LANES - n lie inside the table.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(2 * LANES - n.min(LANES)).cast()) }
    }

    #[inline(always)]
    fn mask_range(lanes: &Range<usize>) -> __m256i {
        // SAFETY: the eight values read from LANES - start, at most LANES, lie inside the table.
        let from = unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(LANES - lanes.start.min(LANES)).cast()) };
        // SAFETY: only called by functions of the tier's token.
        unsafe { _mm256_and_si256(from, mask(lanes.end)) }
    }

    /// The even places of `low`, then the odd places of `high`.
    #[inline(always)]
    fn merge_even(low: __m256, high: __m256) -> __m256 {
        // SAFETY: only called by functions of the tier's token.
        unsafe {
            // Halves hold values (0 2 8 10) and (4 6 12 14) of the source; pairs are then put in order.
            let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_10_00>(low, high));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(mixed))
        }
    }

    // SAFETY of all blocks below: the `Avx2` token proves that the CPU has the instructions; the memory
    // accesses are granted by the callers of the unsafe functions.
    impl F32Simd for Avx2 {
        type V = __m256;
        #[inline(always)]
        fn prefetch(self, p: *const f32) {
            // SAFETY: see the impl; a prefetch never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) };
        }
        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, p: *const f32) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32, v: __m256) {
            // SAFETY: see the impl.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_partial(self, p: *const f32, n: usize) -> __m256 {
            // SAFETY: see the impl; masked lanes are not accessed.
            unsafe { _mm256_maskload_ps(p, mask(n)) }
        }
        #[inline(always)]
        unsafe fn store_partial(self, p: *mut f32, n: usize, v: __m256) {
            // A masked store takes tens of cycles on AMD; pieces of 4, 2 and 1 take a few.
            // SAFETY: see the impl; the pieces that are written add up to n values.
            unsafe {
                if n >= LANES {
                    return _mm256_storeu_ps(p, v);
                }
                let (mut p, mut rest) = (p, _mm256_castps256_ps128(v));
                if n & 4 != 0 {
                    _mm_storeu_ps(p, rest);
                    p = p.add(4);
                    rest = _mm256_extractf128_ps::<1>(v);
                }
                if n & 2 != 0 {
                    _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
                    p = p.add(2);
                    rest = _mm_movehl_ps(rest, rest);
                }
                if n & 1 != 0 {
                    _mm_store_ss(p, rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn load_lanes(self, p: *const f32, lanes: &Range<usize>) -> __m256 {
            // SAFETY: see the impl; masked lanes are not accessed.
            unsafe { _mm256_maskload_ps(p, mask_range(lanes)) }
        }
        #[inline(always)]
        unsafe fn load_even_lanes(self, p: *const f32, lanes: &Range<usize>) -> __m256 {
            // SAFETY: see the impl; masked lanes are not accessed. The first load holds the values of lanes 0 to 3 in
            // its even places, the second one, which starts at value 7, those of lanes 4 to 7 in its odd places.
            unsafe {
                let mask = mask_range(lanes);
                let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(mask));
                let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(mask));
                let low = _mm256_maskload_ps(p, _mm256_srli_epi64::<32>(low));
                let high = _mm256_maskload_ps(p.wrapping_add(LANES - 1), _mm256_slli_epi64::<32>(high));
                merge_even(low, high)
            }
        }
        #[inline(always)]
        unsafe fn load_even(self, p: *const f32) -> __m256 {
            // SAFETY: see the impl; values 0..8 and 7..15 are read.
            unsafe { merge_even(_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(LANES - 1))) }
        }
        #[inline(always)]
        fn add(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        fn div(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        fn max(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        fn min(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_min_ps(a, b) }
        }
        #[inline(always)]
        fn maximum(self, a: __m256, b: __m256) -> __m256 {
            // The instruction gives its second operand where one is NaN or both are equal.
            // SAFETY: see the impl.
            unsafe { _mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b)) }
        }
        #[inline(always)]
        fn minimum(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_blendv_ps(_mm256_min_ps(b, a), b, _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b)) }
        }
        #[inline(always)]
        fn sqrt(self, a: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_sqrt_ps(a) }
        }
        #[inline(always)]
        fn abs(self, a: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
        }
        #[inline(always)]
        fn neg(self, a: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_xor_ps(_mm256_set1_ps(-0.0), a) }
        }
        #[inline(always)]
        fn copysign(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe {
                let sign = _mm256_set1_ps(-0.0);
                _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b))
            }
        }
        #[inline(always)]
        fn select_lt(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
        }
        #[inline(always)]
        fn transpose(self, r: [__m256; LANES]) -> [__m256; LANES] {
            // SAFETY: see the impl.
            unsafe {
                // Pairs of rows, then fours, then halves.
                let low = |a: usize, b: usize| _mm256_unpacklo_ps(r[a], r[b]);
                let high = |a: usize, b: usize| _mm256_unpackhi_ps(r[a], r[b]);
                let pairs = [
                    low(0, 1),
                    high(0, 1),
                    low(2, 3),
                    high(2, 3),
                    low(4, 5),
                    high(4, 5),
                    low(6, 7),
                    high(6, 7),
                ];
                let first = |a: usize, b: usize| _mm256_shuffle_ps::<0b01_00_01_00>(pairs[a], pairs[b]);
                let last = |a: usize, b: usize| _mm256_shuffle_ps::<0b11_10_11_10>(pairs[a], pairs[b]);
                let fours = [
                    first(0, 2),
                    last(0, 2),
                    first(1, 3),
                    last(1, 3),
                    first(4, 6),
                    last(4, 6),
                    first(5, 7),
                    last(5, 7),
                ];
                let lower = |a: usize| _mm256_permute2f128_ps::<0x20>(fours[a], fours[a + 4]);
                let upper = |a: usize| _mm256_permute2f128_ps::<0x31>(fours[a], fours[a + 4]);
                [lower(0), lower(1), lower(2), lower(3), upper(0), upper(1), upper(2), upper(3)]
            }
        }
        #[inline(always)]
        fn interleave(self, a: __m256, b: __m256) -> [__m256; 2] {
            // SAFETY: see the impl.
            unsafe {
                let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
            }
        }
        #[inline(always)]
        fn exp2_int(self, n: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe {
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            }
        }
        #[inline(always)]
        fn exp2_shifted(self, n: __m256) -> __m256 {
            // SAFETY: see the impl.
            unsafe {
                let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(n));
                _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)))
            }
        }
    }
}
