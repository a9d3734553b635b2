//! Instruction-set tiers and the tokens that prove their support.
//!
//! A token ([`Scalar`], [`Avx2`], …) can be made only on a CPU that has the tier, so a function that takes one may use
//! its instructions. [`Isa`] is the run-time choice among tokens; kernels take it by value.

use std::fmt;
use std::str::FromStr;

use crate::simd::F32Simd;

/// Name of the environment variable that caps the tier.
pub const ISA_VARIABLE: &str = "LEHR_ISA";

/// Names of the tiers, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Portable Rust, whatever the baseline of the target gives.
    Scalar,
    /// AArch64 with NEON (always present there): portable code with fused multiply-add.
    Neon,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL; used only when asked for.
    Avx512,
}

impl Tier {
    /// All tiers, weakest first.
    pub const ALL: [Tier; 4] = [Tier::Scalar, Tier::Neon, Tier::Avx2, Tier::Avx512];

    /// The name which `LEHR_ISA` accepts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tier::Scalar => "scalar",
            Tier::Neon => "neon",
            Tier::Avx2 => "avx2",
            Tier::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = IsaError;

    fn from_str(text: &str) -> Result<Self, IsaError> {
        Tier::ALL
            .into_iter()
            .find(|tier| tier.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| IsaError::UnknownTier { got: text.to_owned() })
    }
}

/// Why no tier could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// `LEHR_ISA` names no tier.
    #[error("unknown ISA tier {got:?} in LEHR_ISA, expected one of scalar, neon, avx2, avx512")]
    UnknownTier {
        /// What was given.
        got: String,
    },
    /// `LEHR_ISA` is not text.
    #[error("LEHR_ISA is not valid Unicode, expected one of scalar, neon, avx2, avx512")]
    NotUnicode,
}

/// Portable code; always supported.
#[derive(Debug, Clone, Copy)]
pub struct Scalar(());

impl Scalar {
    /// The token; it needs no proof.
    #[must_use]
    pub const fn new() -> Self {
        Scalar(())
    }
}

impl Default for Scalar {
    fn default() -> Self {
        Self::new()
    }
}

/// Proof that the CPU has AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// The token, if this CPU (and operating system) supports the tier.
    #[must_use]
    pub fn detect() -> Option<Self> {
        let supported = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        supported.then_some(Avx2(()))
    }
}

/// Proof that the CPU has AVX-512 F, BW, DQ and VL, and the [`Avx2`] tier.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx512(Avx2);

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// The token, if this CPU (and operating system) supports the tier.
    #[must_use]
    pub fn detect() -> Option<Self> {
        let avx2 = Avx2::detect()?;
        let supported = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        supported.then_some(Avx512(avx2))
    }

    /// The weaker tier which this one includes.
    #[must_use]
    pub fn avx2(self) -> Avx2 {
        self.0
    }
}

/// Proof of NEON, which every AArch64 CPU has.
#[cfg(target_arch = "aarch64")]
#[derive(Debug, Clone, Copy)]
pub struct Neon(());

#[cfg(target_arch = "aarch64")]
impl Neon {
    /// The token; the target guarantees the tier.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Some(Neon(()))
    }
}

/// The tier chosen at run time, with its proof.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Isa {
    /// Portable code.
    Scalar(Scalar),
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// AVX2, FMA, F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// The best tier of this CPU, capped by `LEHR_ISA`. AVX-512 is chosen only if `LEHR_ISA` names it.
    ///
    /// # Errors
    /// `LEHR_ISA` is set to something that is no tier.
    pub fn from_env() -> Result<Self, IsaError> {
        match std::env::var(ISA_VARIABLE) {
            Ok(text) => Ok(Self::at_most(text.parse()?)),
            Err(std::env::VarError::NotPresent) => Ok(Self::at_most(Tier::Avx2)),
            Err(std::env::VarError::NotUnicode(_)) => Err(IsaError::NotUnicode),
        }
    }

    /// The best supported tier that is not above `cap`.
    #[must_use]
    pub fn at_most(cap: Tier) -> Self {
        Tier::ALL
            .into_iter()
            .rev()
            .filter(|tier| *tier <= cap)
            .find_map(Self::of)
            .unwrap_or(Isa::Scalar(Scalar::new()))
    }

    /// The proof of `tier`, if this CPU supports it.
    #[must_use]
    pub fn of(tier: Tier) -> Option<Self> {
        match tier {
            Tier::Scalar => Some(Isa::Scalar(Scalar::new())),
            #[cfg(target_arch = "aarch64")]
            Tier::Neon => Neon::detect().map(Isa::Neon),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => Avx2::detect().map(Isa::Avx2),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => Avx512::detect().map(Isa::Avx512),
            _ => None,
        }
    }

    /// Every tier this CPU supports, weakest first, including those used only on request.
    pub fn supported() -> impl Iterator<Item = Self> {
        Tier::ALL.into_iter().filter_map(Self::of)
    }

    /// The name of the tier.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Isa::Scalar(_) => Tier::Scalar,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => Tier::Neon,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => Tier::Avx2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => Tier::Avx512,
        }
    }

    /// Whether kernels of `tier` may run under this proof.
    #[must_use]
    pub fn covers(self, tier: Tier) -> bool {
        match tier {
            Tier::Scalar => true,
            Tier::Neon | Tier::Avx512 => self.tier() == tier,
            Tier::Avx2 => matches!(self.tier(), Tier::Avx2 | Tier::Avx512),
        }
    }

    /// Runs `op` compiled for this tier.
    pub(crate) fn dispatch<O: SimdOp>(self, op: O) -> O::Out {
        match self {
            Isa::Scalar(token) => op.run(token),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(token) => op.run(token),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token proves that the CPU has the features of `run_avx2`.
            Isa::Avx2(token) => unsafe { run_avx2(token, op) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; the AVX-512 token includes the AVX2 one.
            Isa::Avx512(token) => unsafe { run_avx2(token.avx2(), op) },
        }
    }
}

/// A computation written once over [`F32Simd`] and compiled per tier.
///
/// `run` and everything it calls with vectors must be `#[inline(always)]`: only then is it compiled with the tier's
/// features.
pub(crate) trait SimdOp {
    /// What the computation returns.
    type Out;
    /// Does the computation.
    fn run<S: F32Simd>(self, simd: S) -> Self::Out;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn run_avx2<O: SimdOp>(token: Avx2, op: O) -> O::Out {
    op.run(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_list_the_tiers() {
        for tier in Tier::ALL {
            assert_eq!(tier.name().parse::<Tier>(), Ok(tier));
        }
        let message = "sse9".parse::<Tier>().unwrap_err().to_string();
        assert!(Tier::ALL.iter().all(|tier| message.contains(tier.name())), "{message}");
    }

    #[test]
    fn a_cap_is_never_exceeded() {
        for cap in Tier::ALL {
            assert!(Isa::at_most(cap).tier() <= cap);
        }
        assert!(Isa::supported().any(|isa| isa.tier() == Tier::Scalar));
    }
}
