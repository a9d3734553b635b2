//! Operators of the `com.microsoft` domain that exporters and ONNX Runtime's optimiser write.

mod masks;
mod normalized;
mod quantized;

crate::registry::operators! {
    attention::Attention;
    bias_gelu::BiasGelu;
    dequantize_linear::DequantizeLinear;
    dynamic_quantize_mat_mul::DynamicQuantizeMatMul;
    embed_layer_normalization::EmbedLayerNormalization;
    fast_gelu::FastGelu;
    fused_conv::FusedConv cpu;
    fused_matmul::FusedMatMul cpu;
    gelu::Gelu;
    group_query_attention::GroupQueryAttention;
    inverse::Inverse;
    mat_mul_integer_to_float::MatMulIntegerToFloat;
    mat_mul_n_bits::MatMulNBits;
    multi_head_attention::MultiHeadAttention;
    q_attention::QAttention;
    q_gemm::QGemm;
    q_linear_add::QLinearAdd;
    q_linear_average_pool::QLinearAveragePool;
    q_linear_concat::QLinearConcat;
    q_linear_global_average_pool::QLinearGlobalAveragePool;
    q_linear_leaky_relu::QLinearLeakyRelu;
    q_linear_mul::QLinearMul;
    q_linear_sigmoid::QLinearSigmoid;
    q_linear_softmax::QLinearSoftmax;
    q_linear_where::QLinearWhere;
    quantize_linear::QuantizeLinear;
    quick_gelu::QuickGelu;
    rotary_embedding::RotaryEmbedding;
    skip_layer_normalization::SkipLayerNormalization;
    skip_simplified_layer_normalization::SkipSimplifiedLayerNormalization;
}
