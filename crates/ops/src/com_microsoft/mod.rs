//! Operators of the `com.microsoft` domain that exporters and ONNX Runtime's optimiser write.

crate::registry::operators! {}
