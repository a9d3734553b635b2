//! Random numbers: one generator for all operators, the same on every machine for the same seed.

use lehr_graph::{EvalCx, OpError};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::operand::bounded_len;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) struct Generator {
    state: u64,
    spare: Option<f64>,
}

impl Generator {
    /// From the operator's own seed, else from that of the run.
    pub(crate) fn new(cx: &EvalCx<'_>, seed: Option<f32>) -> Self {
        Self::from_seed(seed.map_or(cx.environment().seed(), |s| u64::from(s.to_bits())))
    }

    /// From a number.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self { state: seed, spare: None }
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1, without 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// Sizes that an attribute gives.
pub(crate) fn sizes(shape: &[i64]) -> Result<Vec<usize>, OpError> {
    shape
        .iter()
        .map(|&n| {
            usize::try_from(n).map_err(|_| OpError::attribute("shape", format!("size {n} is negative")))
        })
        .collect()
}

/// Sets output 0 to a tensor of a floating-point type, each element drawn by `draw`.
pub(crate) fn fill(
    cx: &mut EvalCx<'_>,
    dtype: DataType,
    shape: &[usize],
    seed: Option<f32>,
    draw: impl Fn(&mut Generator) -> f64,
) -> Result<(), OpError> {
    if !dtype.is_float() {
        return Err(OpError::attribute(
            "dtype",
            format!("expected a floating-point type, got {}", dtype.name()),
        ));
    }
    let len = bounded_len(cx, DataType::F64, shape)?;
    let mut generator = Generator::new(cx, seed);
    let values = (0..len).map(|_| draw(&mut generator)).collect();
    cx.set(0, Tensor::narrow(dtype, shape, Wide::F(values))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let mut generator = Generator::from_seed(7);
        let n = 20_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let uniform: Vec<f64> = (0..n).map(|_| generator.uniform()).collect();
        assert!(uniform.iter().all(|x| (0.0..1.0).contains(x)));
        assert!((mean(&uniform) - 0.5).abs() < 0.01);
        let normal: Vec<f64> = (0..n).map(|_| generator.normal()).collect();
        let squares: Vec<f64> = normal.iter().map(|x| x * x).collect();
        assert!(mean(&normal).abs() < 0.03 && (mean(&squares) - 1.0).abs() < 0.05);
    }
}
