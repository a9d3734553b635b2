//! Channels of several blocked maps in turn: what a shuffle of groups of channels comes to.

use super::{BLOCK, Maps};
use crate::isa::{Isa, SimdOp};
use crate::simd::F32Simd;
use crate::team::{Parts, Team};

/// Elements below which waking the team costs more than it gains.
const ALONE_BELOW: usize = 32 * 1024;

/// Channel `i * n + j` of the output is channel `i` of source `j` of `n`; every source has the geometry `maps`. Spare lanes of
/// the output become zero or what spare lanes of the sources hold.
///
/// # Panics
/// If a slice is too short, or there is no source.
pub fn interleave_blocked(
    team: &Team,
    isa: Isa,
    maps: Maps,
    images: usize,
    sources: &[&[f32]],
    output: &mut [f32],
) {
    let to = interleaved(maps, sources.len());
    for source in sources {
        assert!(
            source.len() >= images * maps.len(),
            "source of {}, expected {}",
            source.len(),
            images * maps.len()
        );
    }
    assert!(!sources.is_empty() && output.len() >= images * to.len(), "output of {}", output.len());
    let output = Parts::new(output);
    let body = |task: usize| {
        let (image, block) = (task / to.blocks(), task % to.blocks());
        // SAFETY: tasks are disjoint blocks of images.
        let output = unsafe { output.get(image * to.len() + block * to.plane(), to.plane()) };
        let first = image * maps.len();
        match *sources {
            [a, b] => {
                let from = first + block / 2 * maps.plane();
                let (a, b) = (&a[from..from + maps.plane()], &b[from..from + maps.plane()]);
                isa.dispatch(Pair { a, b, upper: block % 2 == 1, output });
            }
            _ => any(maps, sources, first, block, output),
        }
    };
    let tasks = images * to.blocks();
    if tasks * to.plane() < ALONE_BELOW {
        return (0..tasks).for_each(body);
    }
    team.parallel_for(tasks, body);
}

/// The geometry of the channels of `count` maps together.
fn interleaved(maps: Maps, count: usize) -> Maps {
    Maps { channels: maps.channels * count, ..maps }
}

/// One block of two sources: half of their lanes.
struct Pair<'a> {
    a: &'a [f32],
    b: &'a [f32],
    upper: bool,
    output: &'a mut [f32],
}

impl SimdOp for Pair<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let pixels = self.a.chunks_exact(BLOCK).zip(self.b.chunks_exact(BLOCK));
        for ((a, b), out) in pixels.zip(self.output.chunks_exact_mut(BLOCK)) {
            // SAFETY: eight values each.
            unsafe {
                let [low, high] = s.interleave(s.load(a.as_ptr()), s.load(b.as_ptr()));
                s.store(out.as_mut_ptr(), if self.upper { high } else { low });
            }
        }
    }
}

/// One block of any number of sources.
fn any(maps: Maps, sources: &[&[f32]], first: usize, block: usize, output: &mut [f32]) {
    for lane in 0..BLOCK {
        let channel = block * BLOCK + lane;
        let (source, own) = (sources[channel % sources.len()], channel / sources.len());
        let pixels = output.iter_mut().skip(lane).step_by(BLOCK);
        if own >= maps.channels() {
            pixels.for_each(|out| *out = 0.0);
            continue;
        }
        let from = first + own / BLOCK * maps.plane() + own % BLOCK;
        let values = source[from..].iter().step_by(BLOCK);
        pixels.zip(values).for_each(|(out, value)| *out = *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocked::{from_blocked, to_blocked};
    use crate::testing::{Guarded, Rng};

    #[test]
    fn channels_come_in_turn_on_every_tier_and_with_any_number_of_threads() {
        for seed in 0..60 {
            let mut rng = Rng::new(seed);
            let (images, count) = (1 + rng.below(2), 1 + rng.below(4));
            let (channels, pixels) = (1 + rng.below(40), 1 + rng.below(300));
            let maps = Maps::new(channels, pixels).unwrap();
            let all = Maps::new(channels * count, pixels).unwrap();
            let team = Team::new(1 + rng.below(3));
            for isa in Isa::supported() {
                let plain: Vec<_> =
                    (0..count).map(|_| Guarded::random(&mut rng, images * channels * pixels)).collect();
                let sources: Vec<_> = plain
                    .iter()
                    .map(|plain| {
                        let mut source = Guarded::zeros(images * maps.len());
                        to_blocked(&team, isa, maps, images, plain.get(), source.get_mut());
                        source
                    })
                    .collect();
                let mut output = Guarded::zeros(images * all.len());
                let slices: Vec<&[f32]> = sources.iter().map(Guarded::get).collect();
                interleave_blocked(&team, isa, maps, images, &slices, output.get_mut());
                output.assert_guards();
                sources.iter().for_each(Guarded::assert_guards);
                let mut got = vec![0.0; images * channels * count * pixels];
                from_blocked(&team, isa, all, images, output.get(), &mut got);
                for (index, got) in got.iter().enumerate() {
                    let (plane, pixel) = (index / pixels, index % pixels);
                    let (image, channel) = (plane / (channels * count), plane % (channels * count));
                    let own = (image * channels + channel / count) * pixels + pixel;
                    assert_eq!(*got, plain[channel % count].get()[own], "seed {seed} {isa:?} at {index}");
                }
            }
        }
    }
}
