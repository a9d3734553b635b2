//! Random numbers and guarded buffers for the property tests.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform below `n`, which is at least one.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform in `-1..1`.
    pub(crate) fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

const GUARD: usize = 19;
const PATTERN: u32 = 0x7FC0_1234;

/// A slice at a varying alignment with a pattern in front of it and behind it.
#[derive(Clone)]
pub(crate) struct Guarded {
    data: Vec<f32>,
    len: usize,
    start: usize,
}

impl Guarded {
    pub(crate) fn zeros(len: usize) -> Self {
        Self::at(len, GUARD)
    }

    pub(crate) fn random(rng: &mut Rng, len: usize) -> Self {
        let start = GUARD + rng.below(8);
        let mut guarded = Self::at(len, start);
        guarded.get_mut().fill_with(|| rng.value());
        guarded
    }

    fn at(len: usize, start: usize) -> Self {
        let mut data = vec![f32::from_bits(PATTERN); start + len + GUARD];
        data[start..start + len].fill(0.0);
        Guarded { data, len, start }
    }

    pub(crate) fn get(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }

    pub(crate) fn get_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }

    pub(crate) fn assert_guards(&self) {
        let (front, behind) = (&self.data[..self.start], &self.data[self.start + self.len..]);
        assert!(front.iter().chain(behind).all(|x| x.to_bits() == PATTERN), "guard overwritten");
    }
}

/// Whether two values agree within `tolerance`, absolute below one and relative above; NaN agrees with NaN.
pub(crate) fn close(got: f32, want: f32, tolerance: f32) -> bool {
    if got.is_nan() || want.is_nan() {
        return got.is_nan() && want.is_nan();
    }
    got == want || (got - want).abs() <= tolerance * want.abs().max(1.0)
}
