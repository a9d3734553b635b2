//! Tensors of the self-contained form.

use std::collections::HashMap;

use lehr_tensor::{Bytes, DataType, Tensor};

use super::codes::{Reader, put_bytes, put_number};
use super::{ConstantSink, ConstantSource, WireError};

/// Alignment of contents from the start of the data, so that they can be read in place.
const ALIGN: usize = 16;

/// Tensors in order, each content once.
#[derive(Clone, Debug, Default)]
pub struct TensorPool {
    tensors: Vec<Tensor>,
    by_hash: HashMap<u64, Vec<usize>>,
}

impl TensorPool {
    /// The tensors by index.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }
}

impl ConstantSink for TensorPool {
    fn put(&mut self, tensor: &Tensor) -> u64 {
        let same_hash = self.by_hash.entry(tensor.content_hash()).or_default();
        if let Some(&index) = same_hash.iter().find(|&&i| self.tensors[i] == *tensor) {
            return index as u64;
        }
        let index = self.tensors.len();
        same_hash.push(index);
        self.tensors.push(tensor.clone());
        index as u64
    }
}

impl ConstantSource for TensorPool {
    fn get(&self, index: u64) -> Option<Tensor> {
        self.tensors.get(usize::try_from(index).ok()?).cloned()
    }
}

pub(super) fn write_all(tensors: &[Tensor], out: &mut Vec<u8>) {
    put_number(out, tensors.len() as u64);
    for tensor in tensors {
        out.push(tensor.dtype().to_onnx() as u8);
        put_number(out, tensor.rank() as u64);
        tensor.shape().iter().for_each(|&size| put_number(out, size as u64));
        match tensor.strings() {
            Ok(texts) => texts.iter().for_each(|text| put_bytes(out, text.as_bytes())),
            Err(_) => {
                out.resize(out.len().next_multiple_of(ALIGN), 0);
                out.extend_from_slice(tensor.bytes());
            }
        }
    }
}

pub(super) fn read_all(reader: &mut Reader<'_>, data: &Bytes) -> Result<TensorPool, WireError> {
    let tensors = reader.list(|reader| read_one(reader, data))?;
    Ok(TensorPool { tensors, by_hash: HashMap::new() })
}

fn read_one(reader: &mut Reader<'_>, data: &Bytes) -> Result<Tensor, WireError> {
    let code = reader.byte()?;
    let Some(dtype) = DataType::from_onnx(i32::from(code)) else {
        return reader.invalid("an element type", code);
    };
    let shape = reader.list(|reader| {
        let size = reader.number()?;
        usize::try_from(size).or_else(|_| reader.invalid("a size that memory can hold", size))
    })?;
    let Ok(count) = lehr_tensor::checked_len(&shape) else {
        return reader.invalid("a shape that memory can hold", format!("{shape:?}"));
    };
    let made = if dtype == DataType::String {
        if count > reader.remaining() {
            return Err(WireError::Truncated { at: reader.at() });
        }
        let texts: Result<_, _> = (0..count).map(|_| Ok(reader.text()?.to_owned())).collect();
        Tensor::from_strings(&shape, texts?)
    } else {
        let padding = reader.at().next_multiple_of(ALIGN) - reader.at();
        if reader.take(padding)?.iter().any(|&b| b != 0) {
            return reader.invalid("padding of zeros", "other bytes");
        }
        let Some(length) = dtype.byte_len(count) else {
            return reader.invalid("a shape that memory can hold", format!("{shape:?}"));
        };
        let at = reader.at();
        reader.take(length)?;
        Tensor::from_bytes(dtype, &shape, data.slice(at..at + length))
    };
    made.or_else(|error| reader.invalid("a tensor", error))
}
