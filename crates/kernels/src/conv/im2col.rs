//! Convolution as `W[out, K] · unfolded[K, pixels]`, with the unfolded image built panel by panel in cache.
//!
//! The result comes out channels first without a transposition. A 1x1 convolution with stride 1 is the same product of
//! the image itself, taken as one long row.

use std::ops::Range;

use super::{ALONE_BELOW, ConvParams, ConvShape, Job};
use crate::gemm::{
    A, Block, K_BLOCK, MR, NR, StageBias, TileF32, best_tile, k_blocks, packed_a_len, stage_of, stretch,
};
use crate::gemm::{Bias, Epilogue, M_BLOCK};
use crate::isa::SimdOp;
use crate::simd::{F32Simd, LANES};
use crate::team::Team;

/// Panels that are unfolded together: with [`K_BLOCK`] they fill 256 KiB of the second-level cache.
const PANELS: usize = 8;
/// Tasks per thread: more than one, so that a thread which is held up is helped.
const TASKS_PER_THREAD: usize = 4;

/// Scratch of one worker.
pub(super) fn scratch_len(shape: &ConvShape<2>) -> usize {
    shape.out_pixels().div_ceil(NR).min(PANELS) * NR * shape.k().min(K_BLOCK)
}

pub(super) fn run(team: &Team, job: &Job<'_>) {
    let shape = job.shape;
    let flat = as_pointwise(shape);
    let geometry = flat.as_ref().unwrap_or(shape);
    let grid = Grid::choose(shape, team.threads());
    let tile = best_tile(job.isa);
    team.parallel_for_worker(grid.tasks(), |worker, task| {
        // SAFETY: no two concurrent tasks have the same worker index.
        let scratch = unsafe { job.scratch_of(worker) };
        let task = grid.task(shape, task);
        let mut pixel = task.pixels.start;
        while pixel < task.pixels.end {
            let pixels = pixel..task.pixels.end.min(pixel + PANELS * NR);
            pixel = pixels.end;
            // SAFETY: lengths are checked; tasks own disjoint blocks of the output.
            unsafe { panels(job, geometry, tile, &task, pixels, scratch) };
        }
    });
}

/// The same convolution with the image as one row, if every output value sees one pixel, its own.
fn as_pointwise(shape: &ConvShape<2>) -> Option<ConvShape<2>> {
    let p = *shape.params();
    let own = p.kernel == [1, 1] && p.strides == [1, 1] && p.pads_begin == [0, 0] && p.pads_end == [0, 0];
    if !own {
        return None;
    }
    ConvShape::new(ConvParams { input: [1, shape.in_pixels()], ..p }).ok()
}

/// A share of the output: one group of one image, some of its channels, some of its pixels.
struct Task {
    /// `image * groups + group`.
    unit: usize,
    channels: Range<usize>,
    pixels: Range<usize>,
}

/// The partition of the output.
#[derive(Clone, Copy)]
struct Grid {
    units: usize,
    channel_parts: usize,
    pixel_parts: usize,
}

impl Grid {
    /// Pixels are split first; channels where there are few pixels, since every split of the pixels reads all weights again
    /// and every split of the channels unfolds the image again.
    fn choose(shape: &ConvShape<2>, threads: usize) -> Self {
        let units = shape.params().batch * shape.groups();
        let alone = Grid { units, channel_parts: 1, pixel_parts: 1 };
        let work = shape.macs();
        if threads == 1 || work < ALONE_BELOW || units >= threads * TASKS_PER_THREAD {
            return alone;
        }
        let wanted = (threads * TASKS_PER_THREAD).min(work / (ALONE_BELOW / 4)).max(threads).div_ceil(units);
        let panels = shape.out_pixels().div_ceil(NR);
        if panels >= 2 * wanted {
            return Grid { pixel_parts: wanted, ..alone };
        }
        let wanted = threads.div_ceil(units);
        let channel_parts = wanted.min(shape.group_out().div_ceil(MR));
        Grid { channel_parts, pixel_parts: wanted.div_ceil(channel_parts).min(panels), ..alone }
    }

    fn tasks(self) -> usize {
        self.units * self.channel_parts * self.pixel_parts
    }

    fn task(self, shape: &ConvShape<2>, index: usize) -> Task {
        let parts = self.channel_parts * self.pixel_parts;
        let (unit, part) = (index / parts, index % parts);
        let (channel, pixel) = (part / self.pixel_parts, part % self.pixel_parts);
        Task {
            unit,
            channels: stretch(shape.group_out(), MR, channel, self.channel_parts),
            pixels: stretch(shape.out_pixels(), NR, pixel, self.pixel_parts),
        }
    }
}

/// Computes at most PANELS panels of pixels for the channels of a task.
///
/// # Safety
/// The job's lengths are checked, `pixels` starts at a multiple of NR, and nobody else accesses this part of the output.
unsafe fn panels(
    job: &Job<'_>,
    geometry: &ConvShape<2>,
    tile: TileF32,
    task: &Task,
    pixels: Range<usize>,
    scratch: &mut [f32],
) {
    let shape = job.shape;
    let (k_total, group_out, out_pixels) = (shape.k(), shape.group_out(), shape.out_pixels());
    let group = task.unit % shape.groups();
    let image_len = shape.group_in() * shape.in_pixels();
    let image = &job.input[task.unit * image_len..(task.unit + 1) * image_len];
    let weights_len = packed_a_len(group_out, k_total).unwrap_or(0);
    let weights = &job.weights[group * weights_len..(group + 1) * weights_len];
    let epilogue = Epilogue {
        beta: job.epilogue.beta,
        activation: job.epilogue.activation,
        bias: Bias::None,
        alpha: 1.0,
    };
    for k in k_blocks(k_total) {
        for (panel, out) in scratch.chunks_exact_mut(k.len() * NR).enumerate().take(pixels.len().div_ceil(NR))
        {
            let first = pixels.start + panel * NR;
            let pixels = first..pixels.end.min(first + NR);
            job.isa.dispatch(Unfold { shape: geometry, image, pixels, k: k.clone(), out });
        }
        let mut channel = task.channels.start;
        while channel < task.channels.end {
            let rows = M_BLOCK.min(task.channels.end - channel);
            let bias = job.epilogue.bias.map_or(StageBias::None, |bias| {
                StageBias::PerRow(bias[group * group_out + channel..].as_ptr())
            });
            let block = Block {
                rows,
                cols: pixels.len(),
                k: k.len(),
                a: A::Packed {
                    start: weights[channel / MR * MR * k_total + k.start * MR..].as_ptr(),
                    panel_stride: k_total * MR,
                },
                b: scratch.as_ptr(),
                b_panel: k.len() * NR,
                c: job
                    .output
                    .as_ptr()
                    .wrapping_add((task.unit * group_out + channel) * out_pixels + pixels.start),
                ldc: out_pixels,
                stage: stage_of(&epilogue, bias, &k, k_total),
            };
            // SAFETY: rows are channels of this group (`channel` is a multiple of MR), columns pixels of this image; the
            // panels were just written; the caller vouches for the rest.
            unsafe { tile.run(&block) };
            channel += rows;
        }
    }
    for channel in task.channels.clone() {
        let start = (task.unit * group_out + channel) * out_pixels + pixels.start;
        // SAFETY: a part of this task's block of the output.
        job.epilogue.finish(job.isa, unsafe { job.output.get(start, pixels.len()) });
    }
}

/// Pixels of a panel that lie in one output row and are read from one stretch of an input row.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Where the run starts in the panel.
    to: usize,
    /// First source value in the plane.
    from: usize,
    len: usize,
}

impl Run {
    /// The run's lanes in the panel's vector `v`.
    #[inline(always)]
    fn lanes(self, v: usize) -> Range<usize> {
        let lane = |at: usize| at.saturating_sub(v * LANES).min(LANES);
        lane(self.to)..lane(self.to + self.len)
    }
}

/// Writes rows `k` of the unfolded image for `pixels` (at most NR, zeros behind them) as `[k][NR]`.
struct Unfold<'a> {
    shape: &'a ConvShape<2>,
    image: &'a [f32],
    pixels: Range<usize>,
    k: Range<usize>,
    out: &'a mut [f32],
}

impl SimdOp for Unfold<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(mut self, s: S) {
        match self.shape.params().strides[1] {
            1 => self.taps::<S, 1>(s),
            2 => self.taps::<S, 2>(s),
            _ => self.taps::<S, 0>(s),
        }
    }
}

impl Unfold<'_> {
    /// STEP is the horizontal stride; zero stands for any.
    #[inline(always)]
    fn taps<S: F32Simd, const STEP: usize>(&mut self, s: S) {
        let kernel_w = self.shape.params().kernel[1];
        let taps = self.shape.taps();
        let mut runs = [Run::default(); NR];
        for tap in 0..taps {
            // Row k of the unfolded image is channel k / taps seen through tap k % taps.
            let first = self.k.start.saturating_sub(tap).div_ceil(taps);
            let channels = first..self.k.end.saturating_sub(tap).div_ceil(taps);
            if channels.is_empty() {
                continue;
            }
            let count = find_runs(self.shape, tap / kernel_w, tap % kernel_w, self.pixels.clone(), &mut runs);
            for (index, run) in runs.iter().enumerate().take(count.max(1)) {
                let run = if index < count { *run } else { Run::default() };
                self.copy::<S, STEP>(s, run, index == 0, tap, channels.clone());
            }
        }
    }

    /// Copies one run of one tap for all `channels`; the first run also writes the zeros around it.
    #[inline(always)]
    fn copy<S: F32Simd, const STEP: usize>(
        &mut self,
        s: S,
        run: Run,
        first: bool,
        tap: usize,
        channels: Range<usize>,
    ) {
        let step = self.shape.params().strides[1];
        let (taps, plane) = (self.shape.taps(), self.shape.in_pixels());
        let rows = (channels.start * taps + tap - self.k.start, channels.len());
        let last_row = rows.0 + (rows.1 - 1) * taps;
        let last_value = run.from + run.len.saturating_sub(1) * step;
        assert!(run.to + run.len <= NR && last_value < plane && channels.end * plane <= self.image.len());
        assert!((last_row + 1) * NR <= self.out.len());
        let mut source =
            self.image.as_ptr().wrapping_add(channels.start * plane + run.from).wrapping_sub(run.to * step);
        let mut target = self.out.as_mut_ptr().wrapping_add(rows.0 * NR);
        let lanes = [run.lanes(0), run.lanes(1)];
        for _ in channels {
            for (v, lanes) in lanes.iter().enumerate() {
                let from = source.wrapping_add(v * LANES * step);
                // SAFETY: the lanes are those of the run, whose values lie inside the plane; rows lie inside `out`; both were
                // asserted.
                unsafe {
                    let to = target.wrapping_add(v * LANES);
                    let mut values = load_run::<S, STEP>(s, from, lanes, step);
                    if !first {
                        values = s.add(values, s.load(to));
                    }
                    s.store(to, values);
                }
            }
            source = source.wrapping_add(plane);
            target = target.wrapping_add(taps * NR);
        }
    }
}

/// Lanes `lanes` from `p + lane * step`, zeros elsewhere; STEP is `step` where it is known.
///
/// # Safety
/// These values are readable.
#[inline(always)]
unsafe fn load_run<S: F32Simd, const STEP: usize>(
    s: S,
    p: *const f32,
    lanes: &Range<usize>,
    step: usize,
) -> S::V {
    match STEP {
        // SAFETY: passed on to the caller.
        1 => unsafe { s.load_lanes(p, lanes) },
        // SAFETY: passed on to the caller.
        2 => unsafe { s.load_even_lanes(p, lanes) },
        _ => {
            let mut values = [0.0; LANES];
            for lane in lanes.clone() {
                // SAFETY: passed on to the caller.
                values[lane] = unsafe { *p.wrapping_add(lane * step) };
            }
            // SAFETY: an array of LANES values.
            unsafe { s.load(values.as_ptr()) }
        }
    }
}

/// Finds the runs of `pixels` seen through a tap and returns their number; padding belongs to none.
fn find_runs(
    shape: &ConvShape<2>,
    tap_y: usize,
    tap_x: usize,
    pixels: Range<usize>,
    runs: &mut [Run; NR],
) -> usize {
    let p = shape.params();
    let out_w = shape.output()[1];
    let (valid_y, valid_x) = (shape.valid(0, tap_y), shape.valid(1, tap_x));
    let mut count = 0;
    let mut pixel = pixels.start;
    let (mut y, mut x) = (pixel / out_w, pixel % out_w);
    while pixel < pixels.end {
        let row = (out_w - x).min(pixels.end - pixel);
        let (first, end) = (x.max(valid_x.start), (x + row).min(valid_x.end));
        if valid_y.contains(&y) && first < end {
            let in_y = y * p.strides[0] + tap_y * p.dilations[0] - p.pads_begin[0];
            let in_x = first * p.strides[1] + tap_x * p.dilations[1] - p.pads_begin[1];
            runs[count] = Run {
                to: pixel - pixels.start + first - x,
                from: in_y * p.input[1] + in_x,
                len: end - first,
            };
            count += 1;
        }
        pixel += row;
        (y, x) = (y + 1, 0);
    }
    count
}
