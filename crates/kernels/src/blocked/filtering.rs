//! Transforms of the tiles of minimal filtering, and the tiles' ways from maps and to them.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::BLOCK;
use super::finish::Finish;
use crate::simd::F32Simd;

/// Extent of the largest input tile.
pub(super) const MOST: usize = 6;

/// The transforms of a tile along an axis; entries behind its extent are of no meaning.
pub(super) trait Points: Copy {
    const INPUTS: usize;
    const OUTPUTS: usize;
    fn forward<S: F32Simd>(s: S, d: [S::V; MOST]) -> [S::V; MOST];
    fn backward<S: F32Simd>(s: S, m: [S::V; MOST]) -> [S::V; MOST];
}

#[derive(Clone, Copy)]
pub(super) struct F2;

impl Points for F2 {
    const INPUTS: usize = 4;
    const OUTPUTS: usize = 2;

    #[inline(always)]
    fn forward<S: F32Simd>(s: S, d: [S::V; MOST]) -> [S::V; MOST] {
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[3], d[1]), d[4], d[5]]
    }

    #[inline(always)]
    fn backward<S: F32Simd>(s: S, m: [S::V; MOST]) -> [S::V; MOST] {
        let (sum, difference) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        [s.add(m[0], sum), s.add(difference, m[3]), m[2], m[3], m[4], m[5]]
    }
}

#[derive(Clone, Copy)]
pub(super) struct F4;

impl Points for F4 {
    const INPUTS: usize = 6;
    const OUTPUTS: usize = 4;

    #[inline(always)]
    fn forward<S: F32Simd>(s: S, d: [S::V; MOST]) -> [S::V; MOST] {
        let k = |x: f32| s.splat(x);
        let even = s.fma(k(-2.0), d[2], d[4]);
        let odd = s.mul(k(FRAC_1_SQRT_2), s.fma(k(-2.0), d[1], d[3]));
        let far_even = s.fma(k(-0.5), d[2], d[4]);
        let far_odd = s.mul(k(SQRT_2), s.fma(k(-0.5), d[1], d[3]));
        [
            s.fma(k(-2.5), d[2], s.add(d[0], d[4])),
            s.add(even, odd),
            s.sub(even, odd),
            s.add(far_even, far_odd),
            s.sub(far_even, far_odd),
            s.fma(k(-2.5), d[3], s.add(d[1], d[5])),
        ]
    }

    #[inline(always)]
    fn backward<S: F32Simd>(s: S, m: [S::V; MOST]) -> [S::V; MOST] {
        let k = |x: f32| s.splat(x);
        let (sum, difference) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (far_sum, far_difference) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.add(m[0], s.add(sum, far_sum)),
            s.fma(k(FRAC_1_SQRT_2), difference, s.mul(k(SQRT_2), far_difference)),
            s.fma(k(0.5), sum, s.add(far_sum, far_sum)),
            s.fma(k(0.5 * FRAC_1_SQRT_2), difference, s.fma(k(2.0 * SQRT_2), far_difference, m[5])),
            m[4],
            m[5],
        ]
    }
}

#[inline(always)]
fn column_of<V: Copy>(rows: &[[V; MOST]; MOST], j: usize) -> [V; MOST] {
    [rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]]
}

/// Where an output tile goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub output: *mut f32,
    pub residual: Option<*const f32>,
    /// From a row to the next one.
    pub row: usize,
    pub tall: usize,
    pub wide: usize,
}

/// The second half of the way back: transforms columns, and finishes and stores the pixels. A WHOLE tile has all of them.
///
/// # Safety
/// The pixels are writable, and readable in the residual; nobody else accesses them.
#[inline(always)]
pub(super) unsafe fn backward<S: F32Simd, P: Points, const WHOLE: bool>(
    s: S,
    rows: &[[S::V; MOST]; MOST],
    bias: S::V,
    finish: Finish,
    to: Target,
) {
    for j in 0..P::OUTPUTS {
        if !WHOLE && j >= to.wide {
            break;
        }
        let mut column = [P::backward(s, column_of(rows, j))];
        for value in &mut column[0] {
            *value = s.add(*value, bias);
        }
        if let Some(residual) = to.residual {
            for (i, value) in column[0].iter_mut().enumerate().take(P::OUTPUTS) {
                if WHOLE || i < to.tall {
                    // SAFETY: granted by the caller.
                    *value = s.add(*value, unsafe { s.load(residual.wrapping_add(i * to.row + j * BLOCK)) });
                }
            }
        }
        finish.apply(s, &mut column);
        for (i, value) in column[0].iter().enumerate().take(P::OUTPUTS) {
            if WHOLE || i < to.tall {
                // SAFETY: granted by the caller.
                unsafe { s.store(to.output.wrapping_add(i * to.row + j * BLOCK), *value) };
            }
        }
    }
}

/// Where an input tile lies in a plane; unless it is an inner one, partly outside.
#[derive(Clone, Copy)]
pub(super) struct Corner {
    pub top: isize,
    pub left: isize,
    pub height: usize,
    pub width: usize,
}

/// Transforms an input tile of one block, and spreads it over the matrices.
///
/// # Safety
/// Each of the matrices from `to` on, `matrix` apart, has room for a pixel; an INNER tile lies inside the plane.
#[inline(always)]
pub(super) unsafe fn forward<S: F32Simd, P: Points, const INNER: bool>(
    s: S,
    plane: &[f32],
    corner: Corner,
    to: *mut f32,
    matrix: usize,
) {
    let Corner { top, left, height, width } = corner;
    let mut rows = [[s.splat(0.0); MOST]; MOST];
    for (i, row) in rows.iter_mut().enumerate().take(P::INPUTS) {
        let mut line = [s.splat(0.0); MOST];
        let y = top + i.cast_signed();
        if INNER || (0..height.cast_signed()).contains(&y) {
            let start =
                plane.as_ptr().wrapping_offset((y * width.cast_signed() + left) * BLOCK.cast_signed());
            for (j, value) in line.iter_mut().enumerate().take(P::INPUTS) {
                if INNER || (0..width.cast_signed()).contains(&(left + j.cast_signed())) {
                    // SAFETY: the pixel lies inside the plane.
                    *value = unsafe { s.load(start.wrapping_add(j * BLOCK)) };
                }
            }
        }
        *row = P::forward(s, line);
    }
    for j in 0..P::INPUTS {
        let column = P::forward(s, column_of(&rows, j));
        for (i, value) in column.iter().enumerate().take(P::INPUTS) {
            // SAFETY: granted by the caller.
            unsafe { s.store(to.wrapping_add((i * P::INPUTS + j) * matrix), *value) };
        }
    }
}
