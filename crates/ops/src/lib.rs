//! The operators: one file per operator with its attributes, reading and writing of old forms, inference, reference
//! evaluation, decomposition and binding to fast kernels; and the reference interpreter over them.
//!
//! It is not: a reader of files (see `lehr-formats`), a place for optimisations (see `lehr-passes`), or for SIMD code
//! (see `lehr-kernels`).
//!
//! # Invariants
//! - The lists (here for the default domain, in `com_microsoft`, `ml` and `preview` for theirs) hold every operator;
//!   adding one is one file and one line.
//! - `infer` and `eval` agree on types and shapes; `eval` and the fast kernel agree within the operator's tolerance.
//! - No operator panics, whatever its inputs and attributes are.
#![forbid(unsafe_code)]

pub mod com_microsoft;
pub mod cpu;
pub mod evaluate;
pub mod ml;
pub mod preview;
pub mod registry;
pub mod schema;
pub mod window;

mod arg_reduction;
mod axis;
mod bitwise;
mod comparison;
mod convolution;
mod downgrade;
mod elementwise;
mod error_function;
mod formula;
mod fourier;
mod heads;
mod legacy_broadcast;
mod logical;
mod matrix_product;
mod movement;
mod normalization;
mod operand;
mod pooling;
mod quantization;
mod reduction;
mod scatter_reduction;
mod symbolic;
#[cfg(test)]
mod testing;
mod variadic;
mod window_function;

registry::operators! {
    abs::Abs;
    acos::Acos;
    acosh::Acosh;
    add::Add;
    and::And;
    arg_max::ArgMax;
    arg_min::ArgMin;
    asin::Asin;
    asinh::Asinh;
    atan::Atan;
    atanh::Atanh;
    attention::Attention;
    average_pool::AveragePool;
    batch_normalization::BatchNormalization;
    bit_cast::BitCast;
    bit_shift::BitShift;
    bitwise_and::BitwiseAnd;
    bitwise_not::BitwiseNot;
    bitwise_or::BitwiseOr;
    bitwise_xor::BitwiseXor;
    blackman_window::BlackmanWindow;
    cast::Cast;
    cast_like::CastLike;
    ceil::Ceil;
    celu::Celu;
    clip::Clip;
    concat::Concat;
    constant::Constant;
    conv::Conv;
    conv_integer::ConvInteger;
    conv_transpose::ConvTranspose;
    cos::Cos;
    cosh::Cosh;
    dequantize_linear::DequantizeLinear;
    dft::Dft;
    div::Div;
    elu::Elu;
    equal::Equal;
    erf::Erf;
    exp::Exp;
    expand::Expand;
    flatten::Flatten;
    floor::Floor;
    gather::Gather;
    gather_elements::GatherElements;
    gather_nd::GatherND;
    gelu::Gelu;
    gemm::Gemm;
    global_average_pool::GlobalAveragePool;
    global_lp_pool::GlobalLpPool;
    global_max_pool::GlobalMaxPool;
    greater::Greater;
    greater_or_equal::GreaterOrEqual;
    hamming_window::HammingWindow;
    hann_window::HannWindow;
    hard_sigmoid::HardSigmoid;
    hard_swish::HardSwish;
    identity::Identity;
    r#if::If;
    is_inf::IsInf;
    is_nan::IsNaN;
    leaky_relu::LeakyRelu;
    less::Less;
    less_or_equal::LessOrEqual;
    linear_attention::LinearAttention;
    log::Log;
    lp_pool::LpPool;
    matmul::MatMul;
    max::Max;
    max_pool::MaxPool;
    mean::Mean;
    mel_weight_matrix::MelWeightMatrix;
    min::Min;
    mish::Mish;
    modulo::Mod;
    mul::Mul;
    neg::Neg;
    not::Not;
    or::Or;
    p_relu::PRelu;
    pad::Pad;
    pow::Pow;
    quantize_linear::QuantizeLinear;
    reciprocal::Reciprocal;
    reduce_l1::ReduceL1;
    reduce_l2::ReduceL2;
    reduce_log_sum::ReduceLogSum;
    reduce_log_sum_exp::ReduceLogSumExp;
    reduce_max::ReduceMax;
    reduce_mean::ReduceMean;
    reduce_min::ReduceMin;
    reduce_prod::ReduceProd;
    reduce_sum::ReduceSum;
    reduce_sum_square::ReduceSumSquare;
    relu::Relu;
    reshape::Reshape;
    rotary_embedding::RotaryEmbedding;
    round::Round;
    scatter::Scatter;
    scatter_elements::ScatterElements;
    scatter_nd::ScatterND;
    selu::Selu;
    shape::Shape;
    shrink::Shrink;
    sigmoid::Sigmoid;
    sign::Sign;
    sin::Sin;
    sinh::Sinh;
    size::Size;
    slice::Slice;
    softplus::Softplus;
    softsign::Softsign;
    split::Split;
    sqrt::Sqrt;
    squeeze::Squeeze;
    stft::Stft;
    sub::Sub;
    sum::Sum;
    swish::Swish;
    tan::Tan;
    tanh::Tanh;
    thresholded_relu::ThresholdedRelu;
    tile::Tile;
    transpose::Transpose;
    unsqueeze::Unsqueeze;
    r#where::Where;
    xor::Xor;
}
