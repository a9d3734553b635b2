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
            unfold(geometry, image, first..pixels.end.min(first + NR), k.clone(), out);
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

/// Writes rows `k` of the unfolded image for `pixels` (at most NR, zeros behind them) as `[k][NR]`.
fn unfold(shape: &ConvShape<2>, image: &[f32], pixels: Range<usize>, k: Range<usize>, out: &mut [f32]) {
    let [_, kernel_w] = shape.params().kernel;
    let step = shape.params().strides[1];
    let (taps, plane) = (shape.taps(), shape.in_pixels());
    for tap in 0..taps {
        let mut runs = [Run::default(); NR];
        let runs = find_runs(shape, tap / kernel_w, tap % kernel_w, pixels.clone(), &mut runs);
        let covered: usize = runs.iter().map(|run| run.len).sum();
        // Row k of the unfolded image is channel k / taps seen through tap k % taps.
        let first_channel = k.start.saturating_sub(tap).div_ceil(taps);
        for channel in first_channel..k.end.saturating_sub(tap).div_ceil(taps) {
            let row = channel * taps + tap - k.start;
            let out = &mut out[row * NR..(row + 1) * NR];
            let image = &image[channel * plane..(channel + 1) * plane];
            if let ([run], NR, 1) = (runs, covered, step) {
                out.copy_from_slice(&image[run.from..run.from + NR]);
                continue;
            }
            if covered < NR {
                out.fill(0.0);
            }
            for run in runs.iter() {
                let source = image[run.from..].iter().step_by(step);
                for (out, x) in out[run.to..run.to + run.len].iter_mut().zip(source) {
                    *out = *x;
                }
            }
        }
    }
}

/// The runs of `pixels` seen through a tap; padding belongs to none.
fn find_runs<'r>(
    shape: &ConvShape<2>,
    tap_y: usize,
    tap_x: usize,
    pixels: Range<usize>,
    runs: &'r mut [Run; NR],
) -> &'r [Run] {
    let p = shape.params();
    let out_w = shape.output()[1];
    let (valid_y, valid_x) = (shape.valid(0, tap_y), shape.valid(1, tap_x));
    let mut count = 0;
    let mut pixel = pixels.start;
    while pixel < pixels.end {
        let (y, x) = (pixel / out_w, pixel % out_w);
        let row_end = pixels.end.min((y + 1) * out_w);
        let (first, end) = (x.max(valid_x.start), (x + row_end - pixel).min(valid_x.end));
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
        pixel = row_end;
    }
    &runs[..count]
}
