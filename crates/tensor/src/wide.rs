//! Numbers as reference evaluation sees them: five kinds, wide enough for every element type.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::formats::{FloatFormat, decode_e8m0, encode_e8m0};
use crate::{CastOptions, DataType, Element, Tensor, TensorError, packed};

/// The elements of a tensor, widened without loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Wide {
    /// Any floating-point type.
    F(Vec<f64>),
    /// Any signed integer.
    I(Vec<i64>),
    /// Any unsigned integer.
    U(Vec<u64>),
    /// Truth values.
    B(Vec<bool>),
    /// Text.
    S(Vec<String>),
    /// Complex numbers as real and imaginary part.
    C(Vec<[f64; 2]>),
}

impl Wide {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Wide::F(v) => v.len(),
            Wide::I(v) => v.len(),
            Wide::U(v) => v.len(),
            Wide::B(v) => v.len(),
            Wide::S(v) => v.len(),
            Wide::C(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind in a word, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Wide::F(_) => "float",
            Wide::I(_) => "signed",
            Wide::U(_) => "unsigned",
            Wide::B(_) => "bool",
            Wide::S(_) => "string",
            Wide::C(_) => "complex",
        }
    }
}

impl Tensor {
    /// Widens every element without loss.
    pub fn widen(&self) -> Wide {
        use DataType as D;
        match self.dtype() {
            D::F64 => Wide::F(self.map(|x: f64| x)),
            D::F32 => Wide::F(self.map(|x: f32| f64::from(x))),
            D::F16 => Wide::F(self.map(|x: f16| x.to_f64())),
            D::BF16 => Wide::F(self.map(|x: bf16| x.to_f64())),
            D::F8E8M0 => Wide::F(self.map_codes(decode_e8m0)),
            D::F8E4M3FN | D::F8E4M3FNUZ | D::F8E5M2 | D::F8E5M2FNUZ | D::F6E2M3 | D::F6E3M2 | D::F4E2M1 => {
                let table = decode_table(self.dtype());
                Wide::F(self.map_codes(|code| table[usize::from(code)]))
            }
            D::I64 => Wide::I(self.map(|x: i64| x)),
            D::I32 => Wide::I(self.map(|x: i32| i64::from(x))),
            D::I16 => Wide::I(self.map(|x: i16| i64::from(x))),
            D::I8 => Wide::I(self.map(|x: i8| i64::from(x))),
            D::I4 => Wide::I(self.map_codes(|code| i64::from(packed::sign_extend(4, code)))),
            D::I2 => Wide::I(self.map_codes(|code| i64::from(packed::sign_extend(2, code)))),
            D::U64 => Wide::U(self.map(|x: u64| x)),
            D::U32 => Wide::U(self.map(|x: u32| u64::from(x))),
            D::U16 => Wide::U(self.map(|x: u16| u64::from(x))),
            D::U8 | D::U4 | D::U2 => Wide::U(self.map_codes(u64::from)),
            D::Bool => Wide::B(self.map(|x: bool| x)),
            D::String => Wide::S(self.strings().unwrap_or_default().to_vec()),
            D::C64 => Wide::C(self.map(|[re, im]: [f32; 2]| [f64::from(re), f64::from(im)])),
            D::C128 => Wide::C(self.map(|x: [f64; 2]| x)),
        }
    }

    /// Makes a tensor of widened values.
    ///
    /// Floats round once to nearest even and become infinite out of range (NaN or the largest value where there is no
    /// infinity); integers wrap modulo `2^bits`. Fails when the kind does not fit the type (signed values for
    /// signed integers and so on; complex for complex only) or the length does not fit the shape.
    pub fn narrow(dtype: DataType, shape: &[usize], wide: Wide) -> Result<Tensor, TensorError> {
        Tensor::narrow_with(dtype, shape, wide, CastOptions { saturate: false, ..CastOptions::default() })
    }

    /// As [`Tensor::narrow`] with saturation of the 8-bit floats and rounding of `f8e8m0` to choose.
    pub fn narrow_with(
        dtype: DataType,
        shape: &[usize],
        wide: Wide,
        options: CastOptions,
    ) -> Result<Tensor, TensorError> {
        let kind = wide.kind();
        match wide {
            Wide::F(values) if dtype.is_float() => narrow_floats(dtype, shape, values, options),
            Wide::I(values) if dtype.is_signed_int() => narrow_signed(dtype, shape, values),
            Wide::U(values) if dtype.is_unsigned_int() => narrow_unsigned(dtype, shape, values),
            Wide::B(values) if dtype == DataType::Bool => Tensor::from_vec(shape, values),
            Wide::S(values) if dtype == DataType::String => Tensor::from_strings(shape, values),
            Wide::C(values) if dtype == DataType::C128 => Tensor::from_vec(shape, values),
            Wide::C(values) if dtype == DataType::C64 => {
                Tensor::from_vec(shape, each(&values, |[re, im]| [re as f32, im as f32]))
            }
            _ => Err(TensorError::WideKind { dtype, kind }),
        }
    }

    /// All elements as `f64`; `bool` gives 0 and 1, 64-bit integers round to nearest. Fails for strings and complex.
    pub fn to_f64s(&self) -> Result<Vec<f64>, TensorError> {
        match self.widen() {
            Wide::F(values) => Ok(values),
            Wide::I(values) => Ok(each(&values, |x| x as f64)),
            Wide::U(values) => Ok(each(&values, |x| x as f64)),
            Wide::B(values) => Ok(each(&values, |x| f64::from(u8::from(x)))),
            Wide::S(_) | Wide::C(_) => Err(TensorError::Lacks { dtype: self.dtype(), what: "real numbers" }),
        }
    }

    /// All elements as `i64`, of integers and `bool`. Fails for other types and for `u64` above `i64::MAX`.
    pub fn to_i64s(&self) -> Result<Vec<i64>, TensorError> {
        match self.widen() {
            Wide::I(values) => Ok(values),
            Wide::B(values) => Ok(each(&values, i64::from)),
            Wide::U(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    i64::try_from(*value).map_err(|_| TensorError::OutOfRange {
                        index,
                        value: value.to_string(),
                        to: DataType::I64,
                    })
                })
                .collect(),
            _ => Err(TensorError::Lacks { dtype: self.dtype(), what: "integers" }),
        }
    }

    /// The first elements in words, for messages.
    pub(crate) fn head(&self, count: usize) -> Vec<String> {
        let count = count.min(self.len());
        if let Ok(texts) = self.strings() {
            return texts.iter().take(count).map(|text| format!("{text:?}")).collect();
        }
        let bytes = self.dtype().byte_len(count).unwrap_or(0);
        let front = self.to_shared_bytes().slice(..bytes.min(self.bytes().len()));
        match Tensor::from_bytes(self.dtype(), &[count], front).map(|front| front.widen()) {
            Ok(Wide::F(v)) => v.iter().map(f64::to_string).collect(),
            Ok(Wide::I(v)) => v.iter().map(i64::to_string).collect(),
            Ok(Wide::U(v)) => v.iter().map(u64::to_string).collect(),
            Ok(Wide::B(v)) => v.iter().map(bool::to_string).collect(),
            Ok(Wide::C(v)) => v.iter().map(|[re, im]| format!("{re}{im:+}i")).collect(),
            Ok(Wide::S(_)) | Err(_) => Vec::new(),
        }
    }

    /// Elements mapped one by one; the caller has matched the dtype.
    fn map<T: Element, U>(&self, f: impl Fn(T) -> U) -> Vec<U> {
        self.as_slice::<T>().map(|data| each(&data, f)).unwrap_or_default()
    }

    fn map_codes<U>(&self, f: impl Fn(u8) -> U) -> Vec<U> {
        self.codes().map(|codes| each(&codes, f)).unwrap_or_default()
    }
}

/// The values of all codes of a float type of at most 8 bits.
pub(crate) fn decode_table(dtype: DataType) -> [f64; 256] {
    let mut table = [f64::NAN; 256];
    for (slot, code) in table.iter_mut().zip(0u8..=255) {
        *slot = match FloatFormat::of(dtype) {
            Some(format) => format.decode(u16::from(code)),
            None => decode_e8m0(code),
        };
    }
    table
}

fn each<T: Copy, U>(values: &[T], f: impl Fn(T) -> U) -> Vec<U> {
    values.iter().map(|value| f(*value)).collect()
}

fn narrow_floats(
    dtype: DataType,
    shape: &[usize],
    values: Vec<f64>,
    options: CastOptions,
) -> Result<Tensor, TensorError> {
    match dtype {
        DataType::F64 => Tensor::from_vec(shape, values),
        DataType::F32 => Tensor::from_vec(shape, each(&values, |x| x as f32)),
        DataType::F16 => {
            let code = |x| f16::from_bits(FloatFormat::F16.encode(x, false));
            Tensor::from_vec(shape, each(&values, code))
        }
        DataType::BF16 => {
            let code = |x| bf16::from_bits(FloatFormat::BF16.encode(x, false));
            Tensor::from_vec(shape, each(&values, code))
        }
        DataType::F8E8M0 => {
            let codes = each(&values, |x| encode_e8m0(x, options.saturate, options.round));
            Tensor::from_codes(dtype, shape, &codes)
        }
        _ => {
            let Some(format) = FloatFormat::of(dtype) else {
                return Err(TensorError::WideKind { dtype, kind: "float" });
            };
            let codes = each(&values, |x| (format.encode(x, options.saturate) & 0xff) as u8);
            Tensor::from_codes(dtype, shape, &codes)
        }
    }
}

/// Truncation keeps the low bits, which is wrapping modulo the width.
fn narrow_signed(dtype: DataType, shape: &[usize], values: Vec<i64>) -> Result<Tensor, TensorError> {
    match dtype {
        DataType::I64 => Tensor::from_vec(shape, values),
        DataType::I32 => Tensor::from_vec(shape, each(&values, |x| x as i32)),
        DataType::I16 => Tensor::from_vec(shape, each(&values, |x| x as i16)),
        DataType::I8 => Tensor::from_vec(shape, each(&values, |x| x as i8)),
        _ => Tensor::from_codes(dtype, shape, &each(&values, |x| x as u8)),
    }
}

fn narrow_unsigned(dtype: DataType, shape: &[usize], values: Vec<u64>) -> Result<Tensor, TensorError> {
    match dtype {
        DataType::U64 => Tensor::from_vec(shape, values),
        DataType::U32 => Tensor::from_vec(shape, each(&values, |x| x as u32)),
        DataType::U16 => Tensor::from_vec(shape, each(&values, |x| x as u16)),
        _ => Tensor::from_codes(dtype, shape, &each(&values, |x| x as u8)),
    }
}

/// `f32` to binary16 in bulk.
pub(crate) fn f32s_to_f16s(values: &[f32]) -> Vec<f16> {
    let mut out = vec![f16::ZERO; values.len()];
    out.convert_from_f32_slice(values);
    out
}

/// Binary16 to `f32` in bulk.
pub(crate) fn f16s_to_f32s(values: &[f16]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    values.convert_to_f32_slice(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code of the type once, or a spread of byte patterns for wide types.
    fn sample(dtype: DataType) -> Tensor {
        let count = 256;
        let bytes = dtype.byte_len(count).unwrap();
        let data: Vec<u8> = (0..bytes).map(|i| (i * 131 + i / 7) as u8).collect();
        Tensor::from_bytes(dtype, &[count], data.into()).unwrap()
    }

    #[test]
    fn narrowing_inverts_widening() {
        for dtype in DataType::ALL.into_iter().filter(|d| *d != DataType::String) {
            let tensor = sample(dtype);
            let wide = tensor.widen();
            assert_eq!(wide.len(), 256);
            let back = Tensor::narrow(dtype, &[256], wide.clone()).unwrap();
            if dtype.is_float() || dtype.is_complex() {
                // NaN payloads may differ, numbers may not.
                assert_eq!(format!("{:?}", back.widen()), format!("{wide:?}"), "{dtype}");
            } else {
                assert_eq!(back, tensor, "{dtype}");
            }
        }
        let text = Tensor::from_strings(&[2], vec!["a".into(), "b".into()]).unwrap();
        assert_eq!(Tensor::narrow(DataType::String, &[2], text.widen()).unwrap(), text);
    }

    #[test]
    fn integers_wrap_and_floats_round_once() {
        let ints =
            |d, v: &[i64]| Tensor::narrow(d, &[v.len()], Wide::I(v.to_vec())).unwrap().to_i64s().unwrap();
        assert_eq!(ints(DataType::I8, &[200, -129, 5]), [-56, 127, 5]);
        assert_eq!(ints(DataType::I4, &[8, -9, 7]), [-8, 7, 7]);
        assert_eq!(ints(DataType::I2, &[2, 1]), [-2, 1]);
        let floats =
            |d, v: &[f64]| Tensor::narrow(d, &[v.len()], Wide::F(v.to_vec())).unwrap().to_f64s().unwrap();
        // Just above a tie: rounding over f32 first would fall onto the tie and then to even.
        let above = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(floats(DataType::F16, &[above, 1e9]), [1.0 + 2f64.powi(-10), f64::INFINITY]);
        assert_eq!(floats(DataType::F32, &[1e300]), [f64::INFINITY]);
    }

    #[test]
    fn kinds_must_fit() {
        assert!(matches!(
            Tensor::narrow(DataType::U8, &[1], Wide::I(vec![1])),
            Err(TensorError::WideKind { dtype: DataType::U8, kind: "signed" })
        ));
        assert!(Tensor::narrow(DataType::F32, &[2], Wide::F(vec![1.0])).is_err());
        let big = Tensor::vector(vec![1u64, u64::MAX]);
        assert!(matches!(big.to_i64s(), Err(TensorError::OutOfRange { index: 1, .. })));
        assert!(Tensor::scalar(1.0f32).to_i64s().is_err());
        assert_eq!(Tensor::vector(vec![true, false]).to_f64s().unwrap(), [1.0, 0.0]);
        assert_eq!(Tensor::vector(vec![true]).to_i64s().unwrap(), [1]);
    }
}
