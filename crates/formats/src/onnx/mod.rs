//! ONNX models.

pub mod proto;
