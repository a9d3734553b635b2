//! Speed of the matrix products: `cargo bench -p lehr-kernels --bench gemm [-- M,N,K ...]`.
//!
//! Prints the best of several rounds per shape, kernel and thread count in GFLOP/s (2·M·N·K per product).

use std::time::Instant;

use lehr_kernels::gemm::{Epilogue, MatRef, PackedB, gemm_with, tiles};
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
];

fn main() {
    let asked: Vec<_> = std::env::args().skip(1).filter_map(|shape| parse(&shape)).collect();
    let shapes = if asked.is_empty() { SHAPES } else { &asked };
    let teams = [Team::new(1), Team::new(Team::default_threads())];
    println!("{:<16} {:<16} threads GFLOP/s", "M,N,K", "kernel");
    for &(m, n, k) in shapes {
        for isa in Isa::supported() {
            let Some(tile) = tiles(isa).next_back() else { continue };
            for team in &teams {
                let speed = measure(team, tile, m, n, k);
                let shape = format!("{m},{n},{k}");
                println!("{shape:<16} {:<16} {:>7} {speed:>8.1}", tile.name(), team.threads());
            }
        }
    }
}

fn parse(shape: &str) -> Option<(usize, usize, usize)> {
    let mut sizes = shape.split(',').map(|size| size.parse().ok());
    Some((sizes.next()??, sizes.next()??, sizes.next()??))
}

fn measure(team: &Team, tile: lehr_kernels::gemm::TileF32, m: usize, n: usize, k: usize) -> f64 {
    let values = |len: usize| (0..len).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let (a, b) = (values(m * k), values(k * n));
    let Ok(packed) = PackedB::pack(k, n, MatRef::rows(&b, n)) else { return 0.0 };
    let mut c = vec![0.0; m * n];
    let flops = 2.0 * m as f64 * n as f64 * k as f64;
    let repeats = (2e8 / flops).ceil() as usize;
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        for _ in 0..repeats {
            let a = MatRef::rows(&a, k);
            gemm_with(team, tile, m, n, k, a, packed.view(), &mut c, n, &Epilogue::default(), &mut []);
        }
        best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
    }
    std::hint::black_box(&c);
    flops / best / 1e9
}
