//! Speed of the matrix products: `cargo bench -p lehr-kernels --bench gemm [-- M,N,K ...]`.
//!
//! Prints the best of several rounds per shape, kernel and thread count in GFLOP/s (2·M·N·K per product): with one matrix B
//! over and over, and with as many in turn as no cache holds, as in a network that runs again and again.

use std::time::Instant;

use lehr_kernels::gemm::{Epilogue, MatRef, PackedB, TileF32, gemm_with, tiles};
use lehr_kernels::{Isa, Team};

const SHAPES: &[(usize, usize, usize)] = &[
    (784, 512, 128),
    (3136, 144, 24),
    (196, 96, 384),
    (49, 512, 2048),
    (128, 384, 1536),
    (1, 1000, 1280),
    (2, 1000, 1280),
    (512, 512, 512),
    (128, 384, 384),
    (128, 1536, 384),
    (197, 768, 768),
    (197, 3072, 768),
    (197, 768, 3072),
];

/// Values that no cache holds.
const COLD: usize = 16 << 20;

fn main() {
    let asked: Vec<_> = std::env::args().skip(1).filter_map(|shape| parse(&shape)).collect();
    let shapes = if asked.is_empty() { SHAPES } else { &asked };
    let teams = [Team::new(1), Team::new(Team::default_threads())];
    println!("{:<16} {:<16} threads     warm     cold", "M,N,K", "kernel");
    for &(m, n, k) in shapes {
        for isa in Isa::supported() {
            let Some(tile) = tiles(isa).next_back() else { continue };
            for team in &teams {
                let warm = measure(team, tile, (m, n, k), 1);
                let cold = measure(team, tile, (m, n, k), COLD.div_ceil(n * k));
                let shape = format!("{m},{n},{k}");
                println!("{shape:<16} {:<16} {:>7} {warm:>8.1} {cold:>8.1}", tile.name(), team.threads());
            }
        }
    }
}

fn parse(shape: &str) -> Option<(usize, usize, usize)> {
    let mut sizes = shape.split(',').map(|size| size.parse().ok());
    Some((sizes.next()??, sizes.next()??, sizes.next()??))
}

fn measure(team: &Team, tile: TileF32, (m, n, k): (usize, usize, usize), matrices: usize) -> f64 {
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let (a, b) = (values(m * k), values(k * n));
    let packed: Result<Vec<_>, _> = (0..matrices).map(|_| PackedB::pack(k, n, MatRef::rows(&b, n))).collect();
    let Ok(packed) = packed else { return 0.0 };
    let mut c = vec![0.0; m * n];
    let flops = 2.0 * m as f64 * n as f64 * k as f64;
    let repeats = (2e8 / flops).ceil() as usize;
    let mut best = f64::INFINITY;
    let mut turns = packed.iter().cycle();
    for _ in 0..(15 * matrices).div_ceil(repeats).clamp(15, 60) {
        let start = Instant::now();
        for packed in turns.by_ref().take(repeats) {
            let a = MatRef::rows(&a, k);
            gemm_with(team, tile, m, n, k, a, packed.view(), &mut c, n, &Epilogue::default(), &mut []);
        }
        best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
    }
    std::hint::black_box(&c);
    flops / best / 1e9
}
