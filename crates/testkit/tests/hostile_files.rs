//! Real files, cut, flipped and spliced: no reader may panic or take long. The fuzz targets under `fuzz/` do the same
//! with coverage; this is what every test run does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lehr_testkit::hostile;

const SLOWEST: Duration = Duration::from_secs(5);

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

fn seeds(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds in {}", folder.display());
    paths.into_iter().map(|p| (p.clone(), std::fs::read(p).unwrap())).collect()
}

fn mutated(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len());
        match random.below(6) {
            0 => out.truncate(at),
            1 if !out.is_empty() => out[at] ^= 1 << random.below(8),
            2 if !out.is_empty() => out[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => out.insert(at, random.below(256) as u8),
            4 if !out.is_empty() => drop(out.remove(at)),
            _ => {
                let from = random.below(other.len());
                let len = random.below(other.len() - from.min(other.len())).min(64);
                out.splice(at..at, other[from..from + len].iter().copied());
            }
        }
    }
    out
}

fn survive(kind: &str, read: fn(&[u8]), rounds: usize) {
    let seeds = seeds(kind);
    let mut random = Random(0x1234_5678_9abc_def1);
    for (path, bytes) in &seeds {
        for round in 0..=rounds {
            let other = &seeds[random.below(seeds.len())].1;
            let input = if round == 0 { bytes.clone() } else { mutated(bytes, other, &mut random) };
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| read(&input)));
            let (name, took) = (path.display(), start.elapsed());
            assert!(result.is_ok(), "{name}, round {round}: panicked on {input:?}");
            assert!(took < SLOWEST, "{name}, round {round}: took {took:?} on {input:?}");
        }
    }
}

fn rounds(few: usize) -> usize {
    if std::env::var_os("LEHR_SLOW").is_some() { few * 50 } else { few }
}

#[test]
fn onnx_models() {
    survive("onnx", hostile::onnx_model, rounds(20));
}

#[test]
fn text_graphs() {
    survive("text", hostile::text_graph, rounds(20));
}

#[test]
fn wire_graphs() {
    survive("wire", hostile::wire_graph, rounds(60));
}

#[test]
fn bundles() {
    survive("bundle", hostile::bundle, rounds(30));
}

#[test]
fn pipelines() {
    survive("pipeline", hostile::pipeline, rounds(20));
}

#[test]
fn npy_files() {
    survive("npy", hostile::npy_file, rounds(200));
}
