//! The element types of ONNX and their names, numbers and sizes.

use std::fmt;

/// An element type. Everything that ONNX's `TensorProto.DataType` lists, under the names of this toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// IEEE binary64.
    F64,
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// 8-bit float, 4 exponent and 3 mantissa bits, no infinity (OCP OFP8).
    F8E4M3FN,
    /// As `F8E4M3FN` with one NaN, no negative zero and bias 8.
    F8E4M3FNUZ,
    /// 8-bit float, 5 exponent and 2 mantissa bits, IEEE-like specials (OCP OFP8).
    F8E5M2,
    /// As `F8E5M2` with one NaN, no infinity, no negative zero and bias 16.
    F8E5M2FNUZ,
    /// 8-bit power-of-two scale without sign (OCP microscaling).
    F8E8M0,
    /// 6-bit float, 2 exponent and 3 mantissa bits, finite only (OCP microscaling).
    F6E2M3,
    /// 6-bit float, 3 exponent and 2 mantissa bits, finite only (OCP microscaling).
    F6E3M2,
    /// 4-bit float, 2 exponent and 1 mantissa bit, finite only (OCP microscaling).
    F4E2M1,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Signed 4-bit integer, two per byte.
    I4,
    /// Signed 2-bit integer, four per byte.
    I2,
    /// Unsigned 64-bit integer.
    U64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 4-bit integer, two per byte.
    U4,
    /// Unsigned 2-bit integer, four per byte.
    U2,
    /// Truth value, one byte of 0 or 1.
    Bool,
    /// UTF-8 text.
    String,
    /// Complex of two `f32`.
    C64,
    /// Complex of two `f64`.
    C128,
}

struct Row {
    bits: usize,
    name: &'static str,
    onnx: i32,
    onnx_name: &'static str,
}

const fn row(bits: usize, name: &'static str, onnx: i32, onnx_name: &'static str) -> Row {
    Row { bits, name, onnx, onnx_name }
}

impl DataType {
    /// Every data type, in declaration order.
    pub const ALL: [DataType; 28] = [
        DataType::F64,
        DataType::F32,
        DataType::F16,
        DataType::BF16,
        DataType::F8E4M3FN,
        DataType::F8E4M3FNUZ,
        DataType::F8E5M2,
        DataType::F8E5M2FNUZ,
        DataType::F8E8M0,
        DataType::F6E2M3,
        DataType::F6E3M2,
        DataType::F4E2M1,
        DataType::I64,
        DataType::I32,
        DataType::I16,
        DataType::I8,
        DataType::I4,
        DataType::I2,
        DataType::U64,
        DataType::U32,
        DataType::U16,
        DataType::U8,
        DataType::U4,
        DataType::U2,
        DataType::Bool,
        DataType::String,
        DataType::C64,
        DataType::C128,
    ];

    const fn row(self) -> Row {
        match self {
            DataType::F64 => row(64, "f64", 11, "double"),
            DataType::F32 => row(32, "f32", 1, "float"),
            DataType::F16 => row(16, "f16", 10, "float16"),
            DataType::BF16 => row(16, "bf16", 16, "bfloat16"),
            DataType::F8E4M3FN => row(8, "f8e4m3fn", 17, "float8e4m3fn"),
            DataType::F8E4M3FNUZ => row(8, "f8e4m3fnuz", 18, "float8e4m3fnuz"),
            DataType::F8E5M2 => row(8, "f8e5m2", 19, "float8e5m2"),
            DataType::F8E5M2FNUZ => row(8, "f8e5m2fnuz", 20, "float8e5m2fnuz"),
            DataType::F8E8M0 => row(8, "f8e8m0", 24, "float8e8m0"),
            DataType::F6E2M3 => row(6, "f6e2m3", 27, "float6e2m3"),
            DataType::F6E3M2 => row(6, "f6e3m2", 28, "float6e3m2"),
            DataType::F4E2M1 => row(4, "f4e2m1", 23, "float4e2m1"),
            DataType::I64 => row(64, "i64", 7, "int64"),
            DataType::I32 => row(32, "i32", 6, "int32"),
            DataType::I16 => row(16, "i16", 5, "int16"),
            DataType::I8 => row(8, "i8", 3, "int8"),
            DataType::I4 => row(4, "i4", 22, "int4"),
            DataType::I2 => row(2, "i2", 26, "int2"),
            DataType::U64 => row(64, "u64", 13, "uint64"),
            DataType::U32 => row(32, "u32", 12, "uint32"),
            DataType::U16 => row(16, "u16", 4, "uint16"),
            DataType::U8 => row(8, "u8", 2, "uint8"),
            DataType::U4 => row(4, "u4", 21, "uint4"),
            DataType::U2 => row(2, "u2", 25, "uint2"),
            DataType::Bool => row(8, "bool", 9, "bool"),
            DataType::String => row(0, "string", 8, "string"),
            DataType::C64 => row(64, "c64", 14, "complex64"),
            DataType::C128 => row(128, "c128", 15, "complex128"),
        }
    }

    /// Bits of one element as stored; 0 for [`DataType::String`].
    pub const fn bits(self) -> usize {
        self.row().bits
    }

    /// Short lower-case name: `f32`, `i64`, `bf16`, `f8e4m3fn`, `string`, `bool`, `c64` …
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The type of that short [name](DataType::name).
    pub fn from_name(name: &str) -> Option<DataType> {
        DataType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// The type with that `TensorProto.DataType` number; `None` for 0 (undefined) and unknown numbers.
    pub fn from_onnx(number: i32) -> Option<DataType> {
        DataType::ALL.into_iter().find(|dtype| dtype.to_onnx() == number)
    }

    /// Number in `TensorProto.DataType`.
    pub const fn to_onnx(self) -> i32 {
        self.row().onnx
    }

    /// The name inside ONNX's `tensor(…)`: `float`, `double`, `int64`, `bfloat16` …
    pub const fn onnx_name(self) -> &'static str {
        self.row().onnx_name
    }

    /// The type whose ONNX name, without `tensor(…)` around it, is `name`.
    pub fn from_onnx_name(name: &str) -> Option<DataType> {
        DataType::ALL.into_iter().find(|dtype| dtype.onnx_name() == name)
    }

    /// Real floating point of any width.
    pub const fn is_float(self) -> bool {
        use DataType::*;
        matches!(
            self,
            F64 | F32
                | F16
                | BF16
                | F8E4M3FN
                | F8E4M3FNUZ
                | F8E5M2
                | F8E5M2FNUZ
                | F8E8M0
                | F6E2M3
                | F6E3M2
                | F4E2M1
        )
    }

    /// Integer of any width, with or without sign; `bool` is not one.
    pub const fn is_int(self) -> bool {
        self.is_signed_int() || self.is_unsigned_int()
    }

    /// Two's complement integer of any width.
    pub const fn is_signed_int(self) -> bool {
        use DataType::*;
        matches!(self, I64 | I32 | I16 | I8 | I4 | I2)
    }

    /// Unsigned integer of any width; `bool` is not one.
    pub const fn is_unsigned_int(self) -> bool {
        use DataType::*;
        matches!(self, U64 | U32 | U16 | U8 | U4 | U2)
    }

    /// Complex of either width.
    pub const fn is_complex(self) -> bool {
        matches!(self, DataType::C64 | DataType::C128)
    }

    /// Narrower than a byte and therefore packed.
    pub const fn is_sub_byte(self) -> bool {
        matches!(self.bits(), 1..8)
    }

    /// Bytes that `count` elements occupy when packed, `⌈bits · count / 8⌉`; `None` when that overflows `usize`.
    ///
    /// Strings have no packed form and give 0.
    pub const fn byte_len(self, count: usize) -> Option<usize> {
        let bits = self.bits();
        if bits >= 8 {
            return count.checked_mul(bits / 8);
        }
        // Whole groups of eight elements take `bits` bytes each, so the product of bits never overflows on its own.
        match (count / 8).checked_mul(bits) {
            Some(whole) => whole.checked_add((count % 8 * bits).div_ceil(8)),
            None => None,
        }
    }

    /// Alignment in bytes that a typed slice of this type needs; 1 for packed types and strings.
    pub const fn align(self) -> usize {
        match self {
            DataType::C64 => align_of::<f32>(),
            DataType::C128 => align_of::<f64>(),
            _ => match self.bits() {
                64 => align_of::<u64>(),
                32 => align_of::<u32>(),
                16 => align_of::<u16>(),
                _ => 1,
            },
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        let mut numbers: Vec<i32> = DataType::ALL.iter().map(|d| d.to_onnx()).collect();
        for dtype in DataType::ALL {
            assert_eq!(DataType::from_name(dtype.name()), Some(dtype));
            assert_eq!(DataType::from_onnx(dtype.to_onnx()), Some(dtype));
            assert_eq!(DataType::from_onnx_name(dtype.onnx_name()), Some(dtype));
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=28).collect::<Vec<_>>());
        assert_eq!(DataType::from_onnx(0), None);
        assert_eq!(DataType::from_onnx(29), None);
    }

    #[test]
    fn classes_partition_the_types() {
        for d in DataType::ALL {
            let classes = [
                d.is_float(),
                d.is_signed_int(),
                d.is_unsigned_int(),
                d.is_complex(),
                d == DataType::Bool,
                d == DataType::String,
            ];
            assert_eq!(classes.iter().filter(|c| **c).count(), 1, "{d}");
        }
    }

    #[test]
    fn packed_lengths() {
        for (dtype, count, want) in [
            (DataType::F32, 3, Some(12)),
            (DataType::I4, 3, Some(2)),
            (DataType::U2, 5, Some(2)),
            (DataType::F6E2M3, 4, Some(3)),
            (DataType::F6E3M2, 5, Some(4)),
            (DataType::String, 5, Some(0)),
            (DataType::I2, usize::MAX, Some(usize::MAX / 4 + 1)),
            (DataType::F64, usize::MAX / 4, None),
        ] {
            assert_eq!(dtype.byte_len(count), want, "{dtype} {count}");
        }
    }
}
