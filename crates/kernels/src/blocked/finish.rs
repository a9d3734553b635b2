//! What is done to finished sums while they are in registers.

use crate::elementwise::UnaryOp;
use crate::gemm::Activation;
use crate::simd::F32Simd;

/// An activation that costs a few operations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finish {
    Nothing,
    Clamp { low: f32, high: f32 },
    HardSwish,
}

impl Finish {
    /// What of an activation is done in registers, and what is left for a pass over what was written.
    pub(super) fn of(activation: Activation) -> (Self, Option<UnaryOp>) {
        match activation {
            Activation::None => (Finish::Nothing, None),
            Activation::Relu => (Finish::Clamp { low: 0.0, high: f32::INFINITY }, None),
            Activation::Clip { low, high } => (Finish::Clamp { low, high }, None),
            Activation::Unary(UnaryOp::HardSwish) => (Finish::HardSwish, None),
            Activation::Unary(op) => (Finish::Nothing, Some(op)),
        }
    }

    /// Applies it. Bounds stand first, so NaN passes.
    #[inline(always)]
    pub(super) fn apply<S: F32Simd, const N: usize, const P: usize>(self, s: S, sums: &mut [[S::V; P]; N]) {
        match self {
            Finish::Nothing => {}
            Finish::Clamp { low, high } => {
                let (low, high) = (s.splat(low), s.splat(high));
                // Not flattened: that would keep the sums in memory instead of registers.
                for sums in sums {
                    for sum in sums {
                        *sum = s.min(high, s.max(low, *sum));
                    }
                }
            }
            Finish::HardSwish => {
                let (sixth, half) = (s.splat(1.0 / 6.0), s.splat(0.5));
                let (low, high) = (s.splat(0.0), s.splat(1.0));
                for sums in sums {
                    for sum in sums {
                        let gate = s.min(high, s.max(low, s.fma(*sum, sixth, half)));
                        *sum = s.mul(*sum, gate);
                    }
                }
            }
        }
    }
}
