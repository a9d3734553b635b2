//! The conversions of ONNX's `Cast` operator, <https://onnx.ai/onnx/operators/onnx__Cast.html>.

use half::{bf16, f16};

use crate::wide::{f16s_to_f32s, f32s_to_f16s};
use crate::{DataType, Element, Tensor, TensorError, Wide};

/// How `f8e8m0` rounds; the other types always round to nearest even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoundMode {
    /// To the next power of two away from zero.
    #[default]
    Up,
    /// To the next power of two towards zero.
    Down,
    /// To the nearest power of two, ties up.
    Nearest,
}

/// The attributes of `Cast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CastOptions {
    /// Whether values beyond the range of an 8-bit float become its largest value instead of infinity or NaN.
    pub saturate: bool,
    /// Rounding of `f8e8m0`.
    pub round: RoundMode,
}

impl Default for CastOptions {
    /// The defaults of the operator: saturate, round up.
    fn default() -> Self {
        CastOptions { saturate: true, round: RoundMode::Up }
    }
}

/// `as` between integers keeps the low bits and from integers to floats rounds to nearest even, both as ONNX wants.
macro_rules! int_casts {
    ($tensor:ident, $to:ident, $from:ty, $via:expr) => {{
        let via = $via;
        Some(match $to {
            DataType::F64 => $tensor.each(|x: $from| via(x) as f64),
            DataType::F32 => $tensor.each(|x: $from| via(x) as f32),
            DataType::I64 => $tensor.each(|x: $from| via(x) as i64),
            DataType::I32 => $tensor.each(|x: $from| via(x) as i32),
            DataType::I16 => $tensor.each(|x: $from| via(x) as i16),
            DataType::I8 => $tensor.each(|x: $from| via(x) as i8),
            DataType::U64 => $tensor.each(|x: $from| via(x) as u64),
            DataType::U32 => $tensor.each(|x: $from| via(x) as u32),
            DataType::U16 => $tensor.each(|x: $from| via(x) as u16),
            DataType::U8 => $tensor.each(|x: $from| via(x) as u8),
            DataType::Bool => $tensor.each(|x: $from| x != <$from>::default()),
            _ => return None,
        })
    }};
}
impl Tensor {
    /// Converts every element as ONNX's `Cast` of opset 28 does. A cast to the same type shares storage.
    ///
    /// Where the operator leaves the result open:
    ///
    /// * Float to integer truncates toward zero. Out of range it does what numpy does on x86-64: 32- and 64-bit signed
    ///   integers become their minimum (NaN too), narrower ones keep the low bits of that 32-bit result, `u32` keeps
    ///   the low bits of a 64-bit one, `u64` wraps negative numbers and becomes 0 above its range.
    /// * NaN to a finite-only float (6 and 4 bits) becomes a zero.
    /// * `f8e8m0` drops the sign.
    /// * Text is trimmed; a number in plain or scientific notation, `inf`, `infinity` and `nan` in any case and with
    ///   sign. To integers, fractions are truncated. `true` and `false` in any case are read as 1 and 0.
    /// * Floats become the shortest text that reads back, with at least one decimal, in scientific notation below
    ///   1e-4 and from 1e16 (`f64`), 1e6 (`f32` and the narrower types) or 1e3 (`f16`) on, as numpy prints them;
    ///   truth values become `True` and `False`.
    /// * Complex to real drops the imaginary part.
    ///
    /// Fails for text that is no number, numbers in text outside an integer type, and between text and complex.
    pub fn cast(&self, to: DataType, options: CastOptions) -> Result<Tensor, TensorError> {
        if to == self.dtype() {
            return Ok(self.clone());
        }
        if self.dtype() == DataType::String {
            return parse_texts(self.strings()?, self.shape(), to, options);
        }
        if to == DataType::String {
            return Tensor::from_strings(self.shape(), self.print()?);
        }
        match self.cast_direct(to) {
            Some(direct) => direct,
            None => Tensor::narrow_with(to, self.shape(), convert(self.widen(), to), options),
        }
    }

    /// Casts between types with a Rust primitive, without widening; `None` for the other pairs.
    fn cast_direct(&self, to: DataType) -> Option<Result<Tensor, TensorError>> {
        match (self.dtype(), to) {
            (DataType::F32, DataType::F16) => Some(self.bulk(f32s_to_f16s)),
            (DataType::F16, DataType::F32) => Some(self.bulk(f16s_to_f32s)),
            (DataType::F32, DataType::BF16) => Some(self.each(bf16::from_f32)),
            (DataType::BF16, DataType::F32) => Some(self.each(bf16::to_f32)),
            (DataType::F32, DataType::F64) => Some(self.each(|x: f32| f64::from(x))),
            (DataType::F64, DataType::F32) => Some(self.each(|x: f64| x as f32)),
            (DataType::F32, _) => self.float_to_int(to, |x: f32| f64::from(x)),
            (DataType::F64, _) => self.float_to_int(to, |x: f64| x),
            (DataType::F16, _) => self.float_to_int(to, f16::to_f64),
            (DataType::BF16, _) => self.float_to_int(to, bf16::to_f64),
            (DataType::I64, _) => int_casts!(self, to, i64, |x| x),
            (DataType::I32, _) => int_casts!(self, to, i32, |x| x),
            (DataType::I16, _) => int_casts!(self, to, i16, |x| x),
            (DataType::I8, _) => int_casts!(self, to, i8, |x| x),
            (DataType::U64, _) => int_casts!(self, to, u64, |x| x),
            (DataType::U32, _) => int_casts!(self, to, u32, |x| x),
            (DataType::U16, _) => int_casts!(self, to, u16, |x| x),
            (DataType::U8, _) => int_casts!(self, to, u8, |x| x),
            (DataType::Bool, _) => int_casts!(self, to, bool, u8::from),
            _ => None,
        }
    }

    fn float_to_int<T: Element>(
        &self,
        to: DataType,
        widen: impl Fn(T) -> f64,
    ) -> Option<Result<Tensor, TensorError>> {
        Some(match to {
            DataType::I64 => self.each(|x| truncate_i64(widen(x))),
            DataType::I32 => self.each(|x| truncate_i32(widen(x))),
            DataType::I16 => self.each(|x| truncate_i32(widen(x)) as i16),
            DataType::I8 => self.each(|x| truncate_i32(widen(x)) as i8),
            DataType::U64 => self.each(|x| truncate_u64(widen(x))),
            DataType::U32 => self.each(|x| truncate_i64(widen(x)) as u32),
            DataType::U16 => self.each(|x| truncate_i32(widen(x)) as u16),
            DataType::U8 => self.each(|x| truncate_i32(widen(x)) as u8),
            DataType::Bool => self.each(|x| widen(x) != 0.0),
            _ => return None,
        })
    }

    fn each<T: Element, U: Element>(&self, f: impl Fn(T) -> U) -> Result<Tensor, TensorError> {
        self.bulk(|data: &[T]| data.iter().map(|x| f(*x)).collect())
    }

    fn bulk<T: Element, U: Element>(&self, f: impl FnOnce(&[T]) -> Vec<U>) -> Result<Tensor, TensorError> {
        Tensor::from_vec(self.shape(), f(&self.as_slice::<T>()?))
    }

    fn print(&self) -> Result<Vec<String>, TensorError> {
        let dtype = self.dtype();
        Ok(match self.widen() {
            Wide::F(values) => values.iter().map(|x| print_float(*x, dtype)).collect(),
            Wide::I(values) => values.iter().map(i64::to_string).collect(),
            Wide::U(values) => values.iter().map(u64::to_string).collect(),
            Wide::B(values) => values.iter().map(|x| if *x { "True" } else { "False" }.to_string()).collect(),
            Wide::S(values) => values,
            Wide::C(_) => return Err(TensorError::Cast { from: dtype, to: DataType::String }),
        })
    }
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// Truncates; `i64::MIN` for NaN and beyond the range, as `cvttsd2si` gives.
fn truncate_i64(x: f64) -> i64 {
    if (-TWO_POW_63..TWO_POW_63).contains(&x) { x as i64 } else { i64::MIN }
}

/// Truncates; `i32::MIN` for NaN and beyond the range.
fn truncate_i32(x: f64) -> i32 {
    let whole = x.trunc();
    if (-2_147_483_648.0..=2_147_483_647.0).contains(&whole) { whole as i32 } else { i32::MIN }
}

/// Truncates with the sequence that x86-64 compilers emit: the upper half is shifted down by 2⁶³ first.
fn truncate_u64(x: f64) -> u64 {
    if x >= TWO_POW_63 {
        return truncate_i64(x - TWO_POW_63).cast_unsigned() ^ (1 << 63);
    }
    truncate_i64(x).cast_unsigned()
}

/// Brings numbers to the kind that `to` is narrowed from. `to` is not a string.
fn convert(wide: Wide, to: DataType) -> Wide {
    if to.is_float() {
        return Wide::F(reals(wide));
    }
    if to.is_complex() {
        return Wide::C(match wide {
            Wide::C(values) => values,
            real => reals(real).into_iter().map(|x| [x, 0.0]).collect(),
        });
    }
    if to == DataType::Bool {
        return Wide::B(match wide {
            Wide::C(values) => values.iter().map(|[re, im]| *re != 0.0 || *im != 0.0).collect(),
            Wide::I(values) => values.iter().map(|x| *x != 0).collect(),
            Wide::U(values) => values.iter().map(|x| *x != 0).collect(),
            real => reals(real).iter().map(|x| *x != 0.0).collect(),
        });
    }
    let narrow = to.bits() < 32;
    let signed: Vec<i64> = match wide {
        Wide::I(values) => values,
        Wide::U(values) => values.into_iter().map(u64::cast_signed).collect(),
        Wide::B(values) => values.into_iter().map(i64::from).collect(),
        real => {
            let truncate = |x: f64| match to {
                DataType::U64 => truncate_u64(x).cast_signed(),
                DataType::I32 => i64::from(truncate_i32(x)),
                _ if narrow => i64::from(truncate_i32(x)),
                _ => truncate_i64(x),
            };
            reals(real).into_iter().map(truncate).collect()
        }
    };
    if to.is_signed_int() {
        return Wide::I(signed);
    }
    Wide::U(signed.into_iter().map(i64::cast_unsigned).collect())
}

fn reals(wide: Wide) -> Vec<f64> {
    match wide {
        Wide::F(values) => values,
        Wide::I(values) => values.into_iter().map(|x| x as f64).collect(),
        Wide::U(values) => values.into_iter().map(|x| x as f64).collect(),
        Wide::B(values) => values.into_iter().map(|x| f64::from(u8::from(x))).collect(),
        Wide::C(values) => values.into_iter().map(|[re, _]| re).collect(),
        Wide::S(_) => Vec::new(),
    }
}

fn parse_texts(
    texts: &[String],
    shape: &[usize],
    to: DataType,
    options: CastOptions,
) -> Result<Tensor, TensorError> {
    if to.is_complex() {
        return Err(TensorError::Cast { from: DataType::String, to });
    }
    let all = texts.iter().enumerate();
    let fail = |(index, text): (usize, &String)| TensorError::Parse {
        index,
        text: text.chars().take(40).collect(),
        to,
    };
    if to.is_float() || to == DataType::Bool {
        let values =
            all.map(|at| parse_float(at.1).ok_or_else(|| fail(at))).collect::<Result<Vec<_>, _>>()?;
        return Tensor::narrow_with(to, shape, convert(Wide::F(values), to), options);
    }
    let values = all
        .map(|(index, text)| {
            let value = parse_int(text).ok_or_else(|| fail((index, text)))?;
            if int_range(to).contains(&value) {
                return Ok(value);
            }
            Err(TensorError::OutOfRange { index, value: value.to_string(), to })
        })
        .collect::<Result<Vec<i128>, _>>()?;
    // In range of a type of at most 64 bits, so the low 64 bits are the value.
    let wide = match to.is_signed_int() {
        true => Wide::I(values.into_iter().map(|x| x as i64).collect()),
        false => Wide::U(values.into_iter().map(|x| x as u64).collect()),
    };
    Tensor::narrow(to, shape, wide)
}

fn int_range(dtype: DataType) -> std::ops::Range<i128> {
    let span = 1i128 << dtype.bits();
    if dtype.is_signed_int() { -span / 2..span / 2 } else { 0..span }
}

fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => text.parse().ok(),
    }
}

fn parse_int(text: &str) -> Option<i128> {
    if let Ok(value) = text.trim().parse() {
        return Some(value);
    }
    // 2⁹⁶ is far outside every type and far inside `i128`.
    parse_float(text).filter(|x| x.abs() < 2f64.powi(96)).map(|x| x as i128)
}

/// Prints as numpy does; see [`Tensor::cast`].
fn print_float(x: f64, dtype: DataType) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    let (digits, limit) = match dtype {
        DataType::F64 => (shortest(x, format!("{x:e}"), |back| back == x), 1e16),
        DataType::F16 => (shortest_f16(x), 1e3),
        _ => (shortest(x, format!("{:e}", x as f32), |back| back as f32 == x as f32), 1e6),
    };
    let (Some((mantissa, exponent)), true) = (digits.split_once('e'), x.is_finite()) else {
        return digits;
    };
    let size = x.abs();
    if size == 0.0 || (1e-4..limit).contains(&size) {
        return positional(mantissa, exponent.parse().unwrap_or(0));
    }
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

/// Replaces the shortest digits by as many digits of the exact value, which differ where two are equally near: the
/// standard library rounds those up, numpy to even.
fn shortest(x: f64, text: String, reads_back: impl Fn(f64) -> bool) -> String {
    let decimals = text.split(['.', 'e']).nth(1).filter(|_| text.contains('.')).map_or(0, str::len);
    let exact = format!("{x:.decimals$e}");
    if exact.parse().is_ok_and(reads_back) { exact } else { text }
}

/// `d.ddd` times a power of ten without exponent, with at least one decimal.
fn positional(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let mut digits = mantissa.replace('.', "");
    let Ok(exponent) = usize::try_from(exponent) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    while digits.len() < exponent + 2 {
        digits.push('0');
    }
    digits.insert(exponent + 1, '.');
    format!("{sign}{digits}")
}

/// The fewest significant digits that read back as the same binary16, in scientific notation.
fn shortest_f16(x: f64) -> String {
    let exact = f16::from_f64(x);
    (0..5)
        .map(|decimals| format!("{x:.decimals$e}"))
        .find(|text| text.parse().is_ok_and(|back| f16::from_f64(back) == exact))
        .unwrap_or_else(|| format!("{x:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(tensor: &Tensor, to: DataType) -> Tensor {
        tensor.cast(to, CastOptions::default()).unwrap()
    }

    fn texts(values: &[&str]) -> Tensor {
        Tensor::from_strings(&[values.len()], values.iter().map(|s| s.to_string()).collect()).unwrap()
    }

    #[test]
    fn floats_to_integers_as_numpy_on_x86() {
        let big = i64::MIN;
        let values = vec![20.0, -20.9, 1e10, 3e9, 300.0, f64::NAN, f64::INFINITY, 1e19, 2e19, -1.0];
        for (to, want) in [
            (DataType::I8, vec![20, -20, 0, 0, 44, 0, 0, 0, 0, -1]),
            (DataType::U8, vec![20, 236, 0, 0, 44, 0, 0, 0, 0, 255]),
            (DataType::I16, vec![20, -20, 0, 0, 300, 0, 0, 0, 0, -1]),
            (DataType::I4, vec![4, -4, 0, 0, -4, 0, 0, 0, 0, -1]),
            (DataType::U2, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 3]),
            (DataType::U32, vec![20, 4294967276, 1410065408, 3000000000, 300, 0, 0, 0, 0, 4294967295]),
            (DataType::I64, vec![20, -20, 10000000000, 3000000000, 300, big, big, big, big, -1]),
        ] {
            assert_eq!(cast(&Tensor::vector(values.clone()), to).to_i64s().unwrap(), want, "{to}");
        }
        let wide = cast(&Tensor::vector(values), DataType::U64).into_vec::<u64>().unwrap();
        assert_eq!(wide[5..], [1 << 63, 0, 10000000000000000000, 0, u64::MAX]);
        assert_eq!(wide[1], 20u64.wrapping_neg());
    }

    #[test]
    fn integers_wrap_and_round() {
        let tensor = Tensor::vector(vec![200i16, -1, 36, 0]);
        assert_eq!(cast(&tensor, DataType::I8).to_i64s().unwrap(), [-56, -1, 36, 0]);
        assert_eq!(cast(&tensor, DataType::U4).to_i64s().unwrap(), [8, 15, 4, 0]);
        assert_eq!(cast(&tensor, DataType::Bool).into_vec::<bool>().unwrap(), [true, true, true, false]);
        assert_eq!(cast(&tensor, DataType::F8E4M3FN).to_f64s().unwrap(), [192.0, -1.0, 36.0, 0.0]);
        // Rounded once, not over f64: 2⁵³ + 2²⁹ + 1 lies just above a tie between two f32.
        let tie = Tensor::scalar((1i64 << 60) + (1 << 36) + 1);
        assert_eq!(cast(&tie, DataType::F32).item::<f32>().unwrap(), ((1u64 << 60) + (1 << 37)) as f32);
    }

    #[test]
    fn small_floats_follow_the_tables() {
        let source = Tensor::vector(vec![f32::INFINITY, f32::NEG_INFINITY, 1e9, f32::NAN, -0.0]);
        let codes = |to, saturate| {
            source
                .cast(to, CastOptions { saturate, ..Default::default() })
                .unwrap()
                .codes()
                .unwrap()
                .into_owned()
        };
        assert_eq!(codes(DataType::F8E4M3FN, true), [0x7e, 0xfe, 0x7e, 0x7f, 0x80]);
        assert_eq!(codes(DataType::F8E4M3FN, false), [0x7f, 0xff, 0x7f, 0x7f, 0x80]);
        assert_eq!(codes(DataType::F8E5M2, true), [0x7b, 0xfb, 0x7b, 0x7e, 0x80]);
        assert_eq!(codes(DataType::F8E5M2, false), [0x7c, 0xfc, 0x7c, 0x7e, 0x80]);
        assert_eq!(codes(DataType::F8E4M3FNUZ, false), [0x80, 0x80, 0x80, 0x80, 0]);
        assert_eq!(codes(DataType::F8E5M2FNUZ, true), [0x7f, 0xff, 0x7f, 0x80, 0]);
        assert_eq!(codes(DataType::F4E2M1, true), [7, 15, 7, 8, 8]);
        assert_eq!(codes(DataType::F8E8M0, true), [254, 254, 157, 255, 0]);
    }

    #[test]
    fn text_becomes_numbers() {
        let source = texts(&["3.15", "1e-5", " 7 ", "+INF", "-inf", "NaN", "1E8"]);
        let floats = cast(&source, DataType::F32).into_vec::<f32>().unwrap();
        assert_eq!(floats[..5], [3.15, 1e-5, 7.0, f32::INFINITY, f32::NEG_INFINITY]);
        assert!(floats[5].is_nan());
        let ints = cast(&texts(&["100.5", "-7", "+8", "1e2"]), DataType::I8);
        assert_eq!(ints.to_i64s().unwrap(), [100, -7, 8, 100]);
        let max = cast(&texts(&["18446744073709551615"]), DataType::U64);
        assert_eq!(max.item::<u64>().unwrap(), u64::MAX);
        let flags = cast(&texts(&["0", "1", "True", "FALSE"]), DataType::Bool);
        assert_eq!(flags.into_vec::<bool>().unwrap(), [false, true, true, false]);
        let fails = |text, to| texts(&["1", text]).cast(to, CastOptions::default()).unwrap_err();
        assert!(matches!(fails("x", DataType::F32), TensorError::Parse { index: 1, .. }));
        assert!(matches!(fails("128", DataType::I8), TensorError::OutOfRange { index: 1, .. }));
        assert!(matches!(fails("inf", DataType::I64), TensorError::Parse { .. }));
        assert!(matches!(fails("1", DataType::C64), TensorError::Cast { .. }));
    }

    #[test]
    fn numbers_become_text_as_numpy_prints() {
        let values =
            vec![0.47892547, 1e6, 1e-7, 1e-4, 123456789.0, 999999.9, 120000.0, -0.0, 1.5, 1e16, 0.00012345];
        let f64s = Tensor::vector(values.clone());
        let print = |to| cast(&cast(&f64s, to), DataType::String).strings().unwrap().join(" ");
        assert_eq!(
            print(DataType::F64),
            "0.47892547 1000000.0 1e-07 0.0001 123456789.0 999999.9 120000.0 -0.0 1.5 1e+16 0.00012345"
        );
        assert_eq!(
            print(DataType::F32),
            "0.47892547 1e+06 1e-07 1e-04 1.2345679e+08 999999.9 120000.0 -0.0 1.5 1e+16 0.00012345"
        );
        let halves = cast(
            &Tensor::vector(vec![1000.0f32, 100.5, 12345.0, 1e-4, 0.00012345, 0.33333333, 1e-5]),
            DataType::F16,
        );
        assert_eq!(
            cast(&halves, DataType::String).strings().unwrap().join(" "),
            "1e+03 100.5 1.2344e+04 0.0001 0.0001235 0.3333 1e-05"
        );
        let odd = Tensor::vector(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(cast(&odd, DataType::String).strings().unwrap(), ["nan", "inf", "-inf"]);
        let flags = cast(&Tensor::vector(vec![true, false]), DataType::String);
        assert_eq!(flags.strings().unwrap(), ["True", "False"]);
    }

    #[test]
    fn complex_where_sensible() {
        let tensor = Tensor::vector(vec![[1.5f32, 2.0], [0.0, 1.0], [0.0, 0.0]]);
        assert_eq!(cast(&tensor, DataType::F32).into_vec::<f32>().unwrap(), [1.5, 0.0, 0.0]);
        assert_eq!(cast(&tensor, DataType::Bool).into_vec::<bool>().unwrap(), [true, true, false]);
        assert_eq!(cast(&Tensor::scalar(3i8), DataType::C128).item::<[f64; 2]>().unwrap(), [3.0, 0.0]);
        assert_eq!(cast(&tensor, DataType::C128).widen(), tensor.widen());
        assert!(tensor.cast(DataType::String, CastOptions::default()).is_err());
    }

    #[test]
    fn direct_and_widened_paths_agree() {
        use DataType as D;
        let direct =
            [D::F64, D::F32, D::F16, D::BF16, D::I64, D::I32, D::I16, D::I8, D::U64, D::U32, D::U16, D::U8];
        let seeds =
            Tensor::vector(vec![0.0f64, 1.0, -1.0, 2.5, -2.5, 100.0, 127.0, -128.0, 255.0, 1000.0, 65000.0]);
        for from in direct {
            let source = cast(&seeds, from);
            for to in direct.into_iter().chain([D::Bool]) {
                let wide = Tensor::narrow(to, source.shape(), convert(source.widen(), to)).unwrap();
                assert_eq!(cast(&source, to), wide, "{from} {to}");
            }
        }
    }
}
