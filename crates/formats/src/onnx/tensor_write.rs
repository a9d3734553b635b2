//! Tensors to `TensorProto`.

use bytes::Bytes;
use lehr_tensor::{DataType, Tensor};

use super::proto::TensorProto;

/// The message of a tensor, its data inline; raw bytes are shared, not copied.
pub(super) fn write_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    let mut proto = describe_tensor(name, tensor);
    if tensor.dtype() == DataType::String {
        let strings = tensor.strings().unwrap_or_default();
        proto.string_data = strings.iter().map(|s| Bytes::copy_from_slice(s.as_bytes())).collect();
    } else {
        proto.raw_data = Some(tensor.to_shared_bytes());
    }
    proto
}

/// The message of a tensor without its data.
pub(super) fn describe_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: (!name.is_empty()).then(|| name.to_owned()),
        dims: tensor.shape().iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect(),
        data_type: Some(tensor.dtype().to_onnx()),
        ..TensorProto::default()
    }
}
