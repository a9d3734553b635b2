//! The generated ONNX messages decode without copying tensor data.

use bytes::Bytes;
use lehr_formats::onnx::proto::TensorProto;
use prost::Message;

#[test]
fn raw_data_is_a_slice_of_the_decoded_buffer() {
    let tensor = TensorProto { raw_data: Some(Bytes::from(vec![7; 4096])), ..Default::default() };
    let buffer = Bytes::from(tensor.encode_to_vec());
    let decoded = TensorProto::decode(buffer.clone()).expect("what was encoded decodes");
    let raw = decoded.raw_data.as_ref().expect("the field was set");
    assert!(buffer.as_ptr_range().contains(&raw.as_ptr()));
    assert_eq!(decoded, tensor);
}
