//! Operators of `ai.onnx.preview` and `ai.onnx.preview.training`.

mod derivative;
mod training;

crate::registry::operators! {
    adagrad::Adagrad;
    adam::Adam;
    flex_attention::FlexAttention;
    gradient::Gradient;
    momentum::Momentum;
}
