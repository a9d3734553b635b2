//! Holds a convolution of blocked maps to the plain loop, on every tier and with any number of threads.

use super::{BLOCK, BlockedEpilogue, Maps, from_blocked, to_blocked};
use crate::conv::{ConvEpilogue, ConvShape, conv_direct};
use crate::elementwise::UnaryOp;
use crate::gemm::Activation;
use crate::isa::Isa;
use crate::scratch::AlignedVec;
use crate::team::Team;
use crate::testing::{Guarded, Rng, close};

/// A planned convolution.
pub(super) struct Subject<'a> {
    pub shape: &'a ConvShape<2>,
    /// Maps of an input image; none where the input is plain.
    pub input: Option<Maps>,
    pub output: Maps,
    /// Whether the kernel multiplies channels of the input by factors.
    pub has_factors: bool,
    pub tolerance: f32,
}

/// What a kernel is called with.
pub(super) struct Call<'a> {
    pub team: &'a Team,
    pub isa: Isa,
    pub images: usize,
    pub packed: &'a [f32],
    pub input: &'a [f32],
    pub factors: Option<&'a [f32]>,
    pub output: &'a mut [f32],
    pub epilogue: BlockedEpilogue<'a>,
    pub scratch: &'a mut [f32],
}

impl Subject<'_> {
    /// Runs the kernel on random data with one and three threads.
    #[track_caller]
    pub(super) fn assert_agrees(
        &self,
        label: &str,
        rng: &mut Rng,
        pack: impl Fn(&[f32]) -> AlignedVec,
        scratch_len: impl Fn(&Team) -> usize,
        run: impl Fn(Call<'_>),
    ) {
        let teams = [Team::new(1), Team::new(3)];
        let (shape, to, p) = (self.shape, self.output, *self.shape.params());
        let plain = Guarded::random(rng, p.batch * p.in_channels * shape.in_pixels());
        let weights = Guarded::random(rng, shape.weight_len());
        let bias = Guarded::random(rng, to.blocks() * BLOCK);
        let residual = Guarded::random(rng, p.batch * p.out_channels * to.pixels());
        let activation = match rng.below(3) {
            0 => Activation::None,
            1 => Activation::Clip { low: -0.5, high: 2.0 },
            _ => Activation::Unary(UnaryOp::Neg),
        };
        let lanes = p.in_channels.next_multiple_of(BLOCK);
        let factors = self.has_factors.then(|| Guarded::random(rng, p.batch * lanes));
        let factor_of = |index: usize| {
            let plane = index / shape.in_pixels();
            let lane = plane / p.in_channels * lanes + plane % p.in_channels;
            factors.as_ref().map_or(1.0, |factors| factors.get()[lane])
        };
        let scaled: Vec<f32> = plain.get().iter().enumerate().map(|(i, x)| x * factor_of(i)).collect();
        let mut want = residual.get().to_vec();
        let epilogue = ConvEpilogue { bias: Some(bias.get()), beta: 1.0, activation };
        let scalar = Isa::at_most(crate::Tier::Scalar);
        conv_direct(&teams[0], scalar, shape, weights.get(), &scaled, &mut want, &epilogue);
        let packed = pack(weights.get());
        for isa in Isa::supported() {
            let mut input = plain.clone();
            if let Some(from) = self.input {
                input = Guarded::zeros(p.batch * from.len());
                to_blocked(&teams[1], isa, from, p.batch, plain.get(), input.get_mut());
            }
            let mut added = vec![0.0; p.batch * to.len()];
            to_blocked(&teams[0], isa, to, p.batch, residual.get(), &mut added);
            let bits = teams.each_ref().map(|team| {
                let mut scratch = Guarded::zeros(scratch_len(team));
                let mut output = Guarded::zeros(p.batch * to.len());
                run(Call {
                    team,
                    isa,
                    images: p.batch,
                    packed: packed.as_slice(),
                    input: input.get(),
                    factors: factors.as_ref().map(Guarded::get),
                    output: output.get_mut(),
                    epilogue: BlockedEpilogue { bias: Some(bias.get()), residual: Some(&added), activation },
                    scratch: scratch.get_mut(),
                });
                [&scratch, &output, &input].iter().for_each(|buffer| buffer.assert_guards());
                let mut got = vec![0.0; want.len()];
                from_blocked(team, isa, to, p.batch, output.get(), &mut got);
                let wrong = got.iter().zip(&want).position(|(a, b)| !close(*a, *b, self.tolerance));
                assert_eq!(wrong, None, "{label} {isa:?} {shape:?}");
                got.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            });
            assert_eq!(bits[0], bits[1], "{label}: bits depend on the threads");
        }
    }
}
