use super::*;
use crate::elementwise::UnaryOp;
use crate::testing::{Guarded, Rng, close};

/// The definition, in `f64`.
fn oracle<const D: usize>(
    shape: &ConvShape<D>,
    weights: &[f32],
    input: &[f32],
    before: &[f32],
    epilogue: &ConvEpilogue<'_>,
) -> Vec<f32> {
    let p = shape.params();
    let unravel = |mut index: usize, extents: &[usize; D]| {
        let mut at = [0; D];
        for axis in (0..D).rev() {
            at[axis] = index % extents[axis];
            index /= extents[axis];
        }
        at
    };
    let value = |index: usize| {
        let (plane, at) = (index / shape.out_pixels(), unravel(index % shape.out_pixels(), &shape.output()));
        let (image, channel) = (plane / p.out_channels, plane % p.out_channels);
        let mut sum = epilogue.bias.map_or(0.0, |bias| f64::from(bias[channel]));
        if epilogue.beta != 0.0 {
            sum += f64::from(epilogue.beta) * f64::from(before[index]);
        }
        for k in 0..shape.k() {
            let tap = unravel(k % shape.taps(), &p.kernel);
            let mut pixel = 0;
            let inside = (0..D).all(|axis| {
                let x = at[axis] * p.strides[axis] + tap[axis] * p.dilations[axis];
                let inside = x >= p.pads_begin[axis] && x - p.pads_begin[axis] < p.input[axis];
                pixel = pixel * p.input[axis] + x.wrapping_sub(p.pads_begin[axis]).min(p.input[axis]);
                inside
            });
            if inside {
                let from = channel / shape.group_out() * shape.group_in() + k / shape.taps();
                let x = input[(image * p.in_channels + from) * shape.in_pixels() + pixel];
                sum += f64::from(x) * f64::from(weights[channel * shape.k() + k]);
            }
        }
        match epilogue.activation {
            Activation::Relu => sum.max(0.0),
            Activation::Clip { low, high } => sum.max(f64::from(low)).min(f64::from(high)),
            Activation::Unary(UnaryOp::Neg) => -sum,
            _ => sum,
        }
    };
    (0..p.batch * p.out_channels * shape.out_pixels()).map(|index| value(index) as f32).collect()
}

fn random_shape<const D: usize>(rng: &mut Rng, kind: u64) -> Option<ConvShape<D>> {
    let mut axis = |low: usize, range: usize| [0; D].map(|_| low + rng.below(range));
    let (input, kernel, strides, dilations) = (axis(1, 22), axis(1, 5), axis(1, 3), axis(1, 2));
    let (pads_begin, pads_end) = (axis(0, 4), axis(0, 4));
    let groups = [1, 1, 2, 5][rng.below(4)];
    let mut params = ConvParams {
        batch: 1 + rng.below(2),
        in_channels: groups * (1 + rng.below(7)),
        out_channels: groups * (1 + rng.below(15)),
        groups,
        input,
        kernel,
        strides,
        dilations,
        pads_begin,
        pads_end,
    };
    match kind {
        0 => {
            params.groups = 2 + rng.below(9);
            params.in_channels = params.groups;
            params.out_channels = params.groups * (1 + rng.below(2));
        }
        1 => {
            params.kernel = [1; D];
            (params.strides, params.pads_begin, params.pads_end) = ([1; D], [0; D], [0; D]);
        }
        2 => params.in_channels = params.groups * 70,
        3 => params.out_channels = params.groups * 130,
        _ => {}
    }
    ConvShape::new(params).ok()
}

struct Case<const D: usize> {
    shape: ConvShape<D>,
    weights: Guarded,
    input: Guarded,
    before: Guarded,
    bias: Option<Guarded>,
    beta: f32,
    activation: Activation,
}

impl<const D: usize> Case<D> {
    fn random(rng: &mut Rng, shape: ConvShape<D>) -> Self {
        let p = shape.params();
        let output_len = p.batch * p.out_channels * shape.out_pixels();
        let beta = [0.0, 1.0, -0.5][rng.below(3)];
        let mut before = Guarded::random(rng, output_len);
        if beta == 0.0 {
            before.get_mut().fill(f32::NAN);
        }
        let activations = [
            Activation::None,
            Activation::Relu,
            Activation::Clip { low: -1.0, high: 0.5 },
            Activation::Unary(UnaryOp::Neg),
        ];
        Case {
            weights: Guarded::random(rng, shape.weight_len()),
            input: Guarded::random(rng, p.batch * p.in_channels * shape.in_pixels()),
            before,
            bias: (rng.below(2) == 0).then(|| Guarded::random(rng, p.out_channels)),
            beta,
            activation: activations[rng.below(4)],
            shape,
        }
    }

    /// Runs `kernel` on every tier with one and three threads and compares with the definition and between threads.
    fn check(&self, seed: u64, kernel: impl Fn(&Team, Isa, &mut Guarded, &ConvEpilogue<'_>)) {
        let bias = self.bias.as_ref().map(Guarded::get);
        let epilogue = ConvEpilogue { bias, beta: self.beta, activation: self.activation };
        let want = oracle(&self.shape, self.weights.get(), self.input.get(), self.before.get(), &epilogue);
        for isa in Isa::supported() {
            let mut first: Option<Guarded> = None;
            for threads in [1, 3] {
                let mut output = self.before.clone();
                kernel(&Team::new(threads), isa, &mut output, &epilogue);
                output.assert_guards();
                for (i, (got, want)) in output.get().iter().zip(&want).enumerate() {
                    assert!(close(*got, *want, 1e-4), "seed {seed} {:?} at {i}: {got} != {want}", self.shape);
                }
                if let Some(first) = &first {
                    let same = first.get().iter().zip(output.get()).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "seed {seed}: bits depend on the threads");
                }
                first = Some(output);
            }
        }
    }
}

#[test]
fn two_dimensions_equal_the_definition() {
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let Some(shape) = random_shape::<2>(&mut rng, seed % 7) else { continue };
        let case = Case::random(&mut rng, shape);
        let packed = PackedConv::pack(&shape, case.weights.get()).unwrap();
        case.check(seed, |team, isa, output, epilogue| {
            let mut scratch = Guarded::zeros(conv2d_scratch_len(team, &shape));
            scratch.get_mut().fill(f32::NAN);
            let (input, scratch_values) = (case.input.get(), scratch.get_mut());
            conv2d(team, isa, &shape, packed.view(), input, output.get_mut(), epilogue, scratch_values);
            scratch.assert_guards();
        });
    }
}

fn check_direct<const D: usize>() {
    for seed in 0..25 {
        let mut rng = Rng::new(seed);
        let Some(shape) = random_shape::<D>(&mut rng, seed % 7) else { continue };
        // The definition is slow; volumes are kept small.
        if shape.macs() > 3_000_000 {
            continue;
        }
        let case = Case::random(&mut rng, shape);
        case.check(seed, |team, isa, output, epilogue| {
            conv_direct(team, isa, &shape, case.weights.get(), case.input.get(), output.get_mut(), epilogue);
        });
    }
}

#[test]
fn the_direct_loop_equals_the_definition() {
    check_direct::<1>();
    check_direct::<2>();
    check_direct::<3>();
}

#[test]
fn wrong_geometries_are_refused() {
    let good = ConvParams::<2> {
        batch: 1,
        in_channels: 4,
        out_channels: 6,
        groups: 2,
        input: [5, 5],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads_begin: [0, 0],
        pads_end: [0, 0],
    };
    assert!(ConvShape::new(good).is_ok());
    let bad = [
        ConvParams { groups: 0, ..good },
        ConvParams { groups: 3, ..good },
        ConvParams { strides: [0, 1], ..good },
        ConvParams { kernel: [6, 1], ..good },
        ConvParams { dilations: [1, usize::MAX], ..good },
        ConvParams { pads_end: [usize::MAX, 0], ..good },
        ConvParams { pads_end: [1 << 40, 1 << 40], strides: [1 << 40, 1 << 40], ..good },
        ConvParams { batch: usize::MAX / 8, ..good },
        ConvParams { input: [1 << 40, 1 << 40], ..good },
    ];
    for params in bad {
        assert!(ConvShape::new(params).is_err(), "{params:?}");
    }
    let shape = ConvShape::new(good).unwrap();
    assert!(PackedConv::pack(&shape, &[0.0; 7]).is_err());
}
