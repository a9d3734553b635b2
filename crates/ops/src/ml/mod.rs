//! Operators of `ai.onnx.ml`: trees, linear models, encoders and scalers.

crate::registry::operators! {}
