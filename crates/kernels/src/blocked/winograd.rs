//! Convolution with 3×3 windows of step 1 by minimal filtering: tiles of the output are computed as products of transformed
//! tiles of the input and transformed weights, with 2.25 (F(2,3)) or 4 (F(4,3)) times fewer multiplications.
//!
//! Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015. F(4,3) interpolates at 0, ±1/√2, ±√2 and ∞, whose
//! rounding errors are several times smaller than those of the integers (Barabasz et al., "Error Analysis and Improving the
//! Accuracy of Winograd Convolution for Deep Neural Networks", 2020). A block of tiles is transformed, multiplied and
//! transformed back before the next one, so that it does not leave the cache in between.

use std::ops::Range;

use super::filtering::{Corner, F2, F4, MOST, Points, Target, backward, forward};
use super::finish::Finish;
use super::tile::{self, Ahead, LINES, NARROW, Segments, Tile, WIDE};
use super::{BLOCK, BlockedEpilogue, Maps, assert_fits, part};
use crate::ShapeError;
use crate::conv::ConvShape;
use crate::elementwise::unary_in_place_alone;
use crate::isa::{Isa, SimdOp};
use crate::scratch::AlignedVec;
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Elements of the transformed input of a block of tiles: most of the second-level cache.
const BLOCK_OF_TILES: usize = 96 * 1024;
/// Fewest tiles of a block: each weight is loaded once for them.
const TILES: usize = 2 * WIDE;
/// Keeps the matrices of a block from meeting in the same sets of the first-level cache.
const SPREAD: usize = 16;

/// Output pixels of a tile along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WinogradTile {
    /// F(2,3): 16 multiplications for 4 outputs, weights grow 1.8 times.
    Two,
    /// F(4,3): 36 multiplications for 16 outputs, weights grow 4 times.
    Four,
}

impl WinogradTile {
    /// Output pixels along an axis.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            WinogradTile::Two => 2,
            WinogradTile::Four => 4,
        }
    }

    /// Input pixels along an axis.
    #[must_use]
    pub fn inputs(self) -> usize {
        self.outputs() + 2
    }

    /// The transform of three weights along an axis: one row for each point.
    fn weight_rows(self) -> &'static [[f64; 3]] {
        const A: f64 = std::f64::consts::FRAC_1_SQRT_2;
        const B: f64 = std::f64::consts::SQRT_2;
        match self {
            WinogradTile::Two => &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]],
            WinogradTile::Four => &[
                [1.0, 0.0, 0.0],
                [-1.0 / 1.5, -A / 1.5, -0.5 / 1.5],
                [-1.0 / 1.5, A / 1.5, -0.5 / 1.5],
                [1.0 / 6.0, B / 6.0, 2.0 / 6.0],
                [1.0 / 6.0, -B / 6.0, 2.0 / 6.0],
                [0.0, 0.0, 1.0],
            ],
        }
    }
}

/// A convolution of blocked maps by minimal filtering, ready for weights.
#[derive(Debug, Clone)]
pub struct BlockedWinograd {
    shape: ConvShape<2>,
    tile: WinogradTile,
    input: Maps,
    output: Maps,
}

impl BlockedWinograd {
    /// Whether the window allows it: 3×3, steps and distances of 1, one group.
    #[must_use]
    pub fn fits(shape: &ConvShape<2>) -> bool {
        let p = shape.params();
        p.kernel == [3, 3] && p.strides == [1, 1] && p.dilations == [1, 1] && p.groups == 1
    }

    /// The plan of a convolution; batch sizes are left to the call.
    ///
    /// # Errors
    /// The window does not allow it ([`BlockedWinograd::fits`]), or sizes do not fit the address space.
    pub fn new(shape: ConvShape<2>, tile: WinogradTile) -> Result<Self, ShapeError> {
        let p = shape.params();
        if !Self::fits(&shape) {
            return Err(ShapeError::Mismatch {
                what: "3×3 windows of step 1",
                got: p.kernel[0],
                expected: 3,
            });
        }
        let input = Maps::new(p.in_channels, shape.in_pixels())?;
        let output = Maps::new(p.out_channels, shape.out_pixels())?;
        let plan = BlockedWinograd { shape, tile, input, output };
        let matrix = input.blocks().checked_mul(output.blocks() * BLOCK * BLOCK);
        if matrix
            .and_then(|len| len.checked_mul(plan.matrices()))
            .is_none_or(|len| len > isize::MAX as usize / 8)
        {
            return Err(ShapeError::TooLarge { what: "transformed weights" });
        }
        Ok(plan)
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

    /// Transforms and packs weights of shape `[out_channels, in_channels, 3, 3]` to `[panel][matrix][in][16 or 8]`.
    ///
    /// # Errors
    /// `weights` has another length than the shape says.
    pub fn pack(&self, weights: &[f32]) -> Result<AlignedVec, ShapeError> {
        let expected = self.shape.weight_len();
        if weights.len() != expected {
            return Err(ShapeError::Mismatch { what: "number of weights", got: weights.len(), expected });
        }
        let (ins, outs) = (self.input.channels(), self.output.channels());
        let depth = self.input.blocks() * BLOCK;
        let rows = self.tile.weight_rows();
        let mut data = AlignedVec::zeroed(self.packed_len());
        let packed = data.as_mut_slice();
        for (filter, weights) in weights.chunks_exact(9).enumerate() {
            let (lane, channel) = (filter / ins, filter % ins);
            debug_assert!(lane < outs);
            let (panel, width) = self.panel(lane / BLOCK / 2);
            let start = panel + channel * width + lane % (2 * BLOCK);
            for (y, row) in rows.iter().enumerate() {
                for (x, column) in rows.iter().enumerate() {
                    let taps = (0..9).map(|tap| row[tap / 3] * column[tap % 3] * f64::from(weights[tap]));
                    packed[start + (y * rows.len() + x) * depth * width] = taps.sum::<f64>() as f32;
                }
            }
        }
        Ok(data)
    }

    /// Products of matrices of a block of tiles.
    fn matrices(&self) -> usize {
        self.tile.inputs() * self.tile.inputs()
    }

    fn packed_len(&self) -> usize {
        self.matrices() * self.input.blocks() * BLOCK * self.output.blocks() * BLOCK
    }

    /// Where a pair of output blocks begins in the packed weights, and its width.
    fn panel(&self, pair: usize) -> (usize, usize) {
        let depth = self.input.blocks() * BLOCK;
        let width = BLOCK * 2.min(self.output.blocks() - 2 * pair);
        (pair * 2 * BLOCK * depth * self.matrices(), width)
    }

    /// Tiles along the axes.
    fn tiles(&self) -> [usize; 2] {
        self.shape.output().map(|extent| extent.div_ceil(self.tile.outputs()))
    }

    /// Tiles that are computed at a time.
    fn chunk(&self) -> usize {
        let [down, across] = self.tiles();
        let each = self.matrices() * self.input.blocks() * BLOCK;
        let most = (BLOCK_OF_TILES / each).clamp(TILES, 8 * WIDE);
        (down * across).div_ceil((down * across).div_ceil(most))
    }

    /// From a matrix of the transformed input to the next one.
    fn in_matrix(&self) -> usize {
        self.input.blocks() * self.chunk() * BLOCK + SPREAD
    }

    /// From a matrix of products to the next one.
    fn out_matrix(&self) -> usize {
        2 * self.chunk() * BLOCK + SPREAD
    }

    fn scratch_each(&self) -> usize {
        self.matrices() * (self.in_matrix() + self.out_matrix())
    }
}

/// Scratch values that [`winograd_blocked`] needs.
#[must_use]
pub fn winograd_blocked_scratch_len(team: &Team, plan: &BlockedWinograd) -> usize {
    plan.scratch_each() * team.threads()
}

/// The convolution of `images` images of blocked maps.
///
/// # Panics
/// If a slice is too short, or `packed` does not belong to the plan.
#[allow(clippy::too_many_arguments, reason = "what a convolution is made of")]
pub fn winograd_blocked(
    team: &Team,
    isa: Isa,
    plan: &BlockedWinograd,
    images: usize,
    packed: &[f32],
    input: &[f32],
    output: &mut [f32],
    epilogue: &BlockedEpilogue<'_>,
    scratch: &mut [f32],
) {
    let (from, to) = (plan.input, plan.output);
    assert_eq!(packed.len(), plan.packed_len(), "packed weights of another shape");
    let scratch_each = plan.scratch_each();
    assert_fits(
        images,
        (input, from.len()),
        (output, to),
        epilogue,
        (scratch, scratch_each * team.threads()),
    );
    let (output, scratch) = (Parts::new(output), Parts::new(scratch));
    let [down, across] = plan.tiles();
    let (tiles, pairs) = (down * across, to.blocks().div_ceil(2));
    let chunks = tiles.div_ceil(plan.chunk());
    // Stretches of output blocks share the work where there are few tiles; each transforms the input anew.
    let wanted = if team.threads() > 1 { (2 * team.threads()).div_ceil(images * chunks) } else { 1 };
    let stretches = wanted.clamp(1, pairs);
    let body = |worker: usize, task: usize| {
        let (rest, chunk) = (task / chunks, task % chunks);
        // SAFETY: no two concurrent tasks have the same worker index.
        let scratch = unsafe { scratch.get(worker * scratch_each, scratch_each) };
        let (transformed, products) = scratch.split_at_mut(plan.matrices() * plan.in_matrix());
        let block = Tiles {
            plan,
            packed,
            input,
            output,
            epilogue,
            image: rest / stretches,
            tiles: part(tiles, chunks, chunk),
            pairs: part(pairs, stretches, rest % stretches),
            transformed,
            products,
            isa,
        };
        match plan.tile {
            WinogradTile::Two => isa.dispatch(Run::<F2>(block, F2)),
            WinogradTile::Four => isa.dispatch(Run::<F4>(block, F4)),
        }
    };
    team.parallel_for_worker(images * stretches * chunks, body);
}

/// A task: some tiles of some pairs of output blocks.
struct Tiles<'a> {
    plan: &'a BlockedWinograd,
    packed: &'a [f32],
    input: &'a [f32],
    output: Parts<'a, f32>,
    epilogue: &'a BlockedEpilogue<'a>,
    image: usize,
    tiles: Range<usize>,
    pairs: Range<usize>,
    /// `[matrix][in block][tile][8]`.
    transformed: &'a mut [f32],
    /// `[matrix][out block of the pair][tile][8]`.
    products: &'a mut [f32],
    isa: Isa,
}

struct Run<'a, P>(Tiles<'a>, P);

impl<P: Points> SimdOp for Run<'_, P> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let mut block = self.0;
        block.transform::<S, P>(s);
        for pair in block.pairs.clone() {
            if 2 * pair + 1 < block.plan.output.blocks() {
                block.multiply::<S, 2>(s, pair);
            } else {
                block.multiply::<S, 1>(s, pair);
            }
            for out in 2 * pair..block.plan.output.blocks().min(2 * pair + 2) {
                block.finish::<S, P>(s, out);
            }
        }
    }
}

impl Tiles<'_> {
    /// First output row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 2] {
        let [_, across] = self.plan.tiles();
        let outputs = self.plan.tile.outputs();
        [tile / across * outputs, tile % across * outputs]
    }

    #[inline(always)]
    fn transform<S: F32Simd, P: Points>(&mut self, s: S) {
        let plan = self.plan;
        let p = plan.shape.params();
        let [height, width] = p.input;
        let maps = plan.input;
        let source = &self.input[self.image * maps.len()..(self.image + 1) * maps.len()];
        let (matrix, tile_plane) = (plan.in_matrix(), plan.chunk() * BLOCK);
        for (index, tile) in self.tiles.clone().enumerate() {
            let [y, x] = self.place(tile);
            let top = y.cast_signed() - p.pads_begin[0].cast_signed();
            let left = x.cast_signed() - p.pads_begin[1].cast_signed();
            let inside =
                |start: isize, extent: usize| start >= 0 && start.cast_unsigned() + P::INPUTS <= extent;
            let inner = inside(top, height) && inside(left, width);
            let corner = Corner { top, left, height, width };
            for block in 0..maps.blocks() {
                let plane = &source[block * maps.plane()..(block + 1) * maps.plane()];
                let to = self.transformed[block * tile_plane + index * BLOCK..].as_mut_ptr();
                // SAFETY: `inner` says that the tile lies inside the plane; the last matrix ends with the scratch, whose
                // planes hold all blocks and tiles.
                unsafe {
                    match inner {
                        true => forward::<S, P, true>(s, plane, corner, to, matrix),
                        false => forward::<S, P, false>(s, plane, corner, to, matrix),
                    }
                }
            }
        }
    }

    /// The products of a pair of output blocks.
    #[inline(always)]
    fn multiply<S: F32Simd, const VECTORS: usize>(&mut self, s: S, pair: usize) {
        let plan = self.plan;
        let depth = plan.input.blocks() * BLOCK;
        let (start, width) = plan.panel(pair);
        debug_assert_eq!(width, VECTORS * BLOCK);
        let weights = &self.packed[start..start + plan.matrices() * depth * width];
        let tile_plane = plan.chunk() * BLOCK;
        let most = if VECTORS == 1 { NARROW } else { WIDE };
        let count = self.tiles.len().div_ceil(most);
        for matrix in 0..plan.matrices() {
            let from = &self.transformed[matrix * plan.in_matrix()..(matrix + 1) * plan.in_matrix()];
            let to = &mut self.products[matrix * plan.out_matrix()..(matrix + 1) * plan.out_matrix()];
            let panel = matrix * depth * width;
            let next = weights.as_ptr().wrapping_add(panel + depth * width);
            let ahead = Ahead::shared(next, plan.input.blocks(), VECTORS * LINES, count);
            for index in 0..count {
                let rows = part(self.tiles.len(), count, index);
                let tile = Tile {
                    input: from[rows.start * BLOCK..].as_ptr(),
                    step: BLOCK,
                    segments: Segments::Steps { count: plan.input.blocks(), step: tile_plane },
                    depth: BLOCK,
                    weights: weights[panel..].as_ptr(),
                    ahead: ahead.of_tile(index),
                    bias: None,
                    residual: None,
                    finish: Finish::Nothing,
                    output: to[rows.start * BLOCK..].as_mut_ptr(),
                    out_step: BLOCK,
                    plane: tile_plane,
                };
                // SAFETY: rows lie inside the planes of tiles, of which there are as many as blocks; weights are as many as
                // the sum is deep.
                unsafe { tile::run::<S, VECTORS>(s, &tile, rows.len()) };
            }
        }
    }

    /// Transforms the products of an output block back.
    #[inline(always)]
    fn finish<S: F32Simd, P: Points>(&mut self, s: S, out: usize) {
        let plan = self.plan;
        let maps = plan.output;
        let [out_h, out_w] = plan.shape.output();
        let start = self.image * maps.len() + out * maps.plane();
        let tile_plane = plan.chunk() * BLOCK;
        let bias = match self.epilogue.bias {
            // SAFETY: eight values.
            Some(bias) => unsafe { s.load(bias[out * BLOCK..][..BLOCK].as_ptr()) },
            None => s.splat(0.0),
        };
        let (finish, left) = Finish::of(self.epilogue.activation);
        for (index, tile) in self.tiles.clone().enumerate() {
            let from = self.products[out % 2 * tile_plane + index * BLOCK..].as_ptr();
            let mut rows = [[s.splat(0.0); MOST]; MOST];
            for (i, row) in rows.iter_mut().enumerate().take(P::INPUTS) {
                let mut line = [s.splat(0.0); MOST];
                for (j, value) in line.iter_mut().enumerate().take(P::INPUTS) {
                    // SAFETY: the last matrix ends with the scratch, whose planes hold all tiles.
                    *value = unsafe { s.load(from.add((i * P::INPUTS + j) * plan.out_matrix())) };
                }
                *row = P::backward(s, line);
            }
            let [y, x] = self.place(tile);
            let (tall, wide) = (P::OUTPUTS.min(out_h - y), P::OUTPUTS.min(out_w - x));
            let at = start + (y * out_w + x) * BLOCK;
            let place = Target {
                // SAFETY: tiles of different tasks are disjoint; the tile lies inside the plane, and the residual is like it.
                output: self.output.as_ptr().wrapping_add(at),
                residual: self.epilogue.residual.map(|residual| residual[at..].as_ptr()),
                row: out_w * BLOCK,
                tall,
                wide,
            };
            // SAFETY: as said.
            unsafe {
                match tall == P::OUTPUTS && wide == P::OUTPUTS {
                    true => backward::<S, P, true>(s, &rows, bias, finish, place),
                    false => backward::<S, P, false>(s, &rows, bias, finish, place),
                }
            }
            if let Some(op) = left {
                for i in 0..tall {
                    let at = start + ((y + i) * out_w + x) * BLOCK;
                    // SAFETY: as above.
                    unary_in_place_alone(self.isa, op, unsafe { self.output.get(at, wide * BLOCK) });
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
        let params = ConvParams {
            batch: 1 + rng.below(2),
            in_channels: 1 + rng.below(40),
            out_channels: 1 + rng.below(40),
            groups: 1,
            input: [1 + rng.below(30), 1 + rng.below(30)],
            kernel: [3; 2],
            strides: [1; 2],
            dilations: [1; 2],
            pads_begin: [rng.below(3), rng.below(3)],
            pads_end: [rng.below(3), rng.below(3)],
        };
        ConvShape::new(params).ok()
    }

    #[test]
    fn agrees_with_the_plain_loop_on_every_tier_and_with_any_number_of_threads() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let Some(shape) = random_shape(&mut rng) else { continue };
            let tile = if seed % 2 == 0 { WinogradTile::Two } else { WinogradTile::Four };
            let plan = BlockedWinograd::new(shape, tile).unwrap();
            let (input, output) = (Some(plan.input()), plan.output());
            Subject { shape: &shape, input, output, has_factors: false, tolerance: 3e-4 }.assert_agrees(
                &format!("seed {seed} {tile:?}"),
                &mut rng,
                |weights| plan.pack(weights).unwrap(),
                |team| winograd_blocked_scratch_len(team, &plan),
                |c| {
                    winograd_blocked(
                        c.team,
                        c.isa,
                        &plan,
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
