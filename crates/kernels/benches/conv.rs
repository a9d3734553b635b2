//! Speed of two-dimensional convolutions: `cargo bench -p lehr-kernels --bench conv`.
//!
//! Prints the best of several rounds per layer, tier and thread count in GFLOP/s of direct multiply-adds.

use std::time::Instant;

use lehr_kernels::blocked::{
    BlockedConv, BlockedDepthwise, BlockedEpilogue, BlockedInput, BlockedWinograd, FirstConv, WinogradTile,
    conv_blocked, conv_blocked_scratch_len, conv_first, conv_first_scratch_len, depthwise_blocked,
    depthwise_blocked_scratch_len, winograd_blocked, winograd_blocked_scratch_len,
};
use lehr_kernels::conv::{ConvEpilogue, ConvParams, ConvShape, PackedConv, conv2d, conv2d_scratch_len};
use lehr_kernels::{Isa, Team};

/// In channels, out channels, groups, extent, kernel, stride.
const LAYERS: &[(usize, usize, usize, usize, usize, usize)] = &[
    (3, 32, 1, 224, 3, 2),
    (3, 64, 1, 224, 7, 2),
    (3, 64, 1, 224, 3, 1),
    (64, 128, 1, 56, 3, 2),
    (256, 512, 1, 14, 3, 2),
    (24, 144, 1, 56, 1, 1),
    (256, 64, 1, 56, 1, 1),
    (128, 512, 1, 28, 1, 1),
    (384, 96, 1, 14, 1, 1),
    (512, 2048, 1, 7, 1, 1),
    (2048, 512, 1, 7, 1, 1),
    (64, 64, 1, 56, 3, 1),
    (128, 128, 1, 28, 3, 1),
    (256, 256, 1, 14, 3, 1),
    (512, 512, 1, 7, 3, 1),
    (96, 24, 1, 160, 3, 1),
    (16, 96, 1, 112, 1, 1),
    (96, 24, 1, 56, 1, 1),
    (160, 960, 1, 7, 1, 1),
    (32, 32, 32, 112, 3, 1),
    (96, 96, 96, 112, 3, 2),
    (576, 576, 576, 14, 3, 1),
    (960, 960, 960, 7, 3, 1),
    (240, 240, 240, 28, 5, 2),
    (480, 480, 480, 14, 5, 1),
];

fn main() {
    let teams = [Team::new(1), Team::new(Team::default_threads())];
    println!(
        "{:<28} {:<8} threads    plain  blocked   F(2,3)   F(4,3)    first GFLOP/s",
        "in,out,groups,size,kernel,stride", "tier"
    );
    for layer in LAYERS {
        let &(in_channels, out_channels, groups, extent, kernel, stride) = layer;
        let pad = kernel / 2;
        let Ok(shape) = ConvShape::new(ConvParams {
            batch: 1,
            in_channels,
            out_channels,
            groups,
            input: [extent; 2],
            kernel: [kernel; 2],
            strides: [stride; 2],
            dilations: [1; 2],
            pads_begin: [pad; 2],
            pads_end: [pad; 2],
        }) else {
            continue;
        };
        for isa in Isa::supported() {
            for team in &teams {
                let speed = measure(team, isa, &shape);
                let blocked = measure_blocked(team, isa, &shape);
                let tiles = [WinogradTile::Two, WinogradTile::Four];
                let [two, four] = tiles.map(|tile| measure_winograd(team, isa, &shape, tile));
                let first = measure_first(team, isa, &shape);
                let name = format!("{layer:?}");
                println!(
                    "{name:<28} {:<8} {:>7} {speed:>8.1} {blocked:>8.1} {two:>8.1} {four:>8.1} {first:>8.1}",
                    isa.tier(),
                    team.threads()
                );
            }
        }
    }
}

fn measure(team: &Team, isa: Isa, shape: &ConvShape<2>) -> f64 {
    let p = shape.params();
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let [out_h, out_w] = shape.output();
    let input = values(p.in_channels * p.input[0] * p.input[1]);
    let mut output = vec![0.0; p.out_channels * out_h * out_w];
    let Ok(packed) = PackedConv::pack(shape, &values(shape.weight_len())) else { return 0.0 };
    let mut scratch = vec![0.0; conv2d_scratch_len(team, shape)];
    let epilogue = ConvEpilogue::default();
    best(shape, || conv2d(team, isa, shape, packed.view(), &input, &mut output, &epilogue, &mut scratch))
}

/// On channels in blocks; 0 for what has no blocked form.
fn measure_blocked(team: &Team, isa: Isa, shape: &ConvShape<2>) -> f64 {
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let epilogue = BlockedEpilogue::default();
    if let Ok(conv) = BlockedDepthwise::new(*shape) {
        let input = values(conv.input().len());
        let mut output = vec![0.0; conv.output().len()];
        let Ok(packed) = conv.pack(&values(shape.weight_len())) else { return 0.0 };
        let mut scratch = vec![0.0; depthwise_blocked_scratch_len(&conv)];
        let packed = packed.as_slice();
        return best(shape, || {
            depthwise_blocked(team, isa, &conv, 1, packed, &input, &mut output, &epilogue, &mut scratch)
        });
    }
    let Ok(conv) = BlockedConv::new(*shape) else { return 0.0 };
    let input = values(conv.input().len());
    let mut output = vec![0.0; conv.output().len()];
    let Ok(packed) = conv.pack(&values(shape.weight_len())) else { return 0.0 };
    let mut scratch = vec![0.0; conv_blocked_scratch_len(team, &conv)];
    best(shape, || {
        let input = BlockedInput { maps: &input, factors: None };
        conv_blocked(team, isa, &conv, 1, packed.as_slice(), input, &mut output, &epilogue, &mut scratch)
    })
}

/// By minimal filtering; 0 where the window does not allow it.
fn measure_winograd(team: &Team, isa: Isa, shape: &ConvShape<2>, tile: WinogradTile) -> f64 {
    let Ok(plan) = BlockedWinograd::new(*shape, tile) else { return 0.0 };
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let input = values(plan.input().len());
    let mut output = vec![0.0; plan.output().len()];
    let Ok(packed) = plan.pack(&values(shape.weight_len())) else { return 0.0 };
    let mut scratch = vec![0.0; winograd_blocked_scratch_len(team, &plan)];
    let (packed, epilogue) = (packed.as_slice(), BlockedEpilogue::default());
    best(shape, || {
        winograd_blocked(team, isa, &plan, 1, packed, &input, &mut output, &epilogue, &mut scratch)
    })
}

/// From plain maps to blocked ones; 0 for more channels than images have.
fn measure_first(team: &Team, isa: Isa, shape: &ConvShape<2>) -> f64 {
    if shape.params().in_channels > 4 {
        return 0.0;
    }
    let Ok(conv) = FirstConv::new(*shape) else { return 0.0 };
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let input = values(shape.params().in_channels * shape.params().input.iter().product::<usize>());
    let mut output = vec![0.0; conv.output().len()];
    let Ok(packed) = conv.pack(&values(shape.weight_len())) else { return 0.0 };
    let mut scratch = vec![0.0; conv_first_scratch_len(team, &conv)];
    let (packed, epilogue) = (packed.as_slice(), BlockedEpilogue::default());
    best(shape, || conv_first(team, isa, &conv, 1, packed, &input, &mut output, &epilogue, &mut scratch))
}

/// GFLOP/s of the fastest of several rounds.
fn best(shape: &ConvShape<2>, mut run: impl FnMut()) -> f64 {
    let flops = 2.0 * shape.macs() as f64;
    let repeats = (1e8 / flops).ceil() as usize;
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        (0..repeats).for_each(|_| run());
        best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
    }
    flops / best / 1e9
}
