//! Packed forms of the operands.

use super::{K_BLOCK, MR, NR};
use crate::ShapeError;
use crate::scratch::AlignedVec;

/// A matrix in a slice, element `(r, c)` at `r * row_stride + c * col_stride`; a transposed one swaps the strides.
#[derive(Debug, Clone, Copy)]
pub struct MatRef<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Distance of consecutive rows, in elements.
    pub row_stride: usize,
    /// Distance of consecutive columns, in elements.
    pub col_stride: usize,
}

impl<'a> MatRef<'a> {
    /// A dense row-major matrix of `cols` columns.
    #[must_use]
    pub fn rows(data: &'a [f32], cols: usize) -> Self {
        MatRef { data, row_stride: cols, col_stride: 1 }
    }

    /// The transpose of a dense row-major matrix that has `rows` columns in memory.
    #[must_use]
    pub fn transposed(data: &'a [f32], rows: usize) -> Self {
        MatRef { data, row_stride: 1, col_stride: rows }
    }

    /// Asserts that all of `rows x cols` lies inside the slice.
    pub(crate) fn assert_covers(&self, rows: usize, cols: usize) {
        if rows == 0 || cols == 0 {
            return;
        }
        let last = (rows - 1)
            .checked_mul(self.row_stride)
            .zip((cols - 1).checked_mul(self.col_stride))
            .and_then(|(r, c)| r.checked_add(c));
        assert!(
            last.is_some_and(|last| last < self.data.len()),
            "matrix of {rows} x {cols} exceeds its slice"
        );
    }
}

/// Length of a packed `k x n` matrix B.
fn packed_b_len(k: usize, n: usize) -> Option<usize> {
    n.div_ceil(NR).checked_mul(NR)?.checked_mul(k)
}

/// Matrix B in column panels `[n / NR][k][NR]`, the last one padded with zeros. The format is the same on all tiers.
#[derive(Debug, Clone)]
pub struct PackedB {
    data: AlignedVec,
    k: usize,
    n: usize,
}

impl PackedB {
    /// Packs the `k x n` matrix `b`.
    ///
    /// # Errors
    /// The packed size does not fit the address space.
    ///
    /// # Panics
    /// If `b` does not cover `k x n`.
    pub fn pack(k: usize, n: usize, b: MatRef<'_>) -> Result<Self, ShapeError> {
        b.assert_covers(k, n);
        let len = packed_b_len(k, n).ok_or(ShapeError::TooLarge { what: "packed matrix" })?;
        let mut data = AlignedVec::zeroed(len);
        pack_b_into(k, n, b, data.as_mut_slice());
        Ok(PackedB { data, k, n })
    }

    /// Number of `f32` which [`pack_into`](Self::pack_into) writes for `k x n`; `None` if it does not fit the address space.
    #[must_use]
    pub fn len_of(k: usize, n: usize) -> Option<usize> {
        packed_b_len(k, n)
    }

    /// Packs into a caller's buffer, for a B that changes from run to run.
    ///
    /// # Panics
    /// If `b` does not cover `k x n` or `out` is shorter than [`len_of`](Self::len_of).
    pub fn pack_into<'o>(k: usize, n: usize, b: MatRef<'_>, out: &'o mut [f32]) -> PackedBRef<'o> {
        b.assert_covers(k, n);
        let len = packed_b_len(k, n).filter(|len| *len <= out.len());
        let Some(len) = len else { panic!("{} values of room for a packed {k} x {n} matrix", out.len()) };
        let (out, _) = out.split_at_mut(len);
        pack_b_into(k, n, b, out);
        PackedBRef { data: out, k, n }
    }

    /// The form which kernels take.
    #[must_use]
    pub fn view(&self) -> PackedBRef<'_> {
        PackedBRef { data: self.data.as_slice(), k: self.k, n: self.n }
    }
}

/// A packed matrix B in memory owned by someone else, such as a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct PackedBRef<'a> {
    data: &'a [f32],
    k: usize,
    n: usize,
}

impl<'a> PackedBRef<'a> {
    /// Takes the stored form of a packed `k x n` matrix.
    ///
    /// # Errors
    /// `data` has not the length of such a matrix.
    pub fn new(data: &'a [f32], k: usize, n: usize) -> Result<Self, ShapeError> {
        let expected = packed_b_len(k, n).ok_or(ShapeError::TooLarge { what: "packed matrix" })?;
        if data.len() != expected {
            return Err(ShapeError::Mismatch { what: "packed matrix length", got: data.len(), expected });
        }
        Ok(PackedBRef { data, k, n })
    }

    /// The stored form.
    #[must_use]
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// Rows of B.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of B.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }
}

fn pack_b_into(k: usize, n: usize, b: MatRef<'_>, out: &mut [f32]) {
    if k == 0 {
        return;
    }
    for (panel, out) in out.chunks_exact_mut(k * NR).enumerate() {
        let first = panel * NR;
        let cols = NR.min(n - first);
        if b.row_stride == 1 {
            // Columns are contiguous: read along them.
            for c in 0..NR {
                for (row, out) in out.chunks_exact_mut(NR).enumerate() {
                    out[c] = if c < cols { b.data[row + (first + c) * b.col_stride] } else { 0.0 };
                }
            }
            continue;
        }
        for (row, out) in out.chunks_exact_mut(NR).enumerate() {
            let start = row * b.row_stride + first * b.col_stride;
            if b.col_stride == 1 {
                out[..cols].copy_from_slice(&b.data[start..start + cols]);
            } else {
                for (c, out) in out[..cols].iter_mut().enumerate() {
                    *out = b.data[start + c * b.col_stride];
                }
            }
            out[cols..].fill(0.0);
        }
    }
}

/// Length of `rows x k` packed as A.
pub(crate) fn packed_a_len(rows: usize, k: usize) -> Option<usize> {
    rows.div_ceil(MR).checked_mul(MR)?.checked_mul(k)
}

/// Packs the rows `rows` and columns `cols` of `a` as `[rows / MR][cols][MR]`, the last panel padded with zeros.
pub(crate) fn pack_a_into(
    a: MatRef<'_>,
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    out: &mut [f32],
) {
    let k = cols.len();
    if k == 0 {
        return;
    }
    for (panel, out) in out.chunks_exact_mut(k * MR).enumerate().take(rows.len().div_ceil(MR)) {
        let first = rows.start + panel * MR;
        let count = MR.min(rows.end - first);
        for (col, out) in cols.clone().zip(out.chunks_exact_mut(MR)) {
            let start = first * a.row_stride + col * a.col_stride;
            for (r, out) in out[..count].iter_mut().enumerate() {
                *out = a.data[start + r * a.row_stride];
            }
            out[count..].fill(0.0);
        }
    }
}

/// Most rows of A that are packed (or read) before the next panel of B: such a block of [`K_BLOCK`] columns still fits a
/// 512 KiB second-level cache beside the panels of B.
pub(crate) const M_BLOCK: usize = 34 * MR;
const _: () = assert!(M_BLOCK * K_BLOCK * 4 <= 416 << 10);
