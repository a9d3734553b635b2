//! Depthwise convolution of blocked maps: tiles of two rows by four pixels, whose sums stay in registers while every input
//! vector is read once per tile for both rows.

use std::ops::Range;

use super::finish::Finish;
use super::{BLOCK, BlockedEpilogue, Maps, assert_fits};
use crate::ShapeError;
use crate::conv::ConvShape;
use crate::elementwise::unary_in_place_alone;
use crate::isa::{Isa, SimdOp};
use crate::scratch::AlignedVec;
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Output rows of a tile.
const ROWS: usize = 2;
/// Pixels of a tile.
const PIXELS: usize = 4;
/// Multiply-adds of a task at least.
const TASK: usize = 1 << 16;

/// A depthwise convolution of blocked maps, ready for weights: one input and one output channel in each group.
#[derive(Debug, Clone)]
pub struct BlockedDepthwise {
    shape: ConvShape<2>,
    input: Maps,
    output: Maps,
}

impl BlockedDepthwise {
    /// The plan of a convolution; batch sizes are left to the call.
    ///
    /// # Errors
    /// Groups of more than one channel, or sizes that do not fit the address space.
    pub fn new(shape: ConvShape<2>) -> Result<Self, ShapeError> {
        let p = shape.params();
        for (what, got) in [("input channels", p.in_channels), ("output channels", p.out_channels)] {
            if got != p.groups {
                return Err(ShapeError::Mismatch { what, got, expected: p.groups });
            }
        }
        let input = Maps::new(p.in_channels, shape.in_pixels())?;
        let output = Maps::new(p.out_channels, shape.out_pixels())?;
        Ok(BlockedDepthwise { shape, input, output })
    }

    /// Maps of an input image.
    #[must_use]
    pub fn input(&self) -> Maps {
        self.input
    }

    /// Maps of an output image.
    #[must_use]
    pub fn output(&self) -> Maps {
        self.output
    }

    /// Packs weights of shape `[channels, 1, kernel]` to `[block][tap][8]`.
    ///
    /// # Errors
    /// `weights` has another length than the shape says.
    pub fn pack(&self, weights: &[f32]) -> Result<AlignedVec, ShapeError> {
        let expected = self.shape.weight_len();
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        let taps = self.shape.taps();
        let mut data = AlignedVec::zeroed(self.packed_len());
        for (channel, weights) in weights.chunks_exact(taps).enumerate() {
            let start = channel / BLOCK * taps * BLOCK + channel % BLOCK;
            for (tap, weight) in weights.iter().enumerate() {
                data.as_mut_slice()[start + tap * BLOCK] = *weight;
            }
        }
        Ok(data)
    }

    fn packed_len(&self) -> usize {
        self.output.blocks() * self.shape.taps() * BLOCK
    }

    /// A row of zeros that stands for rows above and below the image.
    fn blank_len(&self) -> usize {
        self.shape.params().input[1] * BLOCK
    }
}

/// Scratch values that [`depthwise_blocked`] needs.
#[must_use]
pub fn depthwise_blocked_scratch_len(depthwise: &BlockedDepthwise) -> usize {
    depthwise.blank_len()
}

/// The depthwise convolution of `images` images of blocked maps.
///
/// # Panics
/// If a slice is too short, or `packed` does not belong to the plan.
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn depthwise_blocked(
    team: &Team,
    isa: Isa,
    depthwise: &BlockedDepthwise,
    images: usize,
    packed: &[f32],
    input: &[f32],
    output: &mut [f32],
    epilogue: &BlockedEpilogue<'_>,
    scratch: &mut [f32],
) {
    let (from, to) = (depthwise.input, depthwise.output);
    assert_eq!(packed.len(), depthwise.packed_len(), "packed weights of another shape");
    let blank_len = depthwise.blank_len();
    assert_fits(images, (input, from.len()), (output, to), epilogue, (scratch, blank_len));
    let blank = &mut scratch[..blank_len];
    blank.fill(0.0);
    let blank = &*blank;
    let [out_h, out_w] = depthwise.shape.output();
    let row_macs = out_w * BLOCK * depthwise.shape.taps();
    let rows = TASK.div_ceil(row_macs.max(1)).next_multiple_of(ROWS).min(out_h);
    let bands = out_h.div_ceil(rows);
    let output = Parts::new(output);
    let (finish, left) = Finish::of(epilogue.activation);
    let body = |task: usize| {
        let (plane, band) = (task / bands, task % bands);
        let rows = band * rows..out_h.min((band + 1) * rows);
        let block = plane % to.blocks();
        let start = plane * to.plane() + rows.start * out_w * BLOCK;
        let len = rows.len() * out_w * BLOCK;
        // SAFETY: bands are disjoint parts of the output.
        let output = unsafe { output.get(start, len) };
        isa.dispatch(Band {
            shape: &depthwise.shape,
            input: &input[plane * from.plane()..(plane + 1) * from.plane()],
            blank,
            weights: &packed[block * depthwise.shape.taps() * BLOCK..],
            bias: epilogue.bias.map(|bias| &bias[block * BLOCK..][..BLOCK]),
            residual: epilogue.residual.map(|residual| &residual[start..start + len]),
            finish,
            rows,
            output: &mut *output,
        });
        if let Some(op) = left {
            unary_in_place_alone(isa, op, output);
        }
    };
    let tasks = images * to.blocks() * bands;
    if row_macs * out_h * to.blocks() * images < 4 * TASK {
        return (0..tasks).for_each(body);
    }
    team.parallel_for(tasks, body);
}

/// Some output rows of one block.
struct Band<'a> {
    shape: &'a ConvShape<2>,
    input: &'a [f32],
    blank: &'a [f32],
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    finish: Finish,
    rows: Range<usize>,
    output: &'a mut [f32],
}

impl SimdOp for Band<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let p = self.shape.params();
        // The common windows are unrolled.
        match (p.kernel, p.strides[1], p.dilations) {
            ([3, 3], 1, [1, 1]) => self.rows::<S, 3, 1>(s),
            ([3, 3], 2, [1, 1]) => self.rows::<S, 3, 2>(s),
            ([5, 5], 1, [1, 1]) => self.rows::<S, 5, 1>(s),
            ([5, 5], 2, [1, 1]) => self.rows::<S, 5, 2>(s),
            _ => self.any(s),
        }
    }
}

impl Band<'_> {
    /// The first element of an input row; `None` stands for a row outside of the image.
    #[inline(always)]
    fn line(&self, row: Option<usize>) -> *const f32 {
        let p = self.shape.params();
        match row.filter(|row| *row < p.input[0]) {
            Some(row) => self.input[row * p.input[1] * BLOCK..][..p.input[1] * BLOCK].as_ptr(),
            None => self.blank.as_ptr(),
        }
    }

    /// SIZE is the extent of the square window, STEP that of its steps along a row. Steps from row to row may be others; rows
    /// then share no lines.
    #[inline(always)]
    fn rows<S: F32Simd, const SIZE: usize, const STEP: usize>(mut self, s: S) {
        let p = *self.shape.params();
        let [_, out_w] = self.shape.output();
        // Pixels whose windows lie inside the row.
        let first = p.pads_begin[1].div_ceil(STEP).min(out_w);
        let end = ((p.input[1] + p.pads_begin[1]).saturating_sub(SIZE - 1)).div_ceil(STEP).min(out_w);
        // Unknown to the compiler, which would unroll the loops over lines and then move sums behind all loads.
        let size = std::hint::black_box(SIZE);
        let mut row = self.rows.start;
        while row < self.rows.end {
            let count = if p.strides[0] == STEP { ROWS.min(self.rows.end - row) } else { 1 };
            // Rows that the last output row does not have repeat what is there, and are not stored.
            let lines: [*const f32; 7] = std::array::from_fn(|line| {
                self.line((row * p.strides[0] + line).checked_sub(p.pads_begin[0]))
            });
            let mut x = 0;
            while x < out_w {
                let inner = x >= first && x + PIXELS <= end;
                // SAFETY: windows of tiles that are not edges lie inside their rows; the others check each pixel.
                unsafe {
                    match (count, out_w - x) {
                        (ROWS, PIXELS..) if inner => {
                            self.tile::<S, SIZE, STEP, ROWS, PIXELS, false>(s, &lines, size, row, x)
                        }
                        (ROWS, PIXELS..) => {
                            self.tile::<S, SIZE, STEP, ROWS, PIXELS, true>(s, &lines, size, row, x)
                        }
                        (ROWS, 3) => self.tile::<S, SIZE, STEP, ROWS, 3, true>(s, &lines, size, row, x),
                        (ROWS, 2) => self.tile::<S, SIZE, STEP, ROWS, 2, true>(s, &lines, size, row, x),
                        (ROWS, _) => self.tile::<S, SIZE, STEP, ROWS, 1, true>(s, &lines, size, row, x),
                        (_, PIXELS..) if inner => {
                            self.tile::<S, SIZE, STEP, 1, PIXELS, false>(s, &lines, size, row, x)
                        }
                        (_, PIXELS..) => self.tile::<S, SIZE, STEP, 1, PIXELS, true>(s, &lines, size, row, x),
                        (_, 3) => self.tile::<S, SIZE, STEP, 1, 3, true>(s, &lines, size, row, x),
                        (_, 2) => self.tile::<S, SIZE, STEP, 1, 2, true>(s, &lines, size, row, x),
                        _ => self.tile::<S, SIZE, STEP, 1, 1, true>(s, &lines, size, row, x),
                    }
                }
                x += PIXELS;
            }
            row += count;
        }
    }

    /// N output rows from `row` by P pixels from `x`.
    ///
    /// # Safety
    /// `lines` are the input rows under the output rows, which lie inside the band; unless EDGE, the windows lie inside them.
    #[inline(always)]
    unsafe fn tile<
        S: F32Simd,
        const SIZE: usize,
        const STEP: usize,
        const N: usize,
        const P: usize,
        const EDGE: bool,
    >(
        &mut self,
        s: S,
        lines: &[*const f32; 7],
        size: usize,
        row: usize,
        x: usize,
    ) {
        let p = self.shape.params();
        let bias = match self.bias {
            // SAFETY: eight values.
            Some(bias) => unsafe { s.load(bias.as_ptr()) },
            None => s.splat(0.0),
        };
        let mut sums = [[bias; P]; N];
        let left = (x * STEP).cast_signed() - p.pads_begin[1].cast_signed();
        let width = p.input[1].cast_signed();
        let place = Place { left, width };
        let weights = self.weights.as_ptr();
        // Lines that only the first row of the tile sees, then those that both see, then the rest.
        let taps_of = |line: usize| weights.wrapping_add(line * SIZE * BLOCK);
        for (index, &line) in lines[..STEP].iter().enumerate() {
            // SAFETY: granted by the caller; the same holds below.
            unsafe { add_line::<S, SIZE, STEP, N, P, EDGE, 0, 1>(s, &mut sums, line, place, taps_of(index)) };
        }
        for (index, &line) in lines[..size].iter().enumerate().skip(STEP) {
            // SAFETY: see above.
            unsafe { add_line::<S, SIZE, STEP, N, P, EDGE, 0, N>(s, &mut sums, line, place, taps_of(index)) };
        }
        if N > 1 {
            for (index, &line) in lines[..size + STEP].iter().enumerate().skip(size) {
                // SAFETY: see above.
                unsafe {
                    add_line::<S, SIZE, STEP, N, P, EDGE, 1, N>(s, &mut sums, line, place, taps_of(index))
                };
            }
        }
        let out_w = self.shape.output()[1];
        let at = ((row - self.rows.start) * out_w + x) * BLOCK;
        if let Some(residual) = self.residual {
            for (n, sums) in sums.iter_mut().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let from = residual.as_ptr().wrapping_add(at + (n * out_w + i) * BLOCK);
                    // SAFETY: the residual is as long as the output, where the tile lies.
                    *sum = s.add(*sum, unsafe { s.load(from) });
                }
            }
        }
        self.finish.apply(s, &mut sums);
        for (n, sums) in sums.iter().enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                let to = self.output.as_mut_ptr().wrapping_add(at + (n * out_w + i) * BLOCK);
                // SAFETY: the tile lies inside the output.
                unsafe { s.store(to, *sum) };
            }
        }
    }

    /// Any window, a pixel at a time.
    #[inline(always)]
    fn any<S: F32Simd>(mut self, s: S) {
        let p = *self.shape.params();
        let [_, out_w] = self.shape.output();
        let inside = |axis: usize, out: usize, tap: usize| {
            (out * p.strides[axis] + tap * p.dilations[axis])
                .checked_sub(p.pads_begin[axis])
                .filter(|at| *at < p.input[axis])
        };
        for row in self.rows.clone() {
            for x in 0..out_w {
                let mut sum = match self.bias {
                    // SAFETY: eight values.
                    Some(bias) => unsafe { s.load(bias.as_ptr()) },
                    None => s.splat(0.0),
                };
                for y_tap in 0..p.kernel[0] {
                    let Some(y) = inside(0, row, y_tap) else { continue };
                    for x_tap in 0..p.kernel[1] {
                        let Some(x) = inside(1, x, x_tap) else { continue };
                        let pixel = &self.input[(y * p.input[1] + x) * BLOCK..][..BLOCK];
                        let weight = &self.weights[(y_tap * p.kernel[1] + x_tap) * BLOCK..][..BLOCK];
                        // SAFETY: eight values each.
                        sum = unsafe { s.fma(s.load(weight.as_ptr()), s.load(pixel.as_ptr()), sum) };
                    }
                }
                self.finish(s, row, x, sum);
            }
        }
    }

    #[inline(always)]
    fn finish<S: F32Simd>(&mut self, s: S, row: usize, x: usize, mut sum: S::V) {
        let at = ((row - self.rows.start) * self.shape.output()[1] + x) * BLOCK;
        if let Some(residual) = self.residual {
            // SAFETY: eight values.
            sum = s.add(sum, unsafe { s.load(residual[at..at + BLOCK].as_ptr()) });
        }
        let mut sums = [[sum]];
        self.finish.apply(s, &mut sums);
        let [[sum]] = sums;
        // SAFETY: eight values.
        unsafe { s.store(self.output[at..at + BLOCK].as_mut_ptr(), sum) };
    }
}

/// Where a row of windows lies.
#[derive(Clone, Copy)]
struct Place {
    /// First pixel, possibly outside of the row.
    left: isize,
    /// Pixels of the row.
    width: isize,
}

/// Adds what an input line gives to the tile's rows FROM..TO; `weights` is the row of taps of row 0, which the line may
/// lie behind.
///
/// # Safety
/// The pixels that lie inside the row are readable, and unless EDGE all do; rows FROM..TO see the line.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterators would keep the sums in memory instead of registers")]
unsafe fn add_line<
    S: F32Simd,
    const SIZE: usize,
    const STEP: usize,
    const N: usize,
    const P: usize,
    const EDGE: bool,
    const FROM: usize,
    const TO: usize,
>(
    s: S,
    sums: &mut [[S::V; P]; N],
    line: *const f32,
    place: Place,
    weights: *const f32,
) {
    let start = line.wrapping_offset(place.left * BLOCK.cast_signed());
    for tap in 0..SIZE {
        let mut taps = [s.splat(0.0); N];
        for row in FROM..TO {
            // SAFETY: row `row` of the tile sees the line by a tap that its window has.
            taps[row] =
                unsafe { s.load(weights.wrapping_add(tap * BLOCK).wrapping_sub(row * STEP * SIZE * BLOCK)) };
        }
        for i in 0..P {
            let at = place.left + (i * STEP + tap).cast_signed();
            if EDGE && !(0..place.width).contains(&at) {
                continue;
            }
            // SAFETY: the pixel lies inside the row.
            let pixel = unsafe { s.load(start.wrapping_add((i * STEP + tap) * BLOCK)) };
            for row in FROM..TO {
                sums[row][i] = s.fma(taps[row], pixel, sums[row][i]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::testing::Subject;
    use crate::conv::ConvParams;
    use crate::testing::Rng;

    fn random_shape(rng: &mut Rng) -> Option<ConvShape<2>> {
        let mut axis = |low: usize, range: usize| [low + rng.below(range), low + rng.below(range)];
        let input = axis(1, 30);
        let (pads_begin, pads_end) = (axis(0, 3), axis(0, 3));
        let channels = 1 + rng.below(40);
        let (kernel, strides, dilations) = match rng.below(3) {
            0 => ([[3, 3], [5, 5]][rng.below(2)], [1, 1], [1, 1]),
            1 => ([[3, 3], [5, 5]][rng.below(2)], [2, 2], [1, 1]),
            _ => {
                let mut axis = |range: usize| [1 + rng.below(range), 1 + rng.below(range)];
                (axis(4), axis(3), axis(2))
            }
        };
        let batch = 1 + rng.below(2);
        let params = ConvParams {
            batch,
            in_channels: channels,
            out_channels: channels,
            groups: channels,
            input,
            kernel,
            strides,
            dilations,
            pads_begin,
            pads_end,
        };
        ConvShape::new(params).ok()
    }

    #[test]
    fn agrees_with_the_plain_loop_on_every_tier_and_with_any_number_of_threads() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let Some(shape) = random_shape(&mut rng) else { continue };
            let conv = BlockedDepthwise::new(shape).unwrap();
            let (input, output) = (Some(conv.input()), conv.output());
            Subject { shape: &shape, input, output, has_factors: false, tolerance: 1e-4 }.assert_agrees(
                &format!("seed {seed}"),
                &mut rng,
                |weights| conv.pack(weights).unwrap(),
                |_| depthwise_blocked_scratch_len(&conv),
                |c| {
                    depthwise_blocked(
                        c.team,
                        c.isa,
                        &conv,
                        c.images,
                        c.packed,
                        c.input,
                        c.output,
                        &c.epilogue,
                        c.scratch,
                    );
                },
            );
        }
    }
}
