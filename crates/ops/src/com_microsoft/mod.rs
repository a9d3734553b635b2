//! Operators of the `com.microsoft` domain that exporters and ONNX Runtime's optimiser write.

crate::registry::operators! {
    fused_conv::FusedConv;
    fused_matmul::FusedMatMul;
}
