//! Floating-point formats narrower than 32 bits: exact decoding, correctly rounded encoding.
//!
//! Sources: IEEE 754 (binary16), OCP OFP8 1.0 (E4M3FN, E5M2), OCP MX 1.0 (E8M0, E2M3, E3M2, E2M1) and the `FNUZ`
//! variants as ONNX's `Cast` operator describes them.

use crate::{DataType, RoundMode};

/// What the largest codes of a format mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specials {
    /// The top exponent holds infinity and NaNs.
    Ieee,
    /// Only the all-ones code is NaN; there is no infinity.
    Fn,
    /// The code of negative zero is NaN; neither infinity nor negative zero.
    Fnuz,
    /// All codes are finite.
    Finite,
}

/// A binary format of one sign bit, an exponent and a mantissa, with subnormals, at most 16 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatFormat {
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

impl FloatFormat {
    /// IEEE binary16.
    pub const F16: FloatFormat = FloatFormat::new(5, 10, 15, Specials::Ieee);
    /// bfloat16.
    pub const BF16: FloatFormat = FloatFormat::new(8, 7, 127, Specials::Ieee);
    /// 8 bits, E4M3, finite with NaN.
    pub const F8E4M3FN: FloatFormat = FloatFormat::new(4, 3, 7, Specials::Fn);
    /// 8 bits, E4M3, one NaN, no negative zero.
    pub const F8E4M3FNUZ: FloatFormat = FloatFormat::new(4, 3, 8, Specials::Fnuz);
    /// 8 bits, E5M2, IEEE-like.
    pub const F8E5M2: FloatFormat = FloatFormat::new(5, 2, 15, Specials::Ieee);
    /// 8 bits, E5M2, one NaN, no negative zero.
    pub const F8E5M2FNUZ: FloatFormat = FloatFormat::new(5, 2, 16, Specials::Fnuz);
    /// 6 bits, E2M3, finite.
    pub const F6E2M3: FloatFormat = FloatFormat::new(2, 3, 1, Specials::Finite);
    /// 6 bits, E3M2, finite.
    pub const F6E3M2: FloatFormat = FloatFormat::new(3, 2, 3, Specials::Finite);
    /// 4 bits, E2M1, finite.
    pub const F4E2M1: FloatFormat = FloatFormat::new(2, 1, 1, Specials::Finite);

    const fn new(exponent_bits: u32, mantissa_bits: u32, bias: i32, specials: Specials) -> Self {
        FloatFormat { exponent_bits, mantissa_bits, bias, specials }
    }

    /// The format of a data type; `None` for types that are not such floats (`f64`, `f32` and `f8e8m0` among them).
    pub const fn of(dtype: DataType) -> Option<FloatFormat> {
        Some(match dtype {
            DataType::F16 => Self::F16,
            DataType::BF16 => Self::BF16,
            DataType::F8E4M3FN => Self::F8E4M3FN,
            DataType::F8E4M3FNUZ => Self::F8E4M3FNUZ,
            DataType::F8E5M2 => Self::F8E5M2,
            DataType::F8E5M2FNUZ => Self::F8E5M2FNUZ,
            DataType::F6E2M3 => Self::F6E2M3,
            DataType::F6E3M2 => Self::F6E3M2,
            DataType::F4E2M1 => Self::F4E2M1,
            _ => return None,
        })
    }

    /// Width in bits.
    pub const fn bits(self) -> u32 {
        1 + self.exponent_bits + self.mantissa_bits
    }

    const fn sign_bit(self) -> u16 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    /// The largest magnitude code that is a finite number.
    const fn max_code(self) -> u16 {
        let all_ones = self.sign_bit() - 1;
        match self.specials {
            Specials::Ieee => self.infinity_code() - 1,
            Specials::Fn => all_ones - 1,
            Specials::Fnuz | Specials::Finite => all_ones,
        }
    }

    const fn infinity_code(self) -> u16 {
        ((1 << self.exponent_bits) - 1) << self.mantissa_bits
    }

    /// The largest finite value.
    pub fn max_value(self) -> f64 {
        self.decode(self.max_code())
    }

    /// The value of a code; bits above the width are ignored. NaN keeps its sign where the format has one.
    pub fn decode(self, code: u16) -> f64 {
        let magnitude = code & (self.sign_bit() - 1);
        let negative = code & self.sign_bit() != 0;
        let value = match self.specials {
            Specials::Fnuz if negative && magnitude == 0 => return f64::NAN,
            Specials::Ieee if magnitude > self.infinity_code() => f64::NAN,
            Specials::Ieee if magnitude == self.infinity_code() => f64::INFINITY,
            Specials::Fn if magnitude == self.sign_bit() - 1 => f64::NAN,
            _ => self.finite(magnitude),
        };
        if negative { -value } else { value }
    }

    fn finite(self, magnitude: u16) -> f64 {
        let exponent = i32::from(magnitude >> self.mantissa_bits);
        let fraction = magnitude & ((1 << self.mantissa_bits) - 1);
        let hidden = if exponent > 0 { 1u16 << self.mantissa_bits } else { 0 };
        let scale = exponent.max(1) - self.bias - self.mantissa_bits.cast_signed();
        f64::from(hidden | fraction) * power_of_two(scale)
    }

    /// The code nearest to `value`, ties to even.
    ///
    /// Beyond the largest finite value: that value when `saturate`, else infinity, or NaN where there is no infinity.
    /// Finite-only formats always saturate, and encode NaN as the zero of the opposite sign, as `ml_dtypes` does.
    pub fn encode(self, value: f64, saturate: bool) -> u16 {
        let sign = if value.is_sign_negative() { self.sign_bit() } else { 0 };
        if value.is_nan() {
            return self.nan(sign);
        }
        let magnitude = self.round(value.abs());
        if magnitude > u64::from(self.max_code()) {
            return self.overflow(sign, saturate);
        }
        if magnitude == 0 && self.specials == Specials::Fnuz {
            return 0;
        }
        sign | u16::try_from(magnitude).unwrap_or(self.max_code())
    }

    fn nan(self, sign: u16) -> u16 {
        match self.specials {
            Specials::Ieee => sign | self.infinity_code() | 1 << (self.mantissa_bits - 1),
            Specials::Fn => sign | (self.sign_bit() - 1),
            Specials::Fnuz => self.sign_bit(),
            Specials::Finite => sign ^ self.sign_bit(),
        }
    }

    fn overflow(self, sign: u16, saturate: bool) -> u16 {
        match self.specials {
            Specials::Ieee if !saturate => sign | self.infinity_code(),
            Specials::Fn | Specials::Fnuz if !saturate => self.nan(sign),
            _ => sign | self.max_code(),
        }
    }

    /// Magnitude code of a non-negative number, as if exponents had no upper end.
    fn round(self, value: f64) -> u64 {
        const FRACTION: u32 = 52;
        let bits = value.to_bits();
        let exponent = i32::try_from(bits >> FRACTION).unwrap_or(i32::MAX) - 1023;
        // Subnormal f64 lie far below half the smallest value of every format.
        if exponent < -1022 {
            return 0;
        }
        if exponent > 1023 {
            return u64::MAX;
        }
        let least = 1 - self.bias;
        let drop = (least - exponent).max(0).cast_unsigned() + FRACTION - self.mantissa_bits;
        if drop > FRACTION + 1 {
            return 0;
        }
        let mantissa = bits & ((1 << FRACTION) - 1) | 1 << FRACTION;
        let (kept, rest, half) = (mantissa >> drop, mantissa & ((1 << drop) - 1), 1 << (drop - 1));
        let up = rest > half || (rest == half && kept & 1 == 1);
        // The hidden bit of a normal number counts one exponent step, and a carry moves into the exponent by itself.
        let steps = u64::from((exponent - least).max(0).cast_unsigned());
        (steps << self.mantissa_bits) + kept + u64::from(up)
    }
}

/// `2^exponent`, exact for the exponents of `f64`'s normal range.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(u64::from((exponent + 1023).clamp(1, 2046).cast_unsigned()) << 52)
}

/// The value of an `f8e8m0` code: `2^(code - 127)`, NaN for 255.
pub fn decode_e8m0(code: u8) -> f64 {
    if code == u8::MAX { f64::NAN } else { power_of_two(i32::from(code) - 127) }
}

/// The `f8e8m0` code of a magnitude; the sign is ignored, as the format has none.
///
/// Outside `2^-127 ..= 2^127` (zero and infinity too): the nearer end when `saturate`, else NaN. `Nearest` rounds
/// the midpoint between two powers up.
pub fn encode_e8m0(value: f64, saturate: bool, round: RoundMode) -> u8 {
    const MAX: u8 = 254;
    if value.is_nan() {
        return u8::MAX;
    }
    let bits = value.abs().to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32 - 1023, bits & ((1 << 52) - 1));
    let up = match round {
        RoundMode::Up => fraction > 0,
        RoundMode::Down => false,
        RoundMode::Nearest => fraction >= 1 << 51,
    };
    match u8::try_from(exponent + i32::from(up) + 127) {
        Ok(code) if code <= MAX && value.is_finite() && value.abs() >= power_of_two(-127) => code,
        _ if !saturate => u8::MAX,
        _ if value.abs() < 1.0 => 0,
        _ => MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(DataType, FloatFormat); 9] = [
        (DataType::F16, FloatFormat::F16),
        (DataType::BF16, FloatFormat::BF16),
        (DataType::F8E4M3FN, FloatFormat::F8E4M3FN),
        (DataType::F8E4M3FNUZ, FloatFormat::F8E4M3FNUZ),
        (DataType::F8E5M2, FloatFormat::F8E5M2),
        (DataType::F8E5M2FNUZ, FloatFormat::F8E5M2FNUZ),
        (DataType::F6E2M3, FloatFormat::F6E2M3),
        (DataType::F6E3M2, FloatFormat::F6E3M2),
        (DataType::F4E2M1, FloatFormat::F4E2M1),
    ];

    #[test]
    fn every_code_round_trips_and_midpoints_go_to_even() {
        for (dtype, format) in ALL {
            assert_eq!(FloatFormat::of(dtype), Some(format));
            assert_eq!(format.bits() as usize, dtype.bits());
            for code in 0..=format.max_code() {
                for sign in [0, format.sign_bit()] {
                    let value = format.decode(code | sign);
                    if !value.is_nan() {
                        assert_eq!(format.encode(value, false), code | sign, "{dtype} {code:x}");
                    }
                }
                if code < format.max_code() {
                    let (low, high) = (format.decode(code), format.decode(code + 1));
                    let middle = (low + high) / 2.0;
                    assert_eq!(format.encode(middle, false), code + (code & 1), "{dtype} {code:x}");
                    assert_eq!(format.encode(middle.next_down(), false), code);
                    assert_eq!(format.encode(middle.next_up(), false), code + 1);
                }
            }
        }
    }

    #[test]
    fn halves_agree_with_the_half_crate() {
        for code in 0..=u16::MAX {
            let (f, b) = (half::f16::from_bits(code), half::bf16::from_bits(code));
            for (mine, theirs) in
                [(FloatFormat::F16.decode(code), f.to_f64()), (FloatFormat::BF16.decode(code), b.to_f64())]
            {
                assert!(mine.to_bits() == theirs.to_bits() || (mine.is_nan() && theirs.is_nan()), "{code:x}");
            }
        }
    }

    #[test]
    fn extremes() {
        for (dtype, format) in ALL {
            let max = format.max_value();
            assert_eq!(format.decode(format.encode(f64::INFINITY, true)), max, "{dtype}");
            assert_eq!(format.decode(format.encode(-1e300, true)), -max, "{dtype}");
            let over = format.decode(format.encode(1e300, false));
            match format.specials {
                Specials::Ieee => assert_eq!(over, f64::INFINITY),
                Specials::Finite => assert_eq!(over, max),
                _ => assert!(over.is_nan()),
            }
            let nan = format.decode(format.encode(f64::NAN, true));
            assert_eq!(nan.is_nan(), format.specials != Specials::Finite, "{dtype}");
            assert_eq!(format.encode(f64::MIN_POSITIVE / 4.0, false), 0);
            let negative_zero = if format.specials == Specials::Fnuz { 0 } else { format.sign_bit() };
            assert_eq!(format.encode(-0.0, false), negative_zero);
        }
    }

    #[test]
    fn e8m0_rounding() {
        use RoundMode::{Down, Nearest, Up};
        for (value, saturate, round, want) in [
            (0.0, true, Up, 0),
            (0.0, false, Nearest, 255),
            (0.124, true, Up, 124),
            (0.124, true, Down, 123),
            (1.5, true, Nearest, 128),
            (1.499, true, Nearest, 127),
            (1.0, true, Up, 127),
            (f64::NAN, true, Up, 255),
            (f64::INFINITY, true, Up, 254),
            (f64::INFINITY, false, Nearest, 255),
            (1e39, true, Down, 254),
            (1e39, false, Down, 255),
            (1e-40, true, Up, 0),
            (1e-40, false, Up, 255),
            (-2.0, true, Up, 128),
        ] {
            assert_eq!(encode_e8m0(value, saturate, round), want, "{value} {saturate} {round:?}");
        }
        for code in 0..=254 {
            assert_eq!(encode_e8m0(decode_e8m0(code), false, Nearest), code);
        }
    }
}
