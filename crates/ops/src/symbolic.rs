//! Symbolic contents of small integer tensors through elementwise arithmetic, so that chains from Shape to Reshape
//! resolve without running anything.

use lehr_graph::InferCx;
use lehr_graph::dim::SymInt;

/// Sets the known contents of output 0 to `f` of the broadcast known contents of inputs 0 and 1; does nothing while
/// either is not known.
pub(crate) fn infer_known_binary(cx: &mut InferCx<'_>, f: impl Fn(&SymInt, &SymInt) -> SymInt) {
    let (Some(a), Some(b)) = (cx.known(0), cx.known(1)) else { return };
    cx.set_known(0, a.zip_with(&b, f).ok());
}

/// Output 0 has the known contents of input 0 under `shape` (casts between integer types, identities, reshapes).
pub(crate) fn forward_known(cx: &mut InferCx<'_>, shape: &[usize]) {
    let known = cx.known(0).and_then(|known| known.reshaped(shape).ok());
    cx.set_known(0, known);
}
