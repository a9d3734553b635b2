//! Operators of `ai.onnx.preview` and `ai.onnx.preview.training`.

crate::registry::operators! {}
