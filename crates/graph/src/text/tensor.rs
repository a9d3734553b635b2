//! Contents of tensors in the text form.

use std::fmt::Write;

use lehr_tensor::{Bytes, DataType, Tensor, Wide};

use super::base64;
use super::lexer::{Cursor, Parsed, quote};

/// Most elements that are listed one by one.
const LISTED: usize = 64;
/// Most bytes that one text may ask for with `fill`.
const MAX_FILL: usize = 1 << 28;

/// Appends a tensor; large contents become their hash unless `full`.
pub(super) fn print_tensor(tensor: &Tensor, full: bool, out: &mut String) {
    out.push_str(&crate::datum::describe_tensor(tensor.dtype(), tensor.shape()));
    out.push(' ');
    let is_text = tensor.dtype() == DataType::String;
    if (tensor.len() <= LISTED || (full && is_text))
        && let Some(elements) = elements(tensor)
    {
        let _ = write!(out, "[{}]", elements.join(", "));
        return;
    }
    if let Some(element) = uniform(tensor) {
        let _ = write!(out, "fill {element}");
    } else if full {
        out.push_str("base64 \"");
        base64::encode(tensor.bytes(), out);
        out.push('"');
    } else {
        let _ = write!(out, "#{:016x}", tensor.content_hash());
    }
}

/// The text of the one value that all elements have.
fn uniform(tensor: &Tensor) -> Option<String> {
    let (width, bytes) = (tensor.dtype().bits() / 8, tensor.bytes());
    if width == 0 || bytes.len() > MAX_FILL {
        return None;
    }
    let first = bytes.get(..width)?;
    if bytes.chunks_exact(width).any(|element| element != first) {
        return None;
    }
    let one = Tensor::from_bytes(tensor.dtype(), &[1], Bytes::copy_from_slice(first)).ok()?;
    elements(&one)?.pop()
}

/// The text of each element, if reading it gives the same bits.
fn elements(tensor: &Tensor) -> Option<Vec<String>> {
    let texts: Vec<String> = match tensor.widen() {
        Wide::I(v) => v.iter().map(i64::to_string).collect(),
        Wide::U(v) => v.iter().map(u64::to_string).collect(),
        Wide::B(v) => v.iter().map(bool::to_string).collect(),
        Wide::S(v) => v.iter().map(|s| quoted(s)).collect(),
        // The shortest text of the narrow number is shorter than that of the same number in 64 bits.
        Wide::F(v) if tensor.dtype() == DataType::F32 => v.iter().map(|&x| print_f32(x as f32)).collect(),
        Wide::F(v) => v.iter().map(|x| format!("{x:?}").to_ascii_lowercase()).collect(),
        Wide::C(_) => return None,
    };
    if !tensor.dtype().is_float() {
        return Some(texts);
    }
    let numbers = texts.iter().map(|t| float(t, tensor.dtype())).collect::<Option<Vec<_>>>()?;
    let same = Tensor::narrow(tensor.dtype(), tensor.shape(), Wide::F(numbers)).is_ok_and(|t| t == *tensor);
    same.then_some(texts)
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(text, &mut out);
    out
}

fn float(text: &str, dtype: DataType) -> Option<f64> {
    match dtype {
        DataType::F32 => text.parse::<f32>().ok().map(f64::from),
        _ => text.parse().ok(),
    }
}

/// An `f32` so that reading it gives the same bits.
pub(super) fn print_f32(value: f32) -> String {
    if value.is_nan() && value.to_bits() != f32::NAN.to_bits() {
        return format!("nan(0x{:08x})", value.to_bits());
    }
    format!("{value:?}").to_ascii_lowercase()
}

/// The inverse of [`print_f32`].
pub(super) fn parse_f32(text: &str) -> Option<f32> {
    if let Some(bits) = text.strip_prefix("nan(0x").and_then(|t| t.strip_suffix(')')) {
        return u32::from_str_radix(bits, 16).ok().map(f32::from_bits).filter(|x| x.is_nan());
    }
    text.parse().ok()
}

/// Reads contents for `dtype` and `shape`; `filled` counts the bytes made by `fill` so far.
pub(super) fn parse_contents(
    cursor: &mut Cursor<'_>,
    dtype: DataType,
    shape: &[usize],
    filled: &mut usize,
) -> Parsed<Tensor> {
    let made = if cursor.accept("[") {
        let wide = parse_elements(cursor, dtype)?;
        Tensor::narrow(dtype, shape, wide)
    } else if cursor.keyword("fill") {
        return parse_fill(cursor, dtype, shape, filled);
    } else if cursor.keyword("base64") {
        let text = cursor.string()?;
        let Some(bytes) = base64::decode(&text) else { return cursor.fail("expected base64 text") };
        Tensor::from_bytes(dtype, shape, bytes.into())
    } else if cursor.peek() == Some('#') {
        return cursor.fail("the contents of this constant were left out of the text; print it in full");
    } else {
        return cursor.expected("'[', 'fill' or 'base64'");
    };
    made.or_else(|error| cursor.fail(error.to_string()))
}

fn parse_fill(
    cursor: &mut Cursor<'_>,
    dtype: DataType,
    shape: &[usize],
    filled: &mut usize,
) -> Parsed<Tensor> {
    let count = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let bytes = count.and_then(|n| dtype.byte_len(n)).and_then(|n| filled.checked_add(n));
    let (Some(count), Some(bytes)) = (count, bytes.filter(|&n| n <= MAX_FILL)) else {
        return cursor.fail(format!("expected at most {MAX_FILL} filled bytes"));
    };
    *filled = bytes;
    if dtype.bits() < 8 {
        return cursor.fail("expected an element type of whole bytes for 'fill'");
    }
    let mut wide = empty_wide(cursor, dtype)?;
    parse_element(cursor, dtype, &mut wide)?;
    let one = Tensor::narrow(dtype, &[1], wide).or_else(|error| cursor.fail(error.to_string()))?;
    Tensor::from_bytes(dtype, shape, one.bytes().repeat(count).into())
        .or_else(|error| cursor.fail(error.to_string()))
}

fn empty_wide(cursor: &Cursor<'_>, dtype: DataType) -> Parsed<Wide> {
    Ok(match dtype {
        DataType::Bool => Wide::B(Vec::new()),
        DataType::String => Wide::S(Vec::new()),
        d if d.is_float() => Wide::F(Vec::new()),
        d if d.is_signed_int() => Wide::I(Vec::new()),
        d if d.is_unsigned_int() => Wide::U(Vec::new()),
        _ => return cursor.fail(format!("expected base64 for {dtype}")),
    })
}

fn parse_elements(cursor: &mut Cursor<'_>, dtype: DataType) -> Parsed<Wide> {
    let mut wide = empty_wide(cursor, dtype)?;
    if cursor.accept("]") {
        return Ok(wide);
    }
    loop {
        parse_element(cursor, dtype, &mut wide)?;
        if !cursor.accept(",") {
            cursor.expect("]")?;
            return Ok(wide);
        }
    }
}

fn parse_element(cursor: &mut Cursor<'_>, dtype: DataType, wide: &mut Wide) -> Parsed<()> {
    match wide {
        Wide::S(v) => v.push(cursor.string()?),
        Wide::B(v) => match cursor.word() {
            Some("true") => v.push(true),
            Some("false") => v.push(false),
            _ => return cursor.expected("true or false"),
        },
        Wide::I(v) => v.push(parse_int(cursor, dtype, |x: i64, bits| x >> (bits - 1) == x >> 63)?),
        Wide::U(v) => v.push(parse_int(cursor, dtype, |x: u64, bits| bits >= 64 || x >> bits == 0)?),
        Wide::F(v) => {
            let text = cursor.number()?;
            let Some(value) = float(text, dtype) else {
                return cursor.fail(format!("expected a number, got '{text}'"));
            };
            v.push(value);
        }
        Wide::C(_) => return cursor.fail("expected base64 for complex numbers"),
    }
    Ok(())
}

fn parse_int<T: std::str::FromStr + Copy>(
    cursor: &mut Cursor<'_>,
    dtype: DataType,
    fits: impl Fn(T, usize) -> bool,
) -> Parsed<T> {
    let text = cursor.number()?;
    match text.parse().ok().filter(|&value| fits(value, dtype.bits())) {
        Some(value) => Ok(value),
        None => cursor.fail(format!("expected an integer of type {dtype}, got '{text}'")),
    }
}
