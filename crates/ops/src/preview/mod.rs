//! Operators of `ai.onnx.preview` and `ai.onnx.preview.training`.

mod training;

crate::registry::operators! {
    adagrad::Adagrad;
    adam::Adam;
    flex_attention::FlexAttention;
    momentum::Momentum;
}
