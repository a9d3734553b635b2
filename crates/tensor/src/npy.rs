//! Reading and writing numpy's `.npy` files, versions 1 to 3.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
//!
//! | `descr` | read as | written for |
//! |---|---|---|
//! | `f2 f4 f8`, `i1`…`i8`, `u1`…`u8`, `b1`, `c8 c16` | the type of that name, either byte order | the same |
//! | `U<n>`, `S<n>` | `string`; trailing NULs are dropped, as numpy does | `string` as `<U<n>` |
//! | `V1`, `V2` | `u8`, `u16`: raw codes, see below | 8-, 6- and 4-bit floats (one code per byte), `bf16` |
//! | `bfloat16`, `float8_e4m3fn`, `int4` … | the type of that `ml_dtypes` name, one code per byte if narrower | — |
//! | `i1`, `u1` | `i8`, `u8` | `i4 i2`, `u4 u2` by value |
//!
//! numpy writes the types of `ml_dtypes` as nameless void, so their name is lost in the file. Who knows it gets the
//! type back with [`Tensor::with_dtype_bits`] or [`Tensor::from_codes`].
//!
//! Objects, structures, dates and long doubles are refused. A file cannot make the reader allocate more than about
//! twice the data that it really holds, whatever shape it declares.

use std::io::{Read, Write};

use bytes::{Buf, Bytes};

use crate::view::{View, checked_len};
use crate::{DataType, Element, Tensor, TensorError, bf16, element, f16};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// numpy itself refuses headers above 10 000 bytes by default.
const MAX_HEADER: usize = 1 << 16;
const MAX_RANK: usize = 64;
/// Bytes that are allocated on the word of the header alone.
const FIRST_STEP: usize = 1 << 20;

/// Reads one array and leaves the stream behind it.
pub fn read(reader: &mut impl Read) -> Result<Tensor, TensorError> {
    let (header, _) = Header::read(reader)?;
    header.payload()?;
    header.read_payload(reader)
}

/// Reads one array that must fill `total` bytes of the stream exactly; the size is checked before allocation.
pub(crate) fn read_exactly(reader: &mut impl Read, total: u64) -> Result<Tensor, TensorError> {
    let (header, start) = Header::read(reader)?;
    let declared = u64::try_from(header.payload()?).ok().and_then(|payload| payload.checked_add(start));
    if declared != Some(total) {
        return Err(fail(format!(
            "header of shape {:?} does not fit an entry of {total} bytes",
            header.shape
        )));
    }
    header.read_payload(reader)
}

/// Reads an array out of bytes in memory or a mapped file; see [`map_file`](crate::map_file).
///
/// Little-endian, row-major numbers are not copied. Bytes behind the array are ignored, as numpy does.
pub fn read_bytes(data: Bytes) -> Result<Tensor, TensorError> {
    let mut rest = data.clone().reader();
    let (header, _) = Header::read(&mut rest)?;
    let payload = header.payload()?;
    let data = rest.into_inner();
    if payload > data.len() {
        return Err(fail(format!("needs {payload} bytes behind the header, has {}", data.len())));
    }
    match header.item {
        Item::Number { dtype, big_endian: false } if !header.fortran => {
            Tensor::from_bytes(dtype, &header.shape, data.slice(..payload))
        }
        _ => header.read_payload(&mut data.reader()),
    }
}

/// Writes one array: version 1, little-endian, row-major, the data aligned to 64 bytes.
///
/// The table of the [module](self) says what becomes of types that numpy lacks.
pub fn write(writer: &mut impl Write, tensor: &Tensor) -> Result<(), TensorError> {
    let width = match tensor.strings() {
        Ok(texts) => texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1),
        Err(_) => 0,
    };
    writer.write_all(&header_bytes(&descr(tensor.dtype(), width), tensor.shape())?)?;
    match tensor.dtype() {
        DataType::String => write_texts(writer, tensor.strings()?, width)?,
        DataType::I4 | DataType::I2 => {
            let values: Vec<i8> = tensor.to_i64s()?.iter().map(|x| *x as i8).collect();
            writer.write_all(element::as_bytes(&values))?;
        }
        dtype if dtype.is_sub_byte() => writer.write_all(&tensor.codes()?)?,
        _ => writer.write_all(tensor.bytes())?,
    }
    Ok(())
}

/// Bytes that [`write`] will write, when that fits 64 bits.
pub(crate) fn written_len(tensor: &Tensor) -> u64 {
    let item = match tensor.strings() {
        Ok(texts) => 4 * texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1),
        Err(_) => tensor.dtype().bits().div_ceil(8),
    };
    (tensor.len() as u64).saturating_mul(item as u64).saturating_add(MAX_HEADER as u64)
}

fn descr(dtype: DataType, width: usize) -> String {
    use DataType::*;
    match dtype {
        F64 => "<f8",
        F32 => "<f4",
        F16 => "<f2",
        BF16 => "<V2",
        F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F6E2M3 | F6E3M2 | F4E2M1 => "|V1",
        I64 => "<i8",
        I32 => "<i4",
        I16 => "<i2",
        I8 | I4 | I2 => "|i1",
        U64 => "<u8",
        U32 => "<u4",
        U16 => "<u2",
        U8 | U4 | U2 => "|u1",
        Bool => "|b1",
        C64 => "<c8",
        C128 => "<c16",
        String => return format!("<U{width}"),
    }
    .into()
}

fn header_bytes(descr: &str, shape: &[usize]) -> Result<Vec<u8>, TensorError> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let dict =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    const FIXED: usize = MAGIC.len() + 4;
    let total = (FIXED + dict.len() + 1).next_multiple_of(64);
    let length = u16::try_from(total - FIXED)
        .map_err(|_| fail(format!("a shape of {} axes does not fit the header", shape.len())))?;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(dict.as_bytes());
    out.resize(total - 1, b' ');
    out.push(b'\n');
    Ok(out)
}

fn write_texts(writer: &mut impl Write, texts: &[String], width: usize) -> Result<(), TensorError> {
    let mut line = Vec::new();
    for text in texts {
        line.clear();
        text.chars().for_each(|c| line.extend_from_slice(&u32::from(c).to_le_bytes()));
        line.resize(width * 4, 0);
        writer.write_all(&line)?;
    }
    Ok(())
}

fn fail(reason: impl Into<String>) -> TensorError {
    TensorError::Npy(reason.into())
}

/// How one element lies in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Number {
        dtype: DataType,
        big_endian: bool,
    },
    /// One byte per element of a type narrower than a byte.
    Code(DataType),
    /// UTF-32 of a fixed number of characters, padded with NUL.
    Utf32 {
        chars: usize,
        big_endian: bool,
    },
    /// Bytes of a fixed length, padded with NUL.
    Ascii {
        bytes: usize,
    },
}

impl Item {
    fn parse(descr: &str) -> Result<Item, TensorError> {
        if let Some(dtype) = named(descr) {
            return Ok(if dtype.is_sub_byte() {
                Item::Code(dtype)
            } else {
                Item::Number { dtype, big_endian: false }
            });
        }
        let (big_endian, code) = match descr.split_at_checked(1) {
            Some((">", code)) => (true, code),
            Some(("<" | "|" | "=", code)) => (false, code),
            _ => (false, descr),
        };
        let refuse = || fail(format!("element type {descr:?} is not supported"));
        let (kind, size) = code.split_at_checked(1).ok_or_else(refuse)?;
        let size: usize = size.parse().map_err(|_| refuse())?;
        let dtype = match (kind, size) {
            ("f", 8) => DataType::F64,
            ("f", 4) => DataType::F32,
            ("f", 2) => DataType::F16,
            ("i", 8) => DataType::I64,
            ("i", 4) => DataType::I32,
            ("i", 2) => DataType::I16,
            ("i", 1) => DataType::I8,
            ("u", 8) => DataType::U64,
            ("u", 4) => DataType::U32,
            ("u" | "V", 2) => DataType::U16,
            ("u" | "V", 1) => DataType::U8,
            ("b", 1) => DataType::Bool,
            ("c", 8) => DataType::C64,
            ("c", 16) => DataType::C128,
            ("U", chars) => return Ok(Item::Utf32 { chars, big_endian }),
            ("S", bytes) => return Ok(Item::Ascii { bytes }),
            _ => return Err(refuse()),
        };
        Ok(Item::Number { dtype, big_endian })
    }

    fn bytes(self) -> Option<usize> {
        match self {
            Item::Number { dtype, .. } => Some(dtype.bits() / 8),
            Item::Code(_) => Some(1),
            Item::Utf32 { chars, .. } => chars.checked_mul(4),
            Item::Ascii { bytes } => Some(bytes),
        }
    }
}

/// The types of `ml_dtypes` under the names that numpy gives them.
fn named(descr: &str) -> Option<DataType> {
    Some(match descr {
        "bfloat16" => DataType::BF16,
        "float8_e4m3fn" => DataType::F8E4M3FN,
        "float8_e4m3fnuz" => DataType::F8E4M3FNUZ,
        "float8_e5m2" => DataType::F8E5M2,
        "float8_e5m2fnuz" => DataType::F8E5M2FNUZ,
        "float8_e8m0fnu" => DataType::F8E8M0,
        "float6_e2m3fn" => DataType::F6E2M3,
        "float6_e3m2fn" => DataType::F6E3M2,
        "float4_e2m1fn" => DataType::F4E2M1,
        "int4" => DataType::I4,
        "uint4" => DataType::U4,
        "int2" => DataType::I2,
        "uint2" => DataType::U2,
        _ => return None,
    })
}

#[derive(Debug, PartialEq)]
struct Header {
    item: Item,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads up to the start of the data; also gives the bytes consumed.
    fn read(reader: &mut impl Read) -> Result<(Header, u64), TensorError> {
        let mut start = [0u8; 8];
        reader.read_exact(&mut start)?;
        let [magic @ .., major, minor] = start;
        if magic != *MAGIC {
            return Err(fail("the magic number is missing"));
        }
        let (length, fixed) = match (major, minor) {
            (1, 0) => {
                let mut length = [0; 2];
                reader.read_exact(&mut length)?;
                (usize::from(u16::from_le_bytes(length)), 10)
            }
            (2 | 3, 0) => {
                let mut length = [0; 4];
                reader.read_exact(&mut length)?;
                (usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX), 12)
            }
            _ => return Err(fail(format!("version {major}.{minor} is unknown, expected 1.0, 2.0 or 3.0"))),
        };
        if length > MAX_HEADER {
            return Err(fail(format!("header of {length} bytes, at most {MAX_HEADER} are read")));
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        let text = std::str::from_utf8(&text).map_err(|_| fail("the header is not text"))?;
        Ok((Header::parse(text)?, (fixed + length) as u64))
    }

    fn parse(text: &str) -> Result<Header, TensorError> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = Literal(text);
        rest.expect("{")?;
        while !rest.accept("}") {
            let key = rest.string()?;
            rest.expect(":")?;
            let fresh = match key {
                "descr" => descr.replace(rest.descr()?).is_none(),
                "fortran_order" => fortran.replace(rest.boolean()?).is_none(),
                "shape" => shape.replace(rest.tuple()?).is_none(),
                _ => false,
            };
            if !fresh {
                return Err(fail(format!("unexpected or repeated key {key:?} in the header")));
            }
            if !rest.accept(",") {
                rest.expect("}")?;
                break;
            }
        }
        let missing = |key| fail(format!("the header lacks {key:?}"));
        Ok(Header {
            item: Item::parse(descr.ok_or_else(|| missing("descr"))?)?,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    /// Bytes of the data.
    fn payload(&self) -> Result<usize, TensorError> {
        let count = checked_len(&self.shape)?;
        let bytes = self.item.bytes().and_then(|bytes| count.checked_mul(bytes));
        let bytes = bytes.ok_or_else(|| TensorError::ShapeOverflow { shape: self.shape.clone() })?;
        // Elements of no bytes would let a header of any size claim memory without sending data for it.
        if bytes == 0 && count > 0 {
            return Err(fail("elements of zero bytes are not supported"));
        }
        Ok(bytes)
    }

    fn read_payload(&self, reader: &mut impl Read) -> Result<Tensor, TensorError> {
        let count = checked_len(&self.shape)?;
        match self.item {
            Item::Number { dtype, big_endian } => self.read_numbers(reader, dtype, big_endian, count),
            Item::Code(dtype) => {
                let codes = self.ordered(read_elements::<u8>(reader, count)?)?;
                Tensor::from_codes(dtype, &self.shape, &codes)
            }
            Item::Utf32 { chars, big_endian } => {
                let mut units: Vec<u32> = read_elements(reader, count.saturating_mul(chars))?;
                if big_endian {
                    units.iter_mut().for_each(|unit| *unit = unit.swap_bytes());
                }
                let texts = units.chunks_exact(chars.max(1)).map(utf32).collect::<Result<Vec<_>, _>>()?;
                Tensor::from_strings(&self.shape, self.ordered(texts)?)
            }
            Item::Ascii { bytes } => {
                let data: Vec<u8> = read_elements(reader, count.saturating_mul(bytes))?;
                let texts = data.chunks_exact(bytes.max(1)).map(ascii).collect::<Result<Vec<_>, _>>()?;
                Tensor::from_strings(&self.shape, self.ordered(texts)?)
            }
        }
    }

    fn read_numbers(
        &self,
        reader: &mut impl Read,
        dtype: DataType,
        swap: bool,
        count: usize,
    ) -> Result<Tensor, TensorError> {
        match dtype {
            DataType::F64 => self.numbers::<f64>(reader, count, swap.then_some(8)),
            DataType::F32 => self.numbers::<f32>(reader, count, swap.then_some(4)),
            DataType::F16 => self.numbers::<f16>(reader, count, swap.then_some(2)),
            DataType::BF16 => self.numbers::<bf16>(reader, count, swap.then_some(2)),
            DataType::I64 => self.numbers::<i64>(reader, count, swap.then_some(8)),
            DataType::I32 => self.numbers::<i32>(reader, count, swap.then_some(4)),
            DataType::I16 => self.numbers::<i16>(reader, count, swap.then_some(2)),
            DataType::I8 => self.numbers::<i8>(reader, count, None),
            DataType::U64 => self.numbers::<u64>(reader, count, swap.then_some(8)),
            DataType::U32 => self.numbers::<u32>(reader, count, swap.then_some(4)),
            DataType::U16 => self.numbers::<u16>(reader, count, swap.then_some(2)),
            DataType::C64 => self.numbers::<[f32; 2]>(reader, count, swap.then_some(4)),
            DataType::C128 => self.numbers::<[f64; 2]>(reader, count, swap.then_some(8)),
            // `bool` and the 8-bit floats: bytes that the tensor itself makes valid.
            _ => {
                let codes = self.ordered(read_elements::<u8>(reader, count)?)?;
                Tensor::from_bytes(dtype, &self.shape, Bytes::from(codes))
            }
        }
    }

    /// Reads numbers, reversing the bytes in units of `swap` bytes. `T` is not `bool`.
    fn numbers<T: Element>(
        &self,
        reader: &mut impl Read,
        count: usize,
        swap: Option<usize>,
    ) -> Result<Tensor, TensorError> {
        let mut data: Vec<T> = read_elements(reader, count)?;
        if let Some(unit) = swap {
            // SAFETY: every bit pattern is a value of the number types that this is called with.
            unsafe { element::as_bytes_mut(&mut data) }.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
        Tensor::from_vec(&self.shape, self.ordered(data)?)
    }

    /// Brings column-major elements into row-major order.
    fn ordered<T: Clone>(&self, data: Vec<T>) -> Result<Vec<T>, TensorError> {
        if !self.fortran || self.shape.len() < 2 {
            return Ok(data);
        }
        let turned: Vec<usize> = self.shape.iter().rev().copied().collect();
        let back: Vec<usize> = (0..turned.len()).rev().collect();
        Ok(View::new(&data, &turned)?.permute(&back)?.to_vec())
    }
}

/// Reads `count` elements, growing only as data really arrives. `T` is not `bool`.
fn read_elements<T: Element>(reader: &mut impl Read, count: usize) -> Result<Vec<T>, TensorError> {
    const { assert!(!matches!(T::DTYPE, DataType::Bool)) };
    let mut data: Vec<T> = Vec::new();
    while data.len() < count {
        let have = data.len();
        let more = (count - have).min(have.max(FIRST_STEP / size_of::<T>()));
        let bytes = more.saturating_mul(size_of::<T>());
        data.try_reserve_exact(more).map_err(|_| TensorError::OutOfMemory { bytes })?;
        data.resize(have + more, T::default());
        let fresh = data.get_mut(have..).unwrap_or_default();
        // SAFETY: every bit pattern is a value of `T`, which is not `bool` as asserted above.
        reader.read_exact(unsafe { element::as_bytes_mut(fresh) })?;
    }
    Ok(data)
}

fn utf32(units: &[u32]) -> Result<String, TensorError> {
    let end = units.iter().rposition(|unit| *unit != 0).map_or(0, |last| last + 1);
    let decode = |unit: &u32| {
        char::from_u32(*unit).ok_or_else(|| fail(format!("{unit:#x} is not a unicode character")))
    };
    units.iter().take(end).map(decode).collect()
}

fn ascii(bytes: &[u8]) -> Result<String, TensorError> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default());
    text.map(str::to_owned).map_err(|_| fail("a byte string is not utf-8 text"))
}

/// The few Python literals of a header, consumed from the front.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn accept(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start();
        match rest.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), TensorError> {
        if self.accept(token) {
            return Ok(());
        }
        let found: String = self.0.trim_start().chars().take(20).collect();
        Err(fail(format!("expected {token:?} in the header, found {found:?}")))
    }

    fn string(&mut self) -> Result<&'a str, TensorError> {
        let quote = if self.accept("\"") { '"' } else { '\'' };
        if quote == '\'' {
            self.expect("'")?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or_else(|| fail("the header ends inside a string"))?;
        self.0 = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<&'a str, TensorError> {
        if self.accept("[") {
            return Err(fail("structured element types are not supported"));
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool, TensorError> {
        if self.accept("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> Result<Vec<usize>, TensorError> {
        self.expect("(")?;
        let mut sizes = Vec::new();
        while !self.accept(")") {
            if sizes.len() == MAX_RANK {
                return Err(fail(format!("more than {MAX_RANK} axes")));
            }
            sizes.push(self.size()?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sizes)
    }

    fn size(&mut self) -> Result<usize, TensorError> {
        let rest = self.0.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        // Python 2 wrote long integers with this suffix.
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().map_err(|_| fail(format!("{digits:?} is not the size of an axis")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, dict: &str, data: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([version, 0]);
        match version {
            1 => out.extend((dict.len() as u16).to_le_bytes()),
            _ => out.extend((dict.len() as u32).to_le_bytes()),
        }
        out.extend(dict.as_bytes());
        out.extend(data);
        out
    }

    fn array(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Result<Tensor, TensorError> {
        let dict = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let bytes = file(1, &dict, data);
        let streamed = read(&mut bytes.as_slice());
        match (streamed, read_bytes(Bytes::from(bytes))) {
            (Ok(a), Ok(b)) => {
                assert_eq!(a, b);
                Ok(a)
            }
            (Err(a), Err(_)) => Err(a),
            (a, b) => panic!("stream {a:?} and bytes {b:?} disagree"),
        }
    }

    #[test]
    fn every_type_round_trips() {
        for dtype in DataType::ALL.into_iter().filter(|d| *d != DataType::String) {
            for shape in [&[][..], &[0], &[5], &[2, 3, 2]] {
                let count = shape.iter().product();
                let data: Vec<u8> = (0..dtype.byte_len(count).unwrap()).map(|i| (i * 37 + 5) as u8).collect();
                let tensor = Tensor::from_bytes(dtype, shape, data.into()).unwrap();
                let mut out = Vec::new();
                write(&mut out, &tensor).unwrap();
                let back = read(&mut out.as_slice()).unwrap();
                assert_eq!(back.shape(), shape);
                let same = match (dtype, back.dtype()) {
                    (DataType::I4 | DataType::I2, _) => back.to_i64s().unwrap() == tensor.to_i64s().unwrap(),
                    _ if dtype.is_sub_byte() => back.codes().unwrap() == tensor.codes().unwrap(),
                    _ => back.with_dtype_bits(dtype).unwrap() == tensor,
                };
                assert!(same, "{dtype} {shape:?}");
                assert_eq!(read_bytes(out.into()).unwrap(), back);
            }
        }
        let texts = ["", "é", "long 😀"].map(String::from).to_vec();
        let tensor = Tensor::from_strings(&[3, 1], texts).unwrap();
        let mut out = Vec::new();
        write(&mut out, &tensor).unwrap();
        assert_eq!(read(&mut out.as_slice()).unwrap(), tensor);
    }

    #[test]
    fn orders_and_versions() {
        let want = Tensor::from_vec(&[2, 3], vec![1u16, 2, 3, 4, 5, 6]).unwrap();
        let column_major = [1u8, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0];
        assert_eq!(array("<u2", "True", "(2, 3)", &column_major).unwrap(), want);
        let big = [0u8, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6];
        assert_eq!(array(">u2", "False", "(2L, 3L)", &big).unwrap(), want);
        for version in [2, 3] {
            let bytes = file(version, "{\"shape\":(2,),\"descr\":'|i1','fortran_order':False}", &[1, 255]);
            assert_eq!(read(&mut bytes.as_slice()).unwrap(), Tensor::vector(vec![1i8, -1]));
        }
        let complex = [1.0f32, 2.0].iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<_>>();
        assert_eq!(array(">c8", "False", "()", &complex).unwrap(), Tensor::scalar([1.0f32, 2.0]));
        assert_eq!(
            array(">U2", "False", "(2,)", &[0, 0, 0, 65, 0, 0, 0, 0, 0, 0, 0, 66, 0, 0, 0, 67]).unwrap(),
            Tensor::from_strings(&[2], vec!["A".into(), "BC".into()]).unwrap()
        );
        assert_eq!(
            array("|S2", "False", "(1,)", b"x\0").unwrap(),
            Tensor::from_strings(&[1], vec!["x".into()]).unwrap()
        );
        let int4 = array("int4", "False", "(3,)", &[0xff, 7, 0xf8]).unwrap();
        assert_eq!((int4.dtype(), int4.to_i64s().unwrap()), (DataType::I4, vec![-1, 7, -8]));
        assert_eq!(array("|b1", "False", "(2,)", &[0, 7]).unwrap(), Tensor::vector(vec![false, true]));
        assert_eq!(array("<V2", "False", "(1,)", &[1, 2]).unwrap(), Tensor::vector(vec![0x0201u16]));
    }

    #[test]
    fn damage_is_an_error() {
        for (descr, shape, data) in [
            ("<f4", "(2,)", &[0u8; 7][..]),
            ("<f4", "(99999999999999999999,)", &[]),
            ("<f4", "(4611686018427387904, 4)", &[]),
            ("<f4", "(1000000000000,)", &[0; 64]),
            ("<f4", "(-1,)", &[0; 64]),
            ("<f4", "(1 2)", &[0; 64]),
            ("<f4", "5", &[0; 64]),
            ("|O", "(1,)", &[0; 64]),
            ("<f16", "(1,)", &[0; 64]),
            ("<M8[ns]", "(1,)", &[0; 64]),
            ("<U0", "(1000000000,)", &[]),
            ("<U9223372036854775807", "(4,)", &[]),
            ("<U1", "(1,)", &[0, 0, 0x11, 0]),
            ("|S1", "(1,)", &[0xff]),
            ("é", "(1,)", &[0; 64]),
            ("", "(1,)", &[0; 64]),
        ] {
            assert!(array(descr, "False", shape, data).is_err(), "{descr} {shape}");
        }
        for dict in [
            "",
            "{",
            "{'descr'",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': True}",
            "{'descr': '<f4', 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': None, 'shape': ()}",
        ] {
            assert!(read(&mut file(1, dict, &[0; 8]).as_slice()).is_err(), "{dict}");
        }
        assert!(read(&mut file(4, "{}", &[]).as_slice()).is_err());
        let mut huge = MAGIC.to_vec();
        huge.extend([2, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(read(&mut huge.as_slice()), Err(TensorError::Npy(_))));
    }

    #[test]
    fn cut_and_flipped_files_never_panic() {
        let tensor = Tensor::from_vec(&[2, 3], vec![1.0f32; 6]).unwrap();
        let mut good = Vec::new();
        write(&mut good, &tensor).unwrap();
        assert_eq!(good.len(), 128 + 24);
        for cut in 0..good.len() {
            assert!(read(&mut good.get(..cut).unwrap()).is_err());
            assert!(read_bytes(Bytes::copy_from_slice(&good[..cut])).is_err());
        }
        for at in 0..128 {
            for flip in [1, 2, 16, 128] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                // Some flips only change spaces, the shape or the type: any answer but a panic will do.
                let _ = read_bytes(bad.into());
            }
        }
    }

    #[test]
    fn mapped_numbers_are_not_copied() {
        let mut out = Vec::new();
        write(&mut out, &Tensor::vector(vec![1i64, 2])).unwrap();
        let data = Bytes::from(out);
        let tensor = read_bytes(data.clone()).unwrap();
        assert_eq!(tensor.bytes().as_ptr(), data[128..].as_ptr());
    }
}
