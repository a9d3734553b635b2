//! `TensorProto` and `SparseTensorProto` to tensors, without copying raw data.

use bytes::Bytes;
use lehr_tensor::{DataType, Tensor, checked_len};

use super::external::ExternalFiles;
use super::proto::{SparseTensorProto, TensorProto, tensor_proto};

/// The tensor that `proto` describes; raw and external data stay slices of their file.
///
/// # Errors
/// A sentence about what is wrong, with expected and got.
pub(super) fn read_tensor(proto: &TensorProto, files: &mut ExternalFiles) -> Result<Tensor, String> {
    let number = proto.data_type.unwrap_or(0);
    let dtype = DataType::from_onnx(number).ok_or_else(|| format!("element type {number} is not known"))?;
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("size {d} is negative")))
        .collect::<Result<Vec<_>, _>>()?;
    let len = checked_len(&shape).map_err(|e| e.to_string())?;
    if proto.segment.is_some() {
        return Err("tensors in segments are not supported".into());
    }
    if proto.data_location == Some(tensor_proto::DataLocation::External as i32) {
        let bytes = files.resolve(&proto.external_data)?;
        return Tensor::from_bytes(dtype, &shape, bytes).map_err(|e| e.to_string());
    }
    if dtype == DataType::String {
        return read_strings(proto, &shape);
    }
    if let Some(raw) = proto.raw_data.as_ref().filter(|raw| !raw.is_empty() || len == 0) {
        return Tensor::from_bytes(dtype, &shape, raw.clone()).map_err(|e| e.to_string());
    }
    let bytes = typed_bytes(proto, dtype)?;
    Tensor::from_bytes(dtype, &shape, bytes.into()).map_err(|e| e.to_string())
}

fn read_strings(proto: &TensorProto, shape: &[usize]) -> Result<Tensor, String> {
    let strings = proto
        .string_data
        .iter()
        .map(|b| String::from_utf8(b.to_vec()).map_err(|_| "a string is not valid UTF-8".to_owned()))
        .collect::<Result<Vec<_>, _>>()?;
    Tensor::from_strings(shape, strings).map_err(|e| e.to_string())
}

/// Little-endian bytes of the typed data field that the element type uses.
fn typed_bytes(proto: &TensorProto, dtype: DataType) -> Result<Vec<u8>, String> {
    fn gather<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|&v| bytes(v)).collect()
    }
    use DataType::*;
    Ok(match dtype {
        F32 | C64 => gather(&proto.float_data, f32::to_le_bytes),
        F64 | C128 => gather(&proto.double_data, f64::to_le_bytes),
        I64 => gather(&proto.int64_data, i64::to_le_bytes),
        U64 => gather(&proto.uint64_data, u64::to_le_bytes),
        U32 => gather(&proto.uint64_data, |v| (v as u32).to_le_bytes()),
        I32 => gather(&proto.int32_data, i32::to_le_bytes),
        F16 | BF16 | I16 | U16 => gather(&proto.int32_data, |v| (v as u16).to_le_bytes()),
        F6E2M3 | F6E3M2 => {
            // One code an element here, unlike the packed raw form.
            let codes: Vec<u8> = proto.int32_data.iter().map(|&v| (v as u8) & 0x3f).collect();
            let tensor = Tensor::from_codes(dtype, &[codes.len()], &codes).map_err(|e| e.to_string())?;
            tensor.bytes().to_vec()
        }
        String => return Err("a string tensor has no bytes".into()),
        _ => gather(&proto.int32_data, |v| [v as u8]),
    })
}

/// The dense form of a sparse tensor.
///
/// # Errors
/// A sentence about what is wrong.
pub(super) fn read_sparse(proto: &SparseTensorProto, files: &mut ExternalFiles) -> Result<Tensor, String> {
    const MOST_BYTES: usize = 1 << 32;
    let values = read_tensor(proto.values.as_ref().ok_or("sparse tensor without values")?, files)?;
    let indices = read_tensor(proto.indices.as_ref().ok_or("sparse tensor without indices")?, files)?;
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("size {d} is negative")))
        .collect::<Result<Vec<_>, _>>()?;
    let len = checked_len(&shape).map_err(|e| e.to_string())?;
    let size = values.dtype().bits() / 8;
    if size == 0 {
        return Err(format!("sparse tensors of {} are not supported", values.dtype().name()));
    }
    let bytes = len
        .checked_mul(size)
        .filter(|&b| b <= MOST_BYTES)
        .ok_or("the sparse tensor is too large when dense")?;
    let mut dense = vec![0u8; bytes];
    for (position, value) in
        linear_indices(&indices, &shape, values.len())?.into_iter().zip(values.bytes().chunks(size))
    {
        let at = position.checked_mul(size).and_then(|at| dense.get_mut(at..at + size));
        at.ok_or_else(|| format!("index {position} is outside of {len} elements"))?.copy_from_slice(value);
    }
    Tensor::from_bytes(values.dtype(), &shape, Bytes::from(dense)).map_err(|e| e.to_string())
}

/// Row-major positions; indices are either those already or one coordinate row a value.
fn linear_indices(indices: &Tensor, shape: &[usize], count: usize) -> Result<Vec<usize>, String> {
    let raw = indices.to_i64s().map_err(|e| e.to_string())?;
    let index = |v: i64| usize::try_from(v).map_err(|_| format!("index {v} is negative"));
    match indices.shape() {
        [n] if *n == count => raw.into_iter().map(index).collect(),
        [n, rank] if *n == count && *rank == shape.len() && *rank > 0 => raw
            .chunks(*rank)
            .map(|row| {
                row.iter().zip(shape).try_fold(0usize, |at, (&i, &size)| {
                    let i = index(i)?;
                    if i >= size {
                        return Err(format!("index {i} is outside of size {size}"));
                    }
                    Ok(at * size + i)
                })
            })
            .collect(),
        other => Err(format!(
            "sparse indices have shape {other:?}, expected [{count}] or [{count}, {}]",
            shape.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(proto: &TensorProto) -> Result<Tensor, String> {
        read_tensor(proto, &mut ExternalFiles::default())
    }

    #[test]
    fn typed_fields_of_every_width() {
        let i8s =
            TensorProto { dims: vec![2], data_type: Some(3), int32_data: vec![-1, 5], ..Default::default() };
        assert_eq!(read(&i8s).unwrap(), Tensor::vector(vec![-1i8, 5]));
        let f16s = TensorProto {
            dims: vec![1],
            data_type: Some(10),
            int32_data: vec![0x3c00],
            ..Default::default()
        };
        assert_eq!(read(&f16s).unwrap().to_f64s().unwrap(), [1.0]);
        let u32s =
            TensorProto { dims: vec![1], data_type: Some(12), uint64_data: vec![7], ..Default::default() };
        assert_eq!(read(&u32s).unwrap(), Tensor::vector(vec![7u32]));
        let i4s = TensorProto {
            dims: vec![3],
            data_type: Some(22),
            int32_data: vec![0x21, 0x0f],
            ..Default::default()
        };
        assert_eq!(read(&i4s).unwrap().to_i64s().unwrap(), [1, 2, -1]);
    }

    #[test]
    fn wrong_lengths_and_types_are_errors() {
        let short =
            TensorProto { dims: vec![3], data_type: Some(1), float_data: vec![1.0], ..Default::default() };
        assert!(read(&short).unwrap_err().contains("12"));
        let negative = TensorProto { dims: vec![-3], data_type: Some(1), ..Default::default() };
        assert!(read(&negative).unwrap_err().contains("negative"));
        let huge = TensorProto { dims: vec![i64::MAX, i64::MAX], data_type: Some(1), ..Default::default() };
        assert!(read(&huge).is_err());
        assert!(read(&TensorProto { data_type: Some(99), ..Default::default() }).unwrap_err().contains("99"));
    }

    #[test]
    fn sparse_becomes_dense() {
        let values = TensorProto {
            dims: vec![2],
            data_type: Some(1),
            float_data: vec![1.0, 2.0],
            ..Default::default()
        };
        let indices = TensorProto {
            dims: vec![2, 2],
            data_type: Some(7),
            int64_data: vec![0, 1, 1, 0],
            ..Default::default()
        };
        let proto = SparseTensorProto { values: Some(values), indices: Some(indices), dims: vec![2, 2] };
        let dense = read_sparse(&proto, &mut ExternalFiles::default()).unwrap();
        assert_eq!(dense.to_f64s().unwrap(), [0.0, 1.0, 2.0, 0.0]);
    }
}
