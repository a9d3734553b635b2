//! Depthwise convolution: one input channel per group.
//!
//! A band of output rows is computed from a copy of its input rows with the padding written out, so the vector loop has
//! no borders; rows of the copy are long enough for whole vectors.

use super::{ALONE_BELOW, ConvShape, Job};
use crate::isa::SimdOp;
use crate::simd::{F32Simd, LANES};
use crate::team::Team;

/// Values of the copy of a band: fits the first-level cache unless a single row does not.
const BAND: usize = 6 * 1024;
/// Output rows whose sums are held in registers at a time.
const ROWS: usize = 4;

/// How the planes are cut into bands.
#[derive(Clone, Copy)]
struct Bands {
    /// Output rows of a band.
    rows: usize,
    /// Length of a row of the copy.
    width: usize,
}

impl Bands {
    fn of(shape: &ConvShape<2>) -> Self {
        let p = shape.params();
        let [_, out_w] = shape.output();
        let vectors = out_w.div_ceil(LANES) * LANES;
        let reach = (vectors - 1) * p.strides[1] + (p.kernel[1] - 1) * p.dilations[1] + 1;
        let width = reach.max(p.input[1] + p.pads_begin[1]);
        let window = (p.kernel[0] - 1) * p.dilations[0] + 1;
        let rows = (BAND / width).saturating_sub(window) / p.strides[0] + 1;
        // Whole register tiles, unless the band is a single row or the plane ends before.
        let rows = if rows > ROWS { rows / ROWS * ROWS } else { rows };
        Bands { rows: rows.min(shape.output()[0]), width }
    }

    /// Input rows under the band's output rows.
    fn in_rows(self, shape: &ConvShape<2>, rows: usize) -> usize {
        let p = shape.params();
        (rows - 1) * p.strides[0] + (p.kernel[0] - 1) * p.dilations[0] + 1
    }
}

/// Scratch of one worker.
pub(super) fn scratch_len(shape: &ConvShape<2>) -> usize {
    let bands = Bands::of(shape);
    bands.in_rows(shape, bands.rows) * bands.width
}

pub(super) fn run(team: &Team, job: &Job<'_>) {
    let shape = job.shape;
    let bands = Bands::of(shape);
    let [out_h, _] = shape.output();
    let per_plane = out_h.div_ceil(bands.rows);
    let planes = shape.params().batch * shape.out_channels();
    let body = |worker: usize, task: usize| {
        let (plane, band) = (task / per_plane, task % per_plane);
        let first = band * bands.rows;
        // SAFETY: no two concurrent tasks have the same worker index.
        let scratch = unsafe { job.scratch_of(worker) };
        run_band(job, bands, plane, first..out_h.min(first + bands.rows), scratch);
    };
    if shape.macs() < ALONE_BELOW {
        return (0..planes * per_plane).for_each(|task| body(0, task));
    }
    team.parallel_for_worker(planes * per_plane, body);
}

/// Computes the output rows `rows` of the output plane `plane` (`image * out_channels + channel`).
fn run_band(job: &Job<'_>, bands: Bands, plane: usize, rows: std::ops::Range<usize>, scratch: &mut [f32]) {
    let shape = job.shape;
    let channel = plane % shape.out_channels();
    let [_, out_w] = shape.output();
    let taps = shape.taps();
    let input = job.plane(plane / shape.group_out());
    job.isa.dispatch(CopyPadded { shape, bands, plane: input, rows: rows.clone(), out: &mut *scratch });
    // SAFETY: bands are disjoint parts of the output.
    let output =
        unsafe { job.output.get(plane * shape.out_pixels() + rows.start * out_w, rows.len() * out_w) };
    job.isa.dispatch(Band {
        shape,
        width: bands.width,
        input: scratch,
        weights: &job.weights[channel * taps..(channel + 1) * taps],
        bias: job.epilogue.bias.map_or(0.0, |bias| bias[channel]),
        beta: job.epilogue.beta,
        clamp: job.epilogue.activation.clamp().unwrap_or((f32::NEG_INFINITY, f32::INFINITY)),
        output: output.as_mut_ptr(),
        rows: rows.len(),
    });
    job.epilogue.finish(job.isa, output);
}

/// Writes the padded input rows under the output rows `rows`.
struct CopyPadded<'a> {
    shape: &'a ConvShape<2>,
    bands: Bands,
    plane: &'a [f32],
    rows: std::ops::Range<usize>,
    out: &'a mut [f32],
}

impl SimdOp for CopyPadded<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let p = self.shape.params();
        let ([in_h, in_w], left, width) = (p.input, p.pads_begin[1], self.bands.width);
        let count = self.bands.in_rows(self.shape, self.rows.len());
        let out = &mut self.out[..count * width];
        out.fill(0.0);
        let top = self.rows.start * p.strides[0];
        // Rows of the copy that show input, and the first input row among them.
        let first = p.pads_begin[0].saturating_sub(top).min(count);
        let from = (top + first).saturating_sub(p.pads_begin[0]).min(in_h);
        let lines = self.plane[from * in_w..].chunks_exact(in_w);
        for (line, out) in lines.zip(out[first * width..].chunks_exact_mut(width)) {
            let out = &mut out[left..left + in_w];
            let mut x = 0;
            while x < in_w {
                let n = LANES.min(in_w - x);
                // SAFETY: n values from x lie inside both rows.
                unsafe {
                    let (from, to) = (line.as_ptr().add(x), out.as_mut_ptr().add(x));
                    if n == LANES {
                        s.store(to, s.load(from))
                    } else {
                        s.store_partial(to, n, s.load_partial(from, n))
                    }
                }
                x += LANES;
            }
        }
    }
}

struct Band<'a> {
    shape: &'a ConvShape<2>,
    width: usize,
    input: &'a [f32],
    weights: &'a [f32],
    bias: f32,
    beta: f32,
    clamp: (f32, f32),
    /// First value of the band's output, of which there are `rows` rows.
    output: *mut f32,
    rows: usize,
}

impl SimdOp for Band<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let p = self.shape.params();
        // The common windows are unrolled, which lets neighbouring output rows share their loads.
        match (p.kernel, p.strides, p.dilations) {
            ([3, 3], [1, 1], [1, 1]) => self.rows::<S, 1, 3>(s),
            ([5, 5], [1, 1], [1, 1]) => self.rows::<S, 1, 5>(s),
            ([3, 3], [2, 2], [1, 1]) => self.rows::<S, 2, 3>(s),
            ([5, 5], [2, 2], [1, 1]) => self.rows::<S, 2, 5>(s),
            (_, [_, 1], _) => self.rows::<S, 1, 0>(s),
            (_, [_, 2], _) => self.rows::<S, 2, 0>(s),
            _ => self.rows::<S, 0, 0>(s),
        }
    }
}

impl Band<'_> {
    /// STEP is the horizontal stride; zero stands for any. SIZE is the extent of a square window with equal strides and
    /// no dilation; zero stands for any window.
    #[inline(always)]
    fn rows<S: F32Simd, const STEP: usize, const SIZE: usize>(self, s: S) {
        let [_, out_w] = self.shape.output();
        let mut row = 0;
        while row < self.rows {
            let mut x = 0;
            while x < out_w {
                // SAFETY: rows from `row` of the output and their input rows exist; input rows are long enough for the
                // whole vector at x (`Bands::of`).
                unsafe {
                    match self.rows - row {
                        1 => self.tile::<S, 1, STEP, SIZE>(s, row, x),
                        2 => self.tile::<S, 2, STEP, SIZE>(s, row, x),
                        3 => self.tile::<S, 3, STEP, SIZE>(s, row, x),
                        _ => self.tile::<S, ROWS, STEP, SIZE>(s, row, x),
                    }
                }
                x += LANES;
            }
            row += ROWS;
        }
    }

    /// # Safety
    /// N output rows from `row` exist, x lies inside of them, and the copy holds all that they read.
    #[inline(always)]
    unsafe fn tile<S: F32Simd, const N: usize, const STEP: usize, const SIZE: usize>(
        &self,
        s: S,
        row: usize,
        x: usize,
    ) {
        let p = self.shape.params();
        let known = SIZE > 0;
        let [kernel_h, kernel_w] = if known { [SIZE; 2] } else { p.kernel };
        let [stride_y, stride_x] = if known { [STEP; 2] } else { p.strides };
        let [dilation_y, dilation_x] = if known { [1; 2] } else { p.dilations };
        let [_, out_w] = self.shape.output();
        let mut sums = [s.splat(0.0); N];
        let row_step = stride_y * self.width;
        let start = self.input.as_ptr().wrapping_add(row * row_step + x * stride_x);
        for y in 0..kernel_h {
            for tap in 0..kernel_w {
                // SAFETY: one weight per tap.
                let weight = s.splat(unsafe { *self.weights.as_ptr().add(y * kernel_w + tap) });
                for (n, sum) in sums.iter_mut().enumerate() {
                    let line = (n * stride_y + y * dilation_y) * self.width;
                    // SAFETY: granted by the caller.
                    let value = unsafe {
                        load_strided::<S, STEP>(s, start.wrapping_add(line + tap * dilation_x), stride_x)
                    };
                    *sum = s.fma(weight, value, *sum);
                }
            }
        }
        let valid = LANES.min(out_w - x);
        for (n, sum) in sums.into_iter().enumerate() {
            let target = self.output.wrapping_add((row + n) * out_w + x);
            // SAFETY: `valid` values from here lie inside this band's exclusive output.
            unsafe { self.finish(s, target, valid, sum) };
        }
    }

    /// # Safety
    /// `target` is readable and writable for `valid` values.
    #[inline(always)]
    unsafe fn finish<S: F32Simd>(&self, s: S, target: *mut f32, valid: usize, sum: S::V) {
        let mut value = sum;
        if self.beta != 0.0 {
            // SAFETY: granted by the caller.
            value = s.fma(s.splat(self.beta), unsafe { s.load_partial(target, valid) }, value);
        }
        value = s.add(value, s.splat(self.bias));
        value = s.min(s.splat(self.clamp.1), s.max(s.splat(self.clamp.0), value));
        // SAFETY: granted by the caller.
        unsafe { if valid == LANES { s.store(target, value) } else { s.store_partial(target, valid, value) } }
    }
}

/// LANES values, `step` apart; STEP is `step` where it is known.
///
/// # Safety
/// `(LANES - 1) * step + 1` values are readable.
#[inline(always)]
unsafe fn load_strided<S: F32Simd, const STEP: usize>(s: S, p: *const f32, step: usize) -> S::V {
    match STEP {
        // SAFETY: LANES values.
        1 => unsafe { s.load(p) },
        // SAFETY: the last value read is number 14 = (LANES - 1) * 2.
        2 => unsafe { s.load_even(p) },
        _ => {
            let mut lanes = [0.0; LANES];
            for (i, lane) in lanes.iter_mut().enumerate() {
                // SAFETY: i <= LANES - 1.
                *lane = unsafe { *p.add(i * step) };
            }
            // SAFETY: an array of LANES values.
            unsafe { s.load(lanes.as_ptr()) }
        }
    }
}
