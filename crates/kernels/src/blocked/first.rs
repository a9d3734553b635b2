//! The first convolution of a network, which reads the plain maps of an image's few channels.
//!
//! A row of the window is a run of values of such a map: one segment of the product for each channel. Only the lines
//! that a band of output rows reads are copied, to have zeros where the padding is.

use std::ops::Range;

use super::conv::{lanes, panels};
use super::finish::Finish;
use super::tile::{self, Ahead, NARROW, Segments, Tile, WIDE};
use super::{BLOCK, BlockedEpilogue, Maps, assert_fits, part};
use crate::ShapeError;
use crate::conv::ConvShape;
use crate::elementwise::unary_in_place_alone;
use crate::isa::{Isa, SimdOp};
use crate::scratch::AlignedVec;
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Values of the lines of a band: a part of the second-level cache.
const LINES: usize = 12 * 1024;
/// Multiply-adds below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 200_000;

/// A convolution from plain to blocked maps, ready for weights.
#[derive(Debug, Clone)]
pub struct FirstConv {
    shape: ConvShape<2>,
    output: Maps,
    /// Output rows of a band.
    rows: usize,
    /// Input lines that a band reads.
    lines: usize,
    /// Values of a line with its padding.
    width: usize,
    /// Distances of the rows of the window, or of its taps where those are apart.
    segments: Vec<isize>,
    /// Values of a segment.
    depth: usize,
}

impl FirstConv {
    /// The plan of a convolution; batch sizes are left to the call.
    ///
    /// # Errors
    /// Several groups, or sizes that do not fit the address space.
    pub fn new(shape: ConvShape<2>) -> Result<Self, ShapeError> {
        let p = *shape.params();
        if p.groups != 1 {
            return Err(ShapeError::Mismatch { what: "number of groups", got: p.groups, expected: 1 });
        }
        let output = Maps::new(p.out_channels, shape.out_pixels())?;
        let too_large = ShapeError::TooLarge { what: "lines of the input" };
        let width =
            p.input[1].checked_add(p.pads_begin[1]).and_then(|width| width.checked_add(p.pads_end[1]));
        let width = width.ok_or(too_large.clone())?;
        let reach = (p.kernel[0] - 1) * p.dilations[0] + 1;
        let most = LINES / p.in_channels.saturating_mul(width).max(1);
        let rows = (most.saturating_sub(reach) / p.strides[0] + 1).min(shape.output()[0]);
        let lines = (rows - 1) * p.strides[0] + reach;
        let len = p.in_channels.checked_mul(lines).and_then(|lines| lines.checked_mul(width));
        if len.is_none_or(|len| len > isize::MAX as usize / 8) {
            return Err(too_large);
        }
        let (taps, depth) = if p.dilations[1] == 1 { (1, p.kernel[1]) } else { (p.kernel[1], 1) };
        let mut segments = Vec::with_capacity(p.in_channels * p.kernel[0] * taps);
        for channel in 0..p.in_channels {
            for y in 0..p.kernel[0] {
                let line = (channel * lines + y * p.dilations[0]) * width;
                segments.extend((0..taps).map(|x| (line + x * p.dilations[1]).cast_signed()));
            }
        }
        Ok(FirstConv { shape, output, rows, lines, width, segments, depth })
    }

    /// The geometry.
    #[must_use]
    pub fn shape(&self) -> &ConvShape<2> {
        &self.shape
    }

    /// Maps of an output image.
    #[must_use]
    pub fn output(&self) -> Maps {
        self.output
    }

    /// Packs weights of shape `[out_channels, in_channels, kernel]`.
    ///
    /// # Errors
    /// `weights` has another length than the shape says.
    pub fn pack(&self, weights: &[f32]) -> Result<AlignedVec, ShapeError> {
        let expected = self.shape.weight_len();
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        let (depth, channels) = (self.sum_len(), self.output.channels());
        let mut data = AlignedVec::zeroed(self.packed_len());
        let mut out = data.as_mut_slice().iter_mut();
        for panel in panels(self.output.blocks()) {
            for k in 0..depth {
                for (lane, out) in panel.clone().flat_map(lanes).zip(out.by_ref()) {
                    *out = if lane < channels { weights[lane * depth + k] } else { 0.0 };
                }
            }
        }
        Ok(data)
    }

    /// Values that are summed for an output value.
    fn sum_len(&self) -> usize {
        self.segments.len() * self.depth
    }

    fn packed_len(&self) -> usize {
        self.output.blocks() * BLOCK * self.sum_len()
    }

    fn scratch_each(&self) -> usize {
        self.shape.params().in_channels * self.lines * self.width
    }
}

/// Scratch values that [`conv_first`] needs.
#[must_use]
pub fn conv_first_scratch_len(team: &Team, conv: &FirstConv) -> usize {
    conv.scratch_each() * team.threads()
}

/// The convolution of `images` images of plain maps to blocked maps.
///
/// # Panics
/// If a slice is too short, or `packed` does not belong to the plan.
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn conv_first(
    team: &Team,
    isa: Isa,
    conv: &FirstConv,
    images: usize,
    packed: &[f32],
    input: &[f32],
    output: &mut [f32],
    epilogue: &BlockedEpilogue<'_>,
    scratch: &mut [f32],
) {
    let (shape, to) = (&conv.shape, conv.output);
    let from = shape.params().in_channels * shape.in_pixels();
    assert_eq!(packed.len(), conv.packed_len(), "packed weights of another shape");
    let scratch_each = conv.scratch_each();
    assert_fits(images, (input, from), (output, to), epilogue, (scratch, scratch_each * team.threads()));
    let (output, scratch) = (Parts::new(output), Parts::new(scratch));
    let out_h = shape.output()[0];
    let bands = out_h.div_ceil(conv.rows);
    let body = |worker: usize, task: usize| {
        let (image, band) = (task / bands, task % bands);
        let rows = band * conv.rows..out_h.min((band + 1) * conv.rows);
        // SAFETY: no two concurrent tasks have the same worker index.
        let lines = unsafe { scratch.get(worker * scratch_each, scratch_each) };
        fill_lines(conv, rows.start, &input[image * from..(image + 1) * from], lines);
        isa.dispatch(Band { conv, packed, lines, output, epilogue, image, rows, isa });
    };
    let tasks = images * bands;
    if shape.macs().saturating_mul(images) < ALONE_BELOW {
        return (0..tasks).for_each(|task| body(0, task));
    }
    team.parallel_for_worker(tasks, body);
}

/// Copies the lines that the band from output row `row` on reads, zeros in the padding.
fn fill_lines(conv: &FirstConv, row: usize, image: &[f32], lines: &mut [f32]) {
    let p = conv.shape.params();
    let [height, width] = p.input;
    for (map, lines) in
        image.chunks_exact(height * width).zip(lines.chunks_exact_mut(conv.lines * conv.width))
    {
        for (line, out) in lines.chunks_exact_mut(conv.width).enumerate() {
            let at = (row * p.strides[0] + line).checked_sub(p.pads_begin[0]).filter(|at| *at < height);
            let Some(at) = at else {
                out.fill(0.0);
                continue;
            };
            let (left, rest) = out.split_at_mut(p.pads_begin[1]);
            let (middle, right) = rest.split_at_mut(width);
            left.fill(0.0);
            middle.copy_from_slice(&map[at * width..][..width]);
            right.fill(0.0);
        }
    }
}

/// A task: some output rows of all blocks.
struct Band<'a> {
    conv: &'a FirstConv,
    packed: &'a [f32],
    lines: &'a [f32],
    output: Parts<'a, f32>,
    epilogue: &'a BlockedEpilogue<'a>,
    image: usize,
    rows: Range<usize>,
    isa: Isa,
}

impl SimdOp for Band<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let panel_len = self.conv.sum_len() * BLOCK;
        for panel in panels(self.conv.output.blocks()) {
            let weights = &self.packed[panel.start * panel_len..panel.end * panel_len];
            match panel.len() {
                1 => self.panel::<S, 1>(s, panel.start, weights),
                _ => self.panel::<S, 2>(s, panel.start, weights),
            }
        }
    }
}

impl Band<'_> {
    /// VECTORS output blocks from `block`, with a panel of weights.
    #[inline(always)]
    fn panel<S: F32Simd, const VECTORS: usize>(&self, s: S, block: usize, weights: &[f32]) {
        let conv = self.conv;
        let p = conv.shape.params();
        let (maps, out_w) = (conv.output, conv.shape.output()[1]);
        let (finish, left) = Finish::of(self.epilogue.activation);
        let start = self.image * maps.len() + block * maps.plane();
        let count = out_w.div_ceil(if VECTORS == 1 { NARROW } else { WIDE });
        for (line, row) in self.rows.clone().enumerate() {
            for index in 0..count {
                let part = part(out_w, count, index);
                let at = start + (row * out_w + part.start) * BLOCK;
                let from = line * p.strides[0] * conv.width + part.start * p.strides[1];
                let tile = Tile {
                    input: self.lines.as_ptr().wrapping_add(from),
                    step: p.strides[1],
                    out_step: BLOCK,
                    segments: Segments::List(&conv.segments),
                    depth: conv.depth,
                    weights: weights.as_ptr(),
                    ahead: Ahead::NONE,
                    bias: self.epilogue.bias.map(|bias| bias[block * BLOCK..][..VECTORS * BLOCK].as_ptr()),
                    residual: self.epilogue.residual.map(|residual| residual[at..].as_ptr()),
                    finish,
                    output: self.output.as_ptr().wrapping_add(at),
                    plane: maps.plane(),
                };
                // SAFETY: rows and blocks lie inside the output, which the entry has checked, as well as residual, bias and
                // weights; the windows of a band's rows lie inside its lines, those of all pixels inside a line.
                unsafe { tile::run::<S, VECTORS>(s, &tile, part.len()) };
            }
        }
        let Some(op) = left else { return };
        // While the panel is in the cache.
        for block in 0..VECTORS {
            let at = start + block * maps.plane() + self.rows.start * out_w * BLOCK;
            // SAFETY: tasks are disjoint in images or rows.
            let rows = unsafe { self.output.get(at, self.rows.len() * out_w * BLOCK) };
            unary_in_place_alone(self.isa, op, rows);
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
        let (input, kernel, strides, dilations) = (axis(1, 60), axis(1, 7), axis(1, 4), axis(1, 2));
        let (pads_begin, pads_end) = (axis(0, 4), axis(0, 4));
        ConvShape::new(ConvParams {
            batch: 1 + rng.below(2),
            in_channels: 1 + rng.below(4),
            out_channels: 1 + rng.below(70),
            groups: 1,
            input,
            kernel,
            strides,
            dilations,
            pads_begin,
            pads_end,
        })
        .ok()
    }

    #[test]
    fn agrees_with_the_plain_loop_on_every_tier_and_with_any_number_of_threads() {
        for seed in 0..160 {
            let mut rng = Rng::new(seed);
            let Some(shape) = random_shape(&mut rng) else { continue };
            let conv = FirstConv::new(shape).unwrap();
            let output = conv.output();
            Subject { shape: &shape, input: None, output, has_factors: false, tolerance: 1e-4 }
                .assert_agrees(
                    &format!("seed {seed}"),
                    &mut rng,
                    |weights| conv.pack(weights).unwrap(),
                    |team| conv_first_scratch_len(team, &conv),
                    |c| {
                        conv_first(
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

    #[test]
    fn refuses_groups_and_weights_of_another_shape() {
        let params = ConvParams {
            batch: 1,
            in_channels: 4,
            out_channels: 16,
            groups: 2,
            input: [4, 4],
            kernel: [1, 1],
            strides: [1, 1],
            dilations: [1, 1],
            pads_begin: [0, 0],
            pads_end: [0, 0],
        };
        let shape = ConvShape::new(params).unwrap();
        assert!(matches!(FirstConv::new(shape), Err(ShapeError::Mismatch { got: 2, .. })));
        let shape = ConvShape::new(ConvParams { groups: 1, ..params }).unwrap();
        assert!(FirstConv::new(shape).unwrap().pack(&[0.0; 7]).is_err());
    }
}
