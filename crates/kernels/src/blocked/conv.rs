//! Convolution of blocked maps as a product that reads its input in place.
//!
//! Pixels whose windows lie inside the image are read where they are; those at borders, and those of rows too short for
//! whole tiles, are gathered into scratch first, once for all output channels. Every sum runs over all of K in one go, so
//! its bits do not depend on tiles, chunks or threads.

use std::ops::Range;

use super::finish::Finish;
use super::placement::Placement;
use super::tile::{self, Ahead, LINES, NARROW, Segments, Tile, WIDE};
use super::{BLOCK, BlockedEpilogue, BlockedInput, Maps, assert_fits, part};
use crate::ShapeError;
use crate::conv::ConvShape;
use crate::elementwise::unary_in_place_alone;
use crate::isa::{Isa, SimdOp};
use crate::scratch::AlignedVec;
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Shortest stretch of a row that is read in place.
const IN_PLACE: usize = 2 * WIDE;
/// Elements of input that a chunk of pixels may reach: they stay in the second-level cache from panel to panel.
const CHUNK: usize = 40 * 1024;
/// Most pixels of a chunk: a panel of them stays near until its activation is applied.
const MOST_PIXELS: usize = 512;
/// Multiply-adds below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 200_000;
/// Keeps gathered pixels from meeting in the same sets of the first-level cache.
const SPREAD: usize = 16;

/// A convolution of blocked maps, ready for weights.
#[derive(Debug, Clone)]
pub struct BlockedConv {
    shape: ConvShape<2>,
    input: Maps,
    output: Maps,
    placement: Placement,
    /// Distances of the taps and blocks of channels of one group.
    segments: Vec<isize>,
    /// Whether the window is a single pixel that visits every pixel.
    pointwise: bool,
}

impl BlockedConv {
    /// The plan of a convolution; batch sizes are left to the call.
    ///
    /// # Errors
    /// Groups that are not made of whole blocks, or sizes that do not fit the address space.
    pub fn new(shape: ConvShape<2>) -> Result<Self, ShapeError> {
        Self::placed(shape, Placement::dense(shape.output()))
    }

    /// The plan of a convolution whose output is some of the pixels of larger maps.
    ///
    /// # Errors
    /// As [`BlockedConv::new`].
    pub(super) fn placed(shape: ConvShape<2>, placement: Placement) -> Result<Self, ShapeError> {
        let p = *shape.params();
        if p.groups > 1 {
            for (what, got) in [
                ("input channels of a group", shape.group_in()),
                ("output channels of a group", shape.group_out()),
            ] {
                if !got.is_multiple_of(BLOCK) {
                    return Err(ShapeError::NotMultiple { what, got, of: BLOCK });
                }
            }
        }
        let input = Maps::new(p.in_channels, shape.in_pixels())?;
        let output = Maps::new(p.out_channels, placement.pixels)?;
        packed_len(&shape).ok_or(ShapeError::TooLarge { what: "packed weights" })?;
        let pointwise = p.kernel == [1, 1] && p.strides == [1, 1] && p.input == shape.output();
        let row = (p.input[1] * BLOCK).cast_signed();
        let mut segments = Vec::with_capacity(shape.taps() * group_blocks(&shape));
        for y in 0..p.kernel[0] {
            for x in 0..p.kernel[1] {
                let tap =
                    (y * p.dilations[0]).cast_signed() * row + (x * p.dilations[1] * BLOCK).cast_signed();
                let blocks = 0..group_blocks(&shape);
                segments.extend(blocks.map(|block| tap + (block * input.plane()).cast_signed()));
            }
        }
        Ok(BlockedConv { shape, input, output, placement, segments, pointwise })
    }

    /// The geometry.
    #[must_use]
    pub fn shape(&self) -> &ConvShape<2> {
        &self.shape
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

    /// Packs weights of shape `[out_channels, in_channels / groups, kernel]`.
    ///
    /// # Errors
    /// `weights` has another length than the shape says.
    pub fn pack(&self, weights: &[f32]) -> Result<AlignedVec, ShapeError> {
        let shape = &self.shape;
        let expected = shape.weight_len();
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        let mut data = AlignedVec::zeroed(packed_len(shape).unwrap_or(0));
        let (group_in, group_out, taps) = (shape.group_in(), shape.group_out(), shape.taps());
        let depth = group_blocks(shape) * BLOCK;
        let mut out = data.as_mut_slice().iter_mut();
        for group in 0..shape.groups() {
            for panel in panels(group_out.div_ceil(BLOCK)) {
                for tap in 0..taps {
                    for (channel, lane) in
                        (0..depth).flat_map(|k| panel.clone().flat_map(lanes).map(move |o| (k, o)))
                    {
                        let inside = channel < group_in && lane < group_out;
                        let index = ((group * group_out + lane) * group_in + channel) * taps + tap;
                        if let Some(out) = out.next() {
                            *out = if inside { weights[index] } else { 0.0 };
                        }
                    }
                }
            }
        }
        Ok(data)
    }

    /// Length of the packed weights.
    pub(super) fn packed_len(&self) -> usize {
        packed_len(&self.shape).unwrap_or(0)
    }

    /// Whether pixels of a row, and rows, lie next to each other.
    fn is_dense(&self) -> bool {
        self.placement.step == 1 && self.placement.row == self.shape.output()[1]
    }

    /// Elements of the packed sum for one output value.
    fn depth(&self) -> usize {
        self.segments.len() * BLOCK
    }

    /// Pixels that are computed at a time.
    fn chunk(&self) -> usize {
        let most = (CHUNK / self.depth()).clamp(2 * NARROW, MOST_PIXELS);
        let pixels = self.shape.out_pixels();
        pixels.div_ceil(pixels.div_ceil(most))
    }

    /// Gathered pixels.
    fn gathered_len(&self) -> usize {
        if self.pointwise { 0 } else { self.chunk() * (self.depth() + SPREAD) }
    }

    /// Gathered pixels, and a panel of weights times factors of the input.
    fn scratch_each(&self) -> usize {
        self.gathered_len() + 2 * BLOCK * self.depth()
    }
}

/// Output lanes of a block.
pub(super) fn lanes(block: usize) -> Range<usize> {
    block * BLOCK..(block + 1) * BLOCK
}

/// Pairs of blocks, and a last single one.
pub(super) fn panels(blocks: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..blocks).step_by(2).map(move |block| block..(block + 2).min(blocks))
}

/// Input blocks of a group.
fn group_blocks(shape: &ConvShape<2>) -> usize {
    shape.group_in().div_ceil(BLOCK)
}

fn packed_len(shape: &ConvShape<2>) -> Option<usize> {
    let depth = group_blocks(shape).checked_mul(BLOCK)?.checked_mul(shape.taps())?;
    depth.checked_mul(shape.group_out().div_ceil(BLOCK) * BLOCK)?.checked_mul(shape.groups())
}

/// Scratch values that [`conv_blocked`] needs.
#[must_use]
pub fn conv_blocked_scratch_len(team: &Team, conv: &BlockedConv) -> usize {
    conv.scratch_each() * team.threads()
}

/// The convolution of `images` images of blocked maps.
///
/// # Panics
/// If a slice is too short, or `packed` does not belong to the plan.
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn conv_blocked(
    team: &Team,
    isa: Isa,
    conv: &BlockedConv,
    images: usize,
    packed: &[f32],
    input: BlockedInput<'_>,
    output: &mut [f32],
    epilogue: &BlockedEpilogue<'_>,
    scratch: &mut [f32],
) {
    let (shape, from, to) = (&conv.shape, conv.input, conv.output);
    let BlockedInput { maps: input, factors } = input;
    assert_eq!(Some(packed.len()), packed_len(shape), "packed weights of another shape");
    if let Some(factors) = factors {
        let lanes = images * from.blocks() * BLOCK;
        assert!(factors.len() >= lanes, "{} factors for {lanes} lanes of input channels", factors.len());
    }
    let scratch_each = conv.scratch_each();
    assert_fits(
        images,
        (input, from.len()),
        (output, to),
        epilogue,
        (scratch, scratch_each * team.threads()),
    );
    let (output, scratch) = (Parts::new(output), Parts::new(scratch));
    let cut = Cut::of(conv, images, team.threads());
    let body = |worker: usize, task: usize| {
        let (image, group, pixels, blocks) = cut.task(task);
        // SAFETY: no two concurrent tasks have the same worker index.
        let scratch = unsafe { scratch.get(worker * scratch_each, scratch_each) };
        isa.dispatch(Chunk {
            conv,
            packed,
            input,
            factors: factors.map(|factors| {
                let blocks = group_blocks(shape);
                &factors[(image * from.blocks() + group * blocks) * BLOCK..][..blocks * BLOCK]
            }),
            output,
            epilogue,
            image,
            group,
            pixels,
            blocks,
            scratch,
            isa,
        });
    };
    if shape.macs().saturating_mul(images) < ALONE_BELOW {
        return (0..cut.tasks()).for_each(|task| body(0, task));
    }
    team.parallel_for_worker(cut.tasks(), body);
}

/// How the output is cut into tasks: images by groups by chunks of pixels by stretches of blocks.
struct Cut {
    images: usize,
    groups: usize,
    pixels: usize,
    chunks: usize,
    /// Output blocks of a group.
    blocks: usize,
    /// Stretches of blocks.
    stretches: usize,
}

impl Cut {
    fn of(conv: &BlockedConv, images: usize, threads: usize) -> Self {
        let shape = &conv.shape;
        let pixels = shape.out_pixels();
        let chunks = pixels.div_ceil(conv.chunk().max(1));
        let blocks = shape.group_out().div_ceil(BLOCK);
        let outer = images * shape.groups() * chunks;
        // Several tasks for each thread even out noise; gathering is repeated for each stretch.
        let wanted = if threads > 1 { (4 * threads).div_ceil(outer.max(1)) } else { 1 };
        Cut {
            images,
            groups: shape.groups(),
            pixels,
            chunks,
            blocks,
            stretches: wanted.clamp(1, blocks.div_ceil(2)),
        }
    }

    fn tasks(&self) -> usize {
        self.images * self.groups * self.chunks * self.stretches
    }

    /// Image, group, pixels and output blocks of the group. Neighbouring tasks of a thread share their weights where
    /// there are several stretches, and their pixels' neighbourhood where there is one.
    fn task(&self, task: usize) -> (usize, usize, Range<usize>, Range<usize>) {
        let (rest, chunk) = (task / self.chunks, task % self.chunks);
        let (rest, stretch) = (rest / self.stretches, rest % self.stretches);
        let (image, group) = (rest / self.groups, rest % self.groups);
        let pairs = part(self.blocks.div_ceil(2), self.stretches, stretch);
        (
            image,
            group,
            part(self.pixels, self.chunks, chunk),
            pairs.start * 2..(pairs.end * 2).min(self.blocks),
        )
    }
}

/// A task: some pixels of some output blocks.
struct Chunk<'a> {
    conv: &'a BlockedConv,
    packed: &'a [f32],
    input: &'a [f32],
    /// Of the group's input channels.
    factors: Option<&'a [f32]>,
    output: Parts<'a, f32>,
    epilogue: &'a BlockedEpilogue<'a>,
    image: usize,
    group: usize,
    pixels: Range<usize>,
    blocks: Range<usize>,
    scratch: &'a mut [f32],
    isa: Isa,
}

/// A stretch of output pixels whose inputs are a constant step apart.
#[derive(Clone)]
enum Stretch {
    /// Read in place; the first one's window begins at this distance from the image.
    InPlace(Range<usize>, isize),
    /// Gathered.
    Gathered(Range<usize>),
}

impl SimdOp for Chunk<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(mut self, s: S) {
        let conv = self.conv;
        if !conv.pointwise {
            self.gather(s);
        }
        let shape = &conv.shape;
        let panel_len = conv.depth() * BLOCK;
        let first = self.group * shape.group_out().div_ceil(BLOCK);
        for block in self.blocks.clone().step_by(2) {
            let weights = &self.packed[(first + block) * panel_len..];
            if block + 1 < self.blocks.end {
                let next = weights.as_ptr().wrapping_add(2 * panel_len);
                let weights = self.scaled::<S, 2>(s, &weights[..2 * panel_len]);
                self.panel::<S, 2>(s, first + block, weights, next);
            } else {
                let next = weights.as_ptr().wrapping_add(panel_len);
                let weights = self.scaled::<S, 1>(s, &weights[..panel_len]);
                self.panel::<S, 1>(s, first + block, weights, next);
            }
        }
    }
}

impl Chunk<'_> {
    /// The image's blocks of the group.
    #[inline(always)]
    fn source(&self) -> &[f32] {
        let maps = self.conv.input;
        let shape = &self.conv.shape;
        let start = self.image * maps.len() + self.group * group_blocks(shape) * maps.plane();
        &self.input[start..start + group_blocks(shape) * maps.plane()]
    }

    /// A panel of weights, times the factors of the input if it has some; then they are in scratch.
    #[inline(always)]
    fn scaled<S: F32Simd, const VECTORS: usize>(&mut self, s: S, weights: &[f32]) -> *const f32 {
        let Some(factors) = self.factors else { return weights.as_ptr() };
        let out = &mut self.scratch[self.conv.gathered_len()..][..weights.len()];
        let rows = weights.chunks_exact(VECTORS * BLOCK).zip(out.chunks_exact_mut(VECTORS * BLOCK));
        for ((row, out), &factor) in rows.zip(factors.iter().cycle()) {
            let factor = s.splat(factor);
            for v in 0..VECTORS {
                // SAFETY: rows of VECTORS blocks.
                unsafe {
                    s.store(
                        out.as_mut_ptr().add(v * BLOCK),
                        s.mul(factor, s.load(row.as_ptr().add(v * BLOCK))),
                    );
                }
            }
        }
        out.as_ptr()
    }

    /// VECTORS output blocks from `block`, with a panel of weights, behind which comes the one at `next`.
    #[inline(always)]
    fn panel<S: F32Simd, const VECTORS: usize>(
        &self,
        s: S,
        block: usize,
        weights: *const f32,
        next: *const f32,
    ) {
        let conv = self.conv;
        let maps = conv.output;
        let (finish, left) = Finish::of(self.epilogue.activation);
        let most = if VECTORS == 1 { NARROW } else { WIDE };
        let start = self.image * maps.len() + block * maps.plane();
        let width = conv.shape.output()[1];
        let source = self.source().as_ptr();
        let step = conv.shape.params().strides[1] * BLOCK;
        let gathered_step = conv.depth() + SPREAD;
        let segments = conv.segments.len();
        let ahead = Ahead::shared(next, segments, VECTORS * LINES, self.pixels.len().div_ceil(most));
        let mut index_of_tile = 0;
        let template = Tile {
            input: source,
            step,
            segments: Segments::List(&conv.segments),
            depth: BLOCK,
            weights,
            ahead,
            bias: self.epilogue.bias.map(|bias| bias[block * BLOCK..(block + VECTORS) * BLOCK].as_ptr()),
            residual: None,
            finish,
            output: self.output.as_ptr(),
            out_step: conv.placement.step * BLOCK,
            plane: maps.plane(),
        };
        let mut from = self.pixels.start;
        while let Some(stretch) = self.stretch(from) {
            let (pixels, template) = match stretch {
                Stretch::InPlace(pixels, distance) => {
                    (pixels, Tile { input: source.wrapping_offset(distance), ..template })
                }
                Stretch::Gathered(pixels) => {
                    let input = self.scratch[(pixels.start - self.pixels.start) * gathered_step..].as_ptr();
                    (
                        pixels,
                        Tile {
                            input,
                            step: gathered_step,
                            segments: Segments::Steps { count: segments, step: BLOCK },
                            ..template
                        },
                    )
                }
            };
            from = pixels.end;
            let count = pixels.len().div_ceil(most);
            for index in 0..count {
                let part = part(pixels.len(), count, index);
                let at = start + conv.placement.at(pixels.start + part.start, width) * BLOCK;
                let tile = Tile {
                    input: template.input.wrapping_add(part.start * template.step),
                    residual: self.epilogue.residual.map(|residual| residual[at..].as_ptr()),
                    output: template.output.wrapping_add(at),
                    ahead: ahead.of_tile(index_of_tile),
                    ..template
                };
                index_of_tile += 1;
                // SAFETY: pixels and blocks lie inside the output, which the entry has checked, as well as residual, bias and
                // weights; windows of pixels in place lie inside the source (`stretch`), those of others in the scratch.
                unsafe { tile::run::<S, VECTORS>(s, &tile, part.len()) };
            }
        }
        let Some(op) = left.filter(|_| conv.is_dense()) else { return };
        // While the panel is in the first-level cache.
        for block in 0..VECTORS {
            let at = start + block * maps.plane() + self.pixels.start * BLOCK;
            // SAFETY: tasks are disjoint in images, blocks or pixels.
            unary_in_place_alone(self.isa, op, unsafe { self.output.get(at, self.pixels.len() * BLOCK) });
        }
    }

    /// The stretch of pixels that begins at `from`.
    #[inline(always)]
    fn stretch(&self, from: usize) -> Option<Stretch> {
        let end = self.pixels.end;
        if from >= end {
            return None;
        }
        let width = self.conv.shape.output()[1];
        let end = if self.conv.is_dense() { end } else { end.min((from / width + 1) * width) };
        if self.conv.pointwise {
            return Some(Stretch::InPlace(from..end, (from * BLOCK).cast_signed()));
        }
        let in_place = self.in_place(from);
        if in_place >= IN_PLACE {
            return Some(Stretch::InPlace(from..from + in_place, self.distance(from)));
        }
        let mut to = from;
        while to < end && (!(to - from).is_multiple_of(WIDE) || self.in_place(to) < IN_PLACE) {
            to += 1;
        }
        Some(Stretch::Gathered(from..to))
    }

    /// How many pixels from `from` on can be read in place.
    #[inline(always)]
    fn in_place(&self, from: usize) -> usize {
        let p = self.conv.shape.params();
        let [_, out_w] = self.conv.shape.output();
        let (y, x) = (from / out_w, from % out_w);
        let inner = |axis: usize| {
            let reach = (p.kernel[axis] - 1) * p.dilations[axis];
            let first = p.pads_begin[axis].div_ceil(p.strides[axis]);
            let end = (p.input[axis] + p.pads_begin[axis]).saturating_sub(reach).div_ceil(p.strides[axis]);
            first..end
        };
        if !inner(0).contains(&y) || !inner(1).contains(&x) {
            return 0;
        }
        inner(1).end.min(out_w).min(x + self.pixels.end - from) - x
    }

    /// Where the window of an output pixel begins, counted from the first pixel of the input.
    #[inline(always)]
    fn distance(&self, pixel: usize) -> isize {
        let p = self.conv.shape.params();
        let [_, out_w] = self.conv.shape.output();
        let at = |axis: usize, out: usize| {
            (out * p.strides[axis]).cast_signed() - p.pads_begin[axis].cast_signed()
        };
        (at(0, pixel / out_w) * p.input[1].cast_signed() + at(1, pixel % out_w)) * BLOCK.cast_signed()
    }

    /// Copies the windows of the pixels that are not read in place, zeros outside of the image.
    #[inline(always)]
    fn gather<S: F32Simd>(&mut self, s: S) {
        let conv = self.conv;
        let step = conv.depth() + SPREAD;
        let mut from = self.pixels.start;
        while let Some(stretch) = self.stretch(from) {
            let pixels = match stretch {
                Stretch::InPlace(pixels, _) => {
                    from = pixels.end;
                    continue;
                }
                Stretch::Gathered(pixels) => pixels,
            };
            from = pixels.end;
            for pixel in pixels {
                let at = (pixel - self.pixels.start) * step;
                let out = std::mem::take(&mut self.scratch);
                self.window(s, pixel, &mut out[at..at + conv.depth()]);
                self.scratch = out;
            }
        }
    }

    /// Copies the window of an output pixel.
    #[inline(always)]
    fn window<S: F32Simd>(&self, s: S, pixel: usize, out: &mut [f32]) {
        let (shape, source) = (&self.conv.shape, self.source());
        let p = shape.params();
        let [_, out_w] = shape.output();
        let (blocks, plane) = (group_blocks(shape), self.conv.input.plane());
        let at = |axis: usize, out: usize, tap: usize| {
            (out * p.strides[axis] + tap * p.dilations[axis])
                .checked_sub(p.pads_begin[axis])
                .filter(|at| *at < p.input[axis])
        };
        let mut out = out.chunks_exact_mut(BLOCK);
        for y in 0..p.kernel[0] {
            for x in 0..p.kernel[1] {
                let inside = at(0, pixel / out_w, y).zip(at(1, pixel % out_w, x));
                for (block, out) in out.by_ref().take(blocks).enumerate() {
                    match inside {
                        None => out.fill(0.0),
                        Some((y, x)) => {
                            let from = &source[block * plane + (y * p.input[1] + x) * BLOCK..][..BLOCK];
                            // SAFETY: eight values each.
                            unsafe { s.store(out.as_mut_ptr(), s.load(from.as_ptr())) };
                        }
                    }
                }
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
        let (input, kernel, strides, dilations) = (axis(1, 40), axis(1, 5), axis(1, 3), axis(1, 2));
        let (pads_begin, pads_end) = (axis(0, 3), axis(0, 3));
        let groups = [1, 1, 1, 2][rng.below(4)];
        let channels =
            |rng: &mut Rng| if groups == 1 { 1 + rng.below(70) } else { groups * BLOCK * (1 + rng.below(3)) };
        let (in_channels, out_channels) = (channels(rng), channels(rng));
        let batch = 1 + rng.below(2);
        let mut params = ConvParams {
            batch,
            in_channels,
            out_channels,
            groups,
            input,
            kernel,
            strides,
            dilations,
            pads_begin,
            pads_end,
        };
        if rng.below(3) == 0 {
            (params.kernel, params.pads_begin, params.pads_end, params.strides) =
                ([1; 2], [0; 2], [0; 2], [1; 2]);
        }
        ConvShape::new(params).ok()
    }

    #[test]
    fn agrees_with_the_plain_loop_on_every_tier_and_with_any_number_of_threads() {
        for seed in 0..160 {
            let mut rng = Rng::new(seed);
            let Some(shape) = random_shape(&mut rng) else { continue };
            let conv = BlockedConv::new(shape).unwrap();
            let (input, output) = (Some(conv.input()), conv.output());
            Subject { shape: &shape, input, output, has_factors: true, tolerance: 1e-4 }.assert_agrees(
                &format!("seed {seed}"),
                &mut rng,
                |weights| conv.pack(weights).unwrap(),
                |team| conv_blocked_scratch_len(team, &conv),
                |c| {
                    let input = BlockedInput { maps: c.input, factors: c.factors };
                    conv_blocked(
                        c.team,
                        c.isa,
                        &conv,
                        c.images,
                        c.packed,
                        input,
                        c.output,
                        &c.epilogue,
                        c.scratch,
                    );
                },
            );
        }
    }

    #[test]
    fn refuses_groups_of_parts_of_blocks_and_weights_of_another_shape() {
        let params = ConvParams {
            batch: 1,
            in_channels: 24,
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
        assert!(matches!(BlockedConv::new(shape), Err(ShapeError::NotMultiple { got: 12, .. })));
        let shape = ConvShape::new(ConvParams { groups: 1, ..params }).unwrap();
        assert!(BlockedConv::new(shape).unwrap().pack(&[0.0; 7]).is_err());
    }
}
