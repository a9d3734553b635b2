//! Activations that cost nothing where they are: matrix kernels apply them to each element that they write.

use lehr_graph::{Graph, ValueId};
use lehr_ops::{conv::Conv, conv_transpose::ConvTranspose, gemm::Gemm, matmul::MatMul};

/// Whether a function of `value` alone can be applied by the kernel that makes `value`, for nobody else reads that.
pub(crate) fn applies_functions(graph: &Graph, value: ValueId) -> bool {
    let Some(producer) = graph.producer(value) else { return false };
    let op = graph.node(producer).op();
    let is_kernel = op.is::<Conv>() || op.is::<ConvTranspose>() || op.is::<Gemm>() || op.is::<MatMul>();
    is_kernel && graph.value(value).uses().len() == 1
}
